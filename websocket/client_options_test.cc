// Each of ClientOptions by itself, limits one below, at and one above, times likewise; and which step
// of the way a failure is told of. The other side is played by hand.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "websocket/client.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

absl::Status Say(Bytestream* stream, absl::string_view text) {
  const IoSlice slice(text);
  return stream->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, Soon());
}

std::string ReadHead(Bytestream* stream) {
  std::string head;
  while (!absl::StrContains(head, "\r\n\r\n")) {
    const auto bytes = stream->Peek(1, Soon());
    if (!bytes.ok() || bytes->empty()) return head;
    head.append(bytes->begin(), bytes->end());
    stream->Consume(bytes->size());
  }
  return head;
}

// The value of a field of `head`.
std::string FieldOf(absl::string_view head, absl::string_view name) {
  const size_t at = head.find(absl::StrCat("\r\n", name, ": "));
  if (at == absl::string_view::npos) return "";
  const absl::string_view value = head.substr(at + name.size() + 4);
  return std::string(value.substr(0, value.find('\r')));
}

std::string Accepting(absl::string_view head, absl::string_view fields = "") {
  const HandshakeAccept accept = AcceptValue(FieldOf(head, "Sec-WebSocket-Key"));
  return absl::StrCat(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ",
      AsView(accept), "\r\n", fields, "\r\n");
}

class ClientOptionsTest : public testing::Test {
 protected:
  // What the other side does with each connection that is dialled.
  using Script = std::function<void(Bytestream* theirs)>;

  ClientOptions Dialling(Script script) {
    ClientOptions options;
    options.dial = [this, script = std::move(script)](absl::string_view, uint16_t,
                                                      Deadline) -> absl::StatusOr<BytestreamPtr> {
      auto [ours, theirs] = MakePair(&runtime_);
      Bytestream* const stream = theirs.get();
      theirs_.push_back(std::move(theirs));
      absl::Status status = peers_.Go([script, stream] { script(stream); });
      if (!status.ok()) return status;
      return std::move(ours);
    };
    return options;
  }

  // Answers every request with what `answer` makes of its head.
  ClientOptions Answering(std::function<std::string(const std::string&)> answer) {
    return Dialling([this, answer = std::move(answer)](Bytestream* theirs) {
      std::string head = ReadHead(theirs);
      if (head.empty()) return;
      asked_.push_back(std::move(head));
      EXPECT_THAT(Say(theirs, answer(asked_.back())), IsOk());
    });
  }
  ClientOptions Accepted(absl::string_view fields = "") {
    return Answering([fields = std::string(fields)](const std::string& head) {
      return Accepting(head, fields);
    });
  }

  // Connects and closes again; returns the errno.
  int Connect(ClientOptions options) {
    Client client(&runtime_, std::move(options));
    const auto stream = client.Connect("ws://a.example/", Soon());
    response_ = client.response();
    message_ = std::string(stream.status().message());
    peers_.CancelAndJoin();
    theirs_.clear();
    return StatusErrno(stream.status());
  }

  int64_t Now() { return runtime_.sim_clock().NowNanos(); }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  std::vector<BytestreamPtr> theirs_;
  std::vector<std::string> asked_;
  ClientResponse response_;
  std::string message_;
  Bundle peers_{&runtime_};
};

// ---- Heads -------------------------------------------------------------------------------------

// Connects with each limit at one below, at and one above what the answer has.
template <typename Set>
void ExpectHeadLimit(std::function<int(ClientOptions)> connect,
                     std::function<ClientOptions()> options, size_t has, Set set) {
  for (const int off : {-1, 0, 1}) {
    ClientOptions limited = options();
    set(&limited.http, has + static_cast<size_t>(off));
    EXPECT_EQ(connect(std::move(limited)), off < 0 ? EPROTO : 0)
        << "limit " << has << " and " << off;
  }
}

TEST_F(ClientOptionsTest, HeadLimits) {
  const std::string fields = absl::StrCat("X-Long: ", std::string(200, 'x'), "\r\n");
  const auto connect = [this](ClientOptions options) { return Connect(std::move(options)); };
  const auto options = [this, fields] { return Accepted(fields); };
  const size_t head_bytes =
      Accepting("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", fields).size();
  ExpectHeadLimit(connect, options, head_bytes,
                  [](http::Limits* limits, size_t max) { limits->head_bytes_max = max; });
  ExpectHeadLimit(connect, options, absl::string_view("HTTP/1.1 101 Switching Protocols").size(),
                  [](http::Limits* limits, size_t max) { limits->start_line_bytes_max = max; });
  ExpectHeadLimit(connect, options, 8 + 200,
                  [](http::Limits* limits, size_t max) { limits->field_line_bytes_max = max; });
  ExpectHeadLimit(connect, options, 4,
                  [](http::Limits* limits, size_t max) { limits->field_count_max = max; });
  EXPECT_TRUE(response_.connected());
}

// A head is read in place, so it has to fit there.
TEST_F(ClientOptionsTest, AHeadOfAWholeBuffer) {
  const auto options = [this](size_t head_bytes, size_t max) {
    ClientOptions options = Answering([head_bytes](const std::string& head) {
      std::string fields;
      for (size_t left = head_bytes - Accepting(head).size(); left > 0;) {
        const size_t line = left > 4000 ? 2000 : left;
        absl::StrAppend(&fields, "X: ", std::string(line - 5, 'x'), "\r\n");
        left -= line;
      }
      return Accepting(head, fields);
    });
    options.http.head_bytes_max = max;
    return options;
  };
  constexpr size_t kMost = Bytestream::kPeekMax;
  EXPECT_EQ(Connect(options(kMost, kMost)), 0) << message_;
  EXPECT_EQ(Connect(options(kMost, kMost - 1)), EPROTO);
  asked_.clear();
  EXPECT_EQ(Connect(options(kMost, kMost + 1)), EINVAL);
  EXPECT_THAT(message_, HasSubstr("head_bytes_max"));
  EXPECT_TRUE(asked_.empty()) << "nobody is asked";
}

// ---- Refusals ----------------------------------------------------------------------------------

TEST_F(ClientOptionsTest, RefusalBodyBytes) {
  const std::string body = "0123456789";
  for (const size_t max : {size_t{0}, size_t{9}, size_t{10}, size_t{11}}) {
    ClientOptions options = Answering([&](const std::string&) {
      return absl::StrCat("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n", body);
    });
    options.refusal_body_bytes_max = max;
    EXPECT_EQ(Connect(std::move(options)), EACCES);
    EXPECT_EQ(response_.body, body.substr(0, max)) << max;
    EXPECT_EQ(response_.body_complete, max >= 10) << max;
    EXPECT_EQ(response_.status, 403);
    EXPECT_EQ(response_.step, ClientStep::kUpgrade);
  }
}

// The rest of a refusal's content comes just before its time is over, as that ends, and just after.
TEST_F(ClientOptionsTest, RefusalTime) {
  constexpr absl::Duration kTime = absl::Seconds(7);
  for (const int off : {-1, 0, 1}) {
    const absl::Duration comes = kTime + absl::Nanoseconds(off);
    ClientOptions options = Dialling([this, comes](Bytestream* theirs) {
      ReadHead(theirs);
      const Deadline then = Deadline::In(comes);
      EXPECT_THAT(Say(theirs, "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nhalf"), IsOk());
      if (runtime_.SleepUntil(then) == 0) static_cast<void>(Say(theirs, "half"));
    });
    options.refusal_time = kTime;
    const int64_t start = Now();
    EXPECT_EQ(Connect(std::move(options)), EACCES) << off;
    // What comes as the time ends was there first.
    EXPECT_EQ(response_.body_complete, off <= 0) << off;
    EXPECT_EQ(response_.body, off <= 0 ? "halfhalf" : "half") << off;
    EXPECT_EQ(absl::Nanoseconds(Now() - start), off <= 0 ? comes : kTime) << off;
  }
}

TEST_F(ClientOptionsTest, RefusalTimeThatIsNone) {
  for (const absl::Duration time : {absl::ZeroDuration(), -absl::Seconds(1)}) {
    ClientOptions options = Answering([](const std::string&) {
      return "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nhalf";
    });
    options.refusal_time = time;
    const int64_t start = Now();
    EXPECT_EQ(Connect(std::move(options)), EACCES);
    EXPECT_EQ(response_.body, "half") << "what is there already";
    EXPECT_FALSE(response_.body_complete);
    EXPECT_EQ(Now(), start);
  }
}

// The deadline is for all of the way, and the answer is known by then.
TEST_F(ClientOptionsTest, RefusalTimeBeyondTheDeadline) {
  ClientOptions options = Answering(
      [](const std::string&) { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nhalf"; });
  options.refusal_time = absl::InfiniteDuration();
  const int64_t start = Now();
  EXPECT_EQ(Connect(std::move(options)), EACCES);
  EXPECT_EQ(absl::Nanoseconds(Now() - start), absl::Seconds(60));
  EXPECT_EQ(response_.body, "half");
}

// A redirect is followed once its content has had its time.
TEST_F(ClientOptionsTest, RefusalTimeOfARedirect) {
  ClientOptions options = Answering([this](const std::string& head) {
    if (asked_.size() > 1) return Accepting(head);
    return std::string("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 8\r\n\r\nhalf");
  });
  options.redirects_max = 1;
  options.refusal_time = absl::Seconds(3);
  const int64_t start = Now();
  EXPECT_EQ(Connect(std::move(options)), 0) << message_;
  EXPECT_EQ(absl::Nanoseconds(Now() - start), absl::Seconds(3));
  EXPECT_EQ(response_.url, "ws://a.example/b");
}

TEST_F(ClientOptionsTest, RedirectsMax) {
  constexpr int kRedirects = 3;
  for (const int off : {-1, 0, 1}) {
    asked_.clear();
    ClientOptions options = Answering([this](const std::string& head) {
      if (asked_.size() > kRedirects) return Accepting(head);
      return std::string("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    });
    options.redirects_max = kRedirects + off;
    EXPECT_EQ(Connect(std::move(options)), off < 0 ? EACCES : 0) << off;
    EXPECT_EQ(response_.redirects, off < 0 ? kRedirects - 1 : kRedirects);
    EXPECT_EQ(response_.step, off < 0 ? ClientStep::kUpgrade : ClientStep::kOpen);
    if (off < 0) {
      EXPECT_THAT(message_, HasSubstr("too many redirects"));
    }
  }
  ClientOptions negative = Accepted();
  negative.redirects_max = -1;
  asked_.clear();
  EXPECT_EQ(Connect(std::move(negative)), EINVAL);
  EXPECT_TRUE(asked_.empty());
}

// ---- What is asked for -------------------------------------------------------------------------

TEST_F(ClientOptionsTest, Subprotocols) {
  const auto connect = [this](absl::string_view chosen) {
    ClientOptions options =
        Accepted(chosen.empty() ? "" : absl::StrCat("Sec-WebSocket-Protocol: ", chosen, "\r\n"));
    options.subprotocols = {"best", "good"};
    return Connect(std::move(options));
  };
  EXPECT_EQ(connect("good"), 0) << message_;
  EXPECT_EQ(response_.subprotocol, "good");
  EXPECT_THAT(asked_.back(), HasSubstr("\r\nSec-WebSocket-Protocol: best\r\n"
                                       "Sec-WebSocket-Protocol: good\r\n"));
  EXPECT_EQ(connect(""), 0) << message_;
  EXPECT_EQ(response_.subprotocol, "");
  // RFC 6455 section 4.1: one that was not asked for fails the connection.
  EXPECT_EQ(connect("other"), EPROTO);
  EXPECT_THAT(message_, HasSubstr("subprotocol"));
  EXPECT_EQ(connect("best, good"), EPROTO);
}

TEST_F(ClientOptionsTest, FieldsCookiesCredentialsAndOrigin) {
  ClientOptions options = Accepted();
  options.fields = {{"X-A", "1"}, {"X-B", "2"}};
  options.cookies = {{"c", "3"}, {"d", "4"}};
  options.bearer = "token";
  options.bearer_in_clear = true;
  options.origin = "https://page.example";
  EXPECT_EQ(Connect(std::move(options)), 0) << message_;
  EXPECT_EQ(FieldOf(asked_[0], "X-A"), "1");
  EXPECT_EQ(FieldOf(asked_[0], "X-B"), "2");
  EXPECT_EQ(FieldOf(asked_[0], "Cookie"), "c=3; d=4");
  EXPECT_EQ(FieldOf(asked_[0], "Authorization"), "Bearer token");
  EXPECT_EQ(FieldOf(asked_[0], "Origin"), "https://page.example");
  EXPECT_EQ(Connect(Accepted()), 0) << message_;
  for (const char* name : {"Cookie", "Authorization", "Origin", "Sec-WebSocket-Protocol",
                           "Sec-WebSocket-Extensions"}) {
    EXPECT_THAT(asked_[1], Not(HasSubstr(name)));
  }
}

TEST_F(ClientOptionsTest, WhatMayNotBeSent) {
  const std::vector<std::function<void(ClientOptions*)>> bad = {
      [](ClientOptions* options) { options->subprotocols = {"a b"}; },
      [](ClientOptions* options) {
        options->subprotocols = {"a", "a"};
      },
      [](ClientOptions* options) {
        options->fields = {{"X A", "1"}};
      },
      [](ClientOptions* options) {
        options->fields = {{"X-A", "1\r\nX-B: 2"}};
      },
      [](ClientOptions* options) {
        options->fields = {{"Host", "b.example"}};
      },
      [](ClientOptions* options) {
        options->cookies = {{"a", "1;2"}};
      },
      [](ClientOptions* options) { options->bearer = "a b"; },
      [](ClientOptions* options) { options->user = "a:b"; },
      [](ClientOptions* options) { options->password = "\r\n"; },
      [](ClientOptions* options) { options->bearer = options->user = "a"; },
      [](ClientOptions* options) { options->origin = "page.example/x"; },
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    ClientOptions options = Accepted();
    bad[i](&options);
    asked_.clear();
    EXPECT_EQ(Connect(std::move(options)), EINVAL) << i;
    EXPECT_TRUE(asked_.empty()) << i;
  }
}

// RFC 6750 section 5.3.
TEST_F(ClientOptionsTest, ABearersTokenGoesWhereNobodyListens) {
  const auto connect = [&](absl::string_view url, bool in_clear, bool by_proxy = false) {
    ClientOptions options = Accepted();
    options.bearer = "token";
    options.bearer_in_clear = in_clear;
    if (by_proxy) options.proxy = {.host = "localhost", .port = 1};
    Client client(&runtime_, std::move(options));
    asked_.clear();
    const absl::Status status = client.Connect(url, Soon()).status();
    if (StatusErrno(status) == EINVAL) {
      EXPECT_EQ(client.response().step, ClientStep::kPrepare);
      EXPECT_THAT(std::string(status.message()), HasSubstr("TLS"));
      EXPECT_TRUE(asked_.empty());
    }
    peers_.CancelAndJoin();
    theirs_.clear();
    return StatusErrno(status);
  };
  for (const char* url :
       {"ws://a.example/", "ws://10.0.0.1/", "ws://128.0.0.1/", "ws://0.0.0.0/", "ws://[::2]/",
        "ws://[::]/", "ws://[::ffff:127.0.0.1]/", "ws://[1::1]/", "ws://localhost.example/",
        "ws://notlocalhost/", "ws://127.example/", "ws://127.1/", "ws://127.0.0.1.example/"}) {
    EXPECT_EQ(connect(url, false), EINVAL) << url;
    EXPECT_EQ(connect(url, true), 0) << url;
    EXPECT_EQ(FieldOf(asked_.at(0), "Authorization"), "Bearer token");
  }
  for (const char* url : {"ws://localhost/", "ws://a.LocalHost.:81/", "ws://127.0.0.1:8080/",
                          "ws://127.255.255.254/", "ws://[::1]/", "ws://[0:0::1]/"}) {
    EXPECT_EQ(connect(url, false), 0) << url;
    EXPECT_EQ(FieldOf(asked_.at(0), "Authorization"), "Bearer token");
    // What that is there, is the proxy's to say.
    EXPECT_EQ(connect(url, false, /*by_proxy=*/true), EINVAL) << url;
  }
  // On simulated time there are no sockets: so far it comes.
  EXPECT_EQ(connect("ws+unix:/run/app.sock", false), ENOTSUP);
  ClientOptions refused;
  refused.bearer = "token";
  refused.dial = [](absl::string_view, uint16_t, Deadline) {
    return ErrnoStatus(ECONNREFUSED, "nobody is there");
  };
  Client client(&runtime_, std::move(refused));
  EXPECT_EQ(StatusErrno(client.Connect("wss://a.example/", Soon()).status()), ECONNREFUSED);
  for (const bool in_clear : {false, true}) {
    ClientOptions options;
    options.bearer = "token";
    options.bearer_in_clear = in_clear;
    Client client(&runtime_, std::move(options));
    auto [ours, theirs] = MakePair(&runtime_);
    theirs.reset();
    const auto stream = client.ConnectOver(std::move(ours), "ws://a.example/", Soon());
    EXPECT_EQ(StatusErrno(stream.status()), in_clear ? ECONNRESET : EINVAL) << stream.status();
  }
}

// ---- The stream --------------------------------------------------------------------------------

TEST_F(ClientOptionsTest, StreamsHaveTheirOptions) {
  for (const int off : {-1, 0, 1}) {
    ClientOptions options = Dialling([](Bytestream* theirs) {
      const std::string head = ReadHead(theirs);
      EXPECT_THAT(Say(theirs, absl::StrCat(Accepting(head), "\x81\x05hello")), IsOk());
    });
    options.stream.message_bytes_max = static_cast<uint64_t>(5 + off);
    options.stream.role = Role::kServer;  // not for the caller to say
    Client client(&runtime_, std::move(options));
    auto stream = client.Connect("ws://a.example/", Soon());
    ASSERT_THAT(stream, IsOk());
    EXPECT_EQ((*stream)->options().role, Role::kClient);
    EXPECT_THAT((*stream)->ReceiveView(Soon()), IsErrno(off < 0 ? EPROTO : 0)) << off;
  }
}

TEST_F(ClientOptionsTest, CompressionIsOfferedIfEnabled) {
  ClientOptions options = Accepted("Sec-WebSocket-Extensions: permessage-deflate\r\n");
  options.stream.deflate.enabled = true;
  EXPECT_EQ(Connect(std::move(options)), 0) << message_;
  EXPECT_THAT(asked_.back(), HasSubstr("Sec-WebSocket-Extensions: permessage-deflate"));
  EXPECT_TRUE(response_.deflate.has_value());
  EXPECT_EQ(Connect(Accepted("Sec-WebSocket-Extensions: permessage-deflate\r\n")), EPROTO);
  EXPECT_THAT(asked_.back(), Not(HasSubstr("Extensions")));
}

// The key too comes from where the stream's masking keys do.
TEST_F(ClientOptionsTest, EntropyOfTheKey) {
  for (int i = 0; i < 2; ++i) {
    FakeEntropy entropy(7);
    ClientOptions options = Accepted();
    options.stream.entropy = &entropy;
    EXPECT_EQ(Connect(std::move(options)), 0) << message_;
  }
  EXPECT_EQ(FieldOf(asked_[0], "Sec-WebSocket-Key"), FieldOf(asked_[1], "Sec-WebSocket-Key"));
  EXPECT_EQ(Connect(Accepted()), 0);
  EXPECT_NE(FieldOf(asked_[0], "Sec-WebSocket-Key"), FieldOf(asked_[2], "Sec-WebSocket-Key"));
  ClientOptions none = Accepted();
  none.stream.entropy = nullptr;
  EXPECT_EQ(Connect(std::move(none)), EINVAL);
}

// ---- How far it came ---------------------------------------------------------------------------

TEST_F(ClientOptionsTest, Steps) {
  EXPECT_EQ(Connect(Accepted()), 0);
  EXPECT_EQ(response_.step, ClientStep::kOpen);
  EXPECT_TRUE(response_.connected());

  ClientOptions prepare = Accepted();
  prepare.stream.message_bytes_max = UINT64_MAX;
  EXPECT_EQ(Connect(std::move(prepare)), EINVAL);
  EXPECT_EQ(response_.step, ClientStep::kPrepare);

  ClientOptions dial;
  dial.dial = [](absl::string_view, uint16_t, Deadline) -> absl::StatusOr<BytestreamPtr> {
    return ErrnoStatus(EACCES, "not for us");
  };
  EXPECT_EQ(Connect(std::move(dial)), EACCES);
  EXPECT_EQ(response_.step, ClientStep::kDial);
  EXPECT_FALSE(response_.connected());
  EXPECT_EQ(message_, "not for us");

  // It ends in the middle of TLS.
  Client client(&runtime_, Dialling([](Bytestream* theirs) {
    EXPECT_THAT(theirs->Peek(1, Soon()), IsOk());
    theirs->Abort();
  }));
  EXPECT_THAT(client.Connect("wss://a.example/", Soon()), IsErrno(ECONNRESET));
  EXPECT_EQ(client.response().step, ClientStep::kTls);

  EXPECT_EQ(Connect(Dialling([](Bytestream* theirs) {
              ReadHead(theirs);
              theirs->Abort();
            })),
            ECONNRESET);
  EXPECT_EQ(response_.step, ClientStep::kUpgrade);
  EXPECT_EQ(response_.status, 0);

  // Of the last connect, whatever the one before came to.
  EXPECT_THAT(client.Connect("nothing", Soon()), IsErrno(EINVAL));
  EXPECT_EQ(client.response().step, ClientStep::kPrepare);
}

}  // namespace
}  // namespace halfpipe::websocket
