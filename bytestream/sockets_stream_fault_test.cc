// What sockets_fault_test.cc is for calls that make handles: every system call behind sending,
// receiving and ending a connection fails with every errno that it can have. What was reported sent
// arrives once and in order, or the peer sees that the connection broke; what was not, does not.

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/stream_info.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// Long texts, which nobody wants to see in full.
void ExpectSame(const std::string& got, const std::string& sent) {
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent) << "other bytes came than were sent";
}
void ExpectBegins(const std::string& sent, const std::string& got) {
  EXPECT_LE(got.size(), sent.size());
  EXPECT_TRUE(got == sent.substr(0, got.size())) << "other bytes came than were sent";
}

// What is outside of the library: a plain socket, and a flow that sends to it or takes from it at
// its turns. Its own system calls never fail.
class Peer {
 public:
  Peer(SyscallFault* fault, int fd) : fault_(fault), fd_(fd) {}
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Takes what there is, at most `max` bytes; the end of the stream, or how it broke, goes to end().
  void Take(size_t max) {
    if (end_.has_value()) return;
    const bool armed = std::exchange(armed_, false);
    fault_->set_armed(false);
    std::string piece(max, '\0');
    const ssize_t size = recv(fd_, piece.data(), piece.size(), MSG_DONTWAIT);
    if (size > 0) got_.append(piece, 0, static_cast<size_t>(size));
    if (size == 0) end_ = 0;
    if (size < 0 && errno != EAGAIN) end_ = errno;
    fault_->set_armed(armed);
    armed_ = armed;
  }

  // Takes until `done` or the end of the stream, which are sure to come. Nothing may be armed.
  void TakeUntil(size_t max, const std::function<bool()>& done) {
    while (!end_.has_value() && !done() && AwaitEvents(fd_, POLLIN)) Take(max);
  }
  void TakeToTheEnd(size_t max) {
    TakeUntil(max, [] { return false; });
  }

  // Sends all of `bytes`, which must fit.
  void Send(const std::string& bytes) {
    const bool armed = std::exchange(armed_, false);
    fault_->set_armed(false);
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    fault_->set_armed(armed);
    armed_ = armed;
  }

  void End() { EXPECT_EQ(shutdown(fd_, SHUT_WR), 0); }

  // From now on (until Disarm()) faults count, where it is not the peer's turn.
  void Arm() {
    armed_ = true;
    fault_->set_armed(true);
  }
  void Disarm() {
    armed_ = false;
    fault_->set_armed(false);
  }

  const std::string& got() const { return got_; }
  // 0 for the end of the stream, an errno for a break.
  std::optional<int> end() const { return end_; }

 private:
  SyscallFault* const fault_;
  const int fd_;
  bool armed_ = false;
  std::string got_;
  std::optional<int> end_;
};

coroutine void KeepTaking(Peer* peer) {
  do {
    peer->Take(2000);
  } while (!peer->end().has_value() && yield() == 0);
}

coroutine void SendInPieces(Peer* peer, const std::string* bytes, size_t piece) {
  for (size_t at = 0; at < bytes->size() && yield() == 0; at += piece) {
    peer->Send(bytes->substr(at, piece));
  }
}

coroutine void EndLater(Peer* peer) {
  for (int i = 0; i < 5; ++i) {
    if (yield() != 0) return;
  }
  peer->Disarm();
  peer->End();
  peer->Arm();
}

// A connection under test: our end behind a handle, the other one plain.
class Connection {
 public:
  Connection(SyscallFault* fault, Transport transport) : tcp_(transport == Transport::kTcp) {
    fault->set_armed(false);
    const std::array<int, 2> fds = ConnectedFds(transport);
    s_ = tcp_ ? tcp_fromfd(fds[0]) : ipc_fromfd(fds[0]);
    EXPECT_GT(s_, 0);
    peer_.emplace(fault, fds[1]);
  }
  ~Connection() {
    peer_->Disarm();
    if (s_ > 0) hclose(s_);
    peer_.reset();
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }

  int s() const { return s_; }
  Peer& peer() { return *peer_; }
  int Done() { return Outcome(tcp_ ? tcp_done(s_, -1) : ipc_done(s_, -1)); }
  int Close() {
    const int result = Outcome(tcp_ ? tcp_close(s_, -1) : ipc_close(s_, -1));
    EXPECT_EQ(hclose(s_), -1) << "still open";
    s_ = -1;
    return result;
  }
  int Hclose() { return Outcome(hclose(std::exchange(s_, -1))); }

 private:
  FdLeakCheck leaks_;
  Runtime runtime_;
  const bool tcp_;
  int s_ = -1;
  std::optional<Peer> peer_;
};

class SocketsStreamFaultTest : public testing::TestWithParam<Transport> {
 protected:
  // Runs `scenario` on a new connection for every fault there is.
  void Sweep(const std::function<void(SyscallFault&, Connection&)>& scenario) {
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Connection connection(&fault, GetParam());
      scenario(fault, connection);
    });
    EXPECT_GT(calls, 0);
  }
};

INSTANTIATE_TEST_SUITE_P(Sockets, SocketsStreamFaultTest,
                         testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return TransportName(info.param);
                         });

// ENODEV of eventfd(2) is told as ENOMEM.
int Told(int error) { return error == ENODEV ? ENOMEM : error; }

bool PreparesWait(Syscall call) {
  return call == Syscall::kEpollCreate1 || call == Syscall::kEventfd || call == Syscall::kEpollCtl;
}

// What sockets.h makes of an error of sendmsg(2) and recvmsg(2) that ends a direction.
int Broken(int error) {
  switch (error) {
    case EPIPE:
    case ENOTCONN:
    case ETIMEDOUT:
      return ECONNRESET;
    default:
      return error;
  }
}

// The peer sees the break where its transport has such a thing, and never more than was sent.
void ExpectCutOff(Connection* connection, const std::string& sent) {
  EXPECT_EQ(connection->Hclose(), 0);
  connection->peer().TakeToTheEnd(2000);
  ExpectBegins(sent, connection->peer().got());
}

TEST_P(SocketsStreamFaultTest, Send) {
  const std::string bytes = Pattern(40'000);
  for (const bool list : {false, true}) {
    Sweep([&](SyscallFault& fault, Connection& connection) {
      const int h = go(KeepTaking(&connection.peer()));
      dill_iolist last = {const_cast<char*>(bytes.data()) + 10, bytes.size() - 10, nullptr, 0};
      dill_iolist first = {const_cast<char*>(bytes.data()), 10, &last, 0};
      const auto send_all = [&] {
        return Outcome(list ? bsendl(connection.s(), &first, &last, -1)
                            : bsend(connection.s(), bytes.data(), bytes.size(), -1));
      };
      connection.peer().Arm();
      const int result = send_all();
      connection.peer().Disarm();
      const bool of_send = fault.hit() && fault.call() == Syscall::kSendmsg;
      const bool fatal = of_send && !IsShortage(fault.error()) && fault.error() != EINTR;
      if (fatal) {
        EXPECT_EQ(result, -Broken(fault.error()));
        EXPECT_EQ(hclose(h), 0);
        EXPECT_EQ(send_all(), result);
        EXPECT_EQ(connection.Done(), result);
        // The other direction goes on.
        char byte = 0;
        connection.peer().Send("x");
        EXPECT_EQ(brecv(connection.s(), &byte, 1, -1), 0);
        EXPECT_EQ(byte, 'x');
        ExpectCutOff(&connection, bytes);
        if (GetParam() == Transport::kTcp) {
          EXPECT_EQ(connection.peer().end(), ECONNRESET);
        }
        return;
      }
      if (result != 0) {
        // Nothing has left; so it does now, once.
        EXPECT_TRUE(of_send || PreparesWait(fault.call()));
        EXPECT_EQ(result, -Told(fault.error()));
        EXPECT_EQ(connection.peer().got(), "");
        EXPECT_EQ(send_all(), 0);
      }
      EXPECT_EQ(connection.Done(), 0);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(hclose(h), 0);
      ExpectSame(connection.peer().got(), bytes);
      EXPECT_EQ(connection.peer().end(), 0);
    });
  }
}

TEST_P(SocketsStreamFaultTest, Receive) {
  const std::string bytes = Pattern(9'000);
  for (const bool list : {false, true}) {
    Sweep([&](SyscallFault& fault, Connection& connection) {
      const int h = go(SendInPieces(&connection.peer(), &bytes, 1'000));
      std::string got(bytes.size(), '\0');
      // A skip between two pieces, whose bytes must come back after an interruption.
      dill_iolist last = {got.data() + 5'000, 4'000, nullptr, 0};
      dill_iolist skip = {nullptr, 2'000, &last, 0};
      dill_iolist first = {got.data(), 3'000, &skip, 0};
      const auto receive_all = [&] {
        return Outcome(list ? brecvl(connection.s(), &first, &last, -1)
                            : brecv(connection.s(), got.data(), got.size(), -1));
      };
      connection.peer().Arm();
      int result = receive_all();
      connection.peer().Disarm();
      const bool of_receive = fault.hit() && fault.call() == Syscall::kRecvmsg;
      const bool fatal = of_receive && !IsShortage(fault.error()) && fault.error() != EINTR;
      if (fatal) {
        EXPECT_EQ(result, -Broken(fault.error()));
        EXPECT_EQ(receive_all(), result);
        // The other direction goes on.
        EXPECT_EQ(bsend(connection.s(), "x", 1, -1), 0);
        connection.peer().TakeUntil(1, [&] { return !connection.peer().got().empty(); });
        EXPECT_EQ(connection.peer().got(), "x");
        EXPECT_EQ(connection.Hclose(), 0);
        EXPECT_EQ(hclose(h), 0);
        return;
      }
      if (result != 0) {
        // Also where there was no memory to receive into.
        const bool no_block = fault.call() == Syscall::kMmap;
        EXPECT_TRUE(of_receive || no_block || PreparesWait(fault.call()));
        EXPECT_EQ(result, no_block ? -ENOMEM : -Told(fault.error()));
        result = receive_all();
      }
      EXPECT_EQ(result, 0);
      std::string expected = bytes;
      if (list) expected.replace(3'000, 2'000, std::string(2'000, '\0'));
      ExpectSame(got, expected);
      EXPECT_EQ(hclose(h), 0);
    });
  }
}

TEST_P(SocketsStreamFaultTest, DropToTheEnd) {
  const std::string bytes = Pattern(5'000);
  Sweep([&](SyscallFault& fault, Connection& connection) {
    connection.peer().Send(bytes.substr(0, 2'000));
    const int h = go(SendInPieces(&connection.peer(), &bytes, 1'000));
    const int ender = go(EndLater(&connection.peer()));
    connection.peer().Arm();
    int result = Outcome(brecvl(connection.s(), nullptr, nullptr, -1));
    connection.peer().Disarm();
    const bool of_receive = fault.hit() && fault.call() == Syscall::kRecvmsg;
    if (of_receive && !IsShortage(fault.error()) && fault.error() != EINTR) {
      EXPECT_EQ(result, -Broken(fault.error()));
    } else {
      if (result == -ENOMEM && fault.call() == Syscall::kMmap) {
        result = Outcome(brecvl(connection.s(), nullptr, nullptr, -1));
      }
      if (fault.hit() && (of_receive || PreparesWait(fault.call())) && result != -EPIPE) {
        EXPECT_EQ(result, -Told(fault.error()));
        result = Outcome(brecvl(connection.s(), nullptr, nullptr, -1));
      }
      EXPECT_EQ(result, -EPIPE);
    }
    for (const int each : {h, ender}) EXPECT_EQ(hclose(each), 0);
  });
}

TEST_P(SocketsStreamFaultTest, Done) {
  Sweep([&](SyscallFault& fault, Connection& connection) {
    EXPECT_EQ(bsend(connection.s(), "before", 6, -1), 0);
    connection.peer().Arm();
    const int result = connection.Done();
    connection.peer().Disarm();
    EXPECT_EQ(result, fault.hit() && fault.call() == Syscall::kShutdown ? -ECONNRESET : 0);
    EXPECT_EQ(connection.Done(), result == 0 ? -EPIPE : -ECONNRESET);
    connection.peer().TakeUntil(9, [&] { return connection.peer().got().size() >= 6; });
    EXPECT_EQ(connection.peer().got(), "before");
    char byte = 0;
    connection.peer().Send("x");
    EXPECT_EQ(brecv(connection.s(), &byte, 1, -1), 0);
  });
}

// The orderly end, with a peer that still sends and ends late. Closed whatever happens.
TEST_P(SocketsStreamFaultTest, OrderlyClose) {
  Sweep([&](SyscallFault& fault, Connection& connection) {
    connection.peer().Send("unread");
    const int ender = go(EndLater(&connection.peer()));
    connection.peer().Arm();
    const int result = connection.Close();
    connection.peer().Disarm();
    int expected = 0;
    if (fault.hit()) {
      if (fault.call() == Syscall::kShutdown) expected = -ECONNRESET;
      if (fault.call() == Syscall::kRecvmsg && fault.error() != EINTR) {
        expected = -Broken(fault.error());
      }
      if (PreparesWait(fault.call())) expected = -Told(fault.error());
      if (fault.call() == Syscall::kMmap) expected = -ENOMEM;
    }
    EXPECT_EQ(result, expected);
    EXPECT_EQ(hclose(ender), 0);
  });
}

// hclose() works, whatever the system says, with nothing pending and with a tail.
TEST_P(SocketsStreamFaultTest, PlainClose) {
  for (const bool tail : {false, true}) {
    Sweep([&](SyscallFault& fault, Connection& connection) {
      const std::string block = Pattern(100'000);
      std::string sent;
      while (tail && bsend(connection.s(), block.data(), block.size(), 0) == 0) sent += block;
      connection.peer().Arm();
      EXPECT_EQ(connection.Hclose(), 0);
      connection.peer().Disarm();
      connection.peer().TakeToTheEnd(50'000);
      ExpectBegins(sent, connection.peer().got());
      if (tail && GetParam() == Transport::kTcp && fault.call() != Syscall::kSetsockopt) {
        EXPECT_EQ(connection.peer().end(), ECONNRESET);
      }
      if (!tail) {
        EXPECT_EQ(connection.peer().end(), 0);
      }
    });
  }
}

// A tail that leaves in the background arrives whole, or the connection is known to be broken.
TEST_P(SocketsStreamFaultTest, Tail) {
  Sweep([&](SyscallFault& fault, Connection& connection) {
    const std::string bytes = Pattern(60'000);
    ASSERT_EQ(bsend(connection.s(), bytes.data(), bytes.size(), 0), 0);
    const int h = go(KeepTaking(&connection.peer()));
    connection.peer().Arm();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(yield(), 0);
    connection.peer().Disarm();
    int result = Outcome(bsend(connection.s(), "end", 3, -1));
    if (result == 0) result = connection.Done();
    if (result == 0) {
      EXPECT_EQ(bundle_wait(h, -1), 0);
      ExpectSame(connection.peer().got(), bytes + "end");
      EXPECT_EQ(connection.peer().end(), 0);
    } else {
      EXPECT_TRUE(fault.hit());
      EXPECT_TRUE(fault.call() == Syscall::kSendmsg || PreparesWait(fault.call()));
      EXPECT_EQ(result, IsShortage(fault.error()) ? -ECONNRESET : -Broken(fault.error()));
      EXPECT_EQ(Outcome(bsend(connection.s(), "x", 1, -1)), result);
      ExpectCutOff(&connection, bytes + "end");
    }
    EXPECT_EQ(hclose(h), 0);
  });
}

// ---- What makes no difference ------------------------------------------------------------------

coroutine void AcceptAndEcho(bool tcp, int listener, size_t size) {
  const int s = tcp ? tcp_accept(listener, nullptr, -1) : ipc_accept(listener, -1);
  ASSERT_GT(s, 0);
  std::string bytes(size, '\0');
  EXPECT_EQ(brecv(s, bytes.data(), 1, -1), 0);
  EXPECT_EQ(brecv(s, bytes.data() + 1, size - 1, -1), 0);
  EXPECT_EQ(Outcome(brecv(s, bytes.data(), 1, -1)), -EPIPE);
  EXPECT_EQ(bsend(s, bytes.data(), size, -1), 0);
  EXPECT_EQ(tcp ? tcp_close(s, -1) : ipc_close(s, -1), 0);
}

// The life of a connection, from listening to the orderly end of both sides.
void Life(bool tcp, const std::string& path) {
  FdLeakCheck leaks;
  Runtime runtime;
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int listener = tcp ? tcp_listen(&addr, 10) : ipc_listen(path.c_str(), 10);
  ASSERT_GT(listener, 0);
  const std::string bytes = Pattern(3'000);
  const int h = go(AcceptAndEcho(tcp, listener, bytes.size()));
  const int s = tcp ? tcp_connect(&addr, -1) : ipc_connect(path.c_str(), -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(bsend(s, bytes.data(), bytes.size(), -1), 0);
  EXPECT_EQ(tcp ? tcp_done(s, -1) : ipc_done(s, -1), 0);
  std::string got(bytes.size(), '\0');
  EXPECT_EQ(brecv(s, got.data(), got.size(), -1), 0);
  ExpectSame(got, bytes);
  EXPECT_EQ(tcp ? tcp_close(s, -1) : ipc_close(s, -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(hclose(listener), 0);
  if (!tcp) {
    EXPECT_EQ(unlink(path.c_str()), 0);
  }
}

class SocketsLifeTest : public SocketsStreamFaultTest {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/halfpipe_life_XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
  }
  void TearDown() override { EXPECT_EQ(rmdir(directory_.c_str()), 0); }
  void Live() { Life(GetParam() == Transport::kTcp, directory_ + "/s"); }

 private:
  std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(Sockets, SocketsLifeTest,
                         testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return TransportName(info.param);
                         });

TEST_P(SocketsLifeTest, OneByteAtATime) {
  ShortTransfers transfers;
  Live();
  EXPECT_GT(transfers.count(), 12'000u);
}

TEST_P(SocketsLifeTest, InterruptedAllTheTime) {
  InterruptedCalls interrupted;
  Live();
  EXPECT_GT(interrupted.count(), 10u);
}

// Each call by itself, too: a state that only one interruption leads to.
TEST_P(SocketsLifeTest, OneInterruption) {
  for (int nth = 0;; ++nth) {
    SyscallFault fault({Syscall::kConnect, Syscall::kAccept4, Syscall::kRecvmsg, Syscall::kSendmsg,
                        Syscall::kEpollWait, Syscall::kPoll, Syscall::kClose},
                       nth, EINTR);
    Live();
    if (!fault.hit() || HasFailure()) return;
  }
}

// ---- What has run out stays away ---------------------------------------------------------------

// Without descriptors to wait with for good, calls say so, and the loop that waits for nothing but
// the clock goes on.
TEST_P(SocketsStreamFaultTest, NoDescriptorsToWaitWith) {
  for (const Syscall call : {Syscall::kEpollCreate1, Syscall::kEventfd, Syscall::kEpollCtl}) {
    SyscallFault fault({call}, 0, call == Syscall::kEpollCtl ? ENOSPC : EMFILE);
    fault.FailOn();
    Connection connection(&fault, GetParam());
    connection.peer().Arm();
    char byte = 0;
    for (int i = 0; i < 3; ++i) {
      const int result = Outcome(brecv(connection.s(), &byte, 1, -1));
      EXPECT_EQ(result, -fault.error());
      EXPECT_EQ(Outcome(brecv(connection.s(), &byte, 1, 0)), -ETIMEDOUT);
      EXPECT_EQ(msleep(now() + 1), 0);
    }
    connection.peer().Disarm();
    connection.peer().Send("x");
    EXPECT_TRUE(AwaitEvents(stream_fd(connection.s()), POLLIN));
    connection.peer().Arm();
    EXPECT_EQ(brecv(connection.s(), &byte, 1, -1), 0);
    EXPECT_EQ(bsend(connection.s(), "y", 1, -1), 0);
    connection.peer().Disarm();
  }
}

// A tail that the system has no memory for is given up, not tried again without rest.
TEST_P(SocketsStreamFaultTest, NoMemoryToSendATailWith) {
  SyscallFault fault({Syscall::kSendmsg}, 0, ENOBUFS);
  Connection connection(&fault, GetParam());
  const std::string bytes = Pattern(300'000);
  ASSERT_EQ(bsend(connection.s(), bytes.data(), bytes.size(), 0), 0);
  connection.peer().Arm();
  fault.FailOn();
  // Nothing of it goes before the peer's system has told of room.
  for (int i = 0; i < 1'000 || !fault.hit(); ++i) {
    connection.peer().Take(50'000);
    EXPECT_EQ(yield(), 0);
  }
  EXPECT_EQ(Outcome(bsend(connection.s(), "x", 1, -1)), -ECONNRESET);
  connection.peer().Disarm();
}

}  // namespace
}  // namespace halfpipe
