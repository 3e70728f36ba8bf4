// hquery(h, msock_type) on the message sockets of this package: the table that it gives works as the
// calls on the handle do, and says what they say.

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/iolist.h"
#include "bytestream/libdillimpl.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/udp.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

enum class Kind { kPrefix, kSuffix, kTerm, kUdp };

class MessageFacesTest : public CCallTest, public testing::WithParamInterface<Kind> {
 protected:
  // Two ends of the kind.
  std::pair<int, int> Connect() {
    if (GetParam() == Kind::kUdp) {
      // Between the two somebody else may be given the port.
      for (int i = 0; i < 10; ++i) {
        dill_ipaddr first;
        dill_ipaddr second;
        EXPECT_EQ(ipaddr_local(&first, "127.0.0.1", 0, 0), 0);
        EXPECT_EQ(ipaddr_local(&second, "127.0.0.1", 0, 0), 0);
        // Both have their ports before either is told the other's.
        int a = udp_open(&first, nullptr);
        const int b = udp_open(&second, &first);
        EXPECT_EQ(hclose(a), 0);
        a = udp_open(&first, &second);
        if (a > 0) return {a, b};
        EXPECT_EQ(errno, EADDRINUSE);
        EXPECT_EQ(hclose(b), 0);
      }
      ADD_FAILURE() << "no free port";
      return {-1, -1};
    }
    int s[2];
    EXPECT_EQ(ipc_pair(s), 0);
    return {Attach(s[0]), Attach(s[1])};
  }

  static int Attach(int s) {
    switch (GetParam()) {
      case Kind::kPrefix:
        return prefix_attach(s, 2, 0);
      case Kind::kSuffix:
        return suffix_attach(s, "\r\n", 2);
      default:
        return term_attach(prefix_attach(s, 2, 0), "end", 3);
    }
  }

  static msock_vfs* Face(int h) { return static_cast<msock_vfs*>(hquery(h, msock_type)); }
};

INSTANTIATE_TEST_SUITE_P(Kinds, MessageFacesTest,
                         testing::Values(Kind::kPrefix, Kind::kSuffix, Kind::kTerm, Kind::kUdp),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return std::string(info.param == Kind::kPrefix   ? "Prefix"
                                              : info.param == Kind::kSuffix ? "Suffix"
                                              : info.param == Kind::kTerm   ? "Term"
                                                                            : "Udp");
                         });

TEST_P(MessageFacesTest, WorksAsTheHandleDoes) {
  const auto [a, b] = Connect();
  msock_vfs* const sender = Face(a);
  msock_vfs* const receiver = Face(b);
  ASSERT_NE(sender, nullptr);
  ASSERT_NE(receiver, nullptr);
  EXPECT_EQ(Face(a), sender);
  // It is no bytestream, and nothing unheard of.
  errno = 0;
  EXPECT_EQ(hquery(a, bsock_type), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  errno = 0;
  EXPECT_EQ(hquery(a, &errno), nullptr);
  EXPECT_EQ(errno, ENOTSUP);

  char hello[] = "hello";
  dill_iolist last = {hello + 2, 3, nullptr, 0};
  dill_iolist first = {hello, 2, &last, 0};
  char text[8] = {};
  dill_iolist space = {text, sizeof(text), nullptr, 0};
  EXPECT_FAILS(ETIMEDOUT, receiver->mrecvl(receiver, &space, &space, 0));
  EXPECT_EQ(sender->msendl(sender, &first, &last, -1), 0);
  EXPECT_EQ(receiver->mrecvl(receiver, &space, &space, -1), 5);
  EXPECT_STREQ(text, "hello");
  // What the one sends the other's handle receives, and the other way round.
  EXPECT_EQ(sender->msendl(sender, &first, &last, -1), 0);
  EXPECT_EQ(mrecv(b, text, sizeof(text), -1), 5);
  EXPECT_EQ(msend(a, "hey", 3, -1), 0);
  EXPECT_EQ(receiver->mrecvl(receiver, nullptr, nullptr, -1), 3);
  // Too large for the list.
  EXPECT_EQ(msend(a, "much too large", 14, -1), 0);
  EXPECT_FAILS(EMSGSIZE, receiver->mrecvl(receiver, &space, &space, -1));
  // Lists that are none.
  EXPECT_FAILS(EINVAL, sender->msendl(sender, nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, sender->msendl(sender, &last, &first, -1));
  EXPECT_FAILS(EINVAL, receiver->mrecvl(receiver, &last, &first, -1));

  // Good for as long as the handle lives, also under another number.
  const int moved = hown(a);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(Face(moved), sender);
  EXPECT_EQ(sender->msendl(sender, &first, &last, -1), 0);
  EXPECT_EQ(mrecv(b, text, sizeof(text), -1), 5);
  errno = 0;
  EXPECT_EQ(hquery(a, msock_type), nullptr);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(hclose(moved), 0);
  EXPECT_EQ(hclose(b), 0);
}

using OtherFacesTest = CCallTest;

TEST_F(OtherFacesTest, NoMessageSockets) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  for (const int h : {bundle(), s[0], s[1]}) {
    errno = 0;
    EXPECT_EQ(hquery(h, msock_type), nullptr);
    EXPECT_EQ(errno, ENOTSUP);
    EXPECT_EQ(hclose(h), 0);
  }
  errno = 0;
  EXPECT_EQ(hquery(-1, msock_type), nullptr);
  EXPECT_EQ(errno, EBADF);
}

// It receives from everybody, and there is nobody to send to.
TEST_F(OtherFacesTest, UdpWithoutARemoteAddress) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int h = udp_open(&addr, nullptr);
  auto* const face = static_cast<msock_vfs*>(hquery(h, msock_type));
  ASSERT_NE(face, nullptr);
  char text[] = "text";
  dill_iolist list = {text, 4, nullptr, 0};
  EXPECT_FAILS(EINVAL, face->msendl(face, &list, &list, -1));
  EXPECT_EQ(udp_send(h, &addr, "abcd", 4), 0);
  EXPECT_EQ(face->mrecvl(face, &list, &list, -1), 4);
  EXPECT_STREQ(text, "abcd");
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
