#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bytestream/sockets_test_support.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

using SocketsIpaddrTest = CCallTest;

std::string Text(const dill_ipaddr& addr) {
  char text[IPADDR_MAXSTRLEN];
  EXPECT_EQ(ipaddr_str(&addr, text), text);
  return text;
}

TEST_F(SocketsIpaddrTest, Literals) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 80, 0), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 80);
  EXPECT_EQ(ipaddr_family(&addr), AF_INET);
  EXPECT_EQ(ipaddr_len(&addr), static_cast<int>(sizeof(sockaddr_in)));
  ASSERT_EQ(ipaddr_remote(&addr, "2001:DB8:0:0:0:0:0:1", 65535, 0, -1), 0);
  EXPECT_EQ(Text(addr), "2001:db8::1");
  EXPECT_EQ(ipaddr_port(&addr), 65535);
  EXPECT_EQ(ipaddr_family(&addr), AF_INET6);
  EXPECT_EQ(ipaddr_len(&addr), static_cast<int>(sizeof(sockaddr_in6)));
  ASSERT_EQ(ipaddr_remote(&addr, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 0, 0, -1), 0);
  EXPECT_EQ(Text(addr), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST_F(SocketsIpaddrTest, SockaddrIsTheSystemsForm) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "10.1.2.3", 258, 0), 0);
  sockaddr_in v4;
  std::memcpy(&v4, ipaddr_sockaddr(&addr), sizeof(v4));
  EXPECT_EQ(v4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(v4.sin_port), 258);
  EXPECT_EQ(ntohl(v4.sin_addr.s_addr), 0x0a010203u);
}

TEST_F(SocketsIpaddrTest, ModesOfNoName) {
  dill_ipaddr addr;
  for (const int mode : {0, IPADDR_IPV4, IPADDR_PREF_IPV4}) {
    ASSERT_EQ(ipaddr_local(&addr, nullptr, 1, mode), 0);
    EXPECT_EQ(Text(addr), "0.0.0.0");
  }
  for (const int mode : {IPADDR_IPV6, IPADDR_PREF_IPV6}) {
    ASSERT_EQ(ipaddr_local(&addr, nullptr, 1, mode), 0);
    EXPECT_EQ(Text(addr), "::");
  }
}

TEST_F(SocketsIpaddrTest, LiteralOfTheOtherKind) {
  dill_ipaddr addr;
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "127.0.0.1", 1, IPADDR_IPV6));
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "::1", 1, IPADDR_IPV4));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "127.0.0.1", 1, IPADDR_IPV6, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "::1", 1, IPADDR_IPV4, -1));
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 1, IPADDR_PREF_IPV6), 0);
  EXPECT_EQ(ipaddr_remote(&addr, "::1", 1, IPADDR_PREF_IPV4, -1), 0);
}

TEST_F(SocketsIpaddrTest, Interfaces) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "lo", 7, IPADDR_IPV4), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 7);
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "no_such_interface", 7, 0));
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "", 7, 0));
}

TEST_F(SocketsIpaddrTest, NamesOfTheHostsFile) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_remote(&addr, "localhost", 9, IPADDR_IPV4, -1), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 9);
  // No waiting is needed for it.
  EXPECT_EQ(ipaddr_remote(&addr, "localhost", 9, 0, 0), 0);
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "no-such-host.invalid", 9, 0, -1));
  dill_ipaddr addrs[4];
  EXPECT_EQ(ipaddr_remotes(addrs, 4, "no-such-host.invalid", 9, 0, -1), 0);
  const int count = ipaddr_remotes(addrs, 4, "x.localhost", 9, IPADDR_PREF_IPV6, -1);
  ASSERT_EQ(count, 2);
  EXPECT_EQ(Text(addrs[0]), "::1");
  EXPECT_EQ(Text(addrs[1]), "127.0.0.1");
  EXPECT_EQ(ipaddr_remotes(addrs, 1, "x.localhost", 9, IPADDR_PREF_IPV4, -1), 1);
  EXPECT_EQ(Text(addrs[0]), "127.0.0.1");
  EXPECT_EQ(ipaddr_remotes(addrs, 4, "x.localhost", 9, IPADDR_IPV6, -1), 1);
  EXPECT_EQ(Text(addrs[0]), "::1");
  EXPECT_EQ(ipaddr_remotes(nullptr, 0, "localhost", 9, 0, -1), 0);
}

TEST_F(SocketsIpaddrTest, BadArguments) {
  dill_ipaddr addr;
  EXPECT_FAILS(EINVAL, ipaddr_local(nullptr, "127.0.0.1", 1, 0));
  EXPECT_FAILS(EINVAL, ipaddr_remote(nullptr, "127.0.0.1", 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, nullptr, 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remotes(&addr, -1, "127.0.0.1", 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remotes(nullptr, 1, "127.0.0.1", 1, 0, -1));
  for (const int port : {-1, 65536}) {
    EXPECT_FAILS(EINVAL, ipaddr_local(&addr, nullptr, port, 0));
    EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, "127.0.0.1", port, 0, -1));
  }
  for (const int mode : {-1, 5}) {
    EXPECT_FAILS(EINVAL, ipaddr_local(&addr, nullptr, 1, mode));
    EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, "127.0.0.1", 1, mode, -1));
  }
}

TEST_F(SocketsIpaddrTest, SetPortAndEqual) {
  dill_ipaddr a;
  dill_ipaddr b;
  ASSERT_EQ(ipaddr_local(&a, "::1", 1, 0), 0);
  ASSERT_EQ(ipaddr_local(&b, "::1", 2, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 1);
  ipaddr_setport(&b, 1);
  EXPECT_EQ(ipaddr_port(&b), 1);
  EXPECT_EQ(ipaddr_equal(&a, &b, 0), 1);
  ASSERT_EQ(ipaddr_local(&b, "::2", 1, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 0);
  ASSERT_EQ(ipaddr_local(&b, "127.0.0.1", 1, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 0);
}

}  // namespace
}  // namespace halfpipe
