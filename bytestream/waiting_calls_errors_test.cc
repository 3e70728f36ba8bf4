// What the head of sockets.h says of every call: it may find no descriptor or memory to wait with,
// and then nothing is lost; and a connection breaks as the system says. Call by call, with every
// errno that is named there.

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>

#include "bytestream/channels.h"
#include "bytestream/framing/prefix.h"
#include "bytestream/framing/suffix.h"
#include "bytestream/framing/term.h"
#include "bytestream/iolist.h"
#include "bytestream/ipc_descriptors.h"
#include "bytestream/msocket.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/socks5.h"
#include "bytestream/testing/failing_calls.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

constexpr auto kReceives = FailingCall::Uses::kReceives;
constexpr auto kSends = FailingCall::Uses::kSends;

// What the calls below are given. Nothing is ever received into them.
char g_text[8] = "text";
dill_iolist g_list = {g_text, 4, nullptr, 0};

dill_ipaddr Address() {
  dill_ipaddr addr;
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 80, 0), 0);
  return addr;
}

int Prefix(int s, int) { return prefix_attach(s, 2, 0); }

int Term(int s, int) { return term_attach(prefix_attach(s, 2, 0), "end", 3); }

// With the beginning of a message that is too large, the rest of which detach waits for.
int SuffixInsideAMessage(int s, int peer) {
  const std::string text(100, 'x');
  EXPECT_EQ(send(peer, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  s = suffix_attach(s, "\r\n", 2);
  char byte;
  errno = 0;
  EXPECT_EQ(mrecv(s, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EMSGSIZE);
  return s;
}

const FailingCall kBytestreams[] = {
    {"bsend", kSends, nullptr, [](int s, int64_t d) { return bsend(s, g_text, 4, d); }},
    {"bsendl", kSends, nullptr, [](int s, int64_t d) { return bsendl(s, &g_list, &g_list, d); }},
    {"ipc_sendfd", kSends, nullptr, [](int s, int64_t d) { return ipc_sendfd(s, 0, d); }},
    {"brecv", kReceives, nullptr, [](int s, int64_t d) { return brecv(s, g_text, 4, d); }},
    {"brecvl", kReceives, nullptr, [](int s, int64_t d) { return brecvl(s, &g_list, &g_list, d); }},
    {"ipc_recvfd", kReceives, nullptr, [](int s, int64_t d) { return ipc_recvfd(s, d); }},
    {"ipc_close", kReceives, nullptr, [](int s, int64_t d) { return ipc_close(s, d); }, true}};

TEST(WaitingCallsErrorsTest, Bytestreams) {
  for (const FailingCall& call : kBytestreams) {
    ExpectShortages(call);
    ExpectBreaks(call);
  }
}

// A direction that broke stays so for the calls that end it.
TEST(WaitingCallsErrorsTest, EndsOfWhatBroke) {
  for (const bool tcp : {false, true}) {
    SCOPED_TRACE(tcp ? "TCP" : "Unix");
    for (const int error : {ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED,
                            ECONNREFUSED, EACCES, EPERM, EIO}) {
      SCOPED_TRACE(error);
      FdLeakCheck leaks;
      Runtime runtime;
      for (const bool sends : {false, true}) {
        const std::array<int, 2> fds = ConnectedFds(tcp ? Transport::kTcp : Transport::kUnix);
        const int s = tcp ? tcp_fromfd(fds[0]) : ipc_fromfd(fds[0]);
        const auto expect = [&](int result) {
          EXPECT_EQ(result, -1);
          EXPECT_EQ(errno, error);
        };
        {
          SyscallFault fault({sends ? Syscall::kSendmsg : Syscall::kRecvmsg}, 0, error);
          expect(sends ? bsend(s, "x", 1, -1) : brecv(s, nullptr, 1, -1));
        }
        if (sends) {
          expect(tcp ? tcp_done(s, -1) : ipc_done(s, -1));
        }
        expect(tcp ? tcp_close(s, -1) : ipc_close(s, -1));
        EXPECT_EQ(hclose(s), -1);
        EXPECT_EQ(close(fds[1]), 0);
      }
    }
  }
}

const FailingCall kFraming[] = {
    {"msend", kSends, Prefix, [](int s, int64_t d) { return msend(s, g_text, 4, d); }},
    {"msendl", kSends, Prefix, [](int s, int64_t d) { return msendl(s, &g_list, &g_list, d); }},
    {"term_done", kSends, Term, [](int s, int64_t d) { return term_done(s, d); }},
    {"mrecv", kReceives, Prefix, [](int s, int64_t d) { return mrecv(s, g_text, 4, d); }},
    {"mrecvl", kReceives, Prefix, [](int s, int64_t d) { return mrecvl(s, &g_list, &g_list, d); }},
    {"suffix_detach", kReceives, SuffixInsideAMessage,
     [](int s, int64_t d) { return suffix_detach(s, d); }, true},
    {"term_detach", kReceives, Term, [](int s, int64_t d) { return term_detach(s, d); }, true}};

TEST(WaitingCallsErrorsTest, Framing) {
  for (const FailingCall& call : kFraming) {
    ExpectShortages(call);
    ExpectBreaks(call);
  }
}

coroutine void AnswerLater(int ch) {
  char byte;
  EXPECT_EQ(chrecv(ch, &byte, 1, -1), 0);
  EXPECT_EQ(msleep(now() + 1), 0);
  EXPECT_EQ(chsend(ch, &byte, 1, -1), 0);
  EXPECT_EQ(yield(), 0);
}

// What waits for coroutines, for the clock, or for nothing, does not mind that there is nothing to
// wait for the system with.
TEST(WaitingCallsErrorsTest, WaitingForCoroutinesNeedsNothing) {
  FdLeakCheck leaks;
  Runtime runtime;
  int ends[2];
  int s[2];
  ASSERT_EQ(chmake(ends), 0);
  ASSERT_EQ(ipc_pair(s), 0);
  const int h = go(AnswerLater(ends[1]));
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOSPC}) {
    SyscallFault fault({Syscall::kEpollCreate1, Syscall::kEventfd, Syscall::kEpollCtl}, 0, error);
    fault.FailOn();
    if (error == EMFILE) {
      char byte = 'x';
      EXPECT_EQ(chsend(ends[0], &byte, 1, -1), 0);
      dill_chclause clause = {DILL_CHRECV, ends[0], &byte, 1};
      EXPECT_EQ(choose(&clause, 1, -1), 0);
      EXPECT_EQ(errno, 0);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(ipc_done(s[0], -1), 0);
    }
    char byte;
    errno = 0;
    EXPECT_EQ(chrecv(ends[0], &byte, 1, now() + 1), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_EQ(msleep(now() + 1), 0);
    EXPECT_EQ(yield(), 0);
    // While this does.
    errno = 0;
    EXPECT_EQ(brecv(s[0], &byte, 1, -1), -1);
    EXPECT_EQ(errno, error);
  }
  for (const int each : {h, ends[0], ends[1], s[0], s[1]}) EXPECT_EQ(hclose(each), 0);
}

// These talk: what the first of the two parts of a talk gives, the call gives.
const FailingCall kSocks5[] = {{"socks5_client_connect", kReceives, nullptr,
                                [](int s, int64_t d) {
                                  dill_ipaddr addr = Address();
                                  return socks5_client_connect(s, nullptr, nullptr, &addr, d);
                                }},
                               {"socks5_client_connectbyname", kReceives, nullptr,
                                [](int s, int64_t d) {
                                  return socks5_client_connectbyname(s, nullptr, nullptr,
                                                                     "a.example", 80, d);
                                }},
                               {"socks5_proxy_auth", kReceives, nullptr,
                                [](int s, int64_t d) { return socks5_proxy_auth(s, nullptr, d); }},
                               {"socks5_proxy_recvcommand", kReceives, nullptr,
                                [](int s, int64_t d) {
                                  dill_ipaddr addr;
                                  return socks5_proxy_recvcommand(s, &addr, d);
                                }},
                               {"socks5_proxy_recvcommandbyname", kReceives, nullptr,
                                [](int s, int64_t d) {
                                  char host[256];
                                  int port;
                                  return socks5_proxy_recvcommandbyname(s, host, &port, d);
                                }},
                               {"socks5_proxy_sendreply", kSends, nullptr, [](int s, int64_t d) {
                                  dill_ipaddr addr = Address();
                                  return socks5_proxy_sendreply(s, DILL_SOCKS5_SUCCESS, &addr, d);
                                }}};

TEST(WaitingCallsErrorsTest, Socks5) {
  for (const FailingCall& call : kSocks5) {
    ExpectShortages(call);
    ExpectBreaks(call);
  }
}

}  // namespace
}  // namespace halfpipe
