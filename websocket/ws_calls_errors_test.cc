// Each errno of ws.h by each of its calls where ws_test.cc has it by another: the forms on storage
// of the caller and those for lists fail as the others do.

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/sockets.h"
// clang-format on

#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

namespace halfpipe::websocket {
namespace {

coroutine void Make(const std::function<void()>* function) { (*function)(); }

// Runs `function` in a coroutine that is being closed.
void WhenCancelled(const std::function<void()>& function) {
  const std::function<void()> cancelled = [&] {
    Runtime::Current().Cancel(Runtime::Current().current());
    function();
  };
  const int h = go(Make(&cancelled));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
}

// Runs `during` while `blocked` waits in another coroutine, which is cancelled then.
void WhileBusy(const std::function<int64_t()>& blocked, const std::function<void()>& during) {
  const std::function<void()> main = [&] { EXPECT_FAILS(ECANCELED, blocked()); };
  const int h = go(Make(&main));
  during();
  EXPECT_EQ(hclose(h), 0);
}

struct Attach {
  const char* name;
  bool is_client;
  std::function<int(int s, int64_t deadline)> make;
};

class WsCallsErrorsTest : public testing::Test {
 protected:
  WsCallsErrorsTest()
      : attaches_({{"ws_attach_client", true,
                    [](int s, int64_t d) { return ws_attach_client(s, WS_TEXT, "/", "a", d); }},
                   {"ws_attach_client_mem", true,
                    [this](int s, int64_t d) {
                      return ws_attach_client_mem(s, WS_TEXT, "/", "a", &storage_, d);
                    }},
                   {"ws_attach_server", false,
                    [this](int s, int64_t d) {
                      return ws_attach_server(s, WS_TEXT, resource_, sizeof(resource_), nullptr, 0,
                                              d);
                    }},
                   {"ws_attach_server_mem", false, [this](int s, int64_t d) {
                      return ws_attach_server_mem(s, WS_TEXT, resource_, sizeof(resource_), nullptr,
                                                  0, &storage_, d);
                    }}}) {}
  void TearDown() override { EXPECT_EQ(HandleTable::Current().live_count(), 0u); }

  void NewPair() { ASSERT_EQ(ipc_pair(s_), 0); }
  void Send(const std::string& bytes) {
    EXPECT_EQ(bsend(s_[1], bytes.data(), bytes.size(), -1), 0);
  }
  // Our end of a new connection, as a server without handshake; s_[1] is the client's lower end.
  int Server() {
    NewPair();
    const int s = ws_attach_server(s_[0], WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    EXPECT_GT(s, 0);
    return s;
  }
  void CloseBoth(int s) {
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(s_[1]), 0);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  ws_storage storage_;
  char resource_[8];
  const std::vector<Attach> attaches_;
  int s_[2] = {-1, -1};
  char text_[8] = "text";
  dill_iolist list_ = {text_, 4, nullptr, 0};
};

// ---- Attach ------------------------------------------------------------------------------------

TEST_F(WsCallsErrorsTest, AttachToWhatWillNotDo) {
  const int b = bundle();
  for (const Attach& attach : attaches_) {
    SCOPED_TRACE(attach.name);
    EXPECT_FAILS(EBADF, attach.make(-1, 0));
    EXPECT_FAILS(ENOTSUP, attach.make(b, 0));
    NewPair();
    WhileBusy([&]() -> int64_t { return brecv(s_[0], nullptr, 1, -1); },
              [&] { EXPECT_FAILS(EBUSY, attach.make(s_[0], -1)); });
    WhenCancelled([&] { EXPECT_FAILS(ECANCELED, attach.make(s_[0], -1)); });
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
  }
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(WsCallsErrorsTest, AttachToAPeerThatWillNotDo) {
  struct Peer {
    bool of_client;
    int error;
    std::string bytes;
  };
  const std::string bad = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const std::string no_key =
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n";
  const std::string long_resource =
      "GET /longer-than-its-buffer HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n";
  const Peer peers[] = {{true, ETIMEDOUT, ""},
                        {true, EACCES, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
                        {true, EPROTO, bad.substr(0, 9) + "101 Switching Protocols\r\n\r\n"},
                        {false, ETIMEDOUT, ""},
                        {false, EPROTO, no_key},
                        {false, EMSGSIZE, long_resource}};
  for (const Attach& attach : attaches_) {
    SCOPED_TRACE(attach.name);
    for (const Peer& peer : peers) {
      if (peer.of_client != attach.is_client) continue;
      NewPair();
      Send(peer.bytes);
      EXPECT_FAILS(peer.error, attach.make(s_[0], peer.error == ETIMEDOUT ? 0 : -1));
      EXPECT_FAILS(EBADF, hclose(s_[0]));
      EXPECT_EQ(hclose(s_[1]), 0);
    }
    NewPair();
    EXPECT_EQ(ipc_done(s_[1], -1), 0);
    EXPECT_FAILS(ECONNRESET, attach.make(s_[0], -1));
    EXPECT_EQ(hclose(s_[1]), 0);
  }
}

// Others take every number while each of them waits for its peer, which then says what it wanted.
TEST_F(WsCallsErrorsTest, NoNumberAfterTheHandshake) {
  std::vector<int> results;
  std::vector<int> handles;
  const auto begin = [&](const Attach& attach, int s) {
    handles.push_back(go([](const Attach* a, int lower, std::vector<int>* out) {
      const int h = a->make(lower, -1);
      out->push_back(h >= 0 ? h : -errno);
    }(&attach, s, &results)));
  };
  for (const bool mem : {false, true}) {
    NewPair();
    // The server first, which waits: so it is the client that finds all there, and ends first.
    begin(attaches_[mem ? 3 : 2], s_[1]);
    begin(attaches_[mem ? 0 : 1], s_[0]);
  }
  ASSERT_TRUE(results.empty());
  {
    const EveryNumber all;
    for (const int h : handles) EXPECT_EQ(bundle_wait(h, -1), 0);
  }
  EXPECT_EQ(results, std::vector<int>(4, -EMFILE));
  for (const int h : handles) EXPECT_EQ(hclose(h), 0);
}

// ---- Calls on a WebSocket ----------------------------------------------------------------------

TEST_F(WsCallsErrorsTest, HandlesOfAnotherKind) {
  NewPair();
  const int s = s_[0];
  EXPECT_FAILS(ENOTSUP, ws_send(s, WS_TEXT, "x", 1, -1));
  EXPECT_FAILS(ENOTSUP, ws_sendl(s, WS_TEXT, &list_, &list_, -1));
  EXPECT_FAILS(ENOTSUP, ws_recv(s, nullptr, text_, 4, -1));
  EXPECT_FAILS(ENOTSUP, ws_recvl(s, nullptr, &list_, &list_, -1));
  EXPECT_FAILS(ENOTSUP, ws_done(s, 1000, nullptr, 0, -1));
  EXPECT_FAILS(ENOTSUP, ws_detach(s, 1000, nullptr, 0, -1));
  EXPECT_FAILS(ENOTSUP, ws_status(s, nullptr, nullptr, 0));
  // Nothing was done to it.
  CloseBoth(s);
}

TEST_F(WsCallsErrorsTest, SendingLists) {
  int s = Server();
  std::string much(100'000, 'x');
  dill_iolist large = {much.data(), much.size(), nullptr, 0};
  const auto send_much = [&](int64_t deadline) {
    return ws_sendl(s, WS_BINARY, &large, &large, deadline);
  };
  EXPECT_FAILS(EINVAL, ws_sendl(s, WS_NOHTTP, &list_, &list_, -1));
  EXPECT_FAILS(EINVAL, ws_sendl(s, WS_BINARY, nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, ws_sendl(s, WS_BINARY, &list_, &large, -1));
  char ill_formed[] = "\xff";
  dill_iolist no_text = {ill_formed, 1, nullptr, 0};
  EXPECT_FAILS(EINVAL, ws_sendl(s, WS_TEXT, &no_text, &no_text, -1));
  WhenCancelled([&] { EXPECT_FAILS(ECANCELED, send_much(-1)); });
  while (send_much(0) == 0) {
  }
  EXPECT_EQ(errno, ETIMEDOUT);
  WhileBusy([&]() -> int64_t { return send_much(-1); },
            [&] { EXPECT_FAILS(EBUSY, ws_sendl(s, WS_BINARY, &list_, &list_, -1)); });
  CloseBoth(s);
  s = Server();
  EXPECT_EQ(ws_done(s, 1000, nullptr, 0, -1), 0);
  EXPECT_FAILS(EPIPE, ws_sendl(s, WS_BINARY, &list_, &list_, -1));
  CloseBoth(s);
}

// Frames of a client whose mask is 0 (RFC 6455 section 5.2).
std::string Frame(char first, const std::string& payload) {
  std::string frame(1, first);
  frame += static_cast<char>(0x80 | payload.size());
  return frame + std::string(4, '\0') + payload;
}

TEST_F(WsCallsErrorsTest, ReceivingLists) {
  int s = Server();
  const auto receive = [&](int64_t deadline) {
    return ws_recvl(s, nullptr, &list_, &list_, deadline);
  };
  EXPECT_FAILS(EINVAL, ws_recvl(s, nullptr, &list_, nullptr, -1));
  EXPECT_FAILS(ETIMEDOUT, receive(0));
  WhenCancelled([&] { EXPECT_FAILS(ECANCELED, receive(-1)); });
  WhileBusy([&]() -> int64_t { return receive(-1); }, [&] { EXPECT_FAILS(EBUSY, receive(-1)); });
  Send(Frame('\x82', "hello"));
  EXPECT_FAILS(EMSGSIZE, receive(-1));
  Send(Frame('\x88', ""));
  EXPECT_FAILS(EPIPE, receive(-1));
  CloseBoth(s);
  s = Server();
  // An orphan continuation (section 5.4).
  Send(Frame('\x80', ""));
  EXPECT_FAILS(EPROTO, receive(-1));
  EXPECT_FAILS(EPROTO, receive(-1));
  CloseBoth(s);
}

// What an interrupted call has skipped, the next one cannot have.
TEST_F(WsCallsErrorsTest, WhatWasSkippedIsGone) {
  for (const bool list : {false, true}) {
    const int s = Server();
    const std::string frame = Frame('\x82', "four");
    Send(frame.substr(0, 8));
    dill_iolist skip = {nullptr, 4, nullptr, 0};
    EXPECT_FAILS(ETIMEDOUT,
                 list ? ws_recvl(s, nullptr, &skip, &skip, 0) : ws_recv(s, nullptr, nullptr, 4, 0));
    EXPECT_FAILS(EINVAL,
                 list ? ws_recvl(s, nullptr, &list_, &list_, 0) : ws_recv(s, nullptr, text_, 4, 0));
    Send(frame.substr(8));
    EXPECT_EQ(list ? ws_recvl(s, nullptr, &skip, &skip, -1) : ws_recv(s, nullptr, nullptr, 4, -1),
              4);
    CloseBoth(s);
  }
}

// Everything is closed then.
TEST_F(WsCallsErrorsTest, DetachThatFails) {
  const auto fails = [&](int error, int s, int status, const char* reason, size_t size) {
    EXPECT_FAILS(error, ws_detach(s, status, reason, size, -1));
    EXPECT_FAILS(EBADF, hclose(s));
    EXPECT_EQ(hclose(s_[1]), 0);
  };
  fails(EINVAL, Server(), 1005, nullptr, 0);
  fails(EINVAL, Server(), 0, "why", 3);
  fails(EINVAL, Server(), 1000, nullptr, 1);
  fails(EINVAL, Server(), 1000, "\xff", 1);
  fails(EMSGSIZE, Server(), 1000, std::string(124, 'x').c_str(), 124);
  int s = Server();
  Send(Frame('\x80', ""));
  fails(EPROTO, s, 1000, nullptr, 0);
  // The outbound half of what is below ended before.
  NewPair();
  EXPECT_EQ(ipc_done(s_[0], -1), 0);
  s = ws_attach_server(s_[0], WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  ASSERT_GT(s, 0);
  EXPECT_FAILS(EPIPE, ws_send(s, WS_BINARY, "x", 1, -1));
  EXPECT_FAILS(EPIPE, ws_sendl(s, WS_BINARY, &list_, &list_, -1));
  EXPECT_FAILS(EPIPE, ws_done(s, 1000, nullptr, 0, -1));
  fails(EPIPE, s, 1000, nullptr, 0);
}

}  // namespace
}  // namespace halfpipe::websocket
