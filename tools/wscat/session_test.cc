#include "tools/wscat/session.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::tools {
namespace {

Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

// A session, and what its peer and its input hold in their hands.
class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    const absl::StatusOr<std::array<int, 2>> fds = UnixPairFds();
    EXPECT_TRUE(fds.ok());
    ours_ = Open((*fds)[0], websocket::Role::kClient);
    peer_ = Open((*fds)[1], websocket::Role::kServer);
    EXPECT_EQ(pipe2(in_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out_.data(), O_CLOEXEC), 0);
    options_.in_fd = in_[0];
    options_.out_fd = out_[1];
  }

  ~SessionTest() override {
    for (const int fd : {in_[0], in_[1], out_[0], out_[1]}) {
      if (fd >= 0) close(fd);
    }
  }

  std::unique_ptr<websocket::Stream> Open(int fd, websocket::Role role) {
    websocket::Options options;
    options.role = role;
    BytestreamPtr socket(new FdStream(&runtime_, fd));
    return std::make_unique<websocket::Stream>(&runtime_, std::move(socket), options);
  }

  void Input(absl::string_view bytes) {
    EXPECT_EQ(write(in_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void EndInput() { close(std::exchange(in_[1], -1)); }

  ExitStatus Run() {
    Session session(&runtime_, ours_.get(), options_);
    const ExitStatus status = session.Run();
    message_ = session.message();
    return status;
  }

  std::string PeerReceives() {
    const auto message = peer_->ReceiveView(Soon());
    if (!message.ok()) return "failure";
    return message->has_value() ? std::string((*message)->text()) : "Close";
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::unique_ptr<websocket::Stream> ours_;
  std::unique_ptr<websocket::Stream> peer_;
  std::array<int, 2> in_;
  std::array<int, 2> out_;
  SessionOptions options_;
  std::string message_;
};

TEST_F(SessionTest, DoesNotWaitWithoutEndForAPeerThatIsSilent) {
  options_.close_time = absl::Milliseconds(1);
  Input("hello\n");
  EndInput();
  EXPECT_EQ(Run(), ExitStatus::kBroken);
  EXPECT_EQ(message_, "the peer did not answer our Close");
  EXPECT_EQ(PeerReceives(), "hello");
  EXPECT_EQ(PeerReceives(), "Close");
}

TEST_F(SessionTest, InputThatCannotBeReadEndsItInOrder) {
  options_.in_fd = -1;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([this] {
                    EXPECT_EQ(PeerReceives(), "Close");
                    peer_->Close(0, "", Soon()).IgnoreError();
                  })
                  .ok());
  EXPECT_EQ(Run(), ExitStatus::kLocal);
  EXPECT_EQ(message_, "standard input: EBADF");
  EXPECT_EQ(bundle.Wait(Soon()), 0);
}

TEST_F(SessionTest, OutputThatCannotBeWrittenEndsIt) {
  options_.out_fd = -1;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([this] {
                    EXPECT_TRUE(peer_->SendText("hello", Soon()).ok());
                    EXPECT_EQ(PeerReceives(), "Close");
                    peer_->Close(0, "", Soon()).IgnoreError();
                  })
                  .ok());
  EXPECT_EQ(Run(), ExitStatus::kLocal);
  EXPECT_EQ(message_, "standard output: EBADF");
  EXPECT_EQ(bundle.Wait(Soon()), 0);
}

TEST_F(SessionTest, ALineHasABound) {
  options_.line_bytes_max = 4;
  Input("1234\n12345\n");
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([this] {
                    EXPECT_EQ(PeerReceives(), "Close");
                    peer_->Close(0, "", Soon()).IgnoreError();
                  })
                  .ok());
  EXPECT_EQ(Run(), ExitStatus::kLocal);
  EXPECT_EQ(message_, "standard input: a line is too long: EMSGSIZE");
  EXPECT_EQ(bundle.Wait(Soon()), 0);
}

// While the one who reads our output holds us up, the peer is not the one who is silent.
TEST_F(SessionTest, AFullPipeBehindTheOutputHoldsUpNothingElse) {
  const std::string large(1 << 20, 'l');
  std::string output;
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_TRUE(peer_->SendText(large, Soon()).ok());
                    // The output is full now, and a line still goes the other way.
                    Input("hello\n");
                    EndInput();
                    EXPECT_EQ(PeerReceives(), "hello");
                    EXPECT_EQ(PeerReceives(), "Close");
                    while (output.size() < large.size() + 1) {
                      EXPECT_EQ(runtime_.engine().WaitForeignFd(out_[0], false, Soon()), 0);
                      char buffer[65536];
                      const ssize_t count = read(out_[0], buffer, sizeof(buffer));
                      ASSERT_GT(count, 0);
                      output.append(buffer, static_cast<size_t>(count));
                    }
                    peer_->Close(0, "", Soon()).IgnoreError();
                  })
                  .ok());
  EXPECT_EQ(Run(), ExitStatus::kClean);
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_TRUE(output == large + "\n");
}

TEST_F(SessionTest, ACancellationBreaksTheConnection) {
  {
    Bundle bundle(&runtime_);
    ASSERT_TRUE(bundle.Go([this] { EXPECT_EQ(Run(), ExitStatus::kBroken); }).ok());
  }
  EXPECT_EQ(PeerReceives(), "Close");
  ASSERT_TRUE(peer_->peer_close().has_value());
  EXPECT_EQ(peer_->peer_close()->code, 1001);
}

TEST_F(SessionTest, ThePeersWordsAreEscaped) {
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle
                  .Go([this] {
                    EXPECT_TRUE(peer_->Done(4000, "\x1b[2J", Soon()).ok());
                    EXPECT_EQ(PeerReceives(), "Close");
                    peer_->Close(0, "", Soon()).IgnoreError();
                  })
                  .ok());
  EXPECT_EQ(Run(), ExitStatus::kPeerError);
  EXPECT_EQ(message_, "the peer closed with 4000 \\x1b[2J");
  EXPECT_EQ(bundle.Wait(Soon()), 0);
}

}  // namespace
}  // namespace halfpipe::tools
