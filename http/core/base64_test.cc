#include "http/core/base64.h"

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

std::vector<uint8_t> Bytes(absl::string_view text) {
  return std::vector<uint8_t>(text.begin(), text.end());
}

// RFC 4648 section 10.
constexpr struct {
  absl::string_view plain;
  absl::string_view encoded;
} kVectors[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};

TEST(Base64Test, VectorsOfTheRfc) {
  for (const auto& row : kVectors) {
    std::vector<char> encoded(Base64EncodedSize(row.plain.size()));
    EXPECT_EQ(Base64Encode(Bytes(row.plain), absl::MakeSpan(encoded)), row.encoded);
    std::vector<uint8_t> decoded(row.plain.size());
    ASSERT_EQ(Base64Decode(row.encoded, absl::MakeSpan(decoded)), row.plain.size());
    EXPECT_EQ(decoded, Bytes(row.plain));
  }
}

TEST(Base64Test, SizeOfOutputAtMinusOneExactAndPlusOne) {
  for (const auto& row : kVectors) {
    const size_t exact = row.encoded.size();
    for (size_t size = exact == 0 ? 0 : exact - 1; size <= exact + 1; ++size) {
      std::vector<char> out(size);
      EXPECT_EQ(Base64Encode(Bytes(row.plain), absl::MakeSpan(out)).has_value(), size >= exact);
    }
    const size_t plain = row.plain.size();
    for (size_t size = plain == 0 ? 0 : plain - 1; size <= plain + 1; ++size) {
      std::vector<uint8_t> out(size);
      EXPECT_EQ(Base64Decode(row.encoded, absl::MakeSpan(out)).has_value(), size >= plain);
    }
  }
}

TEST(Base64Test, AgreesWithAbseilOnWellFormedText) {
  constexpr uint32_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    std::string plain(random() % 100, '\0');
    for (char& c : plain) c = static_cast<char>(random());
    std::vector<char> out(Base64EncodedSize(plain.size()));
    const std::optional<absl::string_view> encoded =
        Base64Encode(Bytes(plain), absl::MakeSpan(out));
    ASSERT_TRUE(encoded.has_value());
    EXPECT_EQ(*encoded, absl::Base64Escape(plain));
    std::vector<uint8_t> decoded(plain.size());
    ASSERT_EQ(Base64Decode(*encoded, absl::MakeSpan(decoded)), plain.size());
    EXPECT_EQ(decoded, Bytes(plain));
  }
}

TEST(Base64Test, RefusesEverythingElse) {
  for (const absl::string_view text :
       {"Z",    "Zg",    "Zg=",     "Zm8",      "Zm9vY",    "Zg==\n",   "\nZg==",
        "Z g=", "Zg= =", " Zg==",   "Zm9v====", "Zm9v=",    "=",        "==",
        "====", "Z===",  "=g==",    "Z=g=",     "Zg==Zm9v", "Zm8=Zm9v", "Zm-v",
        "Zm_v", "Zm9*",  "Zm9\xff", "Zh==",     "Zm9=",     "Zn==",     "Zv=="}) {
    uint8_t out[16];
    EXPECT_EQ(Base64Decode(text, out), std::nullopt) << text;
  }
  uint8_t out[16];
  EXPECT_EQ(Base64Decode(absl::string_view("Zm9\0", 4), out), std::nullopt);
}

// A key of a WebSocket client: 16 bytes. Its last digit carries 2 bits of key and 4 that must be 0.
TEST(Base64Test, EachValueHasOneSpelling) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int accepted = 0;
  for (const char last : alphabet) {
    const std::string key = "dGhlIHNhbXBsZSBub25jZ" + std::string(1, last) + "==";
    uint8_t out[16];
    const std::optional<size_t> size = Base64Decode(key, out);
    if (!size.has_value()) continue;
    EXPECT_EQ(*size, 16u);
    EXPECT_EQ(absl::Base64Escape(absl::string_view(reinterpret_cast<char*>(out), 16)), key);
    ++accepted;
  }
  EXPECT_EQ(accepted, 4);
}

}  // namespace
}  // namespace halfpipe::http
