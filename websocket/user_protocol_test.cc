// Stacks of protocols, ours and a user's: WebSocket and HTTP over a protocol that is written with
// hmake() and bsock_vfs, terminal handshakes over WebSocket, and three layers of each kind.

#include "bytestream/testing/user_protocol.h"

#include <libdillimpl.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/testing/handles.h"

#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

namespace halfpipe::websocket {
namespace {

// Coroutines of the library's own, if there are any, have come out.
void Settle() {
  for (int i = 0; i < 3; ++i) yield();
  while (Runtime::Current().coroutine_count() > 0) msleep(now() + 1);
}

class UserProtocolTest : public testing::TestWithParam<Transport> {
 protected:
  void TearDown() override {
    Settle();
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

INSTANTIATE_TEST_SUITE_P(All, UserProtocolTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp));

std::string Receive(int s) {
  std::string text(400'000, '?');
  int flags = 0;
  const ssize_t size = ws_recv(s, &flags, text.data(), text.size(), -1);
  return size < 0 ? "errno " + std::to_string(errno) : text.substr(0, static_cast<size_t>(size));
}

std::string ReceiveBytes(int s, size_t size) {
  std::string text(size, '?');
  return brecv(s, text.data(), size, -1) == 0 ? text : "errno " + std::to_string(errno);
}

// The client of a conversation over any bytestream, which it closes in the end.
void TalkAsClient(int s, const std::string& big) {
  s = ws_attach_client(s, WS_TEXT, "/resource", "example.org", -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(ws_send(s, WS_TEXT, "hello", 5, -1), 0);
  EXPECT_EQ(ws_send(s, WS_BINARY, big.data(), big.size(), -1), 0);
  EXPECT_EQ(Receive(s), big);
  EXPECT_EQ(Receive(s), "");
  s = ws_detach(s, 1000, "bye", 3, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(bsend(s, "after the WebSocket", 19, -1), 0);
  EXPECT_EQ(ReceiveBytes(s, 5), "bytes");
  EXPECT_EQ(hclose(s), 0);
}

// The server's side. Returns the stream, from which everything behind the WebSocket can be read.
int TalkAsServer(int s, const std::string& big) {
  char resource[16];
  char host[16];
  s = ws_attach_server(s, WS_TEXT, resource, sizeof(resource), host, sizeof(host), -1);
  EXPECT_GT(s, 0);
  EXPECT_STREQ(resource, "/resource");
  EXPECT_EQ(Receive(s), "hello");
  EXPECT_EQ(Receive(s), big);
  EXPECT_EQ(ws_send(s, WS_BINARY, big.data(), big.size(), -1), 0);
  EXPECT_EQ(ws_send(s, WS_TEXT, "", 0, -1), 0);
  EXPECT_EQ(Receive(s), "errno " + std::to_string(EPIPE));
  s = ws_detach(s, 0, nullptr, 0, -1);
  EXPECT_GT(s, 0);
  return s;
}

// A protocol of the user's carries a WebSocket and gives back every byte that came behind it, and
// nothing was read that belonged to somebody else.
TEST_P(UserProtocolTest, CarriesAWebSocket) {
  const std::string big(300'000, 'b');
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  UserProtocolLog client_log;
  UserProtocolLog server_log;
  const int client = go(TalkAsClient(FlipAttach(a, &client_log), big));
  const int flipped = TalkAsServer(FlipAttach(b, &server_log), big);
  // The user's own protocol comes off too, and the bytes below are where they should be.
  const int s = FlipDetach(flipped);
  ASSERT_GT(s, 0);
  std::string raw = ReceiveBytes(s, 19);
  for (char& c : raw) c = static_cast<char>(~c);
  EXPECT_EQ(raw, "after the WebSocket");
  const int again = FlipAttach(s, nullptr);
  EXPECT_EQ(bsend(again, "bytes", 5, -1), 0);
  EXPECT_EQ(bundle_wait(client, -1), 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_FAILS(EPIPE, brecv(again, raw.data(), 1, -1));
  EXPECT_EQ(hclose(again), 0);
  EXPECT_EQ(client_log.closes, 1);
  EXPECT_EQ(server_log.closes, 1);
}

// Two of the user's below ours.
TEST_P(UserProtocolTest, CarriesAWebSocketInTwoLayers) {
  const std::string big(70'000, 'c');
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const int client = go(TalkAsClient(FlipAttach(FlipAttach(a, nullptr), nullptr), big));
  const int s = TalkAsServer(FlipAttach(FlipAttach(b, nullptr), nullptr), big);
  EXPECT_EQ(ReceiveBytes(s, 19), "after the WebSocket");
  EXPECT_EQ(bsend(s, "bytes", 5, -1), 0);
  EXPECT_EQ(bundle_wait(client, -1), 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(s), 0);
}

// Each frame in its turn: never is more asked of the user than a frame's header or its payload.
TEST_P(UserProtocolTest, AsksForWhatIsSureToCome) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  UserProtocolLog log;
  const int s =
      ws_attach_server(FlipAttach(a, &log), WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  const int peer =
      ws_attach_client(FlipAttach(b, nullptr), WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
  ASSERT_GT(s, 0);
  ASSERT_GT(peer, 0);
  const std::string text(100, 't');
  EXPECT_EQ(msend(peer, text.data(), text.size(), -1), 0);
  EXPECT_EQ(msend(peer, text.data(), text.size(), -1), 0);
  EXPECT_EQ(Receive(s), text);
  // Two bytes of header, four of mask key, the payload.
  EXPECT_EQ(log.received_bytes, 106u);
  EXPECT_EQ(log.receives, 3);
  EXPECT_EQ(mrecvl(s, nullptr, nullptr, -1), 100);
  EXPECT_EQ(log.received_bytes, 212u);
  EXPECT_EQ(log.receives, 6);
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(hclose(peer), 0);
}

TEST_P(UserProtocolTest, CarriesAHead) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const int client = http_attach(FlipAttach(a, nullptr));
  int server = http_attach(FlipAttach(b, nullptr));
  ASSERT_GT(client, 0);
  ASSERT_GT(server, 0);
  EXPECT_EQ(http_sendrequest(client, "GET", "/", -1), 0);
  EXPECT_EQ(http_sendfield(client, "Host", "example.org", -1), 0);
  EXPECT_EQ(http_sendfield(client, "Accept", "*/*", -1), 0);
  EXPECT_EQ(http_done(client, -1), 0);
  const int bytes = http_detach(client, -1);
  ASSERT_GT(bytes, 0);
  EXPECT_EQ(bsend(bytes, "body", 4, -1), 0);
  char command[8];
  char resource[8];
  EXPECT_EQ(http_recvrequest(server, command, sizeof(command), resource, sizeof(resource), -1), 0);
  EXPECT_STREQ(command, "GET");
  char name[16];
  char value[16];
  EXPECT_EQ(http_recvfield(server, name, sizeof(name), value, sizeof(value), -1), 0);
  EXPECT_STREQ(value, "example.org");
  server = FlipDetach(http_detach(server, -1));  // skips the other field
  ASSERT_GT(server, 0);
  std::string raw = ReceiveBytes(server, 4);
  for (char& c : raw) c = static_cast<char>(~c);
  EXPECT_EQ(raw, "body");
  EXPECT_EQ(hclose(server), 0);
  EXPECT_EQ(hclose(bytes), 0);
}

// ---- Failures ----------------------------------------------------------------------------------

coroutine void AttachCancelled(int s, const std::function<int(int)>* attach) {
  Runtime::Current().Cancel(Runtime::Current().current());
  EXPECT_FAILS(ECANCELED, (*attach)(s));
}

// An attach that fails closes the user's object, once; one that was not begun leaves it alone.
TEST_P(UserProtocolTest, FailedAttachesCloseOnce) {
  const std::function<int(int)> bad_arguments[] = {
      [](int s) { return ws_attach_client(s, 1 << 20, "/", "h", -1); },
      [](int s) { return ws_attach_client(s, WS_TEXT, nullptr, "h", -1); },
      [](int s) { return ws_attach_server_mem(s, 0, nullptr, 0, nullptr, 0, nullptr, -1); },
      [](int s) { return http_attach_mem(s, nullptr); },
      [](int s) { return prefix_attach(s, 0, 0); },
      [](int s) { return suffix_attach(s, nullptr, 0); },
  };
  const std::function<int(int)> attaches[] = {
      [](int s) { return ws_attach_client(s, WS_TEXT, "/", "h", -1); },
      [](int s) { return ws_attach_server(s, WS_TEXT, nullptr, 0, nullptr, 0, -1); },
      [](int s) { return http_attach(s); },
      [](int s) { return prefix_attach(s, 2, 0); },
      [](int s) { return suffix_attach(s, "x", 1); },
  };
  int closes = 0;
  const auto check = [&](const std::function<void(int)>& attach) {
    const auto ends = ConnectedHandles(GetParam());
    const int a = ends.first, b = ends.second;
    UserProtocolLog log;
    const int s = FlipAttach(a, &log);
    attach(s);
    EXPECT_EQ(log.closes, 1);
    closes += log.closes;
    EXPECT_FAILS(EBADF, hclose(s));
    char byte;
    while (brecv(b, &byte, 1, -1) == 0) {
    }
    EXPECT_EQ(errno, EPIPE);
    EXPECT_EQ(hclose(b), 0);
  };
  for (const auto& attach : bad_arguments) {
    check([&](int s) { EXPECT_FAILS(EINVAL, attach(s)); });
  }
  for (const auto& attach : attaches) {
    check([&](int s) { EXPECT_EQ(hclose(go(AttachCancelled(s, &attach))), 0); });
  }
  check([](int s) { EXPECT_FAILS(ETIMEDOUT, ws_attach_client(s, 0, "/", "h", now() + 3)); });
  EXPECT_EQ(closes, 12);
}

coroutine void ReceiveFails(int s, int error) {
  char byte;
  EXPECT_FAILS(error, mrecv(s, &byte, 1, -1));
}

TEST_P(UserProtocolTest, ClosedUnderAReceiver) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  UserProtocolLog log;
  const int s = ws_attach_client(FlipAttach(a, &log), WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
  const int blocked = go(ReceiveFails(s, EBADF));
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(log.closes, 1);
  EXPECT_EQ(bundle_wait(blocked, -1), 0);
  EXPECT_EQ(hclose(blocked), 0);
  EXPECT_EQ(hclose(b), 0);
}

// A large message, interrupted when part of it has left: the rest follows by itself, the call says
// that it was sent, and the other side has all of it.
TEST_P(UserProtocolTest, ATailOverAUsersProtocol) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const std::string text(200'000, 't');
  int client =
      ws_attach_client(FlipAttach(a, nullptr), WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
  const int server =
      ws_attach_server(FlipAttach(b, nullptr), WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  errno = 0;
  const int sent = msend(client, text.data(), text.size(), now() + 10);
  if (sent != 0) {
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_FAILS(ETIMEDOUT, mrecv(server, nullptr, 1, 0));
  }
  EXPECT_EQ(sent, 0);
  const auto send_last = [&] { EXPECT_EQ(msend(client, "last", 4, -1), 0); };
  const int sender = go(send_last());
  EXPECT_EQ(Receive(server), text);
  EXPECT_EQ(Receive(server), "last");
  EXPECT_EQ(bundle_wait(sender, -1), 0);
  EXPECT_EQ(hclose(sender), 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(server), 0);
}

// With a tail that cannot leave, hclose() does not wait, and the user's object is closed once.
TEST_P(UserProtocolTest, ClosedWithATail) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const std::string text(200'000, 't');
  UserProtocolLog log;
  const int client =
      ws_attach_client(FlipAttach(a, &log), WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
  EXPECT_EQ(msend(client, text.data(), text.size(), now() + 10), 0);
  EXPECT_EQ(hclose(client), 0);
  Settle();
  EXPECT_EQ(log.closes, 1);
  EXPECT_EQ(hclose(b), 0);
}

// Every wait of a conversation ended once: what was interrupted is done again, and all is well.
TEST_F(UserProtocolTest, EveryWait) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(error, [&](WaitFault& fault) {
      const auto [a, b] = ConnectedHandles(Transport::kPair);
      UserProtocolLog log;
      const int server =
          ws_attach_server(FlipAttach(a, &log), WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
      const int client =
          ws_attach_client(FlipAttach(b, nullptr), WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
      std::string got;
      int failures = 0;
      const auto receive = [&] {
        char text[16];
        const ssize_t size = mrecv(server, text, sizeof(text), -1);
        if (size < 0) {
          EXPECT_EQ(errno, error);
          ++failures;
        } else {
          got += std::string(text, static_cast<size_t>(size)) + ";";
        }
      };
      const auto serve = [&] {
        fault.set_only(Runtime::Current().current());
        for (int i = 0; i < 3; ++i) receive();
      };
      const int serving = go(serve());
      for (const char* const text : {"one", "two", "three"}) {
        EXPECT_EQ(msend(client, text, strlen(text), -1), 0);
        EXPECT_EQ(yield(), 0);
      }
      EXPECT_EQ(bundle_wait(serving, -1), 0);
      EXPECT_EQ(hclose(serving), 0);
      while (failures-- > 0) receive();
      EXPECT_EQ(got, "one;two;three;");
      EXPECT_EQ(hclose(server), 0);
      EXPECT_EQ(hclose(client), 0);
      EXPECT_EQ(log.closes, 1);
    });
    EXPECT_GE(waits, 2);
  }
}

// ---- Stacks ------------------------------------------------------------------------------------

coroutine void StopAsClient(int s) {
  s = ws_attach_client(s, WS_TEXT, "/", "example.org", -1);
  s = term_attach(s, "STOP", 4);
  ASSERT_GT(s, 0);
  EXPECT_EQ(msend(s, "question", 8, -1), 0);
  char answer[16];
  EXPECT_EQ(mrecv(s, answer, sizeof(answer), -1), 6);
  EXPECT_FAILS(EINVAL, msend(s, "STOP", 4, -1));
  s = term_detach(s, -1);
  ASSERT_GT(s, 0);
  // It is a WebSocket again.
  EXPECT_EQ(ws_send(s, WS_TEXT, "once more", 9, -1), 0);
  s = ws_detach(s, 1000, nullptr, 0, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(bsend(s, "end", 3, -1), 0);
  EXPECT_EQ(hclose(s), 0);
}

// The terminal handshake runs over WebSocket, both come off again, and nothing is lost.
TEST_P(UserProtocolTest, TermOverWebSocket) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const int client = go(StopAsClient(a));
  int s = ws_attach_server(b, WS_TEXT, nullptr, 0, nullptr, 0, -1);
  s = term_attach(s, "STOP", 4);
  ASSERT_GT(s, 0);
  char text[16];
  EXPECT_EQ(mrecv(s, text, sizeof(text), -1), 8);
  EXPECT_EQ(msend(s, "answer", 6, -1), 0);
  EXPECT_FAILS(EPIPE, mrecv(s, text, sizeof(text), -1));
  s = term_detach(s, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(Receive(s), "once more");
  s = ws_detach(s, 1000, nullptr, 0, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(ReceiveBytes(s, 3), "end");
  EXPECT_EQ(bundle_wait(client, -1), 0);
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(s), 0);
}

// A message protocol of the user's between two of ours, over WebSocket over the user's bytes.
TEST_P(UserProtocolTest, TermOverTheUsersMessagesOverWebSocketOverTheUsersBytes) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const auto stack = [](int s, bool client) {
    s = FlipAttach(s, nullptr);
    s = client ? ws_attach_client(s, WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1)
               : ws_attach_server(s, WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    return term_attach(MarkAttach(s, nullptr), "STOP", 4);
  };
  int client = stack(a, true);
  int server = stack(b, false);
  ASSERT_GT(client, 0);
  ASSERT_GT(server, 0);
  EXPECT_EQ(msend(client, "abc", 3, -1), 0);
  EXPECT_EQ(msend(client, "dropped", 7, -1), 0);
  char text[16];
  EXPECT_EQ(mrecv(server, text, sizeof(text), -1), 3);
  EXPECT_EQ(mrecvl(server, nullptr, nullptr, -1), 7);
  EXPECT_EQ(term_done(client, -1), 0);
  EXPECT_FAILS(EPIPE, mrecv(server, text, sizeof(text), -1));
  server = term_detach(server, -1);
  client = term_detach(client, -1);
  ASSERT_GT(server, 0);
  ASSERT_GT(client, 0);
  server = MarkDetach(server);
  client = MarkDetach(client);
  EXPECT_EQ(ws_send(server, WS_BINARY, "plain", 5, -1), 0);
  EXPECT_EQ(Receive(client), "plain");
  EXPECT_EQ(hclose(server), 0);
  EXPECT_EQ(hclose(client), 0);
}

// A user's messages over prefix, and prefix over a user's bytes.
TEST_P(UserProtocolTest, PrefixBetweenTwoOfTheUsers) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  int sender = MarkAttach(prefix_attach(FlipAttach(a, nullptr), 2, 0), nullptr);
  int receiver = MarkAttach(prefix_attach(FlipAttach(b, nullptr), 2, 0), nullptr);
  ASSERT_GT(sender, 0);
  ASSERT_GT(receiver, 0);
  EXPECT_EQ(msend(sender, "abc", 3, -1), 0);
  char text[16];
  EXPECT_EQ(mrecv(receiver, text, sizeof(text), -1), 3);
  sender = prefix_detach(MarkDetach(sender));
  receiver = prefix_detach(MarkDetach(receiver));
  EXPECT_EQ(bsend(sender, "xyz", 3, -1), 0);
  EXPECT_EQ(ReceiveBytes(receiver, 3), "xyz");
  EXPECT_EQ(hclose(sender), 0);
  EXPECT_EQ(hclose(receiver), 0);
}

TEST_P(UserProtocolTest, SuffixOverAUsersBytes) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  UserProtocolLog log;
  const int sender = suffix_attach(FlipAttach(a, nullptr), "\r\n", 2);
  int receiver = suffix_attach(FlipAttach(b, &log), "\r\n", 2);
  EXPECT_EQ(msend(sender, "a\rb", 3, -1), 0);
  EXPECT_EQ(msend(sender, "", 0, -1), 0);
  const int bytes = suffix_detach(sender, -1);
  EXPECT_EQ(bsend(bytes, "rest", 4, -1), 0);
  char text[16];
  EXPECT_EQ(mrecv(receiver, text, sizeof(text), -1), 3);
  EXPECT_EQ(mrecv(receiver, text, sizeof(text), -1), 0);
  EXPECT_EQ(log.received_bytes, 7u);  // not a byte beyond the delimiters
  receiver = suffix_detach(receiver, -1);
  EXPECT_EQ(ReceiveBytes(receiver, 4), "rest");
  EXPECT_EQ(hclose(bytes), 0);
  EXPECT_EQ(hclose(receiver), 0);
}

// The tables of our message sockets, for protocols of the user's.
TEST_P(UserProtocolTest, TablesOfMessageSockets) {
  const auto ends = ConnectedHandles(GetParam());
  const int a = ends.first, b = ends.second;
  const int client = ws_attach_client(a, WS_BINARY | WS_NOHTTP, nullptr, nullptr, -1);
  const int server = ws_attach_server(b, WS_BINARY | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  errno = 0;
  EXPECT_EQ(hquery(client, bsock_type), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  auto* const vfs = static_cast<struct msock_vfs*>(hquery(client, msock_type));
  auto* const peer = static_cast<struct msock_vfs*>(hquery(server, msock_type));
  ASSERT_NE(vfs, nullptr);
  ASSERT_NE(peer, nullptr);
  char hello[] = "hello";
  struct iolist piece = {hello, 5, nullptr, 0};
  EXPECT_EQ(vfs->msendl(vfs, &piece, &piece, -1), 0);
  EXPECT_EQ(vfs->msendl(vfs, &piece, &piece, -1), 0);
  char got[8];
  struct iolist room = {got, sizeof(got), nullptr, 0};
  EXPECT_EQ(peer->mrecvl(peer, &room, &room, -1), 5);
  EXPECT_EQ(peer->mrecvl(peer, nullptr, nullptr, -1), 5);
  EXPECT_FAILS(ETIMEDOUT, peer->mrecvl(peer, &room, &room, 0));
  EXPECT_FAILS(EINVAL, peer->mrecvl(peer, &room, nullptr, 0));
  EXPECT_FAILS(EINVAL, vfs->msendl(vfs, nullptr, nullptr, 0));
  EXPECT_EQ(hclose(client), 0);
  EXPECT_FAILS(EPIPE, peer->mrecvl(peer, &room, &room, -1));
  EXPECT_EQ(hclose(server), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
