// Heads over sockets whose system calls fail, each with every errno that it can have: a call that
// did nothing can be made again, what was received is what was sent, and nothing leaks.

#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
#include "http/http.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// The call, made again where the system had nothing left for it.
template <typename Call>
int Insist(Call call) {
  int outcome = Outcome(call());
  for (int i = 0; i < 3 && outcome < 0 && IsShortage(-outcome); ++i) outcome = Outcome(call());
  return outcome;
}

// Errors that http.h lets a call on a connection that breaks give (EPIPE where a peer has gone
// before its head, and its transport has no reset); and those that the system does
// not give for what is asked of it.
bool IsBreak(int outcome) {
  for (const int error :
       {EPIPE, ECONNRESET, ECONNREFUSED, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EACCES,
        EPERM, EIO, EALREADY, EMSGSIZE, EDESTADDRREQ, EISCONN}) {
    if (outcome == -error) return true;
  }
  return false;
}

struct Side {
  int ended = 0;  // the first error that was not overcome, or 0
  int raw = 0;    // the handle below after the detach
};

// Each line of the peer's head, and ours.
int Talk(int s, bool server) {
  char first[32];
  char second[32];
  const auto send = [&] {
    if (const int error = server
                              ? Insist([&] { return http_sendstatus(s, 200, "OK", -1); })
                              : Insist([&] { return http_sendrequest(s, "GET", "/path", -1); })) {
      return error;
    }
    if (const int error = Insist([&] { return http_sendfield(s, "Name", "value", -1); })) {
      return error;
    }
    return Insist([&] { return http_done(s, -1); });
  };
  const auto receive = [&] {
    if (server) {
      if (const int error = Insist([&] {
            return http_recvrequest(s, first, sizeof(first), second, sizeof(second), -1);
          })) {
        return error;
      }
      EXPECT_STREQ(first, "GET");
      EXPECT_STREQ(second, "/path");
    } else {
      const int status = Insist([&] { return http_recvstatus(s, first, sizeof(first), -1); });
      if (status < 0) return status;
      EXPECT_EQ(status, 200);
      EXPECT_STREQ(first, "OK");
    }
    const auto field = [&] {
      return http_recvfield(s, first, sizeof(first), second, sizeof(second), -1);
    };
    if (const int error = Insist(field)) return error;
    EXPECT_STREQ(first, "Name");
    EXPECT_STREQ(second, "value");
    const int end = Insist(field);
    return end == -EPIPE ? 0 : end;
  };
  if (server) {
    const int error = receive();
    return error != 0 ? error : send();
  }
  const int error = send();
  return error != 0 ? error : receive();
}

coroutine void Live(int lower, bool server, Side* side) {
  const int s = Outcome(http_attach(lower));
  if (s < 0) {
    side->ended = s;
    return;
  }
  side->ended = Talk(s, server);
  if (side->ended != 0) {
    EXPECT_EQ(hclose(s), 0);
    return;
  }
  side->raw = Outcome(http_detach(s, -1));
  if (side->raw < 0) side->ended = side->raw;
}

class HttpFaultTest : public testing::TestWithParam<Transport> {
 protected:
  void Run(Side* client, Side* server) {
    SyscallHook* const hook = SetSyscallHook(nullptr);
    FdLeakCheck leaks;
    Runtime runtime;
    const bool tcp = GetParam() == Transport::kTcp;
    const std::array<int, 2> fds = ConnectedFds(GetParam());
    std::array<int, 2> s;
    for (size_t i = 0; i < 2; ++i) s[i] = tcp ? tcp_fromfd(fds[i]) : ipc_fromfd(fds[i]);
    // Its stack is the one thing that the scenario itself cannot do without.
    const int h = bundle();
    EXPECT_EQ(bundle_go(h, static_cast<void>(yield())), 0);
    SetSyscallHook(hook);
    EXPECT_EQ(bundle_go(h, Live(s[1], true, server)), 0);
    Live(s[0], false, client);
    EXPECT_EQ(Insist([&] { return bundle_wait(h, -1); }), 0);
    SetSyscallHook(nullptr);
    EXPECT_EQ(hclose(h), 0);
    if (client->raw > 0 && server->raw > 0) {
      char byte = 0;
      EXPECT_EQ(bsend(client->raw, "x", 1, -1), 0);
      EXPECT_EQ(brecv(server->raw, &byte, 1, -1), 0);
      EXPECT_EQ(byte, 'x');
    }
    for (const Side* side : {client, server}) {
      if (side->raw > 0) {
        EXPECT_EQ(hclose(side->raw), 0);
      }
    }
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    SetSyscallHook(hook);
  }

  static void ExpectAllWell(const Side& client, const Side& server) {
    for (const Side* side : {&client, &server}) {
      EXPECT_EQ(side->ended, 0);
      EXPECT_GT(side->raw, 0);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Sockets, HttpFaultTest, testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return TransportName(info.param);
                         });

TEST_P(HttpFaultTest, EverySystemCallFails) {
  const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
    Side client;
    Side server;
    Run(&client, &server);
    if (!fault.hit()) return ExpectAllWell(client, server);
    const bool memory = fault.call() == Syscall::kMmap;
    for (const Side* side : {&client, &server}) {
      EXPECT_TRUE(side->ended == 0 || IsBreak(side->ended) || (memory && side->ended == -ENOMEM))
          << side->ended;
    }
    // What is no break is overcome by both.
    if (!memory && (IsShortage(fault.error()) || fault.error() == EINTR)) {
      ExpectAllWell(client, server);
    }
  });
  EXPECT_GT(calls, 10);
}

TEST_P(HttpFaultTest, WhatMakesNoDifference) {
  {
    ShortTransfers transfers;
    Side client;
    Side server;
    Run(&client, &server);
    ExpectAllWell(client, server);
    EXPECT_GT(transfers.count(), 100u);
  }
  InterruptedCalls interrupted;
  Side client;
  Side server;
  Run(&client, &server);
  ExpectAllWell(client, server);
  EXPECT_GT(interrupted.count(), 3u);
}

}  // namespace
}  // namespace halfpipe
