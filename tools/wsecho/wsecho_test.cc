// The program wsecho, from outside.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"
#include "tools/wsecho/page.h"
#include "tools/wsecho/raw_socket.h"
#include "tools/wsecho/socket_directory.h"
#include "websocket/core/role.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using websocket::MessageType;

constexpr char kProgram[] = "tools/wsecho/wsecho";

Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

class Server {
 public:
  explicit Server(std::vector<std::string> flags = {}) : process_(Command(std::move(flags))) {
    std::string line = process_.ReadLine();
    absl::string_view rest = line;
    EXPECT_TRUE(absl::ConsumePrefix(&rest, "listening on ws://127.0.0.1:") &&
                absl::ConsumeSuffix(&rest, "/"))
        << line;
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(rest, &port)) << line;
    port_ = static_cast<uint16_t>(port);
  }

  uint16_t port() const { return port_; }
  ChildProcess& process() { return process_; }

 private:
  static std::vector<std::string> Command(std::vector<std::string> flags) {
    std::vector<std::string> command = {kProgram, "--listen=127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }

  ChildProcess process_;
  uint16_t port_ = 0;
};

// Our client. The bound on what it receives is above the server's.
std::unique_ptr<websocket::Stream> Open(Runtime* runtime,
                                        absl::StatusOr<std::unique_ptr<FdStream>> socket,
                                        const websocket::DeflateOptions& deflate = {}) {
  EXPECT_TRUE(socket.ok()) << socket.status();
  if (!socket.ok()) return nullptr;
  websocket::ClientUpgradeOptions request;
  request.host = "localhost";
  request.deflate = deflate;
  websocket::ClientUpgradeResult result;
  const absl::Status upgraded =
      websocket::ClientUpgrade(runtime, socket->get(), request, &result, Soon());
  EXPECT_TRUE(upgraded.ok()) << upgraded;
  websocket::Options options;
  options.deflate = deflate;
  options.deflate_params = result.deflate;
  options.role = websocket::Role::kClient;
  options.message_bytes_max = uint64_t{64} << 20;
  return std::make_unique<websocket::Stream>(runtime, BytestreamPtr(socket->release()), options);
}

std::unique_ptr<websocket::Stream> Open(Runtime* runtime, const Server& server,
                                        const websocket::DeflateOptions& deflate = {}) {
  return Open(runtime,
              TcpConnect(runtime, IpAddress::Loopback(IpFamily::kIpv4, server.port()), Soon()),
              deflate);
}

// The rest of a request behind which the server ends the connection.
constexpr absl::string_view kLastRequest = "\r\nHost: localhost\r\nConnection: close\r\n\r\n";

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return absl::Span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

void ExpectEcho(websocket::Stream* stream, MessageType type, absl::string_view payload) {
  ASSERT_TRUE(stream->Send(type, Bytes(payload), Soon()).ok());
  const auto message = stream->ReceiveView(Soon());
  ASSERT_TRUE(message.ok()) << message.status();
  ASSERT_TRUE(message->has_value());
  EXPECT_EQ((*message)->type, type);
  // EXPECT_EQ would print it all.
  EXPECT_TRUE((*message)->text() == payload) << payload.size();
}

// The peer's Close is next.
void ExpectClose(websocket::Stream* stream, int code) {
  const auto message = stream->ReceiveView(Soon());
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_FALSE(message->has_value());
  ASSERT_TRUE(stream->peer_close().has_value());
  EXPECT_EQ(stream->peer_close()->code, code);
}

TEST(WsechoTest, SendsEveryMessageBackWithItsType) {
  Server server;
  Runtime runtime;
  const auto stream = Open(&runtime, server);
  ExpectEcho(stream.get(), MessageType::kText, "");
  ExpectEcho(stream.get(), MessageType::kBinary, "");
  for (const size_t size : {1, 125, 126, 65535, 65536, 1 << 20}) {
    ExpectEcho(stream.get(), MessageType::kText, std::string(size, 't'));
    ExpectEcho(stream.get(), MessageType::kBinary, std::string(size, '\xff'));
  }
  EXPECT_TRUE(stream->Close(3001, "bye", Soon()).ok());
  EXPECT_EQ(stream->peer_close()->code, 3001);
}

TEST(WsechoTest, CompressesIfItIsToldTo) {
  using websocket::DeflateParams;
  Runtime runtime;
  websocket::DeflateOptions deflate;
  deflate.enabled = true;
  Server plain;
  EXPECT_EQ(Open(&runtime, plain, deflate)->options().deflate_params, std::nullopt);
  Server any({"--deflate"});
  EXPECT_EQ(Open(&runtime, any)->options().deflate_params, std::nullopt);
  Server limited({"--deflate", "--deflate_server_no_context_takeover",
                  "--deflate_client_no_context_takeover", "--deflate_server_max_window_bits=9",
                  "--deflate_client_max_window_bits=10", "--deflate_min_bytes=1000",
                  "--deflate_level=1", "--deflate_mem_level=1"});
  for (const Server* server : {&any, &limited}) {
    const auto stream = Open(&runtime, *server, deflate);
    EXPECT_EQ(stream->options().deflate_params,
              server == &any ? DeflateParams() : (DeflateParams{true, true, 9, 10}));
    for (const size_t size : {0, 1, 999, 1000, 1 << 20}) {
      ExpectEcho(stream.get(), MessageType::kText, std::string(size, 't'));
      ExpectEcho(stream.get(), MessageType::kBinary, std::string(size, '\xff'));
    }
    EXPECT_GT(stream->deflate_memory_peak_bytes(), 0u);
    EXPECT_TRUE(stream->Close(1000, "", Soon()).ok());
  }
}

TEST(WsechoTest, ServesConnectionsSideBySide) {
  Server server;
  Runtime runtime;
  std::vector<std::unique_ptr<websocket::Stream>> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(Open(&runtime, server));
  for (auto stream = streams.rbegin(); stream != streams.rend(); ++stream) {
    ExpectEcho(stream->get(), MessageType::kText, "hello");
  }
}

// RFC 9110 section 15.5.9. Who says nothing at all is sent nothing.
TEST(WsechoTest, GivesUpAnUnfinishedHandshake) {
  // Long enough for those who are in time.
  Server server({"--handshake_timeout=5"});
  RawSocket half(RawConnect(server.port()));
  RawSocket silent(RawConnect(server.port()));
  half.Send("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n");
  const std::string answer = half.ReceiveAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\nDate: "));
  EXPECT_TRUE(absl::EndsWith(answer, " GMT\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
      << answer;
  EXPECT_EQ(silent.ReceiveAll(), "");
  // Others do not notice.
  Runtime runtime;
  const auto stream = Open(&runtime, server);
  ExpectEcho(stream.get(), MessageType::kText, "hello");
}

// One connection for the page and the WebSocket that it opens.
TEST(WsechoTest, KeepsTheConnectionOfAPlainRequest) {
  Server server;
  RawSocket socket(RawConnect(server.port()));
  const std::string request = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  socket.Send(request + request);
  for (int i = 0; i < 2; ++i) {
    const std::string answer = socket.ReceiveUntil("\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(answer.find("Connection:"), std::string::npos) << answer;
  }
  socket.Send(
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_THAT(socket.ReceiveUntil("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
  socket.Send(absl::string_view("\x89\x80\0\0\0\0", 6));
  EXPECT_EQ(socket.Receive(2), absl::string_view("\x8a\0", 2));
}

TEST(WsechoTest, SignalsEndItCleanly) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Server server({"--drain_timeout=60"});
    Runtime runtime;
    const auto stream = Open(&runtime, server);
    const RawSocket silent(RawConnect(server.port()));
    ExpectEcho(stream.get(), MessageType::kText, "hello");
    server.process().Signal(signal);
    ExpectClose(stream.get(), 1001);
    EXPECT_TRUE(stream->Close(0, "", Soon()).ok());
    EXPECT_EQ(server.process().Wait(), 0);
    EXPECT_EQ(server.process().errors(), "");
  }
}

TEST(WsechoTest, APeerThatDoesNotAnswerDoesNotKeepItFromEnding) {
  Server server;
  Runtime runtime;
  const auto stream = Open(&runtime, server);
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
}

TEST(WsechoTest, ListensOnAUnixSocket) {
  const SocketDirectory directory;
  const std::string path = directory.Path("echo");
  ChildProcess process({kProgram, absl::StrCat("--listen=unix:", path)});
  EXPECT_EQ(process.ReadLine(), absl::StrCat("listening on ws+unix:", path));
  Runtime runtime;
  const auto stream = Open(&runtime, UnixConnect(&runtime, path, Soon()));
  ExpectEcho(stream.get(), MessageType::kText, "hello");
  EXPECT_TRUE(stream->Close(1000, "", Soon()).ok());
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
  struct stat file;
  EXPECT_EQ(stat(path.c_str(), &file), -1);
}

std::string Answer(const Server& server, absl::string_view request) {
  RawSocket socket(RawConnect(server.port()));
  socket.Send(request);
  return socket.ReceiveAll();
}

TEST(WsechoTest, ServesThePage) {
  Server server;
  for (absl::string_view target : {"/", "/?query"}) {
    const std::string answer =
        Answer(server, absl::StrCat("GET ", target, " HTTP/1.1", kLastRequest));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
    EXPECT_TRUE(absl::EndsWith(answer, absl::StrCat("\r\n\r\n", EchoPage())));
  }
  const std::string head = Answer(server, absl::StrCat("HEAD / HTTP/1.1", kLastRequest));
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr(absl::StrCat("Content-Length: ", EchoPage().size(), "\r\n")));
  EXPECT_TRUE(absl::EndsWith(head, "\r\n\r\n"));
}

TEST(WsechoTest, RefusesOtherRequests) {
  Server server;
  EXPECT_THAT(Answer(server, absl::StrCat("GET /other HTTP/1.1", kLastRequest)),
              StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Answer(server, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 4"));
  EXPECT_THAT(Answer(server, "no request\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  Runtime runtime;
  const auto stream = Open(&runtime, server);
  ExpectEcho(stream.get(), MessageType::kText, "it still serves");
}

void ExpectBound(const Server& server, size_t max) {
  Runtime runtime;
  const auto stream = Open(&runtime, server);
  for (const MessageType type : {MessageType::kBinary, MessageType::kText}) {
    ExpectEcho(stream.get(), type, std::string(max - 1, 'm'));
    ExpectEcho(stream.get(), type, std::string(max, 'm'));
  }
  // The refusal may come, and close the connection, while the message is still being sent.
  static_cast<void>(
      stream->Send(MessageType::kBinary, Bytes(std::string(max + 1, 'm')), Soon()).ok());
  ExpectClose(stream.get(), 1009);
}

TEST(WsechoTest, RefusesMessagesAbove16MiB) { ExpectBound(Server(), size_t{16} << 20); }

TEST(WsechoTest, TheBoundCanBeChanged) {
  ExpectBound(Server({"--message_bytes_max=10"}), 10);
  ExpectBound(Server({"--message_bytes_max=20000000"}), 20000000);
}

// A standard stream that is closed is no place for a socket, and no reason not to serve.
TEST(WsechoTest, ClosedStandardStreams) {
  const SocketDirectory directory;
  const std::string path = directory.Path("echo");
  ChildProcess shell({"bash", "-c", absl::StrCat("exec ", kProgram, " \"$@\" <&- >&-"), "bash",
                      absl::StrCat("--listen=unix:", path), "--drain_timeout=60"});
  struct stat file;
  while (stat(path.c_str(), &file) != 0) usleep(1000);
  Runtime runtime;
  auto socket = UnixConnect(&runtime, path, Soon());
  // It listens a moment after its file is there.
  while (StatusErrno(socket.status()) == ECONNREFUSED) socket = UnixConnect(&runtime, path, Soon());
  const auto stream = Open(&runtime, std::move(socket));
  ExpectEcho(stream.get(), MessageType::kText, "hello");
  shell.Signal(SIGTERM);
  ExpectClose(stream.get(), 1001);
  EXPECT_TRUE(stream->Close(0, "", Soon()).ok());
  EXPECT_EQ(shell.Wait(), 0);
  EXPECT_EQ(shell.errors(), "");
}

TEST(WsechoTest, HelpThatCannotBeWritten) {
  ChildProcess shell({"bash", "-c", absl::StrCat("exec ", kProgram, " --help > /dev/full")});
  EXPECT_EQ(shell.Finish(""), 2);
  EXPECT_EQ(shell.errors(), "wsecho: standard output: ENOSPC\n");
}

TEST(WsechoTest, ExplainsWhatItCannotDo) {
  for (const char* bad : {"--listen=here", "--port=80", "--message_bytes_max=many", "argument",
                          "--deflate_level=1"}) {
    ChildProcess process({kProgram, bad});
    EXPECT_EQ(process.Finish(""), 1) << bad;
    EXPECT_THAT(process.errors(), StartsWith("wsecho: "));
  }
  Server server;
  ChildProcess second({kProgram, absl::StrCat("--listen=127.0.0.1:", server.port())});
  EXPECT_EQ(second.Finish(""), 2);
  EXPECT_THAT(second.errors(), StartsWith("wsecho: cannot listen on ws://127.0.0.1:"));
  EXPECT_THAT(second.errors(), HasSubstr(": EADDRINUSE\n"));
  ChildProcess help({kProgram, "--help"});
  EXPECT_EQ(help.Finish(""), 0);
  EXPECT_THAT(help.output(), HasSubstr("--message_bytes_max=BYTES"));
}

}  // namespace
}  // namespace halfpipe::tools
