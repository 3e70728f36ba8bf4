#include "tools/wscat/opening.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/refusing_port.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/testing/wait_sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

class OpeningTest : public testing::Test {
 protected:
  // A peer at `fd` that reads the head of each request and says `answer`.
  void Answer(int fd, std::string answer) {
    ASSERT_TRUE(peers_
                    .Go([this, fd, answer = std::move(answer)] {
                      Listener listener(&runtime_, fd);
                      for (;;) {
                        const auto accepted = listener.Accept(Deadline::Never());
                        if (!accepted.ok()) return;
                        FdStream stream(&runtime_, *accepted);
                        if (answer.empty()) continue;
                        head_ = ReadHead(&stream);
                        const IoSlice slice{absl::string_view(answer)};
                        static_cast<void>(
                            stream.Write(absl::MakeConstSpan(&slice, 1), false, Soon()));
                        // Until the client has gone.
                        static_cast<void>(stream.Peek(1, Soon()));
                      }
                    })
                    .ok());
  }

  // The same at a port of its own; returns the URL.
  std::string AnswerAtAPort(std::string answer) {
    IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
    const auto fd = TcpListenFd(&address, TcpListenOptions());
    EXPECT_TRUE(fd.ok());
    if (fd.ok()) Answer(*fd, std::move(answer));
    return absl::StrCat("ws://", address.ToString(), "/");
  }

  static std::string ReadHead(FdStream* stream) {
    std::string head;
    while (!absl::StrContains(head, "\r\n\r\n")) {
      const auto bytes = stream->Peek(1, Soon());
      if (!bytes.ok() || bytes->empty()) break;
      head.append(bytes->begin(), bytes->end());
      stream->Consume(bytes->size());
    }
    return head;
  }

  Opened Open(std::string url) {
    Options options;
    options.url = std::move(url);
    return OpenClient(&runtime_, options);
  }

  void Expect(const Opened& opened, ExitStatus failed, absl::string_view why) {
    EXPECT_EQ(opened.stream, nullptr);
    EXPECT_EQ(opened.failed, failed);
    EXPECT_EQ(opened.why, why);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::string head_;
  Bundle peers_{&runtime_};
};

// What the system says can be told from what a peer says.
TEST_F(OpeningTest, NotAllowedToConnect) {
  for (const char* where : {"/run/app.sock", "127.0.0.1:80"}) {
    SyscallFault fault({Syscall::kConnect}, 0, EACCES);
    fault.FailOn();
    const bool is_unix = where[0] == '/';
    Expect(Open(absl::StrCat(is_unix ? "ws+unix:" : "ws://", where, is_unix ? "" : "/")),
           ExitStatus::kNoConnection, absl::StrCat("connecting to ", where, " failed: EACCES"));
  }
}

TEST_F(OpeningTest, NobodyThere) {
  const RefusingPort refusing;
  const Opened refused = Open(absl::StrCat("ws://127.0.0.1:", refusing.number(), "/"));
  EXPECT_EQ(refused.failed, ExitStatus::kNoConnection);
  EXPECT_THAT(refused.why, EndsWith("failed: ECONNREFUSED"));
  Expect(Open("ws+unix:/none/here:/x"), ExitStatus::kNoConnection,
         "connecting to /none/here failed: ENOENT");
}

TEST_F(OpeningTest, NamesThatAUnixSocketCannotHave) {
  for (const std::string& name : {std::string("@"), std::string(108, 'n')}) {
    const Opened opened = Open(absl::StrCat("ws+unix:", name));
    EXPECT_EQ(opened.failed, ExitStatus::kUsage);
    EXPECT_THAT(opened.why, HasSubstr("name of a socket"));
  }
}

TEST_F(OpeningTest, TheResourceAtAUnixSocket) {
  const std::string name = UniqueName("@halfpipe-opening-test-");
  const auto fd = UnixListenFd(name, 16);
  ASSERT_TRUE(fd.ok());
  Answer(*fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlost");
  const Opened opened = Open(absl::StrCat("ws+unix:", name, ":/chat?room=1"));
  EXPECT_EQ(opened.failed, ExitStatus::kRefused);
  EXPECT_THAT(opened.why, StartsWith("the server answered 404"));
  EXPECT_EQ(opened.refusal, "lost");
  EXPECT_THAT(head_, StartsWith("GET /chat?room=1 HTTP/1.1\r\nHost: localhost\r\n"));
}

TEST_F(OpeningTest, APeerThatGoes) {
  const Opened opened = Open(AnswerAtAPort(""));
  EXPECT_EQ(opened.failed, ExitStatus::kRefused);
  EXPECT_THAT(opened.why, EndsWith("ECONNRESET"));
}

TEST_F(OpeningTest, APeerThatSpeaksSomethingElse) {
  const Opened opened = Open(AnswerAtAPort("220 mail.example ESMTP\r\n"));
  EXPECT_EQ(opened.failed, ExitStatus::kRefused);
  EXPECT_NE(opened.why, "");
  EXPECT_THAT(opened.why, Not(HasSubstr(": E")));
}

// A timeout tells itself, a cancellation is somebody's will.
TEST_F(OpeningTest, EachWaitOfAClientMayBeTheLast) {
  // Nothing is on its way between Unix sockets: what has not come by the wait that ends early does
  // not come in time all the same.
  const std::string name = UniqueName("@halfpipe-opening-test-");
  const auto fd = UnixListenFd(name, 16);
  ASSERT_TRUE(fd.ok());
  Answer(*fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  const std::string url = absl::StrCat("ws+unix:", name);
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Opened opened;
      Bundle bundle(&runtime_);
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_only(runtime_.current());
                        opened = Open(url);
                      })
                      .ok());
      fault.set_except(runtime_.current());
      EXPECT_EQ(bundle.Wait(Soon()), 0);
      if (!fault.hit()) {
        EXPECT_THAT(opened.why, HasSubstr("404"));
      } else if (error == ECANCELED) {
        EXPECT_EQ(opened.why, "");
      } else {
        EXPECT_THAT(opened.why, EndsWith("ETIMEDOUT"));
      }
      EXPECT_EQ(opened.stream, nullptr);
    });
    EXPECT_GE(waits, 1);
  }
}

TEST_F(OpeningTest, ACancelledWaitForAPeer) {
  Options options;
  options.listen.emplace();
  options.listen->address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  Opened opened;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle.Go([&] { opened = OpenServer(&runtime_, options); }).ok());
  bundle.CancelAndJoin();
  Expect(opened, ExitStatus::kNoConnection, "");
}

}  // namespace
}  // namespace halfpipe::tools
