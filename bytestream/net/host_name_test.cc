#include "bytestream/net/host_name.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// A name of exactly `size` bytes, of labels that are as long as may be.
std::string NameOfSize(size_t size) {
  std::string name(size, 'a');
  for (size_t i = kHostLabelBytesMax; i + 1 < size; i += kHostLabelBytesMax + 1) name[i] = '.';
  return name;
}

TEST(HostNameTest, Names) {
  for (const char* const name :
       {"a", "www.example.org", "a.", "A-1_b.c", "1.2.3.4", "xn--bcher-kva.example"}) {
    EXPECT_TRUE(IsHostName(name)) << name;
  }
  for (const char* const name :
       {"", ".", "..", "a..b", ".a", "a..", "a b", "a/b", "b\xc3\xbc", "a\\.b", "a:1"}) {
    EXPECT_FALSE(IsHostName(name)) << name;
  }
  EXPECT_FALSE(IsHostName(absl::string_view("a\0b", 3)));
}

TEST(HostNameTest, LimitOfANameIs253Bytes) {
  EXPECT_TRUE(IsHostName(NameOfSize(kHostNameBytesMax - 1)));
  EXPECT_TRUE(IsHostName(NameOfSize(kHostNameBytesMax)));
  EXPECT_TRUE(IsHostName(absl::StrCat(NameOfSize(kHostNameBytesMax), ".")));
  EXPECT_FALSE(IsHostName(NameOfSize(kHostNameBytesMax + 1)));
}

TEST(HostNameTest, LimitOfALabelIs63Bytes) {
  for (const char* const rest : {"", ".org"}) {
    EXPECT_TRUE(IsHostName(absl::StrCat(std::string(kHostLabelBytesMax - 1, 'x'), rest)));
    EXPECT_TRUE(IsHostName(absl::StrCat(std::string(kHostLabelBytesMax, 'x'), rest)));
    EXPECT_FALSE(IsHostName(absl::StrCat(std::string(kHostLabelBytesMax + 1, 'x'), rest)));
  }
}

TEST(HostNameTest, SpecialNames) {
  for (const char* const name : {"localhost", "LocalHost.", "a.localhost", "a.b.LOCALHOST."}) {
    EXPECT_TRUE(IsLocalhostName(name)) << name;
    EXPECT_FALSE(IsInvalidName(name)) << name;
  }
  for (const char* const name : {"notlocalhost", "localhost.org", "", "."}) {
    EXPECT_FALSE(IsLocalhostName(name)) << name;
  }
  for (const char* const name : {"invalid", "a.INVALID."}) EXPECT_TRUE(IsInvalidName(name)) << name;
  for (const char* const name : {"invalid.org", "notinvalid", ""}) {
    EXPECT_FALSE(IsInvalidName(name)) << name;
  }
}

}  // namespace
}  // namespace halfpipe
