// The errors of ws.h that only a system in trouble gives: no memory, no numbers for handles.

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/msocket.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/every_number.h"
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

class WsErrorsTest : public testing::TestWithParam<Transport> {
 protected:
  void TearDown() override {
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }

  // A client and a server without an HTTP handshake.
  void Connect() {
    const auto [a, b] = ConnectedHandles(GetParam());
    client_ = ws_attach_client(a, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
    server_ = ws_attach_server(b, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    ASSERT_GT(client_, 0);
    ASSERT_GT(server_, 0);
  }
  void Close() {
    for (const int h : {client_, server_}) EXPECT_EQ(hclose(h), 0);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  int client_ = -1;
  int server_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Transports, WsErrorsTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp),
                         testing::PrintToStringParamName());

// No memory for the object, or (`_mem` alike) for the table of handles: everything is closed.
TEST_P(WsErrorsTest, NoMemoryToAttach) {
  struct Attach {
    const char* name;
    std::function<int(int)> call;
    bool object;
  };
  ws_storage storage;
  constexpr int kFlags = WS_TEXT | WS_NOHTTP;
  const std::vector<Attach> attaches = {
      {"client", [](int s) { return ws_attach_client(s, kFlags, nullptr, nullptr, -1); }, true},
      {"server", [](int s) { return ws_attach_server(s, kFlags, nullptr, 0, nullptr, 0, -1); },
       true},
      {"client_mem",
       [&](int s) { return ws_attach_client_mem(s, kFlags, nullptr, nullptr, &storage, -1); },
       false},
      {"server_mem",
       [&](int s) { return ws_attach_server_mem(s, kFlags, nullptr, 0, nullptr, 0, &storage, -1); },
       false}};
  for (const Attach& attach : attaches) {
    SCOPED_TRACE(attach.name);
    const auto [a, b] = ConnectedHandles(GetParam());
    AllocationFault fault(0);
    const ssize_t outcome = Outcome(attach.call(a));
    fault.set_armed(false);
    EXPECT_EQ(outcome < 0, attach.object);
    if (outcome < 0) {
      EXPECT_EQ(outcome, -ENOMEM);
      EXPECT_EQ(Outcome(hclose(a)), -EBADF);
      // The peer sees the end.
      EXPECT_EQ(Outcome(brecv(b, nullptr, 1, -1)), -EPIPE);
    } else {
      EXPECT_EQ(hclose(static_cast<int>(outcome)), 0);
    }
    EXPECT_EQ(hclose(b), 0);
  }
}

// Reads the head of a request from `peer`, and accepts it (RFC 6455 section 4.2.2).
int AnswerHandshake(int peer) {
  std::string head;
  while (head.size() < 4 || head.compare(head.size() - 4, 4, "\r\n\r\n") != 0) {
    char byte;
    if (brecv(peer, &byte, 1, -1) != 0) return -1;
    head.push_back(byte);
  }
  const std::string name = "Sec-WebSocket-Key: ";
  const std::string key = head.substr(head.find(name) + name.size(), 24);
  char accept[WS_KEY_SIZE];
  if (ws_response_key(key.c_str(), accept) != 0) return -1;
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      std::string(accept) + "\r\n\r\n";
  return bsend(peer, answer.data(), answer.size(), -1);
}

// Opens bundles until the next number needs memory for the table; what `call` then gives.
ssize_t WithFullTable(const std::function<ssize_t()>& call) {
  std::vector<int> bundles;
  for (int i = 0; i < 5'000; ++i) {
    AllocationFault fault(1);
    const int h = bundle();
    if (h < 0) break;
    bundles.push_back(h);
  }
  ssize_t outcome = 0;
  {
    AllocationFault fault(0);
    fault.FailOn();
    outcome = call();
  }
  for (const int h : bundles) EXPECT_EQ(hclose(h), 0);
  return outcome;
}

// The number of the layer below is free when an attach or a detach needs one, but not used again at
// once: the table gives out the oldest.
TEST_P(WsErrorsTest, NoMemoryForANumber) {
  ws_storage storage;
  {
    const auto [a, b] = ConnectedHandles(GetParam());
    const int lower = a;
    const ssize_t outcome = WithFullTable([&] {
      return Outcome(
          ws_attach_client_mem(lower, WS_TEXT | WS_NOHTTP, nullptr, nullptr, &storage, -1));
    });
    EXPECT_EQ(outcome, -ENOMEM);
    EXPECT_EQ(Outcome(hclose(a)), -EBADF);
    EXPECT_EQ(hclose(b), 0);
  }
  Connect();
  EXPECT_EQ(ws_done(server_, 1000, nullptr, 0, -1), 0);
  const ssize_t outcome =
      WithFullTable([&] { return Outcome(ws_detach(client_, 1000, nullptr, 0, -1)); });
  EXPECT_EQ(outcome, -ENOMEM);
  EXPECT_EQ(Outcome(hclose(client_)), -EBADF);
  EXPECT_EQ(hclose(server_), 0);
}

// The number of the layer below becomes free, and another coroutine takes it while the handshake
// waits.
TEST_P(WsErrorsTest, NoNumberForAHandle) {
  const auto ends = ConnectedHandles(GetParam());
  const int lower = ends.first, peer = ends.second;
  ssize_t outcome = 0;
  const int h = go([](int s, ssize_t* result) {
    *result = Outcome(ws_attach_client(s, WS_TEXT, "/", "example.org", -1));
  }(lower, &outcome));
  {
    const EveryNumber all;
    EXPECT_EQ(AnswerHandshake(peer), 0);
    EXPECT_EQ(bundle_wait(h, -1), 0);
  }
  EXPECT_EQ(outcome, -EMFILE);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(Outcome(hclose(lower)), -EBADF);
  EXPECT_EQ(hclose(peer), 0);
}

// A client masks what it sends in memory of its own. Where there is none nothing is sent.
TEST_P(WsErrorsTest, NoMemoryToMaskIn) {
  Connect();
  {
    SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
    EXPECT_EQ(Outcome(ws_send(client_, WS_TEXT, "lost", 4, -1)), -ENOMEM);
    SyscallFault second({Syscall::kMmap}, 0, ENOMEM);
    EXPECT_EQ(Outcome(msend(client_, "lost", 4, -1)), -ENOMEM);
  }
  EXPECT_EQ(ws_send(client_, WS_TEXT, "kept", 4, -1), 0);
  char buffer[10];
  EXPECT_EQ(ws_recv(server_, nullptr, buffer, sizeof(buffer), -1), 4);
  EXPECT_EQ(std::string(buffer, 4), "kept");
  Close();
}

// A handshake needs memory to put a head together in.
TEST_P(WsErrorsTest, NoMemoryForTheHandshake) {
  for (const bool server : {false, true}) {
    Runtime runtime;
    const auto [a, b] = ConnectedHandles(GetParam());
    SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
    const ssize_t outcome =
        Outcome(server ? ws_attach_server(a, WS_TEXT, nullptr, 0, nullptr, 0, -1)
                       : ws_attach_client(a, WS_TEXT, "/", "example.org", -1));
    EXPECT_EQ(outcome, -ENOMEM);
    EXPECT_TRUE(fault.hit());
    EXPECT_EQ(Outcome(hclose(a)), -EBADF);
    EXPECT_EQ(hclose(b), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }
}

// What the library sends of its own accord, a pong or the Close for a breach of the protocol, nobody
// could send again: a shortage at that moment only delays it.
TEST_P(WsErrorsTest, AShortageDoesNotLosePongOrClose) {
  if (GetParam() == Transport::kPair) GTEST_SKIP() << "makes no system calls";
  for (const int error : {ENOBUFS, ENOMEM}) {
    const auto [a, b] = ConnectedHandles(GetParam());
    const int s = ws_attach_server(a, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    ASSERT_GT(s, 0);
    // A ping whose mask is 0 (RFC 6455 section 5.5.2).
    ASSERT_EQ(bsend(b, "\x89\x82\0\0\0\0hi", 8, -1), 0);
    {
      SyscallFault fault({Syscall::kSendmsg}, 0, error);
      // It may take a while to arrive.
      const int64_t late = now() + 60'000;
      while (!fault.hit() && now() < late) {
        EXPECT_EQ(Outcome(ws_recv(s, nullptr, nullptr, 0, now() + 10)), -ETIMEDOUT);
      }
      EXPECT_TRUE(fault.hit());
    }
    char pong[4];
    EXPECT_EQ(brecv(b, pong, sizeof(pong), -1), 0);
    EXPECT_EQ(std::string(pong, 4), "\x8a\x02hi");
    // An orphan continuation (section 5.4).
    ASSERT_EQ(bsend(b, "\x80\x80\0\0\0\0", 6, -1), 0);
    {
      SyscallFault fault({Syscall::kSendmsg}, 0, error);
      EXPECT_EQ(Outcome(ws_recv(s, nullptr, nullptr, 0, -1)), -EPROTO);
      EXPECT_TRUE(fault.hit());
    }
    char close[4];
    EXPECT_EQ(brecv(b, close, sizeof(close), -1), 0);
    EXPECT_EQ(close[0], '\x88');
    EXPECT_EQ(close[2] << 8 | (close[3] & 0xff), 1002);
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(b), 0);
  }
}

// Of a list above sixteen pieces nothing is sent or received.
TEST_P(WsErrorsTest, NoMemoryForALongList) {
  Connect();
  std::vector<dill_iolist> list(17);
  std::string text(17, 'x');
  for (size_t i = 0; i < 17; ++i) list[i] = {&text[i], 1, i < 16 ? &list[i + 1] : nullptr, 0};
  {
    AllocationFault fault(0);
    fault.FailOn();
    EXPECT_EQ(Outcome(ws_sendl(server_, WS_TEXT, &list.front(), &list.back(), -1)), -ENOMEM);
    EXPECT_EQ(Outcome(msendl(server_, &list.front(), &list.back(), -1)), -ENOMEM);
  }
  EXPECT_EQ(ws_sendl(server_, WS_TEXT, &list.front(), &list.back(), -1), 0);
  {
    AllocationFault fault(0);
    fault.FailOn();
    EXPECT_EQ(Outcome(ws_recvl(client_, nullptr, &list.front(), &list.back(), -1)), -ENOMEM);
    EXPECT_EQ(Outcome(mrecvl(client_, &list.front(), &list.back(), -1)), -ENOMEM);
  }
  EXPECT_EQ(ws_recvl(client_, nullptr, &list.front(), &list.back(), -1), 17);
  Close();
}

// What an interrupted receive has is to be kept; without memory the inbound half is over, and says
// so from then on. The peer is told (1011), which ends the outbound half too.
TEST_P(WsErrorsTest, NoMemoryToKeepAPartOfAMessage) {
  for (const bool lists : {false, true}) {
    const int requests = SweepAllocations([&](AllocationFault& fault) {
      fault.set_armed(false);
      const auto [a, b] = ConnectedHandles(GetParam());
      const int s = ws_attach_server(a, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
      ASSERT_GT(s, 0);
      // The head and a part of a message of 2000 bytes whose mask is 0 (RFC 6455 section 5.2).
      std::string frame("\x81\xfe\x07\xd0\0\0\0\0", 8);
      frame.append(1'500, 'x');
      ASSERT_EQ(bsend(b, frame.data(), frame.size(), -1), 0);
      AwaitArrival(s, frame.size());
      std::string got(2'000, '\0');
      dill_iolist last = {got.data() + 1'000, 1'000, nullptr, 0};
      dill_iolist first = {got.data(), 1'000, &last, 0};
      const auto receive = [&](int64_t deadline) {
        return Outcome(lists ? ws_recvl(s, nullptr, &first, &last, deadline)
                             : mrecv(s, got.data(), got.size(), deadline));
      };
      fault.set_armed(true);
      const ssize_t outcome = receive(0);
      fault.set_armed(false);
      EXPECT_EQ(outcome, fault.hit() ? -ENOMEM : -ETIMEDOUT);
      const std::string rest(500, 'x');
      ASSERT_EQ(bsend(b, rest.data(), rest.size(), -1), 0);
      EXPECT_EQ(receive(fault.hit() ? 0 : -1), fault.hit() ? -ENOMEM : 2'000);
      if (!fault.hit()) {
        EXPECT_EQ(got, std::string(2'000, 'x'));
      }
      const int sent = ws_send(s, WS_TEXT, "still", 5, -1);
      EXPECT_EQ(sent == 0 ? 0 : errno, fault.hit() ? EPIPE : 0);
      char back[7];
      EXPECT_EQ(brecv(b, back, 7, -1), 0);
      EXPECT_EQ(std::string(back, 7), fault.hit() ? "\x88\x0f\x03\xf3out" : "\x81\x05still");
      EXPECT_EQ(hclose(s), 0);
      EXPECT_EQ(hclose(b), 0);
    });
    EXPECT_GE(requests, 1);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
