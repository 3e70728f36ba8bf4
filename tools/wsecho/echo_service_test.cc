#include "tools/wsecho/echo_service.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "websocket/client.h"
#include "websocket/server.h"
#include "websocket/stream.h"

namespace halfpipe::tools {
namespace {

using ::testing::StartsWith;
using websocket::MessageType;

Deadline Soon() { return Deadline::In(absl::Minutes(5)); }

class EchoServiceTest : public testing::Test {
 protected:
  void Start(const websocket::Options& connection = {}) {
    AddEcho(&server_, connection);
    ASSERT_TRUE(server_.Start().ok());
  }

  BytestreamPtr Connect() {
    auto [client, theirs] = MakePair(&runtime_);
    EXPECT_TRUE(server_.Serve(std::move(theirs)).ok());
    return std::move(client);
  }

  std::unique_ptr<websocket::Stream> Open(absl::string_view path) {
    websocket::Client client(&runtime_);
    auto stream = client.ConnectOver(Connect(), absl::StrCat("ws://a.example", path), Soon());
    EXPECT_TRUE(stream.ok()) << stream.status();
    return stream.ok() ? *std::move(stream) : nullptr;
  }

  // What is next: a message, a Close, or a failure.
  static std::string Next(websocket::Stream* stream) {
    const auto message = stream->ReceiveView(Soon());
    if (!message.ok()) return std::string(ErrnoName(StatusErrno(message.status())));
    if (!message->has_value()) {
      return absl::StrCat(stream->peer_close()->code, " ", stream->peer_close()->reason);
    }
    const bool text = (*message)->type == MessageType::kText;
    return absl::StrCat(text ? "text " : "binary ", (*message)->payload.size());
  }

  std::string Get(absl::string_view target) {
    const BytestreamPtr stream = Connect();
    const std::string request =
        absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    const IoSlice slice{absl::string_view(request)};
    EXPECT_TRUE(stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
    std::string answer;
    for (;;) {
      const auto bytes = stream->Peek(1, Soon());
      if (!bytes.ok() || bytes->empty()) return answer;
      answer.append(bytes->begin(), bytes->end());
      stream->Consume(bytes->size());
    }
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  websocket::Server server_{&runtime_, {}};
};

TEST_F(EchoServiceTest, TypesAndPaths) {
  Start();
  for (const char* path : {"/", "/chat?room=1"}) {
    const auto stream = Open(path);
    ASSERT_TRUE(stream->SendText("hello", Soon()).ok());
    EXPECT_EQ(Next(stream.get()), "text 5");
    ASSERT_TRUE(stream->Send(MessageType::kBinary, absl::Span<const uint8_t>(), Soon()).ok());
    EXPECT_EQ(Next(stream.get()), "binary 0");
    EXPECT_TRUE(stream->Close(1000, "", Soon()).ok());
  }
}

TEST_F(EchoServiceTest, TheOptionsOfConnections) {
  websocket::Options options;
  options.message_bytes_max = 4;
  Start(options);
  const auto stream = Open("/");
  ASSERT_TRUE(stream->SendText("1234", Soon()).ok());
  EXPECT_EQ(Next(stream.get()), "text 4");
  ASSERT_TRUE(stream->SendText("12345", Soon()).ok());
  EXPECT_THAT(Next(stream.get()), StartsWith("1009"));
}

TEST_F(EchoServiceTest, PlainRequests) {
  Start();
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Get("/?x"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Get("/other"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

// Who sends and does not read is told so, and is gone in the end.
TEST_F(EchoServiceTest, APeerThatDoesNotRead) {
  Start();
  const auto stream = Open("/");
  const std::vector<uint8_t> large(1 << 20);
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    for (int i = 0; i < 8; ++i) {
                      if (!stream->Send(MessageType::kBinary, large, Soon()).ok()) return;
                    }
                  })
                  .ok());
  runtime_.SleepUntil(Deadline::In(absl::Minutes(2)));
  EXPECT_EQ(server_.counts().connections, 0u);
  bundle.CancelAndJoin();
}

// Messages that were on their way as the server began to end do not spoil the closing handshake.
TEST_F(EchoServiceTest, AMessageBehindTheServersClose) {
  Start();
  const auto stream = Open("/");
  server_.Drain(absl::Seconds(10));
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  ASSERT_TRUE(stream->SendText("late", Soon()).ok());
  EXPECT_THAT(Next(stream.get()), StartsWith("1001"));
  EXPECT_TRUE(stream->Close(1001, "", Soon()).ok());
  EXPECT_TRUE(server_.Wait(Soon()).ok());
  EXPECT_EQ(server_.counts().drained, 1u);
}

}  // namespace
}  // namespace halfpipe::tools
