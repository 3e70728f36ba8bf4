// The program wscat, from outside.

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "bytestream/testing/refusing_port.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"
#include "tools/wsecho/raw_socket.h"
#include "tools/wsecho/socket_directory.h"
#include "websocket/ws.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kProgram[] = "tools/wscat/wscat";
constexpr char kServer[] = "tools/wsecho/wsecho";

// What follows the words in front of it.
std::string After(absl::string_view words, const std::string& line) {
  absl::string_view rest = line;
  EXPECT_TRUE(absl::ConsumePrefix(&rest, words)) << line;
  return std::string(rest);
}

// wsecho, and where.
class Echo {
 public:
  Echo() : process_({kServer, "--listen=127.0.0.1:0", "--drain_timeout=60"}) {
    url_ = After("listening on ", process_.ReadLine());
  }
  const std::string& url() const { return url_; }
  ChildProcess& process() { return process_; }

 private:
  ChildProcess process_;
  std::string url_;
};

// wscat that waits for a peer.
class Listening : public ChildProcess {
 public:
  explicit Listening(const std::vector<std::string>& flags = {}) : ChildProcess(Command(flags)) {
    url_ = After("listening on ", ReadErrorLine());
  }
  const std::string& url() const { return url_; }

 private:
  static std::vector<std::string> Command(const std::vector<std::string>& flags) {
    std::vector<std::string> command = {kProgram, "--listen=127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }

  std::string url_;
};

// A server made by hand, behind its opening handshake.
class RawServer {
 public:
  std::string url() const { return absl::StrCat("ws://127.0.0.1:", listener_.port(), "/"); }
  int Accept() { return listener_.Accept(); }

  static void Upgrade(RawSocket* socket, absl::string_view fields = "") {
    const std::string head = socket->ReceiveUntil("\r\n\r\n");
    const size_t at = head.find("Sec-WebSocket-Key: ");
    ASSERT_NE(at, std::string::npos) << head;
    char key[WS_KEY_SIZE];
    ASSERT_EQ(ws_response_key(head.substr(at + 19, 24).c_str(), key), 0);
    socket->Send(absl::StrCat("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
                              "Connection: Upgrade\r\nSec-WebSocket-Accept: ", key, "\r\n", fields,
                              "\r\n"));
  }

 private:
  RawListener listener_;
};

TEST(WscatTest, LinesBecomeMessagesAndBack) {
  Echo echo;
  ChildProcess cat({kProgram, echo.url()});
  cat.Write("first\n");
  EXPECT_EQ(cat.ReadLine(), "first");
  cat.Write("second\n\nfo");
  EXPECT_EQ(cat.ReadLine(), "second");
  EXPECT_EQ(cat.ReadLine(), "");
  EXPECT_EQ(cat.Finish("urth"), 0);
  EXPECT_EQ(cat.output(), "fourth\n");
  EXPECT_EQ(cat.errors(), "");
}

TEST(WscatTest, InputFromFiles) {
  Echo echo;
  ChildProcess::Options options;
  options.input_path = "/dev/null";
  ChildProcess nothing({kProgram, echo.url()}, options);
  EXPECT_EQ(nothing.Wait(), 0);
  EXPECT_EQ(nothing.output(), "");

  options.input_path = absl::StrCat(getenv("TEST_TMPDIR"), "/lines");
  std::ofstream(options.input_path) << "one\ntwo\n";
  ChildProcess file({kProgram, echo.url()}, options);
  EXPECT_EQ(file.Wait(), 0);
  EXPECT_EQ(file.output(), "one\ntwo\n");
}

// More than all buffers on the way hold, both ways at once.
TEST(WscatTest, ALongInputComesBackWhole) {
  Echo echo;
  std::string lines;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&lines, "this is line number ", i, "\n");
  absl::StrAppend(&lines, std::string(3 << 20, 'l'), "\n");
  ChildProcess cat({kProgram, echo.url()});
  cat.Write(lines);
  // All of it, before our Close limits the time that the peer has.
  EXPECT_TRUE(cat.Read(lines.size()) == lines);
  EXPECT_EQ(cat.Finish(""), 0);
  EXPECT_EQ(cat.output(), "");
}

// The client's first that the server knows.
TEST(WscatTest, Subprotocols) {
  Listening server({"--subprotocol=c", "--subprotocol=b"});
  ChildProcess client(
      {kProgram, "--subprotocol=a", "--subprotocol=b", "--subprotocol=c", server.url()});
  EXPECT_EQ(server.ReadErrorLine(), "wscat: the subprotocol is b");
  EXPECT_EQ(client.ReadErrorLine(), "wscat: the subprotocol is b");
  EXPECT_EQ(client.Finish(""), 0);
  EXPECT_EQ(server.Finish(""), 0);

  Listening other({"--subprotocol=c"});
  ChildProcess none({kProgram, "--subprotocol=a", other.url()});
  EXPECT_EQ(none.Finish(""), 0);
  EXPECT_EQ(none.errors(), "");
  EXPECT_EQ(other.Finish(""), 0);
}

TEST(WscatTest, Binary) {
  Echo echo;
  ChildProcess cat({kProgram, "--binary", echo.url()});
  EXPECT_EQ(cat.Finish(absl::string_view("\xff\0\x80\n", 4)), 0);
  EXPECT_EQ(cat.output(), std::string("\xff\0\x80\n", 4));
}

TEST(WscatTest, ALineThatIsNoTextIsTold) {
  Echo echo;
  ChildProcess cat({kProgram, echo.url()});
  EXPECT_EQ(cat.Finish("good\n\xff\nafter\n"), 6);
  EXPECT_EQ(cat.output(), "good\n");
  EXPECT_THAT(cat.errors(), HasSubstr("line 2 is not UTF-8"));
}

TEST(WscatTest, TwoOfThemTalk) {
  Listening listening;
  ChildProcess cat({kProgram, listening.url()});
  cat.Write("question\n");
  EXPECT_EQ(listening.ReadLine(), "question");
  listening.Write("answer\n");
  EXPECT_EQ(cat.ReadLine(), "answer");
  EXPECT_EQ(cat.Finish(""), 0);
  EXPECT_EQ(listening.Wait(), 0);
}

TEST(WscatTest, OverAUnixSocket) {
  const SocketDirectory directory;
  const std::string path = directory.Path("cat");
  ChildProcess listening({kProgram, absl::StrCat("--listen=unix:", path), "--echo"});
  EXPECT_EQ(listening.ReadErrorLine(), absl::StrCat("listening on ws+unix:", path));
  ChildProcess cat({kProgram, absl::StrCat("unix:", path)});
  EXPECT_EQ(cat.Finish("hello\n"), 0);
  EXPECT_EQ(cat.output(), "hello\n");
  EXPECT_EQ(listening.Wait(), 0);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

void ExpectEcho(ChildProcess* talks, ChildProcess* echoes) {
  EXPECT_EQ(talks->Finish("hello\nworld\n"), 0);
  EXPECT_EQ(talks->output(), "hello\nworld\n");
  EXPECT_EQ(echoes->Wait(), 0);
  EXPECT_EQ(echoes->output(), "");
}

// This is how foreign test suites drive it.
TEST(WscatTest, EchoesAsAClient) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>(), std::vector<std::string>{"--binary"}}) {
    Listening listening(flags);
    ChildProcess echo({kProgram, "--echo", listening.url()});
    ExpectEcho(&listening, &echo);
  }
}

TEST(WscatTest, EchoesAsAServer) {
  Listening echo({"--echo"});
  ChildProcess cat({kProgram, echo.url()});
  ExpectEcho(&cat, &echo);
}

TEST(WscatTest, CompressesWhereBothDo) {
  for (const std::vector<std::string>& ours :
       {std::vector<std::string>{}, std::vector<std::string>{"--deflate", "--deflate_min_bytes=0"},
        std::vector<std::string>{"--deflate", "--deflate_min_bytes=0",
                                 "--deflate_server_max_window_bits=8",
                                 "--deflate_client_max_window_bits=8"},
        std::vector<std::string>{"--deflate", "--deflate_server_no_context_takeover",
                                 "--deflate_client_no_context_takeover"}}) {
    Listening echo({"--echo", "--deflate", "--deflate_level=9"});
    std::vector<std::string> command = {kProgram, echo.url()};
    command.insert(command.end(), ours.begin(), ours.end());
    ChildProcess cat(command);
    ExpectEcho(&cat, &echo);
  }
}

// What wscat offers, and that it uses what comes of it.
TEST(WscatTest, CompressionOnTheWire) {
  RawServer server;
  ChildProcess cat({kProgram, "--deflate", "--deflate_min_bytes=0", "--echo", server.url()});
  RawSocket socket(server.Accept());
  RawServer::Upgrade(&socket, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  socket.Send(absl::string_view("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9));
  EXPECT_EQ(socket.Receive(13).substr(0, 2), "\xc1\x87");
  socket.Send("\x88\x02\x03\xe8");
  EXPECT_EQ(socket.Receive(8).substr(0, 2), "\x88\x82");
  socket.EndSending();
  EXPECT_EQ(cat.Wait(), 0);
}

// The type of a message comes back with it.
TEST(WscatTest, EchoKeepsTypes) {
  RawServer server;
  ChildProcess cat({kProgram, "--echo", server.url()});
  RawSocket socket(server.Accept());
  RawServer::Upgrade(&socket);
  socket.Send(
      "\x81\x01t\x82\x01"
      "b");
  EXPECT_EQ(socket.Receive(7).substr(0, 2), "\x81\x81");
  EXPECT_EQ(socket.Receive(7).substr(0, 2), "\x82\x81");
  socket.Send("\x88\x02\x03\xe8");
  EXPECT_EQ(socket.Receive(8).substr(0, 2), "\x88\x82");
  socket.EndSending();
  EXPECT_EQ(cat.Wait(), 0);
}

TEST(WscatTest, EchoTakesMessagesUpTo16MiB) {
  const std::string largest((16 << 20) - 1, 'm');
  for (const char* end : {"\n", "m\n"}) {
    Listening listening;
    ChildProcess echo({kProgram, "--echo", listening.url()});
    const std::string line = largest + end;
    listening.Write(line);
    // As above.
    EXPECT_TRUE(listening.Read(line.size()) == line);
    EXPECT_EQ(listening.Finish(""), 0);
    EXPECT_EQ(echo.Wait(), 0);
  }
  Listening listening;
  ChildProcess echo({kProgram, "--echo", listening.url()});
  EXPECT_EQ(listening.Finish(largest + "mm\n"), 5);
  EXPECT_THAT(listening.errors(), HasSubstr("the peer closed with 1009"));
  EXPECT_EQ(echo.Wait(), 4);
  EXPECT_THAT(echo.errors(), HasSubstr("message_bytes_max"));
}

TEST(WscatTest, TheBoundCanBeChanged) {
  for (const char* line : {"12", "123", "1234"}) {
    const bool fits = absl::string_view(line).size() <= 3;
    Listening listening;
    ChildProcess echo({kProgram, "--echo", "--message_bytes_max=3", listening.url()});
    EXPECT_EQ(listening.Finish(absl::StrCat(line, "\n")), fits ? 0 : 5) << line;
    EXPECT_EQ(echo.Wait(), fits ? 0 : 4) << line;
  }
}

TEST(WscatTest, ClosesWithCodeAndReason) {
  Listening listening;
  ChildProcess cat({kProgram, "--close=3001,bye \x1b[2J", listening.url()});
  EXPECT_EQ(cat.Finish(""), 0);
  EXPECT_EQ(listening.Wait(), 5);
  EXPECT_THAT(listening.errors(), HasSubstr("the peer closed with 3001 bye \\x1b[2J"));

  Listening without_code;
  ChildProcess silent({kProgram, "--close=0", without_code.url()});
  EXPECT_EQ(silent.Finish(""), 0);
  EXPECT_EQ(without_code.Wait(), 0);
}

TEST(WscatTest, EscapesOnATerminalOnly) {
  ChildProcess::Options options;
  options.terminal = true;
  Echo echo;
  ChildProcess terminal({kProgram, echo.url()}, options);
  EXPECT_EQ(terminal.Finish("\x1b[2Jcaf\xc3\xa9\t\\\n"), 0);
  EXPECT_EQ(terminal.output(), "\\x1b[2Jcaf\xc3\xa9\\t\\\\\r\n");

  ChildProcess pipe({kProgram, echo.url()});
  EXPECT_EQ(pipe.Finish("\x1b[2J\n"), 0);
  EXPECT_EQ(pipe.output(), "\x1b[2J\n");
}

TEST(WscatTest, Usage) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{kProgram},
                                                  {kProgram, "--what", "ws://localhost/"},
                                                  {kProgram, "http://localhost/"},
                                                  {kProgram, "--close=1005", "ws://localhost/"}}) {
    ChildProcess cat(command);
    EXPECT_EQ(cat.Finish(""), 1);
    EXPECT_THAT(cat.errors(), StartsWith("wscat: "));
  }
  ChildProcess no_roots({kProgram, "--trust_file=/none", "wss://localhost/"});
  EXPECT_EQ(no_roots.Finish(""), 1);
  ChildProcess help({kProgram, "--help"});
  EXPECT_EQ(help.Finish(""), 0);
  EXPECT_THAT(help.output(), HasSubstr("--close=CODE[,REASON]"));
}

TEST(WscatTest, NoConnection) {
  const RefusingPort refusing;
  ChildProcess refused({kProgram, absl::StrCat("ws://127.0.0.1:", refusing.number(), "/")});
  EXPECT_EQ(refused.Finish(""), 2);
  EXPECT_THAT(refused.errors(), HasSubstr("failed: ECONNREFUSED\n"));
  ChildProcess unknown({kProgram, "ws://name.invalid/"});
  EXPECT_EQ(unknown.Finish(""), 2);
  const SocketDirectory directory;
  ChildProcess no_file({kProgram, absl::StrCat("unix:", directory.Path("none"))});
  EXPECT_EQ(no_file.Finish(""), 2);
  EXPECT_THAT(no_file.errors(), HasSubstr("failed: ENOENT\n"));
  Listening listening;
  ChildProcess second(
      {kProgram, absl::StrCat("--listen=", listening.url().substr(5, listening.url().size() - 6))});
  EXPECT_EQ(second.Finish(""), 2);
}

TEST(WscatTest, ARefusedHandshake) {
  RawServer server;
  ChildProcess cat({kProgram, server.url()});
  RawSocket socket(server.Accept());
  socket.ReceiveUntil("\r\n\r\n");
  socket.Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(cat.Finish(""), 3);
  EXPECT_THAT(cat.errors(), HasSubstr("404"));

  Listening listening;
  const std::string port = listening.url().substr(std::string("ws://127.0.0.1:").size());
  RawSocket plain(RawConnect(static_cast<uint16_t>(std::atoi(port.c_str()))));
  plain.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(plain.ReceiveUntil("\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  plain.EndSending();
  EXPECT_EQ(listening.Wait(), 3);
}

// The content of a refusal is for people.
TEST(WscatTest, SaysWhatARefusalSays) {
  RawServer server;
  ChildProcess cat({kProgram, server.url()});
  RawSocket socket(server.Accept());
  socket.ReceiveUntil("\r\n\r\n");
  socket.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno \x1b[31mred");
  EXPECT_EQ(cat.Finish(""), 3);
  EXPECT_THAT(cat.errors(), HasSubstr("403"));
  EXPECT_THAT(cat.errors(), HasSubstr("no \\x1b[31mre"));
}

TEST(WscatTest, SendsWhatItIsToldTo) {
  RawServer server;
  ChildProcess cat({kProgram, "--header=X-A: b", "--header=X-C:d", "--cookie=n=v", "--cookie=m=w",
                    "--user=me:pass:word", "--origin=https://example.org", server.url()});
  RawSocket socket(server.Accept());
  const std::string request = socket.ReceiveUntil("\r\n\r\n");
  EXPECT_THAT(request, HasSubstr("\r\nX-A: b\r\nX-C: d\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nCookie: n=v; m=w\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Basic bWU6cGFzczp3b3Jk\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nOrigin: https://example.org\r\n"));
  socket.EndSending();
  EXPECT_EQ(cat.Finish(""), 3);
  // What belongs to the handshake is not for the caller to say.
  ChildProcess own({kProgram, "--header=Host: evil", server.url()});
  RawSocket untouched(server.Accept());
  EXPECT_EQ(own.Finish(""), 1);
}

// What was meant for the first server is not for the second one.
TEST(WscatTest, FollowsRedirectsIfToldTo) {
  RawServer first;
  RawServer second;
  ChildProcess cat({kProgram, "--follow", "--header=X-A: b", "--cookie=n=v", "--bearer=token",
                    "--origin=https://example.org", first.url()});
  {
    RawSocket socket(first.Accept());
    EXPECT_THAT(socket.ReceiveUntil("\r\n\r\n"), HasSubstr("\r\nAuthorization: Bearer token\r\n"));
    socket.Send(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /other?x#f\r\nContent-Length: 0\r\n\r\n");
  }
  {
    RawSocket socket(first.Accept());
    const std::string request = socket.ReceiveUntil("\r\n\r\n");
    EXPECT_THAT(request, StartsWith("GET /other?x HTTP/1.1\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Bearer token\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nCookie: n=v\r\n"));
    socket.Send(absl::StrCat("HTTP/1.1 302 Found\r\nLocation: http", second.url().substr(2),
                             "\r\nContent-Length: 0\r\n\r\n"));
  }
  RawSocket socket(second.Accept());
  const std::string request = socket.ReceiveUntil("\r\n\r\n");
  EXPECT_THAT(request, HasSubstr("\r\nOrigin: https://example.org\r\n"));
  for (const char* secret : {"Authorization", "Cookie", "X-A"}) {
    EXPECT_EQ(request.find(secret), std::string::npos) << request;
  }
  socket.Send("HTTP/1.1 302 Found\r\nLocation: ftp://localhost/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(cat.Finish(""), 3);
  EXPECT_THAT(cat.errors(), HasSubstr("redirect"));
}

TEST(WscatTest, FollowsNoRedirectByItself) {
  RawServer server;
  ChildProcess cat({kProgram, server.url()});
  RawSocket socket(server.Accept());
  socket.ReceiveUntil("\r\n\r\n");
  socket.Send("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(cat.Finish(""), 3);
  EXPECT_THAT(cat.errors(), HasSubstr("302"));
}

TEST(WscatTest, Pings) {
  RawServer server;
  ChildProcess cat({kProgram, "--ping", server.url()});
  RawSocket socket(server.Accept());
  RawServer::Upgrade(&socket);
  EXPECT_EQ(socket.Receive(6).substr(0, 2), "\x89\x80");
  socket.Send(absl::string_view("\x8a\0", 2));
  socket.Send("\x81\x05hello");
  EXPECT_EQ(cat.ReadLine(), "hello");
  cat.CloseInput();
  EXPECT_EQ(socket.Receive(8).substr(0, 2), "\x88\x82");
  socket.Send("\x88\x02\x03\xe8");
  socket.EndSending();
  EXPECT_EQ(cat.Wait(), 0);
}

TEST(WscatTest, ABrokenProtocol) {
  RawServer server;
  ChildProcess cat({kProgram, server.url()});
  RawSocket socket(server.Accept());
  RawServer::Upgrade(&socket);
  socket.Send(absl::string_view("\x83\0", 2));  // A reserved opcode.
  EXPECT_EQ(socket.Receive(2)[0], '\x88');
  socket.EndSending();
  EXPECT_EQ(cat.Wait(), 4);
  EXPECT_THAT(cat.errors(), StartsWith("wscat: "));
}

TEST(WscatTest, AConnectionThatEndsWithoutAClose) {
  Echo echo;
  ChildProcess cat({kProgram, echo.url()});
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  echo.process().Signal(SIGKILL);
  EXPECT_EQ(cat.Wait(), 4);
}

TEST(WscatTest, AServerThatStops) {
  Echo echo;
  ChildProcess cat({kProgram, echo.url()});
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  echo.process().Signal(SIGTERM);
  EXPECT_EQ(cat.Wait(), 0);
  EXPECT_EQ(echo.process().Wait(), 0);
}

TEST(WscatTest, ASignalSaysGoodbye) {
  Listening listening;
  ChildProcess cat({kProgram, listening.url()});
  cat.Write("hello\n");
  EXPECT_EQ(listening.ReadLine(), "hello");
  cat.Signal(SIGINT);
  EXPECT_EQ(cat.Wait(), 128 + SIGINT);
  EXPECT_EQ(cat.errors(), "");
  EXPECT_EQ(listening.Wait(), 0);
}

// A signal needs no comment, wherever it finds the program.
TEST(WscatTest, ASignalBeforeThereIsAConversation) {
  RawServer server;
  ChildProcess asking({kProgram, server.url()});
  RawSocket socket(server.Accept());
  socket.ReceiveUntil("\r\n\r\n");
  asking.Signal(SIGTERM);
  EXPECT_EQ(asking.Wait(), 128 + SIGTERM);
  EXPECT_EQ(asking.errors(), "");

  Listening listening;
  listening.Signal(SIGINT);
  EXPECT_EQ(listening.Wait(), 128 + SIGINT);
  EXPECT_EQ(listening.errors(), "");

  Listening being_asked;
  const std::string port = being_asked.url().substr(std::string("ws://127.0.0.1:").size());
  RawSocket half(RawConnect(static_cast<uint16_t>(std::atoi(port.c_str()))));
  half.Send("GET / HTTP/1.1\r\n");
  being_asked.Signal(SIGINT);
  EXPECT_EQ(being_asked.Wait(), 128 + SIGINT);
  EXPECT_EQ(being_asked.errors(), "");
}

// A standard stream that is closed is no place for a socket.
TEST(WscatTest, ClosedStandardStreams) {
  ChildProcess::Options options;
  options.environment = {"HALFPIPE_PROGRAM=" + std::string(kProgram)};
  for (const char* closed : {"<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"}) {
    Listening listening;
    ChildProcess shell({"bash", "-c", absl::StrCat("exec \"$HALFPIPE_PROGRAM\" \"$1\" ", closed),
                        "bash", listening.url()},
                       options);
    listening.Write("hello\n");
    EXPECT_EQ(shell.Wait(), 6) << closed;
    EXPECT_EQ(listening.Wait(), 0) << closed;
    EXPECT_EQ(listening.output(), "") << closed;
  }
}

TEST(WscatTest, HelpThatCannotBeWritten) {
  ChildProcess shell({"bash", "-c", absl::StrCat("exec ", kProgram, " --help > /dev/full")});
  EXPECT_EQ(shell.Finish(""), 6);
  EXPECT_EQ(shell.errors(), "wscat: standard output: ENOSPC\n");
}

TEST(WscatTest, OutputThatNobodyWants) {
  ChildProcess::Options options;
  options.environment = {"HALFPIPE_PROGRAM=" + std::string(kProgram)};
  Listening listening;
  // The reader of the pipe has ended before there is anything to write.
  ChildProcess shell({"bash", "-c",
                      "exec 3> >(true); wait $!; "
                      "exec \"$HALFPIPE_PROGRAM\" --close=3000 \"$1\" >&3 3>&-",
                      "bash", listening.url()},
                     options);
  listening.Write("hello\n");
  EXPECT_EQ(shell.Wait(), 6);
  EXPECT_EQ(listening.Wait(), 5);
}

}  // namespace
}  // namespace halfpipe::tools
