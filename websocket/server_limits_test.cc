// The bounds of ServerOptions on requests and their time, below, at and above; and what connections
// between plain requests cost.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"
#include "http/core/limits.h"
#include "http/core/response.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::Duration kTick = absl::Milliseconds(1);

class ServerLimitsTest : public testing::Test {
 protected:
  void StartServer() {
    server_ = std::make_unique<Server>(&runtime_, options_);
    server_->HandlePrefix("/", EchoHandler());
    server_->HandlePlain([this](const http::RequestHead&) {
      return http::TextResponse(200, absl::StrCat(body_, "fine\n"));
    });
    ASSERT_TRUE(server_->Start().ok());
  }
  BytestreamPtr Connect(PairOptions options = {}) {
    return ConnectPair(&runtime_, server_.get(), options);
  }
  void Sleep(absl::Duration time) { ASSERT_EQ(runtime_.SleepUntil(Deadline::In(time)), 0); }
  absl::Duration Now() { return absl::Nanoseconds(runtime_.sim_clock().NowNanos()); }

  bool Write(Bytestream* stream, absl::string_view text) {
    const IoSlice slice(text);
    return stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok();
  }

  // What comes up to `end`, or up to the end of the stream.
  std::string ReadTo(Bytestream* stream, absl::string_view end) {
    std::string text;
    while (!absl::StrContains(text, end)) {
      const auto bytes = stream->Peek(1, Deadline::In(absl::Hours(1)));
      if (!bytes.ok() || bytes->empty()) break;
      text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
      stream->Consume(bytes->size());
    }
    return text;
  }
  std::string Answer(Bytestream* stream) { return ReadTo(stream, "fine\n"); }
  // The status of an answer, 0 if there is none.
  int Status(absl::string_view answer) {
    return answer.size() < 12 ? 0 : std::atoi(std::string(answer.substr(9, 3)).c_str());
  }
  std::string Ask(Bytestream* stream, absl::string_view request = kRequest) {
    EXPECT_TRUE(Write(stream, request));
    return Answer(stream);
  }
  bool AtEnd(Bytestream* stream) {
    const auto bytes = stream->Peek(1, Deadline::Immediately());
    return bytes.ok() && bytes->empty();
  }
  bool Silent(Bytestream* stream) {
    return StatusErrno(stream->Peek(1, Deadline::Immediately()).status()) == ETIMEDOUT;
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  ServerOptions options_;
  std::string body_;
  std::unique_ptr<Server> server_;
};

// ---- Time --------------------------------------------------------------------------------------

TEST_F(ServerLimitsTest, KeepAliveTime) {
  options_.keep_alive_time = absl::Seconds(7);
  StartServer();
  auto client = Connect();
  // Just in time, again and again: it counts from each answer.
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Status(Ask(client.get())), 200);
    Sleep(absl::Seconds(7) - kTick);
    EXPECT_EQ(server_->counts().kept_alive, 1u);
    EXPECT_TRUE(Silent(client.get()));
  }
  EXPECT_EQ(Status(Ask(client.get())), 200);
  // A tick late.
  const absl::Duration start = Now();
  EXPECT_EQ(ReadTo(client.get(), "?"), "");
  EXPECT_EQ(Now() - start, absl::Seconds(7));
  EXPECT_EQ(server_->counts().kept_alive, 0u);
  Sleep(kTick);
  static_cast<void>(Write(client.get(), kRequest));
  EXPECT_TRUE(AtEnd(client.get())) << "without a word";
  client.reset();
  Sleep(kTick);
  EXPECT_EQ(server_->counts().connections, 0u);
  EXPECT_EQ(server_->counts().plain_requests, 4u);
  EXPECT_EQ(server_->counts().timed_out, 0u);
  EXPECT_TRUE(server_->counts().refused.empty());
}

// A head has its whole time from its first byte, whatever came before.
TEST_F(ServerLimitsTest, TheTimeOfALaterHead) {
  options_.handshake_time = absl::Seconds(3);
  options_.keep_alive_time = absl::Seconds(7);
  for (const bool pipelined : {false, true}) {
    for (const absl::Duration late : {-kTick, kTick}) {
      SCOPED_TRACE(testing::Message() << "pipelined " << pipelined << ", late " << late);
      StartServer();
      auto client = Connect();
      EXPECT_TRUE(Write(client.get(), "GET "));
      Sleep(absl::Seconds(3) - kTick);
      // The next one begins at once, or just in time.
      if (pipelined) {
        EXPECT_EQ(Status(Ask(client.get(), absl::StrCat(kRequest.substr(4), "GET "))), 200);
      } else {
        EXPECT_EQ(Status(Ask(client.get(), kRequest.substr(4))), 200);
        Sleep(absl::Seconds(7) - kTick);
        EXPECT_TRUE(Write(client.get(), "GET "));
      }
      Sleep(absl::Seconds(3) + late);
      static_cast<void>(Write(client.get(), kRequest.substr(4)));
      EXPECT_EQ(Status(Answer(client.get())), late < absl::ZeroDuration() ? 200 : 408);
      Sleep(kTick);
      EXPECT_EQ(server_->counts().refused[408], late < absl::ZeroDuration() ? 0u : 1u);
    }
  }
}

// A client that does not read its answer keeps it: the end comes behind that, in its time.
TEST_F(ServerLimitsTest, AnAnswerThatIsReadLate) {
  options_.handshake_time = absl::Seconds(3);
  options_.keep_alive_time = absl::Seconds(7);
  body_ = std::string(5000, 'x');
  for (const bool reads : {true, false}) {
    StartServer();
    auto client = Connect({.capacity_bytes = 100});
    EXPECT_TRUE(Write(client.get(), kRequest));
    // The answer's time, that to the next request, and most of that to read it.
    Sleep(absl::Seconds(3 + 7 + 3) - kTick);
    EXPECT_EQ(server_->counts().connections, 1u);
    EXPECT_EQ(runtime_.coroutine_count(), 1u);
    if (reads) {
      const std::string answer = Answer(client.get());
      EXPECT_GT(answer.size(), 5000u);
      EXPECT_TRUE(absl::EndsWith(answer, "fine\n"));
      EXPECT_EQ(ReadTo(client.get(), "?"), "");
      EXPECT_EQ(server_->counts().connections, 1u) << "it may end its half";
      client.reset();
    }
    Sleep(2 * kTick);
    EXPECT_EQ(server_->counts().connections, 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
  }
}

TEST_F(ServerLimitsTest, TheClientEndsItInBetween) {
  StartServer();
  for (const bool breaks : {false, true}) {
    auto client = Connect();
    EXPECT_EQ(Status(Ask(client.get())), 200);
    if (breaks) {
      client.reset();
    } else {
      EXPECT_TRUE(client->Done(Soon()).ok());
      Sleep(kTick);
      EXPECT_TRUE(AtEnd(client.get()));
    }
    Sleep(kTick);
    EXPECT_EQ(server_->counts().connections, 0u);
    EXPECT_EQ(server_->counts().kept_alive, 0u);
    EXPECT_TRUE(server_->counts().refused.empty()) << "nothing was refused";
  }
}

// ---- Numbers -----------------------------------------------------------------------------------

TEST_F(ServerLimitsTest, PlainRequestsMax) {
  for (const size_t max : {size_t{1}, size_t{2}, size_t{3}}) {
    for (const bool pipelined : {false, true}) {
      SCOPED_TRACE(testing::Message() << max << " requests, pipelined " << pipelined);
      options_.plain_requests_max = max;
      StartServer();
      auto client = Connect();
      if (pipelined) {
        std::string requests;
        for (size_t i = 0; i <= max; ++i) absl::StrAppend(&requests, kRequest);
        EXPECT_TRUE(Write(client.get(), requests));
      }
      std::vector<std::string> answers;
      for (size_t i = 0; i < max && !pipelined; ++i) answers.push_back(Ask(client.get()));
      if (pipelined) answers.push_back(ReadTo(client.get(), "?"));
      // The last one says so, and it alone.
      const std::string& last = answers.back();
      EXPECT_TRUE(absl::StrContains(last, "Connection: close\r\n")) << last;
      EXPECT_EQ(last.find("Connection: close\r\n"), last.rfind("Connection: close\r\n"));
      for (size_t i = 0; i + 1 < answers.size(); ++i) {
        EXPECT_FALSE(absl::StrContains(answers[i], "close")) << answers[i];
      }
      EXPECT_EQ(ReadTo(client.get(), "?"), "");
      Sleep(kTick);
      EXPECT_EQ(server_->counts().plain_requests, max);
      EXPECT_EQ(server_->counts().kept_alive, 0u);
    }
  }
  options_.plain_requests_max = 0;
  Server none(&runtime_, options_);
  EXPECT_EQ(StatusErrno(none.Start()), EINVAL);
}

// An upgrade is not a plain request: it may come behind as many as there may be but one.
TEST_F(ServerLimitsTest, AnUpgradeBehindPlainRequests) {
  options_.plain_requests_max = 3;
  StartServer();
  for (const int before : {1, 2}) {
    auto client = Connect();
    for (int i = 0; i < before; ++i) EXPECT_EQ(Status(Ask(client.get())), 200);
    Sleep(kTick);
    EXPECT_EQ(server_->counts().kept_alive, 1u);
    auto stream = UpgradeClient(&runtime_, std::move(client), "/");
    ASSERT_NE(stream, nullptr);
    EXPECT_EQ(server_->counts().kept_alive, 0u);
    ASSERT_TRUE(stream->SendText("x", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream.get()), "x");
    // The time to the next request is over, and has nothing to do with it.
    Sleep(absl::Minutes(1));
    EXPECT_TRUE(stream->SendText("y", Soon()).ok());
    EXPECT_EQ(ReceiveText(stream.get()), "y");
  }
}

TEST_F(ServerLimitsTest, HeadsAtTheirLimits) {
  options_.http = {.head_bytes_max = 300,
                   .start_line_bytes_max = 100,
                   .field_line_bytes_max = 120,
                   .field_count_max = 5};
  StartServer();
  const auto ask = [&](absl::string_view request) {
    auto client = Connect();
    return Status(Ask(client.get(), request));
  };
  for (const int over : {-1, 0, 1}) {
    SCOPED_TRACE(over);
    const std::string target(100 - 14 + over, 't');
    EXPECT_EQ(ask(absl::StrCat("GET /", target, " HTTP/1.1\r\nHost: a\r\n\r\n")),
              over > 0 ? 414 : 200);
    const std::string value(120 - 3 + over, 'v');
    EXPECT_EQ(ask(absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\nX: ", value, "\r\n\r\n")),
              over > 0 ? 431 : 200);
    std::string fields;
    for (int i = 0; i < 4 + over; ++i) absl::StrAppend(&fields, "X: y\r\n");
    EXPECT_EQ(ask(absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n")),
              over > 0 ? 431 : 200);
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 2; ++i) absl::StrAppend(&head, "X: ", std::string(100, 'v'), "\r\n");
    const size_t rest = 300 + static_cast<size_t>(over) - head.size() - 7;
    absl::StrAppend(&head, "X: ", std::string(rest, 'v'), "\r\n\r\n");
    ASSERT_EQ(head.size(), 300 + static_cast<size_t>(over));
    EXPECT_EQ(ask(head), over > 0 ? 431 : 200);
  }
  EXPECT_EQ(server_->counts().refused[414], 1u);
  EXPECT_EQ(server_->counts().refused[431], 3u);
}

// A head is parsed in the read buffer, and cannot be allowed more.
TEST_F(ServerLimitsTest, TheLongestHead) {
  for (const int over : {-1, 0, 1}) {
    options_.http.head_bytes_max = Bytestream::kPeekMax + static_cast<size_t>(over);
    Server server(&runtime_, options_);
    EXPECT_EQ(StatusErrno(server.Start()), over > 0 ? EINVAL : 0);
  }
}

TEST_F(ServerLimitsTest, RetryAfter) {
  for (const int over : {-1, 0, 1}) {
    options_.retry_after = over * kTick;
    Server server(&runtime_, options_);
    EXPECT_EQ(StatusErrno(server.Start()), over < 0 ? EINVAL : 0);
  }
}

// As many as the system is asked to keep, and the one that it adds.
TEST_F(ServerLimitsTest, Backlog) {
  for (const int backlog : {1, 2, 3}) {
    SCOPED_TRACE(backlog);
    Runtime runtime;
    options_.backlog = backlog;
    options_.connections_max = 1;
    Server server(&runtime, options_);
    server.Handle("/", EchoHandler());
    const std::string name = UniqueName("@halfpipe-backlog-test-");
    ASSERT_TRUE(server.ListenUnix(name).ok());
    ASSERT_TRUE(server.Start().ok());
    const auto first = OpenPair(&runtime, &server, "/");
    ASSERT_NE(first, nullptr) << "there is no permit any more";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
    std::vector<int> fds;
    int error = 0;
    while (error == 0 && fds.size() < 10) {
      fds.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ASSERT_GE(fds.back(), 0);
      error = connect(fds.back(), reinterpret_cast<const sockaddr*>(&address),
                      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0
                  ? 0
                  : errno;
    }
    EXPECT_EQ(error, EAGAIN);
    EXPECT_EQ(fds.size(), static_cast<size_t>(backlog) + 2) << "the last one was refused";
    for (const int fd : fds) close(fd);
  }
}

// ---- Without a coroutine -----------------------------------------------------------------------

TEST_F(ServerLimitsTest, ManyThatAreKeptAlive) {
#if defined(__SANITIZE_THREAD__)
  constexpr size_t kConnections = 1'000;
#else
  constexpr size_t kConnections = 10'000;
#endif
  options_.handshakes_max = 1;
  options_.keep_alive_time = absl::Minutes(10);
  StartServer();
  std::vector<BytestreamPtr> clients;
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(Connect());
    ASSERT_EQ(Status(Ask(clients.back().get())), 200);
  }
  Sleep(kTick);
  EXPECT_EQ(server_->counts().kept_alive, kConnections);
  EXPECT_EQ(server_->counts().at_work, 0u);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  // They keep nobody from upgrading, and may do it themselves.
  EXPECT_NE(OpenPair(&runtime_, server_.get(), "/"), nullptr);
  EXPECT_NE(UpgradeClient(&runtime_, std::move(clients.back()), "/"), nullptr);
  clients.pop_back();
  // All of them end in their time.
  Sleep(absl::Minutes(11));
  EXPECT_EQ(server_->counts().kept_alive, 0u);
  EXPECT_EQ(server_->counts().connections, 0u);
  for (auto& client : clients) ASSERT_TRUE(AtEnd(client.get()));
}

// The time to the next request is no time for the whole of it where there is no place.
TEST_F(ServerLimitsTest, ARequestThatWaitsForAPlace) {
  options_.handshakes_max = 1;
  options_.handshake_time = absl::Seconds(3);
  options_.keep_alive_time = absl::Seconds(1);
  for (const absl::Duration late : {-kTick, kTick}) {
    StartServer();
    auto client = Connect();
    EXPECT_EQ(Status(Ask(client.get())), 200);
    auto slow = Connect();
    EXPECT_TRUE(Write(slow.get(), "GET "));
    Sleep(kTick);
    EXPECT_TRUE(Write(client.get(), kRequest));
    Sleep(absl::Seconds(1));
    EXPECT_EQ(server_->counts().waiting, 1u);
    EXPECT_EQ(server_->counts().kept_alive, 0u);
    Sleep(absl::Seconds(2) - 2 * kTick);
    if (late < absl::ZeroDuration()) {
      // Its place is free just in time.
      slow.reset();
      EXPECT_EQ(Status(Answer(client.get())), 200);
    } else {
      EXPECT_TRUE(Silent(client.get()));
      slow.reset();
      EXPECT_EQ(Status(Answer(client.get())), 200);
    }
  }
}

TEST_F(ServerLimitsTest, ADrainEndsThem) {
  StartServer();
  auto idle = Connect();
  auto asking = Connect();
  for (auto* client : {&idle, &asking}) EXPECT_EQ(Status(Ask(client->get())), 200);
  Sleep(kTick);
  EXPECT_EQ(server_->counts().kept_alive, 2u);
  const absl::Duration start = Now();
  server_->Drain(absl::Minutes(1));
  // One that was on its way is answered, and that is the last.
  EXPECT_TRUE(absl::StrContains(Ask(asking.get()), "Connection: close\r\n"));
  EXPECT_EQ(ReadTo(asking.get(), "?"), "");
  EXPECT_EQ(ReadTo(idle.get(), "?"), "");
  EXPECT_LE(Now() - start, absl::Seconds(1));
  idle.reset();
  asking.reset();
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_LE(Now() - start, absl::Seconds(1));
  EXPECT_EQ(server_->counts().aborted, 0u);
}

TEST_F(ServerLimitsTest, StopEndsThem) {
  StartServer();
  std::vector<BytestreamPtr> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Connect());
    EXPECT_EQ(Status(Ask(clients.back().get())), 200);
  }
  server_->Stop();
  EXPECT_EQ(server_->counts().connections, 0u);
  EXPECT_EQ(server_->counts().kept_alive, 0u);
}

}  // namespace
}  // namespace halfpipe::websocket
