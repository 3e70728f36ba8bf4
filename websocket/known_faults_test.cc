// Faults that implementations of this family of calls have had and that must not come back, one
// test each, at the level of the C calls. Each names a change of our code that makes it fail.
//
// Number 18, TLS clients that verify nothing, is not here: this layer has no TLS.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "http/http.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/counting_bytestream.h"
#include "websocket/testing/handles.h"
#include "websocket/testing/wire_builder.h"
#include "websocket/ws.h"

// clang-format off: its macros are for what follows.
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"
// clang-format on

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr absl::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // that belongs to it

// No call here has to wait long. Where one would wait for ever the fault has come back.
int64_t Soon() { return now() + 60'000; }

// What a call came to: its result, or a negative errno.
ssize_t Outcome(ssize_t result) { return result >= 0 ? result : -errno; }

// The raw end of a connection: sends and receives bytes, whatever they mean.
void Say(int raw, absl::string_view bytes) {
  EXPECT_EQ(Outcome(bsend(raw, bytes.data(), bytes.size(), Soon())), 0);
}

std::string Hear(int raw, size_t size) {
  std::string bytes(size, '\0');
  EXPECT_EQ(Outcome(brecv(raw, bytes.data(), size, Soon())), 0);
  return bytes;
}

std::string HearHead(int raw) {
  std::string head;
  char byte;
  while (!absl::EndsWith(head, "\r\n\r\n") && brecv(raw, &byte, 1, Soon()) == 0)
    head.push_back(byte);
  return head;
}

std::string Request(absl::string_view extra = "", absl::string_view connection = "Upgrade",
                    absl::string_view key = kKey) {
  return absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: ", connection,
                      "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", key, "\r\n", extra,
                      "\r\n");
}

class KnownFaults : public testing::Test {
 protected:
  // A server's WebSocket without a handshake, and the raw end of its client.
  void Server(int flags = WS_TEXT) {
    const auto [a, b] = ConnectedHandles(Transport::kPair);
    raw_ = a;
    ws_ = ws_attach_server(b, flags | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
    ASSERT_GT(ws_, 0);
  }
  void Client(int flags = WS_TEXT) {
    const auto [a, b] = ConnectedHandles(Transport::kPair);
    raw_ = a;
    ws_ = ws_attach_client(b, flags | WS_NOHTTP, nullptr, nullptr, -1);
    ASSERT_GT(ws_, 0);
  }

  void TearDown() override {
    for (const int handle : {ws_, raw_}) EXPECT_TRUE(handle <= 0 || hclose(handle) == 0);
  }

  // The next message, or "errno N".
  static std::string Receive(int s) {
    static char buffer[100'000];
    const ssize_t size = ws_recv(s, nullptr, buffer, sizeof(buffer), Soon());
    if (size < 0) return absl::StrCat("errno ", errno);
    return std::string(buffer, static_cast<size_t>(size));
  }

  // What ws_attach_server() comes to (the handle is closed, 0 stands for it) and the first line it
  // answers.
  static std::pair<ssize_t, std::string> AttachServerTo(absl::string_view request, char* resource,
                                                        size_t resource_size,
                                                        Transport transport = Transport::kPair) {
    auto [raw, server] = ConnectedHandles(transport);
    ssize_t attached = 0;
    Bundle bundle(&Runtime::Current());
    EXPECT_TRUE(bundle
                    .Go([&, server = server] {
                      attached = Outcome(
                          ws_attach_server(server, 0, resource, resource_size, nullptr, 0, Soon()));
                    })
                    .ok());
    Say(raw, request);
    std::string answer = HearHead(raw);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    if (attached > 0 && hclose(static_cast<int>(attached)) == 0) attached = 0;
    EXPECT_EQ(hclose(raw), 0);
    return {attached, answer.substr(0, answer.find('\r'))};
  }
  static std::pair<ssize_t, std::string> AttachServerTo(absl::string_view request) {
    return AttachServerTo(request, nullptr, 0);
  }

  // What ws_attach_client() comes to when the server gives `answer`.
  static ssize_t AttachClientTo(const std::function<std::string(absl::string_view key)>& answer,
                                Transport transport = Transport::kPair) {
    auto [raw, client] = ConnectedHandles(transport);
    ssize_t attached = 0;
    Bundle bundle(&Runtime::Current());
    EXPECT_TRUE(bundle
                    .Go([&, client = client] {
                      attached = Outcome(ws_attach_client(client, 0, "/", "h", Soon()));
                    })
                    .ok());
    const std::string request = HearHead(raw);
    const size_t key = request.find("Sec-WebSocket-Key: ");
    EXPECT_NE(key, std::string::npos);
    Say(raw, answer(absl::string_view(request).substr(key + 19, 24)));
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    if (attached > 0 && hclose(static_cast<int>(attached)) == 0) attached = 0;
    EXPECT_EQ(hclose(raw), 0);
    return attached;
  }

  int ws_ = -1;
  int raw_ = -1;
};

// A client message over 65535 bytes overruns a stack buffer with its header.
// Fails if in stream_send.cc, SendLocked(), `header` is kMaxFrameHeaderSize - 4 bytes.
TEST_F(KnownFaults, F01_HeaderOfALargeClientMessageFitsItsBuffer) {
  for (const size_t size : {size_t{65535}, size_t{65536}, size_t{70'000}}) {
    SCOPED_TRACE(size);
    Client(WS_BINARY);
    const std::string sent(size, 'x');
    Bundle bundle(&Runtime::Current());
    ASSERT_TRUE(bundle
                    .Go([&] {
                      EXPECT_EQ(Outcome(ws_send(ws_, WS_BINARY, sent.data(), sent.size(), -1)), 0);
                    })
                    .ok());
    const size_t header_size = size > 65535 ? 14 : 8;
    const std::string header = Hear(raw_, header_size);
    const std::string payload = Hear(raw_, size);
    ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
    const auto* key = reinterpret_cast<const uint8_t*>(header.data()) + header_size - 4;
    // Without the key, which is random, the whole frame is known.
    const std::string expected =
        FromClient().Key({key[0], key[1], key[2], key[3]}).Binary(sent).str();
    EXPECT_TRUE(header + payload == expected);
    TearDown();
    ws_ = raw_ = -1;
  }
}

// An HTTP line over 1023 bytes is written out of bounds.
// Fails if in ws.cc CopyText() does not compare the sizes; and if in http.cc Holds() does not.
TEST_F(KnownFaults, F02_LongHttpLineStaysInItsBuffer) {
  const std::string target = "/" + std::string(4000, 't');
  const std::string request = "GET " + target + Request().substr(5);
  {
    char buffer[1100];
    std::memset(buffer, '#', sizeof(buffer));
    const auto [attached, answer] = AttachServerTo(request, buffer, 1024);
    EXPECT_EQ(attached, -EMSGSIZE);
    EXPECT_EQ(answer, "HTTP/1.1 414 URI Too Long");
    EXPECT_EQ(std::string(buffer + 1024, 76), std::string(76, '#'));
  }
  {
    // A buffer that is just large enough, and one that lacks the byte for the NUL.
    std::string buffer(target.size() + 1, '#');
    EXPECT_EQ(AttachServerTo(request, buffer.data(), target.size()).first, -EMSGSIZE);
    EXPECT_EQ(buffer.back(), '#');
    EXPECT_EQ(AttachServerTo(request, buffer.data(), target.size() + 1).first, 0);
    EXPECT_EQ(buffer.substr(0, target.size()), target);
    EXPECT_EQ(buffer.back(), '\0');
  }
  const auto [raw, stream] = ConnectedHandles(Transport::kPair);
  const int s = http_attach(stream);
  Bundle bundle(&Runtime::Current());
  ASSERT_TRUE(bundle.Go([raw = raw, &request] { Say(raw, request); }).ok());
  char guarded[1100];
  std::memset(guarded, '#', sizeof(guarded));
  char command[8];
  EXPECT_EQ(Outcome(http_recvrequest(s, command, sizeof(command), guarded, 1024, -1)), -EMSGSIZE);
  EXPECT_EQ(std::string(guarded, sizeof(guarded)), std::string(sizeof(guarded), '#'));
  char large[8193];
  EXPECT_EQ(Outcome(http_recvrequest(s, command, sizeof(command), large, sizeof(large), -1)), 0);
  EXPECT_EQ(large, target);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(hclose(raw), 0);
}

// A data frame during a server's detach is written through NULL.
// Fails if in stream_receive.cc FillPiece() copies without asking whether piece.data is null.
TEST_F(KnownFaults, F03_DetachDropsDataFrames) {
  Server();
  Say(raw_, FromClient()
                .Text("one")
                .Text("t", WireBuilder::kMore)
                .Ping("p")
                .Continuation("wo")
                .Binary(std::string(2000, 'x'))
                .Close(1000)
                .Raw("behind")
                .str());
  const int lower = ws_detach(std::exchange(ws_, -1), 1000, nullptr, 0, Soon());
  ASSERT_GT(lower, 0);
  EXPECT_EQ(Hear(lower, 6), "behind");
  EXPECT_EQ(Hear(raw_, 7), FromServer().Close(1000).Pong("p").str());
  EXPECT_EQ(hclose(lower), 0);
}

// A byte above 0x7F in a key indexes before a table.
// Fails if in http/core/base64.cc Base64Decode() uses in[from + i] & 0x7f as the index.
TEST_F(KnownFaults, F04_KeyBytesAbove7F) {
  char accept[WS_KEY_SIZE];
  EXPECT_EQ(Outcome(ws_response_key(std::string(kKey).c_str(), accept)), 0);
  EXPECT_STREQ(accept, std::string(kAccept).c_str());
  for (size_t place = 0; place < kKey.size(); ++place) {
    SCOPED_TRACE(place);
    std::string key(kKey);
    key[place] = static_cast<char>(key[place] | 0x80);
    EXPECT_EQ(Outcome(ws_response_key(key.c_str(), accept)), -EINVAL);
    const auto [attached, answer] = AttachServerTo(Request("", "Upgrade", key));
    EXPECT_EQ(attached, -EPROTO);
    EXPECT_EQ(answer, "HTTP/1.1 400 Bad Request");
  }
}

// A ping ends the connection.
// Fails if in stream_receive.cc NextDataEvent() leaves out the case kSendPong.
TEST_F(KnownFaults, F05_PingIsAnsweredAndTheConnectionLives) {
  Server();
  const std::string longest(125, 'p');
  Say(raw_, FromClient().Ping().Ping(longest).Text("a", WireBuilder::kMore).Ping("x").str());
  Say(raw_, FromClient().Continuation("b").str());
  EXPECT_EQ(Receive(ws_), "ab");
  const std::string pongs = FromServer().Pong().Pong(longest).Pong("x").str();
  EXPECT_EQ(Hear(raw_, pongs.size()), pongs);
  Say(raw_, FromClient().Pong("unasked").Text("c").str());
  EXPECT_EQ(Receive(ws_), "c");
}

// A second fragment overwrites the first.
// Fails if in stream_receive.cc FillMessage() leaves out to.Advance(taken).
TEST_F(KnownFaults, F06_FragmentsAreLaidEndToEnd) {
  Server();
  Say(raw_, FromClient()
                .Text("one ", WireBuilder::kMore)
                .Continuation("", WireBuilder::kMore)
                .Continuation("two ", WireBuilder::kMore)
                .Continuation("three")
                .str());
  char buffer[20] = {};
  EXPECT_EQ(Outcome(ws_recv(ws_, nullptr, buffer, sizeof(buffer), Soon())), 13);
  EXPECT_STREQ(buffer, "one two three");
}

// The mask restarts at every list element.
// Fails if in stream_send.cc SendFrameMasked() masks each piece with 0 in place of `offset`.
TEST_F(KnownFaults, F07_MaskRunsOnOverListElements) {
  Client();
  char texts[4][8] = {"a", "bcd", "", "efghij"};
  iolist list[4];
  for (int i = 0; i < 4; ++i) {
    list[i] = {texts[i], std::strlen(texts[i]), i < 3 ? &list[i + 1] : nullptr, 0};
  }
  ASSERT_EQ(Outcome(ws_sendl(ws_, WS_TEXT, &list[0], &list[3], -1)), 0);
  const std::string wire = Hear(raw_, 2 + 4 + 10);
  const auto* key = reinterpret_cast<const uint8_t*>(wire.data()) + 2;
  EXPECT_EQ(wire, FromClient().Key({key[0], key[1], key[2], key[3]}).Text("abcdefghij").str());
}

// The same when receiving.
// Fails if in message_receiver.cc OnPayloadCopy() gives 0 in place of frame_offset_, for text or for
// binary.
TEST_F(KnownFaults, F07_UnmaskingRunsOnOverListElements) {
  Server();
  for (const bool text : {false, true}) {
    SCOPED_TRACE(text);
    Say(raw_,
        text ? FromClient().Text("abcdefghij").str() : FromClient().Binary("abcdefghij").str());
    char first[1];
    char second[2];
    char third[16] = {};
    iolist tail = {third, sizeof(third), nullptr, 0};
    iolist middle = {second, sizeof(second), &tail, 0};
    iolist head = {first, sizeof(first), &middle, 0};
    EXPECT_EQ(Outcome(ws_recvl(ws_, nullptr, &head, &tail, Soon())), 10);
    EXPECT_EQ(std::string(first, 1) + std::string(second, 2) + third, "abcdefghij");
  }
}

// An orphan continuation is accepted.
// Fails if in message_receiver.cc BeginDataFrame() does not ask for in_message_.
TEST_F(KnownFaults, F08_OrphanContinuationIsRefused) {
  for (const bool after_a_message : {false, true}) {
    SCOPED_TRACE(after_a_message);
    Server();
    if (after_a_message) {
      Say(raw_, FromClient().Text("whole").str());
      EXPECT_EQ(Receive(ws_), "whole");
    }
    Say(raw_, FromClient().Continuation("x").str());
    EXPECT_EQ(Receive(ws_), absl::StrCat("errno ", EPROTO));
    EXPECT_EQ(Hear(raw_, 4).substr(2), Bytes({1002 >> 8, 1002 & 255}));
    TearDown();
    ws_ = raw_ = -1;
  }
}

// Ill-formed UTF-8 is accepted.
// Fails if in message_receiver.cc AdvancePayload() does not ask for well_formed, and if
// EndDataFrame() does not ask text_.Finish(); the sending part if in stream_send.cc Send() does not
// ask IsUtf8Message().
TEST_F(KnownFaults, F09_IllFormedTextIsRefusedBothWays) {
  const std::string cut_short = Bytes({'a', 0xe2, 0x82});
  const std::string bad[] = {
      cut_short,
      Bytes({0xc0, 0x80}),              // overlong
      Bytes({0xed, 0xa0, 0x80}),        // surrogate
      Bytes({0xf4, 0x90, 0x80, 0x80}),  // above 10FFFF
      Bytes({'a', 0xff, 'b'}),
      Bytes({0xe2, 0x82, 'x'}),
  };
  for (const std::string& text : bad) {
    SCOPED_TRACE(testing::PrintToString(text));
    // At the end of the message, and before it: a fragment is refused as soon as it is known.
    for (const WireBuilder::Fin fin : {WireBuilder::kLast, WireBuilder::kMore}) {
      if (fin == WireBuilder::kMore && text == cut_short) continue;
      Server();
      Say(raw_, FromClient().Text(text, fin).str());
      EXPECT_EQ(Receive(ws_), absl::StrCat("errno ", EPROTO));
      EXPECT_EQ(Hear(raw_, 4).substr(2), Bytes({1007 >> 8, 1007 & 255}));
      TearDown();
      ws_ = raw_ = -1;
    }
    Client();
    EXPECT_EQ(Outcome(ws_send(ws_, WS_TEXT, text.data(), text.size(), -1)), -EINVAL);
    EXPECT_EQ(Outcome(ws_done(ws_, 1000, text.data(), text.size(), -1)), -EINVAL);
    char byte;
    EXPECT_EQ(Outcome(brecv(raw_, &byte, 1, 0)), -ETIMEDOUT);
    TearDown();
    ws_ = raw_ = -1;
  }
}

// Close code 1006 is accepted from the wire.
// Fails if in close_code.cc ParseClosePayload() does not ask IsWireCloseCode().
TEST_F(KnownFaults, F10_CloseCodesThatMayNotBeSentAreRefused) {
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000}) {
    SCOPED_TRACE(code);
    Server();
    Say(raw_, FromClient().Close(static_cast<uint16_t>(code)).str());
    EXPECT_EQ(Receive(ws_), absl::StrCat("errno ", EPROTO));
    EXPECT_EQ(Outcome(ws_status(ws_, nullptr, nullptr, 0)), -EPROTO);
    EXPECT_EQ(Hear(raw_, 4).substr(2), Bytes({1002 >> 8, 1002 & 255}));
    TearDown();
    ws_ = raw_ = -1;
  }
}

// "Connection: keep-alive, Upgrade" is refused.
// Fails if in http/core/upgrade.cc the two HasToken(kConnection, ...) are comparisons of the whole
// value.
TEST_F(KnownFaults, F11_UpgradeAmongOtherConnectionOptions) {
  for (const char* connection :
       {"keep-alive, Upgrade", "upgrade", "Upgrade,keep-alive", "close\r\nConnection: UPGRADE"}) {
    SCOPED_TRACE(connection);
    EXPECT_EQ(AttachServerTo(Request("", connection)).first, 0);
    EXPECT_EQ(AttachClientTo([&](absl::string_view key) {
                char accept[WS_KEY_SIZE];
                EXPECT_EQ(ws_response_key(std::string(key).c_str(), accept), 0);
                return absl::StrCat("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: ",
                                    connection, "\r\nSec-WebSocket-Accept: ", accept, "\r\n\r\n");
              }),
              0);
  }
}

// A field value over 255 bytes fails the handshake.
// Fails if in http/core/limits.h field_line_bytes_max is 255.
TEST_F(KnownFaults, F12_LongFieldValues) {
  const std::string cookie = absl::StrCat("Cookie: ", std::string(8000, 'c'), "\r\n");
  EXPECT_EQ(AttachServerTo(Request(cookie)).first, 0);
  EXPECT_EQ(AttachClientTo([&](absl::string_view key) {
              char accept[WS_KEY_SIZE];
              EXPECT_EQ(ws_response_key(std::string(key).c_str(), accept), 0);
              return absl::StrCat("HTTP/1.1 101 x\r\nSet-", cookie,
                                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: ",
                                  accept, "\r\n\r\n");
            }),
            0);
}

// HTTP/1.0 and a missing Host are accepted.
// Fails if in http/core/upgrade.cc JudgeUpgradeRequest() does not look at version_minor; and if
// CheckRequestAddress() does not look at the number of hosts.
TEST_F(KnownFaults, F13_OldVersionAndMissingHostAreRefused) {
  std::string old = Request();
  old.replace(old.find("HTTP/1.1"), 8, "HTTP/1.0");
  EXPECT_EQ(AttachServerTo(old),
            std::make_pair(ssize_t{-EPROTO}, std::string("HTTP/1.1 505 HTTP Version Not "
                                                         "Supported")));
  const std::string bad_request = "HTTP/1.1 400 Bad Request";
  std::string without_host = Request();
  without_host.erase(without_host.find("Host: h\r\n"), 9);
  EXPECT_EQ(AttachServerTo(without_host), std::make_pair(ssize_t{-EPROTO}, bad_request));
  EXPECT_EQ(AttachServerTo(Request("Host: other\r\n")),
            std::make_pair(ssize_t{-EPROTO}, bad_request));
}

// CR LF in a field value reaches the wire.
// Fails if in http/head_exchange.cc SendField() does not ask IsValidFieldValue(); and if in
// http/core/grammar.h line breaks are of class kTargetChar.
TEST_F(KnownFaults, F14_LineBreaksAreNotSent) {
  for (const char* line_break : {"\r\n", "\r", "\n"}) {
    const std::string evil = absl::StrCat("/a", line_break, "Evil:yes");
    auto [raw, stream] = ConnectedHandles(Transport::kPair);
    const int s = http_attach(stream);
    ASSERT_EQ(Outcome(http_sendrequest(s, "GET", "/", -1)), 0);
    EXPECT_EQ(Outcome(http_sendfield(s, "A", evil.c_str(), -1)), -EINVAL);
    EXPECT_EQ(Outcome(http_sendfield(s, evil.c_str() + 1, "1", -1)), -EINVAL);
    ASSERT_EQ(Outcome(http_done(s, -1)), 0);
    EXPECT_EQ(Hear(raw, 18), "GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(raw), 0);
    for (const bool in_host : {false, true}) {
      auto [peer, client] = ConnectedHandles(Transport::kPair);
      EXPECT_EQ(Outcome(ws_attach_client(client, 0, in_host ? "/" : evil.c_str(),
                                         in_host ? evil.c_str() + 1 : "h", Soon())),
                -EINVAL);
      char byte;
      EXPECT_EQ(Outcome(brecv(peer, &byte, 1, Soon())), -EPIPE);  // the end, and nothing before it
      EXPECT_EQ(hclose(peer), 0);
    }
  }
}

// After EMSGSIZE the stream is out of step.
// Fails if in stream_receive.cc TooLarge() does not set skipping_.
TEST_F(KnownFaults, F15_StreamIsInStepAfterAMessageTooLarge) {
  Server();
  Say(raw_, FromClient()
                .Text("12345678901")
                .Text("next")
                .Text("12345", WireBuilder::kMore)
                .Ping("p")
                .Continuation("67890", WireBuilder::kMore)
                .Continuation("1", WireBuilder::kMore)
                .Continuation("2")
                .Text("after")
                .str());
  char buffer[10];
  EXPECT_EQ(Outcome(ws_recv(ws_, nullptr, buffer, sizeof(buffer), Soon())), -EMSGSIZE);
  EXPECT_EQ(Receive(ws_), "next");
  EXPECT_EQ(Outcome(ws_recv(ws_, nullptr, buffer, sizeof(buffer), Soon())), -EMSGSIZE);
  EXPECT_EQ(Receive(ws_), "after");
  EXPECT_EQ(Outcome(ws_send(ws_, WS_TEXT, "ok", 2, -1)), 0);
  const std::string answers = FromServer().Pong("p").Text("ok").str();
  EXPECT_EQ(Hear(raw_, answers.size()), answers);
}

// Masked payload goes out a byte per call.
// Fails if in stream_send.cc SendFrameMasked() fills the scratch with `if` in place of `while`.
TEST_F(KnownFaults, F16_MaskedPayloadLeavesInLargeWrites) {
  Runtime& runtime = Runtime::Current();
  PairOptions options;
  options.capacity_bytes = 1 << 20;
  auto [peer, end] = MakePair(&runtime, options);
  WriteCounts counts;
  ws_ = ws_attach_client(HandleOf(BytestreamPtr(new CountingBytestream(std::move(end), &counts))),
                         WS_NOHTTP, nullptr, nullptr, -1);
  ASSERT_GT(ws_, 0);
  const std::string small(1000, 's');
  ASSERT_EQ(Outcome(ws_send(ws_, WS_BINARY, small.data(), small.size(), -1)), 0);
  EXPECT_EQ(counts.writes, 1);
  EXPECT_EQ(counts.bytes, 2 + 2 + 4 + small.size());
  counts = {};
  std::vector<iolist> list(100);
  char piece[10] = {};
  for (size_t i = 0; i < list.size(); ++i) {
    list[i] = {piece, sizeof(piece), i + 1 < list.size() ? &list[i + 1] : nullptr, 0};
  }
  ASSERT_EQ(Outcome(ws_sendl(ws_, WS_BINARY, &list.front(), &list.back(), -1)), 0);
  EXPECT_EQ(counts.writes, 1);
  counts = {};
  const std::string large(160'000, 'l');
  ASSERT_EQ(Outcome(ws_send(ws_, WS_BINARY, large.data(), large.size(), -1)), 0);
  EXPECT_LE(counts.writes, 10);                  // of 16 KiB
  EXPECT_EQ(hclose(std::exchange(ws_, -1)), 0);  // it still counts
}

// A refused upgrade leaks the socket.
// Fails if in ws.cc Attach() calls lower.release() when the handshake has failed.
TEST_F(KnownFaults, F17_RefusedUpgradeClosesTheSocket) {
  {
    // What the engine keeps for itself is there before the descriptors are counted.
    const auto [a, b] = ConnectedHandles(Transport::kUnix);
    char byte;
    EXPECT_EQ(Outcome(brecv(a, &byte, 1, now() + 1)), -ETIMEDOUT);
    EXPECT_EQ(hclose(a), 0);
    EXPECT_EQ(hclose(b), 0);
  }
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    FdLeakCheck leaks;
    EXPECT_EQ(AttachServerTo("POST / HTTP/1.1\r\nHost: h\r\n\r\n", nullptr, 0, transport),
              std::make_pair(ssize_t{-EPROTO}, std::string("HTTP/1.1 405 Method Not Allowed")));
    EXPECT_EQ(AttachServerTo("nonsense\r\n\r\n", nullptr, 0, transport).first, -EPROTO);
    EXPECT_EQ(
        AttachClientTo([](absl::string_view) { return "HTTP/1.1 403 No\r\n\r\n"; }, transport),
        -EACCES);
    EXPECT_EQ(AttachClientTo([](absl::string_view) { return "nonsense\r\n\r\n"; }, transport),
              -EPROTO);
  }
}

// 64-bit lengths are not checked.
// Fails if in frame_header.cc ParseFrameHeader() does not look at the length's top bit; and if it
// does not ask for the shortest form.
TEST_F(KnownFaults, F19_LengthsAreChecked) {
  const std::string key = Bytes({1, 2, 3, 4});
  const std::string bad[] = {
      Bytes({0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1}) + key,
      Bytes({0x82, 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255}) + key,
      Bytes({0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) + key,  // 65535 has a shorter form
      Bytes({0x82, 0xfe, 0, 125}) + key,
  };
  for (const std::string& header : bad) {
    SCOPED_TRACE(testing::PrintToString(header));
    Server();
    Say(raw_, header);
    EXPECT_EQ(Receive(ws_), absl::StrCat("errno ", EPROTO));
    EXPECT_EQ(Hear(raw_, 4).substr(2), Bytes({1002 >> 8, 1002 & 255}));
    TearDown();
    ws_ = raw_ = -1;
  }
  // The largest lawful one is a message that fits nowhere, also as the rest of one.
  for (const char* before : {"", "begun"}) {
    Server();
    WireBuilder wire = FromClient();
    if (before[0] != '\0') wire.Binary(before, WireBuilder::kMore);
    Say(raw_, wire.Header(before[0] == '\0' ? 0x82 : 0x80, INT64_MAX - 5).str());
    EXPECT_EQ(Receive(ws_), absl::StrCat("errno ", EMSGSIZE));
    TearDown();
    ws_ = raw_ = -1;
  }
}

// A closed object's handle number stays alive.
// Fails if in handle_table.cc Forget() does not release the slot.
TEST_F(KnownFaults, F20_ClosedHandlesAreDead) {
  Server();
  const int closed = std::exchange(ws_, -1);
  ASSERT_EQ(hclose(closed), 0);
  EXPECT_EQ(hclose(raw_), 0);
  Server();
  Say(raw_, FromClient().Close().str());
  const int detached = std::exchange(ws_, -1);
  const int lower = ws_detach(detached, 1000, nullptr, 0, -1);
  ASSERT_GT(lower, 0);
  const auto [refused, peer] = ConnectedHandles(Transport::kPair);
  Say(peer, "HTTP/1.1 403 No\r\n\r\n");
  ASSERT_EQ(Outcome(ws_attach_client(refused, 0, "/", "h", Soon())), -EACCES);
  for (int round = 0; round < 3; ++round) {
    for (const int dead : {closed, detached, refused}) {
      char byte = 'x';
      iolist list = {&byte, 1, nullptr, 0};
      EXPECT_EQ(Outcome(ws_send(dead, WS_TEXT, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_sendl(dead, WS_TEXT, &list, &list, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_recv(dead, nullptr, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_recvl(dead, nullptr, &list, &list, -1)), -EBADF);
      EXPECT_EQ(Outcome(msend(dead, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(mrecv(dead, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(bsend(dead, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(brecv(dead, &byte, 1, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_done(dead, 1000, nullptr, 0, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_detach(dead, 1000, nullptr, 0, -1)), -EBADF);
      EXPECT_EQ(Outcome(ws_status(dead, nullptr, nullptr, 0)), -EBADF);
      EXPECT_EQ(Outcome(ws_attach_client(dead, WS_NOHTTP, nullptr, nullptr, -1)), -EBADF);
      EXPECT_EQ(Outcome(hclose(dead)), -EBADF);
    }
    // Handles that are made later do not bring the numbers back.
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(hclose(bundle()), 0);
  }
  EXPECT_EQ(hclose(lower), 0);
  EXPECT_EQ(hclose(peer), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
