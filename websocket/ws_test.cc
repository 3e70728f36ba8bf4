// The C calls: the contract of ws.h, over every transport.

#include "websocket/ws.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bytestream/base/deadline.h"
#include "bytestream/msocket.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/testing/handles.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
#include "bytestream/stream_info.h"
// clang-format on

namespace halfpipe::websocket {
namespace {

// What a call came to: its result, or a negative errno.
ssize_t Outcome(ssize_t result) { return result >= 0 ? result : -errno; }

int SendText(int s, const std::string& text, int64_t deadline) {
  return ws_send(s, WS_TEXT, text.data(), text.size(), deadline);
}

// The next message, or "errno N".
std::string ReceiveText(int s, int64_t deadline = -1) {
  static char buffer[1 << 20];
  const ssize_t size = ws_recv(s, nullptr, buffer, sizeof(buffer), deadline);
  if (size < 0) return absl::StrCat("errno ", errno);
  return std::string(buffer, static_cast<size_t>(size));
}

class WsTest : public testing::TestWithParam<Transport> {
 protected:
  // A client and a server without an HTTP handshake.
  void Connect(int flags = WS_TEXT) {
    const auto [a, b] = ConnectedHandles(GetParam());
    client_ = ws_attach_client(a, flags | WS_NOHTTP, nullptr, nullptr, -1);
    server_ = ws_attach_server(b, flags | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    ASSERT_GT(client_, 0);
    ASSERT_GT(server_, 0);
  }

  void Close() {
    if (client_ > 0) hclose(client_);
    if (server_ > 0) hclose(server_);
    client_ = server_ = -1;
  }

  // Sends small messages until nothing more goes without waiting; returns their number.
  int FillUp(int s) {
    for (int i = 0; i < 100'000; ++i) {
      if (SendText(s, "filler", 0) == 0) continue;
      EXPECT_EQ(errno, ETIMEDOUT);
      return i;
    }
    ADD_FAILURE() << "never full";
    return 0;
  }

  // Has nothing more of what `s` sends leave, for as long as its peer does not read, which finds
  // no frames then. TCP is full sooner with large pieces than with the small ones of messages; that
  // it never finds room again nobody can promise.
  void Jam(int s) {
    if (GetParam() != Transport::kTcp) {
      FillUp(s);
      return;
    }
    const std::string junk(1 << 16, 'j');
    for (int in_vain = 0; in_vain < 3;) {
      if (send(stream_fd(s), junk.data(), junk.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        in_vain = 0;
      } else {
        ++in_vain;
        EXPECT_EQ(msleep(now() + 50), 0);
      }
    }
  }

  // Runs `function` as a coroutine and gives its result when it has come to its end.
  ssize_t InCoroutine(const std::function<ssize_t()>& function) {
    ssize_t result = 0;
    Bundle bundle(&Runtime::Current());
    EXPECT_TRUE(bundle.Go([&] { result = function(); }).ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    return result;
  }

  // Everything that arrives at `s` up to the end, which is the last entry.
  static void ReceiveAll(int s, std::vector<std::string>* received) {
    for (int i = 0; i < 200'000; ++i) {
      received->push_back(ReceiveText(s));
      if (received->back().substr(0, 5) == "errno") return;
    }
  }

  // Before the leaks are counted: the engine keeps its descriptors.
  void SetUp() override {
    const auto [a, b] = ConnectedHandles(Transport::kUnix);
    char byte;
    EXPECT_EQ(Outcome(brecv(a, &byte, 1, now() + 1)), -ETIMEDOUT);
    hclose(a);
    hclose(b);
    leaks_.emplace();
  }

  std::optional<FdLeakCheck> leaks_;
  int client_ = -1;
  int server_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Transports, WsTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp),
                         testing::PrintToStringParamName());

TEST_P(WsTest, OpeningHandshake) {
  const auto [a, b] = ConnectedHandles(GetParam());
  Bundle bundle(&Runtime::Current());
  char resource[32];
  char host[32];
  ASSERT_TRUE(bundle
                  .Go([&, b = b] {
                    server_ = ws_attach_server(b, WS_TEXT, resource, sizeof(resource), host,
                                               sizeof(host), -1);
                  })
                  .ok());
  client_ = ws_attach_client(a, WS_TEXT, "/chat?room=1", "example.org:8080", -1);
  ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  EXPECT_STREQ(resource, "/chat?room=1");
  EXPECT_STREQ(host, "example.org:8080");
  EXPECT_EQ(SendText(client_, "hello", -1), 0);
  EXPECT_EQ(ReceiveText(server_), "hello");
  Close();
}

TEST_P(WsTest, HalfClose) {
  Connect();
  Bundle bundle(&Runtime::Current());
  int raw_of_server = -1;
  ASSERT_EQ(ws_done(client_, 1000, "bye", 3, -1), 0);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    for (int i = 0; i < 1000; ++i) {
                      ASSERT_EQ(SendText(server_, absl::StrCat("message ", i), -1), 0);
                    }
                    EXPECT_EQ(ReceiveText(server_), absl::StrCat("errno ", EPIPE));
                    int status = -1;
                    char reason[123];
                    EXPECT_EQ(ws_status(server_, &status, reason, sizeof(reason)), 3);
                    EXPECT_EQ(status, 1000);
                    EXPECT_EQ(std::string(reason, 3), "bye");
                    raw_of_server = ws_detach(server_, 1000, nullptr, 0, -1);
                    EXPECT_GT(raw_of_server, 0);
                  })
                  .ok());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(ReceiveText(client_), absl::StrCat("message ", i));
  const int raw_of_client = ws_detach(client_, -1);
  ASSERT_GT(raw_of_client, 0);
  ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
  char got[4] = {};
  EXPECT_EQ(bsend(raw_of_client, "ping", 4, -1), 0);
  EXPECT_EQ(brecv(raw_of_server, got, 4, -1), 0);
  EXPECT_EQ(std::string(got, 4), "ping");
  EXPECT_EQ(bsend(raw_of_server, "pong", 4, -1), 0);
  EXPECT_EQ(brecv(raw_of_client, got, 4, -1), 0);
  EXPECT_EQ(std::string(got, 4), "pong");
  EXPECT_EQ(hclose(raw_of_client), 0);
  EXPECT_EQ(hclose(raw_of_server), 0);
}

TEST_P(WsTest, DoneErrors) {
  Connect();
  EXPECT_EQ(Outcome(ws_done(client_ + 1'000'000, 1000, nullptr, 0, -1)), -EBADF);
  const int other = bundle();
  EXPECT_EQ(Outcome(ws_done(other, 1000, nullptr, 0, -1)), -ENOTSUP);
  EXPECT_EQ(hclose(other), 0);
  for (const int status : {-1, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70'000}) {
    EXPECT_EQ(Outcome(ws_done(client_, status, nullptr, 0, -1)), -EINVAL) << status;
  }
  EXPECT_EQ(Outcome(ws_done(client_, 0, "x", 1, -1)), -EINVAL);
  EXPECT_EQ(Outcome(ws_done(client_, 1000, "\xff", 1, -1)), -EINVAL);
  EXPECT_EQ(Outcome(ws_done(client_, 1000, nullptr, 1, -1)), -EINVAL);
  const std::string reason(124, 'r');
  EXPECT_EQ(Outcome(ws_done(client_, 1000, reason.data(), 124, -1)), -EMSGSIZE);
  EXPECT_EQ(ws_done(client_, 1000, reason.data(), 123, -1), 0);
  EXPECT_EQ(Outcome(ws_done(client_, 1000, nullptr, 0, -1)), -EPIPE);
  EXPECT_EQ(Outcome(SendText(client_, "x", -1)), -EPIPE);
  EXPECT_EQ(ReceiveText(server_), absl::StrCat("errno ", EPIPE));
  char got[123];
  EXPECT_EQ(Outcome(ws_status(server_, nullptr, got, 122)), -EMSGSIZE);
  EXPECT_EQ(ws_status(server_, nullptr, got, 123), 123);
  // The peer is gone: what we send is lost with the connection.
  ASSERT_EQ(hclose(client_), 0);
  client_ = -1;
  EXPECT_EQ(ReceiveText(server_), absl::StrCat("errno ", EPIPE));
  Close();
}

TEST_P(WsTest, StatusBeforeTheEndAndWithoutAClose) {
  Connect();
  EXPECT_EQ(Outcome(ws_status(server_, nullptr, nullptr, 0)), -EAGAIN);
  // Not a word of good-bye: the bytestream ends below the WebSocket.
  const auto [a, b] = ConnectedHandles(GetParam());
  const int lonely = ws_attach_server(b, WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  ASSERT_GT(lonely, 0);
  ASSERT_EQ(hclose(a), 0);
  EXPECT_EQ(ReceiveText(lonely), absl::StrCat("errno ", ECONNRESET));
  EXPECT_EQ(Outcome(ws_status(lonely, nullptr, nullptr, 0)), -ECONNRESET);
  EXPECT_EQ(Outcome(ws_done(lonely, 1000, nullptr, 0, -1)), -ECONNRESET);
  EXPECT_EQ(Outcome(SendText(lonely, "x", -1)), -ECONNRESET);
  EXPECT_EQ(hclose(lonely), 0);
  // A Close without a payload is status 0, as in ws_done.
  ASSERT_EQ(ws_done(client_, 0, nullptr, 0, -1), 0);
  EXPECT_EQ(ReceiveText(server_), absl::StrCat("errno ", EPIPE));
  int status = -1;
  EXPECT_EQ(ws_status(server_, &status, nullptr, 0), 0);
  EXPECT_EQ(status, 0);
  Close();
}

TEST_P(WsTest, OneReceiverAndOneSender) {
  Connect();
  Bundle bundle(&Runtime::Current());
  ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(ReceiveText(client_), "x"); }).ok());
  EXPECT_EQ(Outcome(ws_recv(client_, nullptr, nullptr, 0, -1)), -EBUSY);
  EXPECT_EQ(Outcome(ws_detach(client_, 1000, nullptr, 0, -1)), -EBUSY);
  // More than any buffer of the system holds: it waits until the server reads.
  const std::string large(512 * 1024, 'w');
  ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(SendText(client_, large, -1), 0); }).ok());
  EXPECT_EQ(Outcome(SendText(client_, "y", -1)), -EBUSY);
  EXPECT_EQ(Outcome(ws_done(client_, 1000, nullptr, 0, -1)), -EBUSY);
  EXPECT_EQ(Outcome(msend(client_, "y", 1, -1)), -EBUSY);
  EXPECT_TRUE(ReceiveText(server_) == large);
  EXPECT_EQ(SendText(server_, "x", -1), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  Close();
}

TEST_P(WsTest, CancelledCoroutineGetsEcanceledFromEveryCall) {
  Connect();
  Bundle bundle(&Runtime::Current());
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_EQ(msleep(-1), -1);
                    EXPECT_EQ(Outcome(SendText(client_, "x", -1)), -ECANCELED);
                    EXPECT_EQ(Outcome(ws_recv(client_, nullptr, nullptr, 0, -1)), -ECANCELED);
                    EXPECT_EQ(Outcome(ws_done(client_, 1000, nullptr, 0, -1)), -ECANCELED);
                    EXPECT_EQ(Outcome(msend(client_, "x", 1, -1)), -ECANCELED);
                    EXPECT_EQ(Outcome(mrecv(client_, nullptr, 0, -1)), -ECANCELED);
                  })
                  .ok());
  bundle.CancelAndJoin();
  EXPECT_EQ(SendText(client_, "fine", -1), 0);
  EXPECT_EQ(ReceiveText(server_), "fine");
  Close();
}

TEST_P(WsTest, ClosedWhileBlockedInEachCall) {
  const std::vector<std::pair<const char*, std::function<ssize_t(int)>>> calls = {
      {"ws_recv", [](int s) { return ws_recv(s, nullptr, nullptr, 0, -1); }},
      {"ws_recvl", [](int s) { return ws_recvl(s, nullptr, nullptr, nullptr, -1); }},
      {"mrecv", [](int s) { return mrecv(s, nullptr, 0, -1); }},
      {"mrecvl", [](int s) { return mrecvl(s, nullptr, nullptr, -1); }},
      {"ws_send", [](int s) { return SendText(s, "x", -1); }},
      {"ws_sendl",
       [](int s) {
         iolist list = {const_cast<char*>("x"), 1, nullptr, 0};
         return ws_sendl(s, WS_TEXT, &list, &list, -1);
       }},
      {"msend", [](int s) { return msend(s, "x", 1, -1); }},
      {"msendl",
       [](int s) {
         iolist list = {const_cast<char*>("x"), 1, nullptr, 0};
         return msendl(s, &list, &list, -1);
       }},
      {"ws_done", [](int s) { return ws_done(s, 1000, nullptr, 0, -1); }},
      {"ws_detach", [](int s) { return ws_detach(s, 1000, nullptr, 0, -1); }},
  };
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    bool blocked = false;
    for (int i = 0; i < 100 && !blocked; ++i) {
      Connect();
      Jam(client_);
      std::optional<ssize_t> outcome;
      Bundle bundle(&Runtime::Current());
      ASSERT_TRUE(bundle.Go([&, call = call] { outcome = Outcome(call(client_)); }).ok());
      // Else TCP has found room all the same.
      blocked = !outcome.has_value();
      EXPECT_EQ(hclose(client_), 0);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(outcome, blocked ? -EBADF : 0);
      EXPECT_EQ(Outcome(hclose(client_)), -EBADF);
      client_ = -1;
      Close();
    }
    EXPECT_TRUE(blocked);
  }
}

TEST_P(WsTest, ReceiveInterruptedAtEveryWaitDeliversTheWholeMessage) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      Coroutine nobody;
      fault.set_only(&nobody);  // until the call that is looked at
      Connect();
      const std::string sent(20'000, 'm');
      Bundle bundle(&Runtime::Current());
      // The sender's waits do not count.
      const ssize_t first = InCoroutine([&] {
        fault.set_only(Runtime::Current().current());
        EXPECT_TRUE(bundle.Go([&] { EXPECT_EQ(SendText(client_, sent, -1), 0); }).ok());
        std::string buffer(sent.size(), '?');
        const ssize_t size = ws_recv(server_, nullptr, buffer.data(), buffer.size(), -1);
        const int got = errno;
        EXPECT_TRUE(size < 0 || buffer == sent);
        return size >= 0 ? size : -got;
      });
      if (fault.hit() && first < 0) {
        EXPECT_EQ(first, -error);
        EXPECT_EQ(ReceiveText(server_), sent);
      } else {
        EXPECT_EQ(first, static_cast<ssize_t>(sent.size()));
      }
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(SendText(client_, "next", -1), 0);
      EXPECT_EQ(ReceiveText(server_), "next");
      Close();
    });
    // The system decides whether TCP has to wait at all.
    EXPECT_GE(waits, GetParam() == Transport::kTcp ? 0 : 2);
  }
}

TEST_P(WsTest, SendInterruptedAtEveryWaitIsAllOrNothing) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      Coroutine nobody;
      fault.set_only(&nobody);  // until the call that is looked at
      Connect();
      const std::string large(20'000, 'm');
      const int fillers = FillUp(client_);
      std::vector<std::string> received;
      Bundle bundle(&Runtime::Current());
      const ssize_t sent = InCoroutine([&] {
        fault.set_only(Runtime::Current().current());
        EXPECT_TRUE(bundle
                        .Go([&] {
                          EXPECT_EQ(msleep(0), 0);
                          ReceiveAll(server_, &received);
                        })
                        .ok());
        return Outcome(SendText(client_, large, -1));
      });
      EXPECT_TRUE(sent == 0 || sent == -error) << sent;
      EXPECT_EQ(SendText(client_, "after", -1), 0);
      EXPECT_EQ(ws_done(client_, 1000, nullptr, 0, -1), 0);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      std::vector<std::string> expected(fillers, "filler");
      if (sent == 0) expected.push_back(large);
      expected.push_back("after");
      expected.push_back(absl::StrCat("errno ", EPIPE));
      EXPECT_TRUE(received == expected) << received.size() << " of " << expected.size();
      Close();
    });
    // The system decides whether TCP has to wait at all.
    EXPECT_GE(waits, GetParam() == Transport::kTcp ? 0 : 2);
  }
}

TEST_P(WsTest, DoneInterruptedAtEveryWaitCanBeCalledAgain) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      Coroutine nobody;
      fault.set_only(&nobody);  // until the call that is looked at
      Connect();
      FillUp(client_);
      std::vector<std::string> received;
      Bundle bundle(&Runtime::Current());
      const ssize_t done = InCoroutine([&] {
        fault.set_only(Runtime::Current().current());
        EXPECT_TRUE(bundle
                        .Go([&] {
                          EXPECT_EQ(msleep(0), 0);
                          ReceiveAll(server_, &received);
                        })
                        .ok());
        return Outcome(ws_done(client_, 3000, "over", 4, -1));
      });
      if (done == -error) {
        // Nothing was sent, so messages still go.
        EXPECT_EQ(SendText(client_, "after", -1), 0);
        EXPECT_EQ(ws_done(client_, 3000, "over", 4, -1), 0);
      } else {
        EXPECT_EQ(done, 0);
      }
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(received.back(), absl::StrCat("errno ", EPIPE));
      EXPECT_EQ(received[received.size() - 2], done == 0 ? "filler" : "after");
      int status = 0;
      char reason[8];
      EXPECT_EQ(ws_status(server_, &status, reason, sizeof(reason)), 4);
      EXPECT_EQ(status, 3000);
      Close();
    });
    // The system decides whether TCP has to wait at all.
    EXPECT_GE(waits, GetParam() == Transport::kTcp ? 0 : 1);
  }
}

TEST_P(WsTest, DetachInterruptedAtEveryWaitClosesEverything) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      Coroutine nobody;
      fault.set_only(&nobody);  // until the call that is looked at
      Connect();
      FillUp(client_);
      std::vector<std::string> received;
      int raw_of_server = -1;
      Bundle bundle(&Runtime::Current());
      const ssize_t raw = InCoroutine([&] {
        fault.set_only(Runtime::Current().current());
        EXPECT_TRUE(bundle
                        .Go([&] {
                          EXPECT_EQ(msleep(0), 0);
                          ReceiveAll(server_, &received);
                          raw_of_server = ws_detach(server_, 1000, nullptr, 0, -1);
                        })
                        .ok());
        return Outcome(ws_detach(client_, 1000, nullptr, 0, -1));
      });
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(Outcome(hclose(client_)), -EBADF);
      EXPECT_EQ(Outcome(hclose(server_)), -EBADF);
      if (raw >= 0) {
        EXPECT_GT(raw_of_server, 0);
        EXPECT_EQ(hclose(static_cast<int>(raw)), 0);
      } else {
        EXPECT_EQ(raw, -error);
      }
      // The peer has an end of one kind or the other; nobody waits for ever.
      EXPECT_EQ(received.back().substr(0, 5), "errno");
      EXPECT_TRUE(raw_of_server <= 0 || hclose(raw_of_server) == 0);
      client_ = server_ = -1;
    });
    // The system decides whether TCP has to wait at all.
    EXPECT_GE(waits, GetParam() == Transport::kTcp ? 0 : 2);
  }
}

// The peer does not read, the buffers are full, the deadline is ahead: a send that really waits.
TEST_P(WsTest, SendThatWaitedInVainLeavesTheConnectionUsable) {
  Connect();
  std::vector<std::string> sent(FillUp(client_), "filler");
  // TCP finds room for a while after it had none, because what it has sent is acknowledged late.
  for (int in_vain = 0, i = 0; in_vain < 3; ++i) {
    const std::string text = absl::StrCat("late ", i);
    const ssize_t outcome = Outcome(SendText(client_, text, now() + 30));
    if (outcome == 0) {
      sent.push_back(text);
      in_vain = 0;
    } else {
      ASSERT_EQ(outcome, -ETIMEDOUT);
      ++in_vain;
    }
  }
  for (const std::string& text : sent) ASSERT_EQ(ReceiveText(server_), text);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(SendText(client_, absl::StrCat("later ", i), -1), 0);
    ASSERT_EQ(ReceiveText(server_), absl::StrCat("later ", i));
  }
  Close();
}

TEST_P(WsTest, MessageWhoseDeadlinePassesAfterItsFirstByteArrivesWhole) {
  Connect();
  const std::string large(512 * 1024, 'x');
  EXPECT_EQ(InCoroutine([&] { return Outcome(SendText(client_, large, now() + 20)); }), 0);
  EXPECT_EQ(ReceiveText(server_), large);
  EXPECT_EQ(SendText(client_, "next", -1), 0);
  EXPECT_EQ(ReceiveText(server_), "next");
  Close();
}

TEST_P(WsTest, ReceiveTimesOutAHundredTimesInOneMessage) {
  Connect();
  const std::string sent(1 << 20, 'm');
  Bundle bundle(&Runtime::Current());
  ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(SendText(client_, sent, -1), 0); }).ok());
  std::string buffer(sent.size(), '?');
  int timeouts = 0;
  ssize_t size = -1;
  for (int i = 0; i < 1'000'000 && size < 0; ++i) {
    size = ws_recv(server_, nullptr, buffer.data(), buffer.size(), timeouts < 200 ? 0 : -1);
    if (size >= 0) break;
    ASSERT_EQ(errno, ETIMEDOUT);
    ++timeouts;
    std::memset(buffer.data(), '?', buffer.size());
    ASSERT_EQ(yield(), 0);
  }
  EXPECT_EQ(size, static_cast<ssize_t>(sent.size()));
  EXPECT_EQ(buffer, sent);
  EXPECT_GE(timeouts, 100);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  Close();
}

TEST_P(WsTest, MemoryOfTheCaller) {
  const auto [a, b] = ConnectedHandles(GetParam());
  ws_storage client_memory;
  ws_storage server_memory;
  client_ = ws_attach_client_mem(a, WS_NOHTTP, nullptr, nullptr, &client_memory, -1);
  server_ = ws_attach_server_mem(b, WS_NOHTTP, nullptr, 0, nullptr, 0, &server_memory, -1);
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  EXPECT_EQ(msend(client_, "x", 1, -1), 0);
  char got[2];
  EXPECT_EQ(mrecv(server_, got, sizeof(got), -1), 1);
  Close();
  const auto [c, d] = ConnectedHandles(GetParam());
  EXPECT_EQ(Outcome(ws_attach_client_mem(c, WS_NOHTTP, nullptr, nullptr, nullptr, -1)), -EINVAL);
  EXPECT_EQ(Outcome(hclose(c)), -EBADF);
  EXPECT_EQ(hclose(d), 0);
}

TEST_P(WsTest, AttachErrors) {
  auto [a, b] = ConnectedHandles(GetParam());
  EXPECT_EQ(Outcome(ws_attach_client(a + 1'000'000, WS_NOHTTP, nullptr, nullptr, -1)), -EBADF);
  const int other = bundle();
  EXPECT_EQ(Outcome(ws_attach_client(other, WS_NOHTTP, nullptr, nullptr, -1)), -ENOTSUP);
  EXPECT_EQ(hclose(other), 0);
  {
    Bundle bundle(&Runtime::Current());
    ASSERT_TRUE(bundle
                    .Go([a = a] {
                      char byte;
                      EXPECT_EQ(Outcome(brecv(a, &byte, 1, -1)), -ECANCELED);
                    })
                    .ok());
    EXPECT_EQ(Outcome(ws_attach_client(a, WS_NOHTTP, nullptr, nullptr, -1)), -EBUSY);
  }
  client_ = ws_attach_client(a, WS_NOHTTP, nullptr, nullptr, -1);
  EXPECT_GT(client_, 0);
  EXPECT_EQ(Outcome(ws_attach_server(b, 64, nullptr, 0, nullptr, 0, -1)), -EINVAL);
  EXPECT_EQ(Outcome(hclose(b)), -EBADF);
  Close();
}

// What the other end of a client's handshake may do, and what comes of it.
TEST_P(WsTest, AttachClientErrors) {
  struct Case {
    const char* name;
    std::string answer;  // then the end of the stream
    int error;
  };
  const Case cases[] = {
      {"refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", EACCES},
      {"no accept", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", EPROTO},
      {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", EPROTO},
      {"inside the head", "HTTP/1.1 101 Swi", ECONNRESET},
      {"nothing", "", ECONNRESET},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto [a, b] = ConnectedHandles(GetParam());
    Bundle bundle(&Runtime::Current());
    ASSERT_TRUE(bundle
                    .Go([&, b = b] {
                      char byte;
                      std::string head;
                      while (head.size() < 4 || head.substr(head.size() - 4) != "\r\n\r\n") {
                        ASSERT_EQ(brecv(b, &byte, 1, -1), 0);
                        head += byte;
                      }
                      EXPECT_EQ(bsend(b, c.answer.data(), c.answer.size(), -1), 0);
                      EXPECT_EQ(hclose(b), 0);
                    })
                    .ok());
    EXPECT_EQ(Outcome(ws_attach_client(a, WS_TEXT, "/", "example.org", -1)), -c.error);
    EXPECT_EQ(Outcome(hclose(a)), -EBADF);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
  // What may not be sent, and a server that says nothing.
  const std::pair<const char*, const char*> bad[] = {{"/\r\nX: y", "example.org"},
                                                     {"/", "a\nb"},
                                                     {"no-slash", "a"},
                                                     {nullptr, "a"},
                                                     {"/", nullptr}};
  for (const auto& [resource, host] : bad) {
    const auto [a, b] = ConnectedHandles(GetParam());
    EXPECT_EQ(Outcome(ws_attach_client(a, WS_TEXT, resource, host, -1)), -EINVAL);
    char byte;
    EXPECT_EQ(Outcome(brecv(b, &byte, 1, -1)), -EPIPE);
    EXPECT_EQ(hclose(b), 0);
  }
  const auto [a, b] = ConnectedHandles(GetParam());
  EXPECT_EQ(Outcome(ws_attach_client(a, WS_TEXT, "/", "a", now() + 10)), -ETIMEDOUT);
  EXPECT_EQ(Outcome(hclose(a)), -EBADF);
  EXPECT_EQ(hclose(b), 0);
}

TEST_P(WsTest, AttachServerErrors) {
  const std::string good =
      "GET /chat HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  struct Case {
    const char* name;
    std::string request;
    size_t resource_size;
    size_t host_size;
    int error;
    const char* status;
  };
  const Case cases[] = {
      {"not an upgrade", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 32, 32, EPROTO, " 426 "},
      {"not HTTP", "\x16\x03\x01\r\n\r\n", 32, 32, EPROTO, " 400 "},
      {"resource too long", good, 5, 32, EMSGSIZE, " 414 "},
      {"host too long", good, 6, 11, EMSGSIZE, " 431 "},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto [a, b] = ConnectedHandles(GetParam());
    ASSERT_EQ(bsend(a, c.request.data(), c.request.size(), -1), 0);
    char resource[32];
    char host[32];
    EXPECT_EQ(
        Outcome(ws_attach_server(b, WS_TEXT, resource, c.resource_size, host, c.host_size, -1)),
        -c.error);
    EXPECT_EQ(Outcome(hclose(b)), -EBADF);
    char line[13] = {};
    EXPECT_EQ(brecv(a, line, 12, -1), 0);
    EXPECT_NE(std::string(line).append(" ").find(c.status), std::string::npos) << line;
    EXPECT_EQ(hclose(a), 0);
  }
  // Just large enough.
  const auto [a, b] = ConnectedHandles(GetParam());
  ASSERT_EQ(bsend(a, good.data(), good.size(), -1), 0);
  char resource[6];
  char host[12];
  server_ = ws_attach_server(b, WS_TEXT, resource, sizeof(resource), host, sizeof(host), -1);
  EXPECT_GT(server_, 0);
  EXPECT_STREQ(resource, "/chat");
  EXPECT_STREQ(host, "example.org");
  EXPECT_EQ(hclose(a), 0);
  const auto [c, d] = ConnectedHandles(GetParam());
  ASSERT_EQ(hclose(c), 0);
  EXPECT_EQ(Outcome(ws_attach_server(d, WS_TEXT, nullptr, 0, nullptr, 0, -1)), -ECONNRESET);
  Close();
}

TEST_P(WsTest, Keys) {
  char request[WS_KEY_SIZE];
  char response[WS_KEY_SIZE];
  EXPECT_EQ(ws_request_key(request), 0);
  EXPECT_EQ(std::strlen(request), 24u);
  EXPECT_EQ(ws_response_key(request, response), 0);
  EXPECT_EQ(std::strlen(response), 28u);
  // RFC 6455 section 1.3.
  EXPECT_EQ(ws_response_key("dGhlIHNhbXBsZSBub25jZQ==", response), 0);
  EXPECT_STREQ(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(Outcome(ws_request_key(nullptr)), -EINVAL);
  EXPECT_EQ(Outcome(ws_response_key("short", response)), -EINVAL);
  EXPECT_EQ(Outcome(ws_response_key(request, nullptr)), -EINVAL);
}

}  // namespace
}  // namespace halfpipe::websocket
