// Every system call that stands behind a C call of sockets.h fails with every errno that it can
// have: the caller gets what the header says, nothing leaks, and the connection is afterwards what
// the header says. And where the system gives little, or a signal comes, nothing is different.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>

#include "bytestream/handle/handle_table.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// Faults count while it lives.
class Armed {
 public:
  explicit Armed(SyscallFault* fault) : fault_(fault) { fault_->set_armed(true); }
  ~Armed() { fault_->set_armed(false); }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;

 private:
  SyscallFault* const fault_;
};

// What is around each run of a scenario: a runtime of its own, and nothing left behind.
class Surroundings {
 public:
  explicit Surroundings(SyscallFault* fault) { fault->set_armed(false); }
  ~Surroundings() {
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }
  Runtime& runtime() { return runtime_; }

 private:
  FdLeakCheck leaks_;
  Runtime runtime_;
};

// What the head of a section of sockets.h, and the paragraph of the call, say.
using Errors = std::set<int>;
Errors operator+(Errors a, const Errors& b) {
  a.insert(b.begin(), b.end());
  return a;
}
const Errors kNewHandle = {ECANCELED, EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT, EINVAL};
const Errors kTcpListen = kNewHandle + Errors{EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM};
const Errors kWaits = {ETIMEDOUT, ECANCELED, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC};
const Errors kAccept = kNewHandle + kWaits + Errors{EBUSY, EBADF, ENOTSUP};
const Errors kTcpConnect =
    kNewHandle + kWaits + Errors{ECONNREFUSED,  ECONNRESET,  EHOSTUNREACH, ENETUNREACH,
                                 ENETDOWN,      EADDRINUSE,  EACCES,       EPERM,
                                 EADDRNOTAVAIL, EAFNOSUPPORT};
const Errors kIpcListen = kNewHandle + Errors{ENAMETOOLONG, EADDRINUSE, EACCES, ENOENT, ENOTDIR,
                                              ELOOP,        EROFS,      ENOSPC, EPERM};
const Errors kIpcConnect =
    kNewHandle + kWaits +
    Errors{ENAMETOOLONG, ECONNREFUSED, ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, EPROTOTYPE};
const Errors kFromFd = kNewHandle + Errors{EBADF, ENOTSUP, EACCES, EPERM};

// What the manual names but the system does not give for what our code asks of it: a kind of socket
// that there is, an option that there is, a name of another family.
const Errors kNotForUs = {EPROTONOSUPPORT, EOPNOTSUPP, ENOPROTOOPT, ENODEV,      ENOSR,
                          EPROTOTYPE,      EALREADY,   EISCONN,     EDESTADDRREQ};
const Errors kOfTheNetwork = {EADDRINUSE,  EADDRNOTAVAIL, ECONNRESET, EHOSTUNREACH,
                              ENETUNREACH, ENETDOWN,      EIO};
const Errors kNamesOfFiles = {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EROFS, ENOSPC, EIO};

void ExpectDocumented(int outcome, const Errors& errors) {
  if (outcome >= 0) return;
  const Errors& others = errors.count(ENOENT) == 0 ? kNamesOfFiles : kOfTheNetwork;
  EXPECT_TRUE(errors.count(-outcome) > 0 || kNotForUs.count(-outcome) > 0 ||
              others.count(-outcome) > 0)
      << "errno " << -outcome << " is not documented";
}

bool Among(int error, std::initializer_list<int> errors) {
  for (const int each : errors) {
    if (each == error) return true;
  }
  return false;
}

bool Among(Syscall call, std::initializer_list<Syscall> calls) {
  for (const Syscall each : calls) {
    if (each == call) return true;
  }
  return false;
}

// ENODEV of eventfd(2) is told as ENOMEM.
int Told(int error) { return error == ENODEV ? ENOMEM : error; }

// The calls that make a wait possible.
bool PreparesWait(Syscall call) {
  return Among(call, {Syscall::kEpollCreate1, Syscall::kEventfd, Syscall::kEpollCtl});
}

dill_ipaddr Loopback() {
  dill_ipaddr addr;
  EXPECT_EQ(dill_ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  return addr;
}

// ---- Listening ---------------------------------------------------------------------------------

TEST(SocketsFaultTest, TcpListen) {
  SweepSyscalls(SyscallSet(), [](SyscallFault& fault) {
    Surroundings around(&fault);
    dill_ipaddr addr = Loopback();
    int s;
    {
      Armed armed(&fault);
      s = Outcome(tcp_listen(&addr, 10));
    }
    const bool matters =
        fault.hit() && Among(fault.call(), {Syscall::kSocket, Syscall::kBind, Syscall::kListen,
                                            Syscall::kGetsockname});
    if (!matters) {
      ASSERT_GT(s, 0);
      EXPECT_NE(ipaddr_port(&addr), 0);
      EXPECT_EQ(hclose(s), 0);
      return;
    }
    EXPECT_EQ(s, -Told(fault.error()));
    ExpectDocumented(s, kTcpListen);
    EXPECT_EQ(ipaddr_port(&addr), 0);
    s = tcp_listen(&addr, 10);
    ASSERT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
  });
}

// A directory for the paths of sockets, which tests remove.
class Directory {
 public:
  Directory() {
    char path[] = "/tmp/halfpipe_fault_XXXXXX";
    EXPECT_NE(mkdtemp(path), nullptr);
    path_ = path;
  }
  ~Directory() {
    unlink(socket().c_str());
    EXPECT_EQ(rmdir(path_.c_str()), 0);
  }
  std::string socket() const { return path_ + "/s"; }

 private:
  std::string path_;
};

TEST(SocketsFaultTest, IpcListen) {
  Directory directory;
  SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
    Surroundings around(&fault);
    int s;
    {
      Armed armed(&fault);
      s = Outcome(ipc_listen(directory.socket().c_str(), 10));
    }
    const bool matters =
        fault.hit() && Among(fault.call(), {Syscall::kSocket, Syscall::kBind, Syscall::kListen});
    EXPECT_EQ(s < 0 ? s : 0, matters ? -Told(fault.error()) : 0);
    ExpectDocumented(s, kIpcListen);
    if (s < 0) {
      // A socket that could not listen leaves no file that keeps the next one out.
      s = Outcome(ipc_listen(directory.socket().c_str(), 10));
    }
    EXPECT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
    unlink(directory.socket().c_str());
  });
}

// ---- Connecting and accepting ------------------------------------------------------------------

// Two ends of one family, and how to get there.
struct Family {
  std::function<int()> listen;
  std::function<int()> connect;
  std::function<int(int)> accept;
  Errors connect_errors;
};

void WithFamilies(const std::function<void(const Family&)>& test) {
  {
    SCOPED_TRACE("TCP");
    dill_ipaddr addr;
    test({[&] {
            addr = Loopback();
            return tcp_listen(&addr, 10);
          },
          [&] { return tcp_connect(&addr, -1); }, [](int s) { return tcp_accept(s, nullptr, -1); },
          kTcpConnect});
  }
  SCOPED_TRACE("Unix");
  Directory directory;
  test({[&] {
          unlink(directory.socket().c_str());
          return ipc_listen(directory.socket().c_str(), 10);
        },
        [&] { return ipc_connect(directory.socket().c_str(), -1); },
        [](int s) { return ipc_accept(s, -1); }, kIpcConnect});
}

// Both ends work.
void ExpectConnected(int a, int b) {
  ASSERT_GT(a, 0);
  ASSERT_GT(b, 0);
  char byte = 0;
  EXPECT_EQ(bsend(a, "x", 1, -1), 0);
  EXPECT_EQ(brecv(b, &byte, 1, -1), 0);
  EXPECT_EQ(byte, 'x');
}

// Accepts the connection whose other end is `c`. One before it was given up while it came about,
// and is there, or is not.
int AcceptOther(const Family& family, int listener, int c) {
  EXPECT_EQ(bsend(c, "x", 1, -1), 0);
  for (;;) {
    const int s = family.accept(listener);
    char byte = 0;
    if (s < 0 || brecv(s, &byte, 1, -1) == 0) return s;
    EXPECT_EQ(hclose(s), 0);
  }
}

TEST(SocketsFaultTest, Connect) {
  WithFamilies([](const Family& family) {
    SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Surroundings around(&fault);
      const int listener = family.listen();
      ASSERT_GT(listener, 0);
      int c;
      {
        Armed armed(&fault);
        c = Outcome(family.connect());
      }
      bool matters =
          fault.hit() &&
          (Among(fault.call(), {Syscall::kSocket, Syscall::kConnect, Syscall::kGetsockopt}) ||
           PreparesWait(fault.call()));
      // A connect that goes on after a signal.
      if (Among(fault.error(), {EINTR, EINPROGRESS})) matters = false;
      EXPECT_EQ(c < 0 ? c : 0, matters ? -Told(fault.error()) : 0);
      ExpectDocumented(c, family.connect_errors);
      bool given_up = false;
      if (c < 0) {
        c = family.connect();
        given_up = PreparesWait(fault.call());
        if (!given_up && fault.call() != Syscall::kSocket && fault.call() != Syscall::kConnect) {
          // It was connected already when its end could not be learned.
          EXPECT_EQ(hclose(family.accept(listener)), 0);
        }
      }
      const int s = given_up ? AcceptOther(family, listener, c) : family.accept(listener);
      ExpectConnected(c, s);
      for (const int h : {c, s, listener}) EXPECT_EQ(hclose(h), 0);
    });
  });
}

coroutine void AcceptOne(SyscallFault* fault, const Family* family, int listener, int* result) {
  Armed armed(fault);
  *result = Outcome(family->accept(listener));
}

// With the connection there before, and (`late`) after the accept has begun to wait.
TEST(SocketsFaultTest, Accept) {
  for (const bool late : {false, true}) {
    SCOPED_TRACE(late);
    WithFamilies([&](const Family& family) {
      SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
        Surroundings around(&fault);
        const int listener = family.listen();
        ASSERT_GT(listener, 0);
        int c = -1;
        if (!late) c = family.connect();
        int s = 0;
        const int h = go(AcceptOne(&fault, &family, listener, &s));
        fault.set_armed(false);
        if (late) c = family.connect();
        fault.set_armed(s == 0);
        EXPECT_EQ(bundle_wait(h, -1), 0);
        fault.set_armed(false);
        EXPECT_EQ(hclose(h), 0);
        const bool shortage = Among(fault.error(), {EMFILE, ENFILE, ENOBUFS, ENOMEM});
        const bool matters =
            fault.hit() && (PreparesWait(fault.call()) ||
                            (fault.call() == Syscall::kAccept4 &&
                             (shortage || Among(fault.error(), {EOPNOTSUPP, ENOSR}))));
        EXPECT_EQ(s < 0 ? s : 0, matters ? -Told(fault.error()) : 0);
        ExpectDocumented(s, kAccept);
        // Nothing is lost: the connection waits.
        if (s < 0) s = family.accept(listener);
        ExpectConnected(c, s);
        for (const int each : {c, s, listener}) EXPECT_EQ(hclose(each), 0);
      });
    });
  }
}

TEST(SocketsFaultTest, IpcPair) {
  SweepSyscalls(SyscallSet(), [](SyscallFault& fault) {
    Surroundings around(&fault);
    int s[2] = {-7, -7};
    int result;
    {
      Armed armed(&fault);
      result = Outcome(ipc_pair(s));
    }
    const bool matters = fault.hit() && fault.call() == Syscall::kSocketpair;
    EXPECT_EQ(result, matters ? -Told(fault.error()) : 0);
    ExpectDocumented(result, kNewHandle);
    if (result < 0) {
      EXPECT_EQ(s[0], -7);
      ASSERT_EQ(ipc_pair(s), 0);
    }
    ExpectConnected(s[0], s[1]);
    for (const int each : s) EXPECT_EQ(hclose(each), 0);
  });
}

// ---- Descriptors of the caller's ---------------------------------------------------------------

TEST(SocketsFaultTest, FromDescriptor) {
  for (const bool tcp : {false, true}) {
    SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Surroundings around(&fault);
      const std::array<int, 2> fds = ConnectedFds(tcp ? Transport::kTcp : Transport::kUnix);
      EXPECT_EQ(fcntl(fds[0], F_SETFL, 0), 0);
      EXPECT_EQ(fcntl(fds[0], F_SETFD, 0), 0);
      int s;
      {
        Armed armed(&fault);
        s = Outcome(tcp ? tcp_fromfd(fds[0]) : ipc_fromfd(fds[0]));
      }
      const bool matters =
          fault.hit() && Among(fault.call(), {Syscall::kGetsockopt, Syscall::kFcntl});
      EXPECT_EQ(s < 0 ? s : 0, matters ? -Told(fault.error()) : 0);
      ExpectDocumented(s, kFromFd);
      if (s < 0) {
        // As before, and still the caller's.
        EXPECT_EQ(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
        EXPECT_EQ(fcntl(fds[0], F_GETFD), 0);
        s = tcp ? tcp_fromfd(fds[0]) : ipc_fromfd(fds[0]);
      }
      const int peer = tcp ? tcp_fromfd(fds[1]) : ipc_fromfd(fds[1]);
      ExpectConnected(s, peer);
      EXPECT_EQ(hclose(s), 0);
      EXPECT_EQ(hclose(peer), 0);
    });
  }
}

coroutine void WaitForFd(SyscallFault* fault, int fd, bool in, int* result) {
  Armed armed(fault);
  *result = Outcome(in ? fdin(fd, -1) : fdout(fd, -1));
}

TEST(SocketsFaultTest, FdinAndFdout) {
  for (const bool in : {false, true}) {
    SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Surroundings around(&fault);
      const std::array<int, 2> fds = ConnectedFds(Transport::kUnix);
      char block[4096] = {};
      if (!in) {
        while (send(fds[0], block, sizeof(block), MSG_DONTWAIT) > 0) {
        }
      }
      int result = 1;
      const int h = go(WaitForFd(&fault, fds[0], in, &result));
      fault.set_armed(false);
      if (in) {
        EXPECT_EQ(send(fds[1], "x", 1, 0), 1);
      } else {
        while (recv(fds[1], block, sizeof(block), MSG_DONTWAIT) > 0) {
        }
      }
      fault.set_armed(result == 1);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      fault.set_armed(false);
      EXPECT_EQ(hclose(h), 0);
      EXPECT_EQ(result, fault.hit() && PreparesWait(fault.call()) ? -Told(fault.error()) : 0);
      ExpectDocumented(result, kWaits + Errors{EBADF, EBUSY});
      EXPECT_EQ(in ? fdin(fds[0], -1) : fdout(fds[0], -1), 0);
      EXPECT_EQ(fdclean(fds[0]), 0);
      for (const int fd : fds) EXPECT_EQ(close(fd), 0);
    });
  }
}

// A regular file, which epoll does not take, is ready also where poll(2) fails.
TEST(SocketsFaultTest, RegularFileIsReady) {
  SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
    Surroundings around(&fault);
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int result;
    {
      Armed armed(&fault);
      result = Outcome(fdin(fd, -1));
    }
    EXPECT_EQ(result, fault.hit() && PreparesWait(fault.call()) ? -Told(fault.error()) : 0);
    EXPECT_EQ(close(fd), 0);
  });
}

// ---- Coroutines --------------------------------------------------------------------------------

coroutine void Nothing() {}

TEST(SocketsFaultTest, Go) {
  SweepSyscalls(SyscallSet(), [](SyscallFault& fault) {
    Surroundings around(&fault);
    int h;
    {
      Armed armed(&fault);
      h = Outcome(go(Nothing()));
    }
    const bool matters = fault.hit() && fault.call() == Syscall::kMmap;
    EXPECT_EQ(h < 0 ? h : 0, matters ? -ENOMEM : 0);
    if (h < 0) h = go(Nothing());
    EXPECT_EQ(hclose(h), 0);
    EXPECT_EQ(hclose(go(Nothing())), 0);
  });
}

}  // namespace
}  // namespace halfpipe
