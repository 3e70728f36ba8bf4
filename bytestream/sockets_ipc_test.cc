#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

class SocketsIpcTest : public CCallTest {
 protected:
  void SetUp() override {
    // Short, whatever TEST_TMPDIR is: a path has 107 bytes.
    char directory[] = "/tmp/halfpipe_ipc_XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    path_ = directory_ + "/socket";
    listener_ = ipc_listen(path_.c_str(), 10);
    ASSERT_GT(listener_, 0);
  }
  void TearDown() override {
    hclose(listener_);
    unlink(path_.c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
    CCallTest::TearDown();
  }

  std::string directory_;
  std::string path_;
  int listener_ = -1;
};

coroutine void Accept(int s, int* result) {
  *result = ipc_accept(s, -1);
  if (*result < 0) *result = -errno;
}

TEST_F(SocketsIpcTest, ConnectAndAccept) {
  const int c = ipc_connect(path_.c_str(), -1);
  ASSERT_GT(c, 0);
  const int s = ipc_accept(listener_, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(bsend(c, "abc", 3, -1), 0);
  char buffer[3];
  EXPECT_EQ(brecv(s, buffer, 3, -1), 0);
  EXPECT_EQ(std::string(buffer, 3), "abc");
  EXPECT_EQ(ipc_done(c, -1), 0);
  EXPECT_EQ(ipc_close(s, -1), 0);
  EXPECT_EQ(ipc_close(c, -1), 0);
}

TEST_F(SocketsIpcTest, Paths) {
  const std::string longest(107 - directory_.size() - 1, 'x');
  const std::string path = directory_ + "/" + longest;
  const int listener = ipc_listen(path.c_str(), 10);
  ASSERT_GT(listener, 0);
  EXPECT_EQ(hclose(listener), 0);
  // Nobody listens there any more, and the file is still there.
  EXPECT_FAILS(ECONNREFUSED, ipc_connect(path.c_str(), -1));
  EXPECT_FAILS(EADDRINUSE, ipc_listen(path.c_str(), 10));
  EXPECT_EQ(unlink(path.c_str()), 0);
  EXPECT_FAILS(ENOENT, ipc_connect(path.c_str(), -1));
  EXPECT_FAILS(ENAMETOOLONG, ipc_listen((path + "x").c_str(), 10));
  EXPECT_FAILS(ENAMETOOLONG, ipc_connect((path + "x").c_str(), -1));
  EXPECT_FAILS(ENOENT, ipc_listen((directory_ + "/none/s").c_str(), 10));
  EXPECT_FAILS(ENOTDIR, ipc_listen((path_ + "/s").c_str(), 10));
  EXPECT_FAILS(ENOTDIR, ipc_connect((path_ + "/s").c_str(), -1));
}

TEST_F(SocketsIpcTest, AbstractNames) {
  std::string name = UniqueName("@halfpipe/sockets_ipc_test/");
  EXPECT_FAILS(ECONNREFUSED, ipc_connect(name.c_str(), -1));
  const int listener = ipc_listen(name.c_str(), 1);
  ASSERT_GT(listener, 0);
  EXPECT_FAILS(EADDRINUSE, ipc_listen(name.c_str(), 1));
  const int c = ipc_connect(name.c_str(), -1);
  const int s = ipc_accept(listener, -1);
  EXPECT_EQ(bsend(c, "x", 1, -1), 0);
  EXPECT_EQ(brecv(s, nullptr, 1, -1), 0);
  for (const int h : {c, s, listener}) EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(ECONNREFUSED, ipc_connect(name.c_str(), -1));

  EXPECT_FAILS(EINVAL, ipc_listen("@", 1));
  name.resize(108, 'x');
  const int longest = ipc_listen(name.c_str(), 1);
  EXPECT_GT(longest, 0);
  EXPECT_EQ(hclose(longest), 0);
  name += 'x';
  EXPECT_FAILS(ENAMETOOLONG, ipc_listen(name.c_str(), 1));
  EXPECT_FAILS(ENAMETOOLONG, ipc_connect(name.c_str(), -1));
}

TEST_F(SocketsIpcTest, BadArguments) {
  EXPECT_FAILS(EINVAL, ipc_listen(nullptr, 10));
  EXPECT_FAILS(EINVAL, ipc_listen("", 10));
  EXPECT_FAILS(EINVAL, ipc_listen("x", 0));
  EXPECT_FAILS(EINVAL, ipc_connect(nullptr, -1));
  EXPECT_FAILS(EINVAL, ipc_connect("", -1));
  EXPECT_FAILS(EINVAL, ipc_listen_mem("x", 10, nullptr));
  EXPECT_FAILS(EINVAL, ipc_connect_mem("x", nullptr, -1));
  EXPECT_FAILS(EINVAL, ipc_accept_mem(listener_, nullptr, -1));
  EXPECT_FAILS(EINVAL, ipc_pair(nullptr));
  int s[2];
  EXPECT_FAILS(EINVAL, ipc_pair_mem(nullptr, s));
  dill_ipc_pair_storage storage;
  EXPECT_FAILS(EINVAL, ipc_pair_mem(&storage, nullptr));
  EXPECT_FAILS(EINVAL, ipc_fromfd_mem(0, nullptr));
  EXPECT_FAILS(EINVAL, ipc_listener_fromfd_mem(0, nullptr));
}

TEST_F(SocketsIpcTest, BlockedAccept) {
  EXPECT_FAILS(ETIMEDOUT, ipc_accept(listener_, 0));
  int result = 0;
  const int h = go(Accept(listener_, &result));
  EXPECT_FAILS(EBUSY, ipc_accept(listener_, -1));
  EXPECT_EQ(hclose(listener_), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(EBADF, ipc_accept(listener_, -1));
}

TEST_F(SocketsIpcTest, ListenerIsClosedByIpcClose) {
  EXPECT_FAILS(ENOTSUP, ipc_done(listener_, -1));
  EXPECT_FAILS(ENOTSUP, tcp_close(listener_, -1));
  EXPECT_FAILS(ENOTSUP, tcp_accept(listener_, nullptr, -1));
  EXPECT_EQ(ipc_close(listener_, -1), 0);
  EXPECT_FAILS(EBADF, ipc_close(listener_, -1));
}

TEST_F(SocketsIpcTest, StorageOfTheCaller) {
  const std::string path = directory_ + "/second";
  dill_ipc_listener_storage listener_storage;
  const int listener = ipc_listen_mem(path.c_str(), 10, &listener_storage);
  ASSERT_GT(listener, 0);
  dill_ipc_storage storages[2];
  for (int i = 0; i < 3; ++i) {
    const int c = ipc_connect_mem(path.c_str(), &storages[0], -1);
    ASSERT_GT(c, 0);
    const int s = ipc_accept_mem(listener, &storages[1], -1);
    ASSERT_GT(s, 0);
    EXPECT_EQ(bsend(c, "abc", 3, -1), 0);
    EXPECT_EQ(brecv(s, nullptr, 3, -1), 0);
    EXPECT_EQ(hclose(c), 0);
    EXPECT_EQ(hclose(s), 0);
  }
  EXPECT_EQ(hclose(listener), 0);
  EXPECT_EQ(unlink(path.c_str()), 0);

  dill_ipc_pair_storage pair_storage;
  int s[2];
  ASSERT_EQ(ipc_pair_mem(&pair_storage, s), 0);
  EXPECT_EQ(bsend(s[1], "abc", 3, -1), 0);
  EXPECT_EQ(brecv(s[0], nullptr, 3, -1), 0);
  EXPECT_EQ(hclose(s[0]), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

TEST_F(SocketsIpcTest, FromDescriptors) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  EXPECT_FAILS(EINVAL, ipc_listener_fromfd(fds[0]));
  const int a = ipc_fromfd(fds[0]);
  dill_ipc_storage storage;
  const int b = ipc_fromfd_mem(fds[1], &storage);
  ASSERT_GT(a, 0);
  ASSERT_GT(b, 0);
  EXPECT_NE(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(bsend(a, "x", 1, -1), 0);
  EXPECT_EQ(brecv(b, nullptr, 1, -1), 0);
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EBADF, ipc_fromfd(fds[0]));
  EXPECT_FAILS(EBADF, ipc_listener_fromfd(-1));
  const int tcp = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_FAILS(ENOTSUP, ipc_fromfd(tcp));
  EXPECT_FAILS(ENOTSUP, ipc_listener_fromfd(tcp));
  EXPECT_EQ(close(tcp), 0);
}

TEST_F(SocketsIpcTest, ListenerFromDescriptor) {
  for (const bool in_storage : {false, true}) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(listen(fd, 5), -1);  // not bound
    sockaddr_storage address = {};
    address.ss_family = AF_UNIX;
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
    ASSERT_EQ(listen(fd, 5), 0);
    EXPECT_FAILS(EINVAL, ipc_fromfd(fd));
    dill_ipc_listener_storage storage;
    const int listener =
        in_storage ? ipc_listener_fromfd_mem(fd, &storage) : ipc_listener_fromfd(fd);
    ASSERT_GT(listener, 0);
    EXPECT_EQ(hclose(listener), 0);
  }
}

coroutine void EverythingCancelled(int listener, const std::string* path, bool* checked) {
  CancelSelf();
  dill_ipc_storage storage;
  dill_ipc_listener_storage listener_storage;
  EXPECT_FAILS(ECANCELED, ipc_listen("x", 10));
  EXPECT_FAILS(ECANCELED, ipc_listen_mem("x", 10, &listener_storage));
  EXPECT_FAILS(ECANCELED, ipc_accept(listener, 0));
  EXPECT_FAILS(ECANCELED, ipc_accept_mem(listener, &storage, 0));
  EXPECT_FAILS(ECANCELED, ipc_connect(path->c_str(), -1));
  EXPECT_FAILS(ECANCELED, ipc_connect_mem(path->c_str(), &storage, -1));
  EXPECT_FAILS(ECANCELED, ipc_fromfd(0));
  EXPECT_FAILS(ECANCELED, ipc_listener_fromfd(0));
  *checked = true;
}

TEST_F(SocketsIpcTest, CancelledCoroutine) {
  bool checked = false;
  const int h = go(EverythingCancelled(listener_, &path_, &checked));
  EXPECT_TRUE(checked);
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
