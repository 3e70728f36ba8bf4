#include "bytestream/net/hosts_file.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr char kHosts[] =
    "# comment with 9.9.9.9 name\n"
    "127.0.0.1\tlocalhost  loop # localhost2\n"
    "::1 localhost ip6-localhost\r\n"
    "   10.0.0.1   Mixed.Example   \n"
    "\n"
    "not-an-address localhost\n"
    "10.0.0.1 mixed.example\n"
    "10.0.0.2 mixed.example.\n"
    "10.0.0.3";

std::string Find(absl::string_view name) {
  std::string all;
  for (const IpAddress& address : FindInHosts(kHosts, name, 80)) {
    absl::StrAppend(&all, address.ToString(), " ");
  }
  return all;
}

TEST(HostsFileTest, FindsNamesInTheFilesOrder) {
  EXPECT_EQ(Find("localhost"), "127.0.0.1:80 [::1]:80 ");
  EXPECT_EQ(Find("loop"), "127.0.0.1:80 ");
  EXPECT_EQ(Find("ip6-localhost"), "[::1]:80 ");
}

TEST(HostsFileTest, NamesAreComparedWithoutCaseAndFinalDotEachAddressOnce) {
  EXPECT_EQ(Find("MIXED.example"), "10.0.0.1:80 10.0.0.2:80 ");
  EXPECT_EQ(Find("mixed.example."), "10.0.0.1:80 10.0.0.2:80 ");
}

TEST(HostsFileTest, NothingElseIsFound) {
  for (const absl::string_view name : {"", ".", "local", "localhost2", "name", "9.9.9.9",
                                       "127.0.0.1", "comment", "10.0.0.3", "mixed"}) {
    EXPECT_EQ(Find(name), "") << std::string(name);
  }
  EXPECT_TRUE(FindInHosts("", "localhost", 1).empty());
  EXPECT_TRUE(FindInHosts("\n\n#", "localhost", 1).empty());
}

TEST(HostsFileTest, EveryCutOfTheTextIsReadSafely) {
  const absl::string_view all(kHosts);
  for (size_t size = 0; size <= all.size(); ++size) {
    EXPECT_LE(FindInHosts(all.substr(0, size), "localhost", 1).size(), 2u);
  }
}

TEST(HostsFileTest, ReadsTheFileOrNothing) {
  const std::string path = testing::TempDir() + "/hosts_file_test_hosts";
  std::FILE* const file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  const std::string text = std::string(3000, '#') + "\n1.2.3.4 far\n";
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  EXPECT_EQ(ReadHostsFile(path.c_str()), text);
  std::remove(path.c_str());
  EXPECT_EQ(ReadHostsFile(path.c_str()), "");
  EXPECT_EQ(ReadHostsFile(testing::TempDir().c_str()), "");
}

}  // namespace
}  // namespace halfpipe
