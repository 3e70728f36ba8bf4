// WebSockets over sockets whose system calls fail, each with every errno that it can have. What was
// reported sent is received, whole and once, or both ends know that the connection is over; a call
// that did nothing can be made again; nothing leaks.

#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>

#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
#include "websocket/testing/handles.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
// clang-format on

namespace halfpipe::websocket {
namespace {

// A result, or a negative errno.
ssize_t Outcome(ssize_t result) { return result >= 0 ? result : -errno; }

// Errors that ws.h lets a call on a connection that breaks give.
bool IsBreak(ssize_t outcome) {
  switch (-outcome) {
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EACCES:
    case EPERM:
    case EIO:
    // The system does not give these for what is asked of it.
    case EALREADY:
    case EMSGSIZE:
    case EDESTADDRREQ:
    case EISCONN:
      return true;
    default:
      return false;
  }
}

// The call, made again where the system had nothing left for it.
template <typename Call>
ssize_t Insist(Call call) {
  ssize_t outcome = Outcome(call());
  for (int i = 0; i < 3 && outcome < 0 && IsShortage(static_cast<int>(-outcome)); ++i) {
    outcome = Outcome(call());
  }
  return outcome;
}

const std::string& LongText() {
  static const std::string* const text = [] {
    std::string* const long_text = new std::string;
    for (int i = 0; i < 4'000; ++i) long_text->append(std::to_string(i));
    return long_text;
  }();
  return *text;
}

constexpr size_t kMessages = 3;
std::string Message(size_t i) { return i == 1 ? LongText() : "message " + std::to_string(i); }

// What one side came to.
struct Side {
  ssize_t attached = 0;
  ssize_t ended = 0;  // the first error, or 0
  size_t sent = 0;
  size_t received = 0;
  ssize_t raw = 0;  // the handle below after the detach
};

// Receives everything up to the peer's Close; each message is the one that is due.
void ReceiveAll(int s, Side* side) {
  static thread_local char buffer[100'000];
  for (;;) {
    const ssize_t size = Insist([&] { return ws_recv(s, nullptr, buffer, sizeof(buffer), -1); });
    if (size == -EPIPE) return;
    if (size < 0) {
      side->ended = size;
      return;
    }
    EXPECT_TRUE(std::string(buffer, static_cast<size_t>(size)) == Message(side->received));
    ++side->received;
  }
}

void SendAll(int s, Side* side) {
  for (; side->sent < kMessages; ++side->sent) {
    const std::string message = Message(side->sent);
    side->ended = Insist([&] { return ws_send(s, WS_TEXT, message.data(), message.size(), -1); });
    if (side->ended != 0) return;
  }
}

// Detaches, or closes what has broken.
void Finish(int s, Side* side) {
  if (side->ended == 0) {
    side->raw = Outcome(ws_detach(s, 1000, nullptr, 0, -1));
    if (side->raw < 0) side->ended = side->raw;
  } else {
    EXPECT_EQ(hclose(s), 0);
  }
}

coroutine void Serve(int lower, int flags, Side* side) {
  char resource[32];
  char host[32];
  side->attached =
      Outcome(ws_attach_server(lower, flags, resource, sizeof(resource), host, sizeof(host), -1));
  if (side->attached < 0) return;
  const int s = static_cast<int>(side->attached);
  ReceiveAll(s, side);
  if (side->ended == 0) SendAll(s, side);
  Finish(s, side);
}

coroutine void Use(int lower, int flags, Side* side) {
  side->attached = Outcome(ws_attach_client(lower, flags, "/", "example.org", -1));
  if (side->attached < 0) return;
  const int s = static_cast<int>(side->attached);
  SendAll(s, side);
  if (side->ended == 0) side->ended = Insist([&] { return ws_done(s, 1000, "bye", 3, -1); });
  if (side->ended == 0) ReceiveAll(s, side);
  Finish(s, side);
}

class WsFaultTest : public testing::TestWithParam<Transport> {
 protected:
  // A client and a server with everything that they do. `arm(false)` and `arm(true)` are about what
  // is around that and must not fail.
  void Life(const std::function<void(bool)>& arm, int flags, Side* client, Side* server) {
    arm(false);
    FdLeakCheck leaks;
    Runtime runtime;
    SyscallHook* const hook = SetSyscallHook(nullptr);
    const auto ends = ConnectedHandles(GetParam());
    const int a = ends.first, b = ends.second;
    SetSyscallHook(hook);
    arm(true);
    const int h = go(Serve(b, flags, server));
    if (h < 0) {
      EXPECT_EQ(errno, ENOMEM);
      arm(false);
      EXPECT_EQ(hclose(a), 0);
      EXPECT_EQ(hclose(b), 0);
      client->ended = server->ended = -ENOMEM;
      return;
    }
    Use(a, flags, client);
    EXPECT_EQ(Insist([&] { return bundle_wait(h, -1); }), 0);
    EXPECT_EQ(hclose(h), 0);
    arm(false);
    if (client->raw > 0 && server->raw > 0) {
      char byte = 0;
      EXPECT_EQ(bsend(static_cast<int>(client->raw), "x", 1, -1), 0);
      EXPECT_EQ(brecv(static_cast<int>(server->raw), &byte, 1, -1), 0);
      EXPECT_EQ(byte, 'x');
    }
    for (const Side* side : {client, server}) {
      if (side->raw > 0) {
        EXPECT_EQ(hclose(static_cast<int>(side->raw)), 0);
      }
    }
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  }

  static void ExpectAllWell(const Side& client, const Side& server) {
    for (const Side* side : {&client, &server}) {
      EXPECT_GT(side->attached, 0);
      EXPECT_EQ(side->ended, 0);
      EXPECT_EQ(side->sent, kMessages);
      EXPECT_EQ(side->received, kMessages);
      EXPECT_GT(side->raw, 0);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Transports, WsFaultTest,
                         testing::Values(Transport::kUnix, Transport::kTcp),
                         testing::PrintToStringParamName());

TEST_P(WsFaultTest, EverySystemCallFails) {
  for (const int flags : {WS_TEXT, WS_TEXT | WS_NOHTTP}) {
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Side client;
      Side server;
      Life([&](bool armed) { fault.set_armed(armed); }, flags, &client, &server);
      if (!fault.hit()) return ExpectAllWell(client, server);
      for (const Side* side : {&client, &server}) {
        for (const ssize_t outcome : {side->attached, side->ended}) {
          EXPECT_TRUE(outcome >= 0 || IsBreak(outcome) || outcome == -EPROTO ||
                      IsShortage(static_cast<int>(-outcome)))
              << outcome;
        }
        // A shortage is no end of an attached WebSocket, save where it detaches.
        if (side->attached > 0 && fault.call() != Syscall::kMmap &&
            IsShortage(static_cast<int>(-side->ended))) {
          EXPECT_EQ(side->raw, side->ended);
        }
      }
      // What arrived was sent. (What was sent need not arrive where the connection breaks.)
      EXPECT_LE(server.received, client.sent + 1);
      EXPECT_LE(client.received, server.sent + 1);
      if (client.ended == 0 && server.ended == 0 && client.attached > 0 && server.attached > 0) {
        ExpectAllWell(client, server);
      }
    });
    EXPECT_GT(calls, 20);
  }
}

// The same for requests for memory. What has none for an interrupted receive, or for the rest of a
// send, is over.
TEST_P(WsFaultTest, EveryRequestForMemoryFails) {
  for (const int flags : {WS_TEXT, WS_TEXT | WS_NOHTTP}) {
    const int requests = SweepAllocations([&](AllocationFault& fault) {
      Side client;
      Side server;
      Life([&](bool armed) { fault.set_armed(armed); }, flags, &client, &server);
      if (!fault.hit()) return ExpectAllWell(client, server);
      for (const Side* side : {&client, &server}) {
        for (const ssize_t outcome : {side->attached, side->ended}) {
          EXPECT_TRUE(outcome >= 0 || IsBreak(outcome) || outcome == -ENOMEM) << outcome;
        }
      }
    });
    EXPECT_GE(requests, 3);
  }
}

// One byte at a time, and a signal at every call.
TEST_P(WsFaultTest, WhatMakesNoDifference) {
  {
    ShortTransfers transfers;
    Side client;
    Side server;
    Life([](bool) {}, WS_TEXT, &client, &server);
    ExpectAllWell(client, server);
    EXPECT_GT(transfers.count(), 2 * LongText().size());
  }
  InterruptedCalls interrupted;
  Side client;
  Side server;
  Life([](bool) {}, WS_TEXT, &client, &server);
  ExpectAllWell(client, server);
  EXPECT_GT(interrupted.count(), 10u);
}

// A lack of descriptors, or of memory in the system, in the middle of a message: the place in it is
// kept, both ways.
TEST_P(WsFaultTest, ShortageInsideAMessage) {
  for (const Syscall call : {Syscall::kSendmsg, Syscall::kRecvmsg, Syscall::kEpollCtl}) {
    for (int nth = 0;; ++nth) {
      SCOPED_TRACE(testing::Message() << SyscallName(call) << " " << nth);
      SyscallFault fault({call}, nth, ENOMEM);
      FdLeakCheck leaks;
      Runtime runtime;
      fault.set_armed(false);
      const auto [a, b] = ConnectedHandles(GetParam());
      const int client = ws_attach_client(a, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
      const int server = ws_attach_server(b, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
      fault.set_armed(true);
      Side sender;
      Side receiver;
      const int h = go([](int s, Side* side) {
        ReceiveAll(s, side);
        EXPECT_EQ(side->ended, 0);
      }(server, &receiver));
      SendAll(client, &sender);
      EXPECT_EQ(sender.ended, 0);
      EXPECT_EQ(Insist([&] { return ws_done(client, 1000, nullptr, 0, -1); }), 0);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      fault.set_armed(false);
      EXPECT_EQ(receiver.received, kMessages);
      for (const int each : {h, client, server}) EXPECT_EQ(hclose(each), 0);
      if (!fault.hit() || HasFailure()) break;
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
