#include "bytestream/net/resolve.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class ResolveTest : public testing::Test {
 protected:
  ResolveTest() {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    EXPECT_NE(file, nullptr);
    std::fputs("10.0.0.1 both four\nfd00::1 both six\n10.0.0.2 both\n", file);
    std::fclose(file);
  }
  ~ResolveTest() override { std::remove(path.c_str()); }

  std::string Remotes(absl::string_view name, AddressChoice choice) {
    const absl::StatusOr<std::vector<IpAddress>> addresses =
        ResolveRemotes(name, 7, choice, path.c_str());
    if (!addresses.ok()) return std::string(ErrnoName(StatusErrno(addresses.status())));
    std::string all;
    for (const IpAddress& address : *addresses) absl::StrAppend(&all, address.ToString(), " ");
    return all;
  }

  const std::string path =
      absl::StrCat(testing::TempDir(), "/resolve_test_",
                   testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ResolveTest, LiteralsStandForThemselves) {
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kPreferIpv4), "1.2.3.4:7 ");
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kPreferIpv6), "1.2.3.4:7 ");
  EXPECT_EQ(Remotes("::1", AddressChoice::kIpv6Only), "[::1]:7 ");
  EXPECT_EQ(Remotes("::1", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kIpv6Only), "EADDRNOTAVAIL");
}

TEST_F(ResolveTest, NamesComeFromTheHostsFile) {
  EXPECT_EQ(Remotes("both", AddressChoice::kPreferIpv4), "10.0.0.1:7 10.0.0.2:7 [fd00::1]:7 ");
  EXPECT_EQ(Remotes("both", AddressChoice::kPreferIpv6), "[fd00::1]:7 10.0.0.1:7 10.0.0.2:7 ");
  EXPECT_EQ(Remotes("both", AddressChoice::kIpv6Only), "[fd00::1]:7 ");
  EXPECT_EQ(Remotes("four", AddressChoice::kIpv6Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("six", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("nobody", AddressChoice::kPreferIpv4), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("", AddressChoice::kPreferIpv4), "EINVAL");
  EXPECT_EQ(ResolveRemote("both", 7, AddressChoice::kPreferIpv6, path.c_str())->ToString(),
            "[fd00::1]:7");
  EXPECT_EQ(
      StatusErrno(ResolveRemote("nobody", 7, AddressChoice::kPreferIpv6, path.c_str()).status()),
      EADDRNOTAVAIL);
}

TEST_F(ResolveTest, LocalhostIsLoopbackAlsoWithoutTheFile) {
  EXPECT_EQ(Remotes("LocalHost", AddressChoice::kPreferIpv4), "127.0.0.1:7 [::1]:7 ");
  EXPECT_EQ(Remotes("any.localhost.", AddressChoice::kIpv4Only), "127.0.0.1:7 ");
  EXPECT_EQ(Remotes("notlocalhost", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
}

TEST_F(ResolveTest, LocalNames) {
  EXPECT_EQ(ResolveLocal("", 7, AddressChoice::kPreferIpv4)->ToString(), "0.0.0.0:7");
  EXPECT_EQ(ResolveLocal("", 7, AddressChoice::kPreferIpv6)->ToString(), "[::]:7");
  EXPECT_EQ(ResolveLocal("127.0.0.1", 7, AddressChoice::kPreferIpv6)->ToString(), "127.0.0.1:7");
  EXPECT_EQ(StatusErrno(ResolveLocal("127.0.0.1", 7, AddressChoice::kIpv6Only).status()), ENODEV);
  EXPECT_EQ(StatusErrno(ResolveLocal("no-such-if", 7, AddressChoice::kPreferIpv4).status()),
            ENODEV);
}

TEST_F(ResolveTest, InterfacesHaveAddresses) {
  const absl::StatusOr<IpAddress> address = ResolveLocal("lo", 7, AddressChoice::kIpv4Only);
  if (!address.ok()) GTEST_SKIP() << "no interface lo with an IPv4 address";
  EXPECT_EQ(address->ToString(), "127.0.0.1:7");
}

}  // namespace
}  // namespace halfpipe
