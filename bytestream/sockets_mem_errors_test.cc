// The calls that use storage of the caller, and those that take descriptors over, fail as their
// likes do; and what connecting, which seldom waits, has to do with waiting.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "bytestream/channels.h"
#include "bytestream/iolist.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/full_table.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

coroutine void Nothing() {}

coroutine void Make(const std::function<void()>* function) { (*function)(); }

// Runs `function` in a coroutine that is being closed.
void WhenCancelled(const std::function<void()>& function) {
  const std::function<void()> cancelled = [&] {
    CancelSelf();
    function();
  };
  const int h = go(Make(&cancelled));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
}

// Listeners of both kinds.
class SocketsMemErrorsTest : public CCallTest {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/halfpipe_mem_errors_XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    path_ = directory_ + "/s";
    ASSERT_EQ(ipaddr_local(&addr_, "127.0.0.1", 0, 0), 0);
    tcp_ = tcp_listen(&addr_, 10);
    ipc_ = ipc_listen(path_.c_str(), 1);
  }
  void TearDown() override {
    for (const int h : {tcp_, ipc_}) EXPECT_EQ(hclose(h), 0);
    EXPECT_EQ(unlink(path_.c_str()), 0);
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
    CCallTest::TearDown();
  }

  struct Accept {
    const char* name;
    std::function<int(int s, int64_t deadline)> make;
    int listener;
    int of_another_kind;
  };
  std::vector<Accept> AcceptsMem() {
    return {{"tcp_accept_mem",
             [this](int s, int64_t d) { return tcp_accept_mem(s, nullptr, &tcp_storage_, d); },
             tcp_, ipc_},
            {"ipc_accept_mem",
             [this](int s, int64_t d) { return ipc_accept_mem(s, &ipc_storage_, d); }, ipc_, tcp_}};
  }

  struct FromFd {
    const char* name;
    std::function<int(int fd)> make;
    bool tcp;
    bool listener;
  };
  std::vector<FromFd> FromFds() {
    return {{"tcp_fromfd", [](int fd) { return tcp_fromfd(fd); }, true, false},
            {"tcp_fromfd_mem", [this](int fd) { return tcp_fromfd_mem(fd, &tcp_storage_); }, true,
             false},
            {"tcp_listener_fromfd", [](int fd) { return tcp_listener_fromfd(fd); }, true, true},
            {"tcp_listener_fromfd_mem",
             [this](int fd) { return tcp_listener_fromfd_mem(fd, &tcp_listener_storage_); }, true,
             true},
            {"ipc_fromfd", [](int fd) { return ipc_fromfd(fd); }, false, false},
            {"ipc_fromfd_mem", [this](int fd) { return ipc_fromfd_mem(fd, &ipc_storage_); }, false,
             false},
            {"ipc_listener_fromfd", [](int fd) { return ipc_listener_fromfd(fd); }, false, true},
            {"ipc_listener_fromfd_mem",
             [this](int fd) { return ipc_listener_fromfd_mem(fd, &ipc_listener_storage_); }, false,
             true}};
  }

  // Descriptors of the kind that `from` takes; the second one is -1 if it is a listener.
  static std::array<int, 2> Descriptors(const FromFd& from) {
    if (!from.listener) return ConnectedFds(from.tcp ? Transport::kTcp : Transport::kUnix);
    const int family = from.tcp ? AF_INET : AF_UNIX;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address = {};
    address.ss_family = static_cast<sa_family_t>(family);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address),
                   from.tcp ? sizeof(sockaddr_in) : sizeof(sa_family_t)),
              0);
    EXPECT_EQ(listen(fd, 1), 0);
    return {fd, -1};
  }

  std::string directory_;
  std::string path_;
  dill_ipaddr addr_;
  int tcp_ = -1;
  int ipc_ = -1;
  dill_tcp_storage tcp_storage_;
  dill_ipc_storage ipc_storage_;
  dill_tcp_listener_storage tcp_listener_storage_;
  dill_ipc_listener_storage ipc_listener_storage_;
};

// ---- Accepting and connecting ------------------------------------------------------------------

TEST_F(SocketsMemErrorsTest, AcceptOnStorage) {
  const int b = bundle();
  for (const Accept& accept : AcceptsMem()) {
    SCOPED_TRACE(accept.name);
    EXPECT_FAILS(EBADF, accept.make(-1, 0));
    EXPECT_FAILS(ENOTSUP, accept.make(b, 0));
    EXPECT_FAILS(ENOTSUP, accept.make(accept.of_another_kind, 0));
    EXPECT_FAILS(ETIMEDOUT, accept.make(accept.listener, 0));
    const std::function<void()> waits = [&] {
      EXPECT_FAILS(ECANCELED, accept.make(accept.listener, -1));
    };
    const int h = go(Make(&waits));
    EXPECT_FAILS(EBUSY, accept.make(accept.listener, -1));
    EXPECT_EQ(hclose(h), 0);
    WhenCancelled([&] { EXPECT_FAILS(ECANCELED, accept.make(accept.listener, -1)); });
  }
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(SocketsMemErrorsTest, AcceptFindsNothingToWaitWith) {
  const Accept accepts[] = {
      AcceptsMem()[0],
      AcceptsMem()[1],
      {"tcp_accept", [](int s, int64_t d) { return tcp_accept(s, nullptr, d); }, tcp_, ipc_},
      {"ipc_accept", [](int s, int64_t d) { return ipc_accept(s, d); }, ipc_, tcp_}};
  for (const Accept& accept : accepts) {
    SCOPED_TRACE(accept.name);
    SyscallFault fault({Syscall::kEpollCtl}, 0, ENOSPC);
    EXPECT_FAILS(ENOSPC, accept.make(accept.listener, -1));
    EXPECT_TRUE(fault.hit());
    EXPECT_FAILS(ETIMEDOUT, accept.make(accept.listener, 0));
  }
}

TEST_F(SocketsMemErrorsTest, LongNamesOnStorage) {
  const std::string longer(108, 'x');
  EXPECT_FAILS(ENAMETOOLONG, ipc_listen_mem(longer.c_str(), 1, &ipc_listener_storage_));
  EXPECT_FAILS(ENAMETOOLONG, ipc_connect_mem(longer.c_str(), &ipc_storage_, -1));
}

// A listener whose backlog is full lets its clients wait.
TEST_F(SocketsMemErrorsTest, ConnectInTime) {
  std::vector<int> clients;
  while (clients.size() < 100) {
    const int h = ipc_connect(path_.c_str(), 0);
    if (h < 0) break;
    clients.push_back(h);
  }
  EXPECT_FAILS(ETIMEDOUT, ipc_connect(path_.c_str(), now() + 1));
  EXPECT_FAILS(ETIMEDOUT, ipc_connect_mem(path_.c_str(), &ipc_storage_, now() + 1));
  for (const int h : clients) EXPECT_EQ(hclose(h), 0);
}

// A listener of the system's with a full queue: a connection to it does not come about, and nobody
// says no.
class FullBacklog {
 public:
  FullBacklog() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(ipaddr_local(&addr_, "127.0.0.1", 0, 0), 0);
    EXPECT_EQ(bind(listener_, dill_ipaddr_sockaddr(&addr_), dill_ipaddr_len(&addr_)), 0);
    EXPECT_EQ(listen(listener_, 0), 0);
    socklen_t size = sizeof(addr_);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&addr_), &size), 0);
    client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client_, dill_ipaddr_sockaddr(&addr_), dill_ipaddr_len(&addr_)), 0);
    EXPECT_TRUE(AwaitConnections(listener_, 1));
  }
  ~FullBacklog() {
    for (const int fd : {client_, listener_}) EXPECT_EQ(close(fd), 0);
  }
  FullBacklog(const FullBacklog&) = delete;
  FullBacklog& operator=(const FullBacklog&) = delete;

  const dill_ipaddr* addr() const { return &addr_; }

 private:
  const int listener_;
  int client_ = -1;
  dill_ipaddr addr_;
};

TEST_F(SocketsMemErrorsTest, ConnectFindsNothingToWaitWith) {
  const FullBacklog full;
  const std::function<int()> calls[] = {
      [&] { return tcp_connect(full.addr(), now() + 60'000); },
      [&] { return tcp_connect_mem(full.addr(), &tcp_storage_, now() + 60'000); },
      [&] { return happyeyeballs_connect("127.0.0.1", ipaddr_port(full.addr()), now() + 60'000); }};
  for (const std::function<int()>& call : calls) {
    SCOPED_TRACE(&call - calls);
    for (const int error : {EMFILE, ENFILE, ENOMEM, ENOSPC}) {
      SyscallFault fault({Syscall::kEpollCreate1, Syscall::kEpollCtl}, 0, error);
      fault.FailOn();
      EXPECT_FAILS(error, call());
      EXPECT_TRUE(fault.hit());
    }
  }
  EXPECT_FAILS(ETIMEDOUT, tcp_connect_mem(full.addr(), &tcp_storage_, now() + 1));
}

// ---- Descriptors of the caller's ---------------------------------------------------------------

TEST_F(SocketsMemErrorsTest, DescriptorsThatWillNotDo) {
  for (const FromFd& from : FromFds()) {
    SCOPED_TRACE(from.name);
    EXPECT_FAILS(EBADF, from.make(-1));
    const FromFd others[] = {{"", nullptr, !from.tcp, from.listener},
                             {"", nullptr, from.tcp, !from.listener}};
    for (const FromFd& other : others) {
      const std::array<int, 2> fds = Descriptors(other);
      EXPECT_FAILS(other.tcp != from.tcp ? ENOTSUP : EINVAL, from.make(fds[0]));
      for (const int fd : fds) EXPECT_EQ(fd < 0 ? 0 : close(fd), 0);
    }
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_FAILS(ENOTSUP, from.make(ends[0]));
    for (const int fd : ends) EXPECT_EQ(close(fd), 0);
  }
}

// A descriptor that gets no handle is the caller's as before.
TEST_F(SocketsMemErrorsTest, DescriptorsThatGetNoHandle) {
  for (const FromFd& from : FromFds()) {
    SCOPED_TRACE(from.name);
    const std::array<int, 2> fds = Descriptors(from);
    const auto fails = [&](int error) { EXPECT_FAILS(error, from.make(fds[0])); };
    WhenCancelled([&] { fails(ECANCELED); });
    for (const int error : {EACCES, EPERM}) {
      SyscallFault fault({Syscall::kFcntl}, 0, error);
      fails(error);
      EXPECT_TRUE(fault.hit());
    }
    for (const int error : {ENOMEM, ENOBUFS}) {
      SyscallFault fault({Syscall::kGetsockopt}, 0, error);
      fails(error);
      EXPECT_TRUE(fault.hit());
    }
    const int h = from.make(fds[0]);
    EXPECT_GT(h, 0);
    EXPECT_EQ(hclose(h), 0);
    if (fds[1] >= 0) {
      EXPECT_EQ(close(fds[1]), 0);
    }
  }
}

// ---- Numbers -----------------------------------------------------------------------------------

TEST_F(SocketsMemErrorsTest, NoNumber) {
  const EveryNumber all;
  for (const FromFd& from : FromFds()) {
    SCOPED_TRACE(from.name);
    const std::array<int, 2> fds = Descriptors(from);
    EXPECT_FAILS(EMFILE, from.make(fds[0]));
    for (const int fd : fds) EXPECT_EQ(fd < 0 ? 0 : close(fd), 0);
  }
  dill_bundle_storage bundle_storage;
  EXPECT_FAILS(EMFILE, bundle_mem(&bundle_storage));
  dill_chstorage channel_storage;
  int ends[2];
  EXPECT_FAILS(EMFILE, chmake_mem(&channel_storage, ends));
  dill_ipc_pair_storage pair_storage;
  EXPECT_FAILS(EMFILE, ipc_pair_mem(&pair_storage, ends));
  alignas(16) char stack[16'384];
  EXPECT_FAILS(EMFILE, go_mem(Nothing(), stack, sizeof(stack)));
}

// What is in storage of the caller asks for memory where the table of handles has to grow, and only
// there.
TEST_F(SocketsMemErrorsTest, NoMemoryForANumberOnStorage) {
  const FullTable full;
  const auto fails = [](const std::function<int()>& call) {
    AllocationFault fault(0);
    EXPECT_FAILS(ENOMEM, call());
    EXPECT_TRUE(fault.hit());
  };
  int ends[2];
  dill_chstorage channel_storage;
  fails([&] { return chmake_mem(&channel_storage, ends); });
  dill_ipc_pair_storage pair_storage;
  fails([&] { return ipc_pair_mem(&pair_storage, ends); });
  fails([&] { return tcp_connect_mem(&addr_, &tcp_storage_, -1); });
  fails([&] { return ipc_connect_mem(path_.c_str(), &ipc_storage_, -1); });
  for (const FromFd& from : FromFds()) {
    SCOPED_TRACE(from.name);
    const std::array<int, 2> fds = Descriptors(from);
    fails([&] { return from.make(fds[0]); });
    for (const int fd : fds) EXPECT_EQ(fd < 0 ? 0 : close(fd), 0);
  }
}

// ---- The other form of a call ------------------------------------------------------------------

TEST_F(SocketsMemErrorsTest, BundleGoOnAStackOfTheCaller) {
  alignas(16) char stack[16'384];
  EXPECT_FAILS(EBADF, bundle_go_mem(-1, Nothing(), stack, sizeof(stack)));
  EXPECT_FAILS(ENOTSUP, bundle_go_mem(tcp_, Nothing(), stack, sizeof(stack)));
  const int b = bundle();
  WhenCancelled(
      [&] { EXPECT_FAILS(ECANCELED, bundle_go_mem(b, Nothing(), stack, sizeof(stack))); });
  EXPECT_EQ(bundle_go_mem(b, Nothing(), stack, sizeof(stack)), 0);
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(SocketsMemErrorsTest, ListsFailAsBuffersDo) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  std::string much(200'000, 'x');
  dill_iolist list = {much.data(), much.size(), nullptr, 0};
  const auto send_all = [&](int64_t deadline) { return bsendl(s[0], &list, &list, deadline); };
  // The first one leaves a tail, which the next ones wait for.
  while (send_all(0) == 0) {
  }
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_FAILS(ETIMEDOUT, send_all(0));
  const std::function<void()> waits = [&] { EXPECT_FAILS(ECANCELED, send_all(-1)); };
  const int h = go(Make(&waits));
  EXPECT_FAILS(EBUSY, send_all(-1));
  EXPECT_EQ(hclose(h), 0);
  for (const int end : s) EXPECT_EQ(hclose(end), 0);
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_EQ(ipc_done(s[0], -1), 0);
  EXPECT_FAILS(EPIPE, send_all(-1));
  for (const int end : s) EXPECT_EQ(hclose(end), 0);
}

}  // namespace
}  // namespace halfpipe
