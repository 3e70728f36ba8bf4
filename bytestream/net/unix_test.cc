#include "bytestream/net/unix.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
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
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class UnixTest : public testing::Test {
 protected:
  UnixTest() {
    char name[] = "/tmp/unix_testXXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    folder = name;
    path = folder + "/s";
  }
  ~UnixTest() override {
    unlink(path.c_str());
    rmdir(folder.c_str());
  }

  int ConnectErrno(absl::string_view to) {
    const absl::StatusOr<int> fd = UnixConnectFd(&runtime, to, Deadline::Never());
    if (fd.ok()) close(*fd);
    return StatusErrno(fd.status());
  }
  static int ListenErrno(absl::string_view at) {
    const absl::StatusOr<int> fd = UnixListenFd(at, 1);
    if (fd.ok()) close(*fd);
    return StatusErrno(fd.status());
  }

  Runtime runtime;
  std::string folder;
  std::string path;
  Bundle bundle{&runtime};
};

TEST_F(UnixTest, ListensConnectsAndAccepts) {
  Listener listener(&runtime, *UnixListenFd(path, 10));
  const absl::StatusOr<std::unique_ptr<FdStream>> client =
      UnixConnect(&runtime, path, Deadline::Never());
  ASSERT_TRUE(client.ok()) << client.status();
  std::optional<IpAddress> peer = IpAddress();
  FdStream server(&runtime, *listener.Accept(Deadline::Never(), &peer));
  EXPECT_FALSE(peer);
  const IoSlice hello("hello");
  EXPECT_TRUE(server.Write({&hello, 1}, false, Deadline::Never()).ok());
  EXPECT_EQ((*client)->Peek(5, Deadline::Never())->size(), 5u);
}

TEST_F(UnixTest, PathsAreChecked) {
  EXPECT_EQ(ConnectErrno(""), EINVAL);
  EXPECT_EQ(ListenErrno(""), EINVAL);
  EXPECT_EQ(ConnectErrno(absl::string_view("a\0b", 3)), EINVAL);
  EXPECT_EQ(ConnectErrno(path), ENOENT);
  EXPECT_EQ(ListenErrno(folder + "/none/s"), ENOENT);
  for (const int difference : {-1, 0, 1}) {
    const size_t size = kUnixPathBytesMax - 1 + static_cast<size_t>(difference + 1);
    const std::string at = absl::StrCat(folder, "/", std::string(size - folder.size() - 1, 'x'));
    ASSERT_EQ(at.size(), size);
    EXPECT_EQ(ConnectErrno(at), difference > 0 ? ENAMETOOLONG : ENOENT);
    EXPECT_EQ(ListenErrno(at), difference > 0 ? ENAMETOOLONG : 0);
    unlink(at.c_str());
  }
}

// Names of this test alone: they are shared by all processes of the machine.
std::string AbstractName(size_t size) {
  std::string name = absl::StrCat(UniqueName("halfpipe/unix_test/"), "/");
  name.resize(std::max(size, name.size()), 'x');
  return name;
}

TEST_F(UnixTest, AbstractNames) {
  const std::string name = absl::StrCat("@", AbstractName(0));
  EXPECT_EQ(ConnectErrno(name), ECONNREFUSED);
  {
    Listener listener(&runtime, *UnixListenFd(name, 1));
    EXPECT_EQ(ListenErrno(name), EADDRINUSE);
    // The NUL of the system may be written instead of the "@".
    std::string with_nul = name;
    with_nul[0] = '\0';
    EXPECT_EQ(ListenErrno(with_nul), EADDRINUSE);
    const int client = *UnixConnectFd(&runtime, with_nul, Deadline::Never());
    const int server = *listener.Accept(Deadline::Never());
    EXPECT_EQ(write(client, "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(read(server, &byte, 1), 1);
    close(client);
    close(server);
    EXPECT_EQ(access(name.c_str(), F_OK), -1);  // no file
  }
  // Free again at once.
  EXPECT_EQ(ConnectErrno(name), ECONNREFUSED);
  EXPECT_EQ(ListenErrno(name), 0);
}

TEST_F(UnixTest, AbstractNamesAreChecked) {
  EXPECT_EQ(ListenErrno("@"), EINVAL);
  EXPECT_EQ(ConnectErrno("@"), EINVAL);
  EXPECT_EQ(ListenErrno(absl::string_view("\0", 1)), EINVAL);
  for (const int difference : {-1, 0, 1}) {
    const size_t size = kUnixAbstractBytesMax - 1 + static_cast<size_t>(difference + 1);
    const std::string name = absl::StrCat("@", AbstractName(size));
    EXPECT_EQ(name.size(), size + 1);
    EXPECT_EQ(ListenErrno(name), difference > 0 ? ENAMETOOLONG : 0);
    EXPECT_EQ(ConnectErrno(name), difference > 0 ? ENAMETOOLONG : ECONNREFUSED);
  }
  // The longest ones differ in their last byte, and a shorter one is another name, NUL or not.
  std::string longest = absl::StrCat("@", AbstractName(kUnixAbstractBytesMax));
  const int fd = *UnixListenFd(longest, 1);
  longest.back() = 'y';
  EXPECT_EQ(ConnectErrno(longest), ECONNREFUSED);
  close(fd);
  const std::string plain = absl::StrCat("@", AbstractName(0));
  const int other = *UnixListenFd(plain, 1);
  EXPECT_EQ(ConnectErrno(plain + std::string(1, '\0')), ECONNREFUSED);
  EXPECT_EQ(ListenErrno(plain + std::string("\0z", 2)), 0);
  close(other);
}

TEST_F(UnixTest, PathInUseAndNobodyThere) {
  const int fd = *UnixListenFd(path, 1);
  EXPECT_EQ(ListenErrno(path), EADDRINUSE);
  close(fd);
  EXPECT_EQ(ListenErrno(path), EADDRINUSE);  // the file stays
  EXPECT_EQ(ConnectErrno(path), ECONNREFUSED);
}

TEST_F(UnixTest, EndedConnectLeavesNothing) {
  const int listener = *UnixListenFd(path, 0);
  const int filler = *UnixConnectFd(&runtime, path, Deadline::Never());
  const size_t before = OpenDescriptorCount();
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    WaitFault end(&runtime, reason, 0);
    end.set_except(runtime.current());
    int result = 0;
    ASSERT_TRUE(bundle.Go([&] { result = ConnectErrno(path); }).ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(end.hit());
    EXPECT_EQ(result, reason);
  }
  EXPECT_LE(OpenDescriptorCount(), before + 2);  // the engine's own
  close(filler);
  close(listener);
}

TEST_F(UnixTest, PairIsConnected) {
  const std::array<int, 2> fds = *UnixPairFds();
  for (const int fd : fds) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  FdStream a(&runtime, fds[0]);
  FdStream b(&runtime, fds[1]);
  const IoSlice hello("hello");
  EXPECT_TRUE(a.Write({&hello, 1}, false, Deadline::Never()).ok());
  EXPECT_EQ(b.Peek(5, Deadline::Never())->size(), 5u);
}

TEST_F(UnixTest, AdoptsOnlyWhatFits) {
  const int plain = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_TRUE(UnixAdoptFd(plain).ok());
  EXPECT_NE(fcntl(plain, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(StatusErrno(UnixAdoptListenerFd(plain)), EINVAL);
  const int listener = *UnixListenFd(path, 1);
  EXPECT_TRUE(UnixAdoptListenerFd(listener).ok());
  EXPECT_EQ(StatusErrno(UnixAdoptFd(listener)), EINVAL);
  const int tcp = socket(AF_INET, SOCK_STREAM, 0);
  const int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
  const int packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  for (const int fd : {tcp, datagram, packets}) {
    EXPECT_EQ(StatusErrno(UnixAdoptFd(fd)), ENOTSUP);
    close(fd);
  }
  close(plain);
  close(listener);
  EXPECT_EQ(StatusErrno(UnixAdoptFd(plain)), EBADF);
}

// A descriptor that a peer passes along with its bytes does not stay open here, and the bytes come
// through.
TEST_F(UnixTest, PassedDescriptorsDoNotLeak) {
  const std::array<int, 2> fds = *UnixPairFds();
  FdStream stream(&runtime, fds[0]);
  // The first wait takes the engine's descriptors.
  EXPECT_EQ(StatusErrno(stream.Peek(1, Deadline::In(absl::Milliseconds(1))).status()), ETIMEDOUT);
  const size_t before = OpenDescriptorCount();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(SendDescriptor(fds[1], "p", STDIN_FILENO), 1);
    uint8_t got = 0;
    EXPECT_EQ(*stream.ReadSome(absl::MakeSpan(&got, 1), 1, Deadline::Never()), 1u);
    EXPECT_EQ(got, 'p');
  }
  EXPECT_EQ(OpenDescriptorCount(), before);
  close(fds[1]);
}

}  // namespace
}  // namespace halfpipe
