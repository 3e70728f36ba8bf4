// What programs for libdill rely on, sentence by sentence, in plain C calls. What one package alone
// is about has its test there; here is what goes across the kinds of sockets, or is about programs.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
// clang-format off: its macros are for what follows.
#include <libdill.h>
#include <libdillimpl.h>
// clang-format on

#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

namespace halfpipe::websocket {
namespace {

class LibdillProgramsTest : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

coroutine void Nothing() {}

// ---- Coroutines --------------------------------------------------------------------------------

coroutine void Sleep(int64_t deadline, int* error) { *error = msleep(deadline) == 0 ? 0 : errno; }

TEST_F(LibdillProgramsTest, GoReturnsABundleHandle) {
  int first = -1;
  int second = -1;
  const int h = go(Sleep(now() + 1, &first));
  EXPECT_EQ(bundle_go(h, Sleep(now() + 1, &second)), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(bundle_wait(h, 0), 0);
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(LibdillProgramsTest, MsleepWithoutDeadlineWaitsForCancellation) {
  int error = -1;
  const int h = go(Sleep(-1, &error));
  EXPECT_EQ(error, -1);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(error, ECANCELED);
}

// An object of a program's own, which may do something when it is closed.
struct Object {
  hvfs vfs;
  const std::function<void()>* on_close;
  int closes;
};
void* ObjectQuery(struct hvfs*, const void*) {
  errno = ENOTSUP;
  return nullptr;
}
void ObjectClose(struct hvfs* vfs) {
  Object* const self = reinterpret_cast<Object*>(vfs);
  ++self->closes;
  if (self->on_close != nullptr) (*self->on_close)();
}
Object MakeObject(const std::function<void()>* on_close = nullptr) {
  return {{&ObjectQuery, &ObjectClose}, on_close, 0};
}

coroutine void RunCancelled(const std::function<void()>* function) {
  EXPECT_FAILS(ECANCELED, msleep(-1));
  (*function)();
}

// In a cancelled coroutine, and inside a close callback, go, hmake and chmake give ECANCELED, but
// hclose works; hown closes the object.
TEST_F(LibdillProgramsTest, WhatEndsMakesNothingNewButCloses) {
  for (const bool in_close : {false, true}) {
    SCOPED_TRACE(in_close ? "in a close callback" : "in a cancelled coroutine");
    Object object = MakeObject();
    Object owned = MakeObject();
    const int to_own = hmake(&owned.vfs);
    int error = -1;
    const int to_close = go(Sleep(-1, &error));
    bool ran = false;
    const std::function<void()> body = [&] {
      int ch[2];
      struct chstorage channel;
      struct bundle_storage storage;
      std::vector<char> stack(65'536);
      EXPECT_FAILS(ECANCELED, go(Nothing()));
      EXPECT_FAILS(ECANCELED, go_mem(Nothing(), stack.data(), stack.size()));
      EXPECT_FAILS(ECANCELED, bundle());
      EXPECT_FAILS(ECANCELED, bundle_mem(&storage));
      EXPECT_FAILS(ECANCELED, bundle_go(to_close, Nothing()));
      EXPECT_FAILS(ECANCELED, hmake(&object.vfs));
      EXPECT_FAILS(ECANCELED, chmake(ch));
      EXPECT_FAILS(ECANCELED, chmake_mem(&channel, ch));
      EXPECT_EQ(hclose(to_close), 0);
      EXPECT_EQ(error, ECANCELED);
      EXPECT_FAILS(ECANCELED, hown(to_own));
      EXPECT_EQ(owned.closes, 1);
      EXPECT_FAILS(EBADF, hclose(to_own));
      ran = true;
    };
    if (in_close) {
      Object closing = MakeObject(&body);
      EXPECT_EQ(hclose(hmake(&closing.vfs)), 0);
    } else {
      EXPECT_EQ(hclose(go(RunCancelled(&body))), 0);
    }
    EXPECT_TRUE(ran);
    EXPECT_EQ(object.closes, 0);
  }
}

// ---- Sending and receiving lists ---------------------------------------------------------------

enum class Kind { kWebSocket, kPrefix, kSuffix, kTerm, kUdp };

// Two ends of each kind of message socket.
class MessageProgramsTest : public LibdillProgramsTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kUdp) return SetUpUdp();
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    for (int i = 0; i < 2; ++i) s_[i] = Attach(s[i], i == 0);
    for (const int s : s_) ASSERT_GT(s, 0);
  }
  void TearDown() override {
    for (const int s : s_) EXPECT_EQ(hclose(s), 0);
    LibdillProgramsTest::TearDown();
  }

  void SetUpUdp() {
    // The ports of both have to be known first; in between somebody else may take the one.
    for (int i = 0; i < 100 && s_[0] < 0; ++i) {
      if (s_[1] >= 0) {
        EXPECT_EQ(hclose(s_[1]), 0);
      }
      struct ipaddr a;
      struct ipaddr b;
      ASSERT_EQ(ipaddr_local(&a, "127.0.0.1", 0, 0), 0);
      ASSERT_EQ(ipaddr_local(&b, "127.0.0.1", 0, 0), 0);
      EXPECT_EQ(hclose(udp_open(&a, nullptr)), 0);
      s_[1] = udp_open(&b, &a);
      s_[0] = udp_open(&a, &b);
    }
    for (const int s : s_) ASSERT_GT(s, 0);
  }

  static int Attach(int s, bool client) {
    switch (GetParam()) {
      case Kind::kWebSocket:
        return client ? ws_attach_client(s, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1)
                      : ws_attach_server(s, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
      case Kind::kPrefix:
        return prefix_attach(s, 4, 0);
      case Kind::kSuffix:
        return suffix_attach(s, "\r\n", 2);
      default:
        return term_attach(prefix_attach(s, 4, 0), "end", 3);
    }
  }

  void Send(const std::string& text) { EXPECT_EQ(msend(s_[0], text.data(), text.size(), -1), 0); }
  void ExpectNext(const std::string& text) {
    char buffer[100];
    ASSERT_EQ(mrecv(s_[1], buffer, sizeof(buffer), -1), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(std::string(buffer, text.size()), text);
  }

  int s_[2] = {-1, -1};
};

std::string KindName(const testing::TestParamInfo<Kind>& info) {
  constexpr const char* kNames[] = {"WebSocket", "Prefix", "Suffix", "Term", "Udp"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Kinds, MessageProgramsTest,
                         testing::Values(Kind::kWebSocket, Kind::kPrefix, Kind::kSuffix,
                                         Kind::kTerm, Kind::kUdp),
                         &KindName);

// mrecvl(s, NULL, NULL) discards one message, {NULL, SIZE_MAX} skips any message, mrecv(s, NULL, n)
// one of up to n bytes; each says how large it was.
TEST_P(MessageProgramsTest, MessagesAreDiscardedAndSkipped) {
  const std::string sizes[] = {"", "x", std::string(5'000, 'y')};
  for (const std::string& message : sizes) {
    const ssize_t size = static_cast<ssize_t>(message.size());
    for (int i = 0; i < 4; ++i) Send(message);
    Send("next");
    EXPECT_EQ(mrecvl(s_[1], nullptr, nullptr, -1), size);
    struct iolist anything = {nullptr, SIZE_MAX, nullptr, 0};
    EXPECT_EQ(mrecvl(s_[1], &anything, &anything, -1), size);
    EXPECT_EQ(anything.iol_rsvd, 0);
    EXPECT_EQ(mrecv(s_[1], nullptr, 5'000, -1), size);
    // A start that is wanted, and the rest whatever it is.
    char start[2] = {'-', '-'};
    struct iolist rest = {nullptr, SIZE_MAX, nullptr, 0};
    struct iolist first = {start, 1, &rest, 0};
    EXPECT_EQ(mrecvl(s_[1], &first, &rest, -1), size);
    EXPECT_EQ(start[0], message.empty() ? '-' : message[0]);
    EXPECT_EQ(start[1], '-');
    ExpectNext("next");
  }
  EXPECT_FAILS(ETIMEDOUT, mrecvl(s_[1], nullptr, nullptr, 0));
}

// A list that is NULL, broken, looped, or whose `last` is not its end: EINVAL, nothing is sent, and
// iol_rsvd is 0 afterwards.
TEST_P(MessageProgramsTest, BadListsSendNothing) {
  char text[] = "abc";
  struct iolist a[3];
  const auto reset = [&] {
    for (int i = 0; i < 3; ++i) a[i] = {text + i, 1, i < 2 ? &a[i + 1] : nullptr, 0};
  };
  const auto expect_invalid = [&](struct iolist* first, struct iolist* last) {
    EXPECT_FAILS(EINVAL, msendl(s_[0], first, last, -1));
    for (const struct iolist& each : a) EXPECT_EQ(each.iol_rsvd, 0);
    if (first == nullptr && last == nullptr) return;  // a receive that discards
    EXPECT_FAILS(EINVAL, mrecvl(s_[1], first, last, 0));
    for (const struct iolist& each : a) EXPECT_EQ(each.iol_rsvd, 0);
  };
  reset();
  expect_invalid(nullptr, nullptr);
  expect_invalid(&a[0], nullptr);
  expect_invalid(nullptr, &a[2]);
  expect_invalid(&a[0], &a[1]);
  a[1].iol_next = nullptr;
  expect_invalid(&a[0], &a[2]);
  reset();
  a[2].iol_next = &a[0];
  expect_invalid(&a[0], &a[2]);
  a[2].iol_next = &a[1];
  expect_invalid(&a[0], &a[2]);
  EXPECT_FAILS(EINVAL, msend(s_[0], nullptr, 1, -1));
  reset();
  EXPECT_EQ(msendl(s_[0], &a[0], &a[2], -1), 0);
  for (const struct iolist& each : a) EXPECT_EQ(each.iol_rsvd, 0);
  ExpectNext("abc");
}

TEST_P(MessageProgramsTest, EmptyElementsAreFine) {
  char text[] = "ab";
  struct iolist list[5] = {{nullptr, 0, &list[1], 0},
                           {text, 1, &list[2], 0},
                           {text, 0, &list[3], 0},
                           {text + 1, 1, &list[4], 0},
                           {nullptr, 0, nullptr, 0}};
  EXPECT_EQ(msendl(s_[0], &list[0], &list[4], -1), 0);
  ExpectNext("ab");
  Send("cd");
  EXPECT_EQ(mrecvl(s_[1], &list[0], &list[4], -1), 2);
  EXPECT_STREQ(text, "cd");
  for (const struct iolist& each : list) EXPECT_EQ(each.iol_rsvd, 0);
  // Nothing but empty ones is an empty message.
  EXPECT_EQ(msendl(s_[0], &list[4], &list[4], -1), 0);
  EXPECT_EQ(mrecvl(s_[1], &list[4], &list[4], -1), 0);
}

// brecvl(s, NULL, NULL) drops everything up to the end, brecv(s, NULL, n) skips n bytes.
TEST_F(LibdillProgramsTest, BytesAreDroppedAndSkipped) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_EQ(bsend(s[0], "abcdefgh", 8, -1), 0);
  EXPECT_EQ(brecv(s[1], nullptr, 2, -1), 0);
  char byte = 0;
  EXPECT_EQ(brecv(s[1], &byte, 1, -1), 0);
  EXPECT_EQ(byte, 'c');
  struct iolist skip = {nullptr, 2, nullptr, 0};
  EXPECT_EQ(brecvl(s[1], &skip, &skip, -1), 0);
  EXPECT_EQ(skip.iol_rsvd, 0);
  EXPECT_EQ(brecv(s[1], &byte, 1, -1), 0);
  EXPECT_EQ(byte, 'f');
  EXPECT_FAILS(ETIMEDOUT, brecvl(s[1], nullptr, nullptr, 0));
  EXPECT_EQ(bsend(s[0], "more", 4, -1), 0);
  EXPECT_EQ(ipc_done(s[0], -1), 0);
  EXPECT_FAILS(EPIPE, brecvl(s[1], nullptr, nullptr, -1));
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
}

TEST_F(LibdillProgramsTest, BadListsSendNoBytes) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  char text[] = "ab";
  struct iolist a[2] = {{text, 1, &a[1], 0}, {text + 1, 1, nullptr, 0}};
  EXPECT_FAILS(EINVAL, bsendl(s[0], nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, bsendl(s[0], &a[0], nullptr, -1));
  EXPECT_FAILS(EINVAL, bsendl(s[0], &a[0], &a[0], -1));
  a[1].iol_next = &a[0];
  EXPECT_FAILS(EINVAL, bsendl(s[0], &a[0], &a[1], -1));
  for (const struct iolist& each : a) EXPECT_EQ(each.iol_rsvd, 0);
  EXPECT_FAILS(ETIMEDOUT, brecv(s[1], nullptr, 1, 0));
  a[1].iol_next = nullptr;
  EXPECT_EQ(bsendl(s[0], &a[0], &a[1], -1), 0);
  for (const struct iolist& each : a) EXPECT_EQ(each.iol_rsvd, 0);
  EXPECT_EQ(brecv(s[1], nullptr, 2, -1), 0);
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
}

// A brecv after one that timed out simply continues.
TEST_F(LibdillProgramsTest, ReceiveContinuesAfterATimeout) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  char buffer[4];
  EXPECT_EQ(bsend(s[0], "ab", 2, -1), 0);
  EXPECT_FAILS(ETIMEDOUT, brecv(s[1], buffer, 4, now() + 1));
  EXPECT_EQ(bsend(s[0], "cd", 2, -1), 0);
  EXPECT_EQ(brecv(s[1], buffer, 4, -1), 0);
  EXPECT_EQ(std::string(buffer, 4), "abcd");
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
}

// ---- Closing and detaching ---------------------------------------------------------------------

// tcp_close and ipc_close on a handle of every other kind: ENOTSUP, and it stays open.
TEST_F(LibdillProgramsTest, CloseOfAnotherKindLeavesItOpen) {
  int s[8];
  for (int i = 0; i < 8; i += 2) ASSERT_EQ(ipc_pair(&s[i]), 0);
  int ch[2];
  ASSERT_EQ(chmake(ch), 0);
  struct ipaddr any;
  ASSERT_EQ(ipaddr_local(&any, "127.0.0.1", 0, 0), 0);
  Object object = MakeObject();
  const int others[] = {bundle(),
                        ch[0],
                        ch[1],
                        udp_open(&any, nullptr),
                        hmake(&object.vfs),
                        prefix_attach(s[0], 1, 0),
                        term_attach(suffix_attach(s[2], "\n", 1), nullptr, 0),
                        http_attach(s[4]),
                        ws_attach_server(s[6], WS_NOHTTP, nullptr, 0, nullptr, 0, -1)};
  for (const int h : others) {
    ASSERT_GT(h, 0);
    EXPECT_FAILS(ENOTSUP, tcp_close(h, -1));
    EXPECT_FAILS(ENOTSUP, ipc_close(h, -1));
    EXPECT_EQ(hclose(h), 0);
  }
  EXPECT_FAILS(ENOTSUP, tcp_close(s[1], -1));
  for (const int h : {s[1], s[3], s[5], s[7]}) EXPECT_EQ(hclose(h), 0);
}

// prefix_detach has no deadline; the others have one.
TEST_F(LibdillProgramsTest, SignaturesOfDetach) {
  EXPECT_TRUE((std::is_same_v<decltype(&prefix_detach), int (*)(int)>));
  EXPECT_TRUE((std::is_same_v<decltype(&suffix_detach), int (*)(int, int64_t)>));
  EXPECT_TRUE((std::is_same_v<decltype(&term_detach), int (*)(int, int64_t)>));
  EXPECT_TRUE((std::is_same_v<decltype(&http_detach), int (*)(int, int64_t)>));
}

// ---- HTTP --------------------------------------------------------------------------------------

// http_done ends the head, not the stream; http_recvfield then gives EPIPE; blanks round a value are
// trimmed; http_detach sends a missing end of head and skips unread fields.
TEST_F(LibdillProgramsTest, HttpHeads) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int client = http_attach(s[0]);
  int server = http_attach(s[1]);
  EXPECT_EQ(http_sendrequest(client, "GET", "/", -1), 0);
  char command[16];
  char resource[16];
  // The line has left at once, and the receive returns when it is there.
  EXPECT_EQ(http_recvrequest(server, command, sizeof(command), resource, sizeof(resource), 0), 0);
  EXPECT_STREQ(command, "GET");
  EXPECT_EQ(http_sendfield(client, "Name", "  a b\t ", -1), 0);
  char name[16];
  char value[16];
  EXPECT_EQ(http_recvfield(server, name, sizeof(name), value, sizeof(value), 0), 0);
  EXPECT_STREQ(name, "Name");
  EXPECT_STREQ(value, "a b");
  EXPECT_EQ(http_done(client, -1), 0);
  EXPECT_FAILS(EPIPE, http_recvfield(server, name, sizeof(name), value, sizeof(value), -1));
  // The stream goes on, both ways.
  EXPECT_EQ(http_sendstatus(server, 200, "OK", -1), 0);
  EXPECT_EQ(http_sendfield(server, "Unread", "1", -1), 0);
  EXPECT_EQ(http_sendfield(server, "Unread", "2", -1), 0);
  server = http_detach(server, -1);  // with the end of its head
  ASSERT_GT(server, 0);
  char reason[16];
  EXPECT_EQ(http_recvstatus(client, reason, sizeof(reason), -1), 200);
  const int below = http_detach(client, -1);
  ASSERT_GT(below, 0);
  EXPECT_EQ(bsend(below, "x", 1, -1), 0);
  EXPECT_EQ(brecv(server, name, 1, -1), 0);
  EXPECT_EQ(bsend(server, "y", 1, -1), 0);
  EXPECT_EQ(brecv(below, name, 1, -1), 0);
  EXPECT_EQ(name[0], 'y');
  for (const int h : {below, server}) EXPECT_EQ(hclose(h), 0);
}

// ---- WebSocket ---------------------------------------------------------------------------------

coroutine void Connect(int s, int* result) {
  *result = ws_attach_client(s, WS_TEXT, "/chat", "example.org", -1);
  if (*result < 0) *result = -errno;
}

// attach with a resource or host buffer that is too small: EMSGSIZE. NULL is no buffer; it is
// allowed with WS_NOHTTP, where there is nothing to tell.
TEST_F(LibdillProgramsTest, AttachBuffers) {
  struct Case {
    size_t resource_size;
    size_t host_size;
    int error;
  };
  for (const Case& c : {Case{5, 12, EMSGSIZE}, Case{6, 11, EMSGSIZE}, Case{6, 12, 0}}) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    int client = 0;
    const int h = go(Connect(s[0], &client));
    char resource[16];
    char host[16];
    const int server =
        ws_attach_server(s[1], WS_TEXT, resource, c.resource_size, host, c.host_size, -1);
    EXPECT_EQ(server > 0 ? 0 : errno, c.error);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    if (c.error == 0) {
      EXPECT_STREQ(resource, "/chat");
      EXPECT_STREQ(host, "example.org");
      EXPECT_EQ(hclose(server), 0);
      EXPECT_EQ(hclose(client), 0);
    } else {
      EXPECT_LT(client, 0);
      EXPECT_FAILS(EBADF, hclose(s[1]));
    }
    EXPECT_EQ(hclose(h), 0);
  }
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int client = ws_attach_client(s[0], WS_NOHTTP, nullptr, nullptr, -1);
  const int server = ws_attach_server(s[1], WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  EXPECT_GT(client, 0);
  EXPECT_GT(server, 0);
  for (const int each : {client, server}) EXPECT_EQ(hclose(each), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
