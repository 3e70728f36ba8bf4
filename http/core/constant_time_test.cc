#include "http/core/constant_time.h"

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

// Counts how often a byte is looked at.
class Counted {
 public:
  explicit Counted(std::string bytes) : bytes_(std::move(bytes)) {}
  char operator[](size_t i) const {
    ++count_;
    return bytes_[i];
  }
  size_t count() const { return count_; }

 private:
  std::string bytes_;
  mutable size_t count_ = 0;
};

TEST(SecretsEqualTest, EveryBitCounts) {
  EXPECT_TRUE(SecretsEqual("", ""));
  EXPECT_FALSE(SecretsEqual("", "a"));
  EXPECT_FALSE(SecretsEqual("a", ""));
  const std::string secret = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  EXPECT_TRUE(SecretsEqual(secret, std::string(secret)));
  EXPECT_FALSE(SecretsEqual(secret, secret + "="));
  EXPECT_FALSE(SecretsEqual(secret, absl::string_view(secret).substr(1)));
  for (size_t i = 0; i < secret.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = secret;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      EXPECT_FALSE(SecretsEqual(secret, other)) << i << " " << bit;
    }
  }
  // Differences do not make up for each other.
  EXPECT_FALSE(SecretsEqual("ab", "ba"));
  EXPECT_FALSE(SecretsEqual(absl::string_view("\x80\x80", 2), absl::string_view("\0\0", 2)));
}

// The work does not depend on where the first difference is, nor on whether there is one.
TEST(SecretsEqualTest, WorkIsTheSameForEveryGuess) {
  const std::string secret(28, 'x');
  for (size_t right = 0; right <= secret.size(); ++right) {
    const Counted a(secret);
    const Counted b(std::string(right, 'x') + std::string(secret.size() - right, 'y'));
    EXPECT_EQ(constant_time_internal::AllEqual(a, b, secret.size()), right == secret.size());
    EXPECT_EQ(a.count(), secret.size()) << right;
    EXPECT_EQ(b.count(), secret.size()) << right;
  }
}

}  // namespace
}  // namespace halfpipe::http
