#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Both ends of a connection, attached.
struct Pair {
  explicit Pair(Engine* engine, int type = SOCK_STREAM) : engine(engine) {
    EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; ++i) engine->Attach(&ends[i], fds[i]);
  }
  ~Pair() {
    for (int i = 0; i < 2; ++i) Close(i);
  }
  void Close(int end) {
    engine->Detach(&ends[end]);
    if (fds[end] >= 0) close(std::exchange(fds[end], -1));
  }
  Engine* const engine;
  EngineFd ends[2];
  int fds[2];
};

class EngineEpollTest : public testing::Test {
 protected:
  Engine& engine() { return runtime_.engine(); }

  void Go(Bundle* bundle, std::function<void()> body) {
    ASSERT_EQ(bundle->Start(std::move(body), {}), 0);
  }
  IoResult Receive(EngineFd* entry, absl::Span<char> into, Deadline deadline) {
    const iovec piece = {into.data(), into.size()};
    return engine().Receive(entry, {&piece, 1}, nullptr, deadline);
  }
  IoResult Send(EngineFd* entry, const std::string& text, Deadline deadline) {
    const iovec piece = {const_cast<char*>(text.data()), text.size()};
    return engine().Send(entry, {&piece, 1}, nullptr, /*more=*/false, deadline);
  }
  void Fill(EngineFd* entry) {
    const std::string block(65536, 'x');
    while (Send(entry, block, Deadline::Immediately()).error == 0) {
    }
  }
  // Turns of the scheduler in which the engine is polled.
  void PollTwice() {
    for (int i = 0; i < 2 * Runtime::kSwitchesPerPoll; ++i) ASSERT_EQ(runtime_.Yield(), 0);
  }

  Runtime runtime_;
};

class ListeningSocket {
 public:
  explicit ListeningSocket(int backlog) {
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sa_family_t family = AF_UNIX;
    // An autobound address in the abstract namespace: no file.
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&family), sizeof(family)), 0);
    EXPECT_EQ(listen(fd, backlog), 0);
    size = sizeof(address);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  }
  ~ListeningSocket() { close(fd); }
  int fd;
  sockaddr_un address = {};
  socklen_t size;
};

int NewSocket(int family) { return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

TEST_F(EngineEpollTest, ReceiveWaitsForBytes) {
  Pair pair(&engine());
  Bundle bundle(&runtime_);
  std::string got;
  Go(&bundle, [&] {
    char buffer[16];
    for (;;) {
      const IoResult result = Receive(&pair.ends[0], absl::MakeSpan(buffer), Deadline::Never());
      ASSERT_EQ(result.error, 0);
      if (result.count == 0) return;
      got.append(buffer, result.count);
    }
  });
  EXPECT_EQ(Send(&pair.ends[1], "hello ", Deadline::Never()).count, 6u);
  PollTwice();
  EXPECT_EQ(got, "hello ");
  EXPECT_EQ(Send(&pair.ends[1], "world", Deadline::Never()).count, 5u);
  ASSERT_EQ(shutdown(pair.fds[1], SHUT_WR), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(got, "hello world");
}

TEST_F(EngineEpollTest, SendWaitsForRoomAndNeverRaisesSigpipe) {
  Pair pair(&engine());
  Fill(&pair.ends[0]);
  Bundle bundle(&runtime_);
  IoResult sent;
  Go(&bundle, [&] { sent = Send(&pair.ends[0], "tail", Deadline::Never()); });
  EXPECT_EQ(bundle.Wait(Deadline::Immediately()), ETIMEDOUT);
  std::vector<char> buffer(1 << 20);
  while (Receive(&pair.ends[1], absl::MakeSpan(buffer), Deadline::Immediately()).error == 0) {
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(sent.error, 0);
  EXPECT_EQ(sent.count, 4u);
  pair.Close(1);
  EXPECT_EQ(Send(&pair.ends[0], "x", Deadline::Never()).error, EPIPE);
}

TEST_F(EngineEpollTest, FinishesWithoutWaitingWhateverTheDeadline) {
  Pair pair(&engine());
  char buffer[4];
  EXPECT_EQ(Send(&pair.ends[1], "abcd", Deadline::Immediately()).count, 4u);
  EXPECT_EQ(Receive(&pair.ends[0], absl::MakeSpan(buffer), Deadline::Immediately()).count, 4u);
  const IoResult none = Receive(&pair.ends[0], absl::MakeSpan(buffer), Deadline::Immediately());
  EXPECT_EQ(none.error, ETIMEDOUT);
  EXPECT_EQ(none.count, 0u);
}

// recvmsg(2) refuses more pieces than IOV_MAX; the engine leaves them out.
TEST_F(EngineEpollTest, ManyPieces) {
  Pair pair(&engine());
  char bytes[3000];
  std::memset(bytes, 'y', sizeof(bytes));
  std::vector<iovec> pieces;
  for (char& byte : bytes) pieces.push_back(iovec{&byte, 1});
  EXPECT_EQ(engine().Send(&pair.ends[0], pieces, nullptr, false, Deadline::Never()).count, 1024u);
  EXPECT_EQ(engine().Receive(&pair.ends[1], pieces, nullptr, Deadline::Never()).count, 1024u);
}

// Every wait of the engine, to be ended in every way.
struct Wait {
  const char* name;
  std::function<int(Deadline)> call;
  EngineFd* entry;  // null for a foreign descriptor
  int foreign = -1;
};

class EveryWaitTest : public EngineEpollTest {
 protected:
  void SetUp() override {
    Fill(&full_.ends[0]);
    ASSERT_EQ(fcntl(listener_.fd, F_SETFL, O_NONBLOCK), 0);
    engine().Attach(&listening_, listener_.fd);
    // A listener whose queue is full, so that connecting to it waits.
    for (int error = 0; error != EAGAIN;) {
      queued_.push_back(NewSocket(AF_UNIX));
      error = connect(queued_.back(), reinterpret_cast<sockaddr*>(&busy_.address), busy_.size) == 0
                  ? 0
                  : errno;
    }
    connecting_fd_ = NewSocket(AF_UNIX);
    engine().Attach(&connecting_, connecting_fd_);
    waits_ = {
        {"Receive",
         [this](Deadline d) {
           char byte;
           return Receive(&empty_.ends[0], {&byte, 1}, d).error;
         },
         &empty_.ends[0]},
        {"Send", [this](Deadline d) { return Send(&full_.ends[0], "x", d).error; }, &full_.ends[0]},
        {"WaitReadable", [this](Deadline d) { return engine().WaitReadable(&empty_.ends[0], d); },
         &empty_.ends[0]},
        {"WaitWritable", [this](Deadline d) { return engine().WaitWritable(&full_.ends[0], d); },
         &full_.ends[0]},
        {"Accept",
         [this](Deadline d) { return engine().Accept(&listening_, nullptr, nullptr, d).error; },
         &listening_},
        {"Connect",
         [this](Deadline d) {
           return engine().Connect(&connecting_, reinterpret_cast<sockaddr*>(&busy_.address),
                                   busy_.size, d);
         },
         &connecting_},
        {"WaitForeignFd for input",
         [this](Deadline d) { return engine().WaitForeignFd(foreign_.fds[0], false, d); }, nullptr,
         foreign_.fds[0]},
        {"WaitForeignFd for output",
         [this](Deadline d) { return engine().WaitForeignFd(foreign_full_, true, d); }, nullptr,
         foreign_full_},
    };
  }

  void TearDown() override {
    engine().Detach(&listening_);
    engine().Detach(&connecting_);
    close(connecting_fd_);
    for (const int fd : queued_) close(fd);
  }

  // A pair that is not attached, and the full end of another.
  struct Foreign {
    Foreign() {
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    }
    ~Foreign() {
      close(fds[0]);
      close(fds[1]);
    }
    int fds[2];
  };
  static int FillForeign(int fd) {
    const std::string block(65536, 'x');
    while (send(fd, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
    return fd;
  }

  Pair empty_{&engine()};
  Pair full_{&engine()};
  Foreign foreign_;
  Foreign second_;
  const int foreign_full_ = FillForeign(second_.fds[0]);
  ListeningSocket listener_{8};
  ListeningSocket busy_{0};
  std::vector<int> queued_;
  EngineFd listening_;
  EngineFd connecting_;
  int connecting_fd_ = -1;
  std::vector<Wait> waits_;
};

TEST_F(EveryWaitTest, TimesOut) {
  for (const Wait& wait : waits_) {
    EXPECT_EQ(wait.call(Deadline::Immediately()), ETIMEDOUT) << wait.name;
    EXPECT_EQ(wait.call(Deadline::In(absl::Milliseconds(2))), ETIMEDOUT) << wait.name;
  }
}

TEST_F(EveryWaitTest, IsCancelledBeforeAndWhileItWaits) {
  for (const Wait& wait : waits_) {
    SCOPED_TRACE(wait.name);
    Bundle bundle(&runtime_);
    int first = -1;
    int second = -1;
    Go(&bundle, [&] {
      first = wait.call(Deadline::Never());
      second = wait.call(Deadline::Never());
    });
    PollTwice();
    bundle.CancelAndJoin();
    EXPECT_EQ(first, ECANCELED);
    EXPECT_EQ(second, ECANCELED);
  }
}

TEST_F(EveryWaitTest, EndsAtOnceInANoWaitScope) {
  for (const Wait& wait : waits_) {
    NoWaitScope no_wait(&runtime_);
    EXPECT_EQ(wait.call(Deadline::Never()), ETIMEDOUT) << wait.name;
  }
}

TEST_F(EveryWaitTest, DetachEndsIt) {
  for (const Wait& wait : waits_) {
    SCOPED_TRACE(wait.name);
    Bundle bundle(&runtime_);
    int result = -1;
    Go(&bundle, [&] { result = wait.call(Deadline::Never()); });
    const int fd = wait.entry != nullptr ? wait.entry->fd : -1;
    if (wait.entry != nullptr) {
      engine().Detach(wait.entry);
    } else {
      engine().ForgetForeignFd(wait.foreign);
    }
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(result, EBADF);
    if (wait.entry == nullptr) continue;
    EXPECT_EQ(wait.call(Deadline::Never()), EBADF);
    engine().Attach(wait.entry, fd);
    EXPECT_EQ(wait.call(Deadline::Immediately()), ETIMEDOUT);
  }
}

TEST_F(EveryWaitTest, SecondWaiterOfADirectionIsRefused) {
  for (const Wait& wait : waits_) {
    if (std::string(wait.name) == "Connect") continue;
    Bundle bundle(&runtime_);
    Go(&bundle, [&] { static_cast<void>(wait.call(Deadline::Never())); });
    EXPECT_EQ(wait.call(Deadline::Never()), EBUSY) << wait.name;
  }
}

std::atomic<int> signals = 0;

TEST_F(EveryWaitTest, SignalsDoNotEndIt) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++signals; };
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  for (const Wait& wait : waits_) {
    signals = 0;
    const pthread_t self = pthread_self();
    std::thread sender([self] {
      while (signals < 3) {
        const int seen = signals;
        pthread_kill(self, SIGUSR1);
        while (signals == seen) std::this_thread::yield();
      }
    });
    EXPECT_EQ(wait.call(Deadline::In(absl::Milliseconds(5))), ETIMEDOUT) << wait.name;
    sender.join();
    EXPECT_EQ(signals, 3);
  }
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

// Ends the wait with a timeout although what it waits for is there: that has to count.
class LateObserver final : public WaitObserver {
 public:
  LateObserver(std::function<void()> before, int error)
      : before_(std::move(before)), error_(error) {}
  int OnWait(Coroutine*, Deadline) override {
    before_();
    return error_;
  }

 private:
  const std::function<void()> before_;
  const int error_;
};

TEST_F(EngineEpollTest, WhatHasCompletedBeatsATimeoutOrCancellation) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (const int which : {0, 1, 2}) {
      Pair pair(&engine());
      Bundle bundle(&runtime_);
      LateObserver observer([&] { ASSERT_EQ(write(pair.fds[1], "x", 1), 1); }, error);
      int result = -1;
      Go(&bundle, [&] {
        runtime_.set_wait_observer(&observer);
        char byte;
        result = which == 0   ? Receive(&pair.ends[0], {&byte, 1}, Deadline::Never()).error
                 : which == 1 ? engine().WaitReadable(&pair.ends[0], Deadline::Never())
                              : engine().WaitForeignFd(pair.fds[0], false, Deadline::Never());
        runtime_.set_wait_observer(nullptr);
        // The next call reports the cancellation.
        EXPECT_EQ(runtime_.CheckCancelled(), error == ECANCELED ? ECANCELED : 0);
      });
      EXPECT_EQ(result, 0) << which;
    }
  }
}

TEST_F(EngineEpollTest, BothDirectionsWaitAtOnce) {
  Pair pair(&engine());
  Fill(&pair.ends[0]);
  Bundle bundle(&runtime_);
  std::string order;
  Go(&bundle, [&] {
    char byte;
    EXPECT_EQ(Receive(&pair.ends[0], {&byte, 1}, Deadline::Never()).error, 0);
    order += 'r';
  });
  Go(&bundle, [&] {
    EXPECT_EQ(Send(&pair.ends[0], "x", Deadline::Never()).error, 0);
    order += 'w';
  });
  EXPECT_EQ(Send(&pair.ends[1], "x", Deadline::Never()).error, 0);
  PollTwice();
  EXPECT_EQ(order, "r");
  std::vector<char> buffer(1 << 20);
  while (Receive(&pair.ends[1], absl::MakeSpan(buffer), Deadline::Immediately()).error == 0) {
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "rw");
}

TEST_F(EngineEpollTest, HangUpWakesBothDirections) {
  Pair pair(&engine());
  Fill(&pair.ends[0]);
  Bundle bundle(&runtime_);
  IoResult received;
  IoResult sent;
  char byte;
  Go(&bundle, [&] { received = Receive(&pair.ends[0], {&byte, 1}, Deadline::Never()); });
  Go(&bundle, [&] { sent = Send(&pair.ends[0], "x", Deadline::Never()); });
  pair.Close(1);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_TRUE(received.error == ECONNRESET || (received.error == 0 && received.count == 0));
  EXPECT_TRUE(sent.error == EPIPE || sent.error == ECONNRESET);
}

// The edge arrived, and nobody waited; what is armed afterwards must still hear of it.
TEST_F(EngineEpollTest, NoEdgeIsLost) {
  Pair pair(&engine());
  char byte;
  EXPECT_EQ(engine().WaitReadable(&pair.ends[0], Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  EXPECT_EQ(Send(&pair.ends[1], "x", Deadline::Never()).error, 0);
  PollTwice();
  int calls = 0;
  engine().OnReadable(&pair.ends[0], [&] { ++calls; });
  engine().OnWritable(&pair.ends[0], [&] { calls += 10; });
  PollTwice();
  EXPECT_EQ(calls, 11);
  PollTwice();
  EXPECT_EQ(calls, 11);  // one shot
  EXPECT_EQ(engine().WaitReadable(&pair.ends[0], Deadline::Never()), 0);
  EXPECT_EQ(Receive(&pair.ends[0], {&byte, 1}, Deadline::Never()).count, 1u);
}

TEST_F(EngineEpollTest, CallbacksAreDisarmed) {
  Pair pair(&engine());
  int calls = 0;
  engine().OnReadable(&pair.ends[0], [&] { ++calls; });
  engine().OnReadable(&pair.ends[0], nullptr);
  engine().OnWritable(&pair.ends[1], [&] { ++calls; });
  engine().Detach(&pair.ends[1]);
  engine().OnWritable(&pair.ends[1], [&] { ++calls; });
  EXPECT_EQ(write(pair.fds[1], "x", 1), 1);
  PollTwice();
  EXPECT_EQ(calls, 0);
}

TEST_F(EngineEpollTest, ACallbackMayDestroyItsOwnEntry) {
  for (const bool with_write : {false, true}) {
    auto pair = std::make_unique<Pair>(&engine());
    int calls = 0;
    ASSERT_EQ(write(pair->fds[1], "x", 1), 1);
    engine().OnReadable(&pair->ends[0], [&] {
      ++calls;
      pair.reset();
    });
    if (with_write) engine().OnWritable(&pair->ends[0], [&] { calls += 10; });
    PollTwice();
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(pair, nullptr);
  }
}

// Whichever comes first destroys all others, whose events are in the same batch.
TEST_F(EngineEpollTest, ACallbackMayDestroyOthersOfItsBatch) {
  std::vector<std::unique_ptr<Pair>> pairs;
  int calls = 0;
  for (int i = 0; i < 10; ++i) {
    pairs.push_back(std::make_unique<Pair>(&engine()));
    engine().OnReadable(&pairs.back()->ends[0], [&] {
      ++calls;
      pairs.clear();
    });
    ASSERT_EQ(write(pairs.back()->fds[1], "x", 1), 1);
  }
  PollTwice();
  EXPECT_EQ(calls, 1);
}

TEST_F(EngineEpollTest, ACallbackMayArmItselfAgain) {
  Pair pair(&engine());
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls < 3) engine().OnReadable(&pair.ends[0], again);
  };
  engine().OnReadable(&pair.ends[0], again);
  ASSERT_EQ(write(pair.fds[1], "x", 1), 1);
  PollTwice();
  PollTwice();
  EXPECT_EQ(calls, 3);
}

TEST_F(EngineEpollTest, ANumberThatIsGivenOutAgainIsAnotherConnection) {
  auto old = std::make_unique<Pair>(&engine());
  EXPECT_EQ(engine().WaitReadable(&old->ends[0], Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  ASSERT_EQ(write(old->fds[1], "x", 1), 1);
  const int number = old->fds[0];
  old.reset();
  Pair fresh(&engine());
  ASSERT_TRUE(fresh.fds[0] == number || fresh.fds[1] == number);
  EXPECT_EQ(engine().WaitReadable(&fresh.ends[0], Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  ASSERT_EQ(write(fresh.fds[1], "x", 1), 1);
  EXPECT_EQ(engine().WaitReadable(&fresh.ends[0], Deadline::Never()), 0);
}

TEST_F(EngineEpollTest, AcceptAndConnectOverTcp) {
  const int listener = NewSocket(AF_INET);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EngineFd refused;
  const int refused_fd = NewSocket(AF_INET);
  engine().Attach(&refused, refused_fd);
  EXPECT_EQ(
      engine().Connect(&refused, reinterpret_cast<sockaddr*>(&address), size, Deadline::Never()),
      ECONNREFUSED);
  ASSERT_EQ(listen(listener, 8), 0);
  EngineFd listening;
  engine().Attach(&listening, listener);
  Bundle bundle(&runtime_);
  IoResult accepted;
  sockaddr_storage peer;
  socklen_t peer_size;
  Go(&bundle,
     [&] { accepted = engine().Accept(&listening, &peer, &peer_size, Deadline::Never()); });
  EngineFd client;
  const int client_fd = NewSocket(AF_INET);
  engine().Attach(&client, client_fd);
  EXPECT_EQ(
      engine().Connect(&client, reinterpret_cast<sockaddr*>(&address), size, Deadline::Never()), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  ASSERT_EQ(accepted.error, 0);
  EXPECT_EQ(peer_size, sizeof(sockaddr_in));
  const int fd = static_cast<int>(accepted.count);
  EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  for (EngineFd* const entry : {&refused, &listening, &client}) engine().Detach(entry);
  for (const int each : {refused_fd, listener, client_fd, fd}) close(each);
}

// The listener's queue is full at first.
TEST_F(EngineEpollTest, ConnectToABusyUnixListenerTriesAgain) {
  ListeningSocket listener(0);
  std::vector<int> queued = {NewSocket(AF_UNIX)};
  const sockaddr* const address = reinterpret_cast<sockaddr*>(&listener.address);
  while (connect(queued.back(), address, listener.size) == 0) queued.push_back(NewSocket(AF_UNIX));
  ASSERT_EQ(errno, EAGAIN);
  EngineFd entry;
  engine().Attach(&entry, queued.back());
  Bundle bundle(&runtime_);
  int result = -1;
  Go(&bundle,
     [&] { result = engine().Connect(&entry, address, listener.size, Deadline::Never()); });
  EXPECT_EQ(bundle.Wait(Deadline::Immediately()), ETIMEDOUT);
  close(accept(listener.fd, nullptr, nullptr));
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
  engine().Detach(&entry);
  for (const int fd : queued) close(fd);
}

TEST_F(EngineEpollTest, ForeignDescriptors) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  EXPECT_EQ(engine().WaitForeignFd(ends[0], true, Deadline::Immediately()), 0);
  Bundle bundle(&runtime_);
  std::vector<int> results(2, -1);
  for (int i = 0; i < 2; ++i) {
    Go(&bundle, [&, i] { results[i] = engine().WaitForeignFd(ends[i], false, Deadline::Never()); });
  }
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  ASSERT_EQ(write(ends[0], "x", 1), 1);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(results, (std::vector<int>{0, 0}));
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(engine().WaitForeignFd(file, false, Deadline::Immediately()), 0);
  for (const int fd : {ends[0], ends[1], file}) close(fd);
  EXPECT_EQ(engine().WaitForeignFd(ends[0], false, Deadline::Never()), EBADF);
  EXPECT_EQ(engine().WaitForeignFd(-1, false, Deadline::Never()), EBADF);
}

TEST_F(EngineEpollTest, ForeignNumberClosedBehindItsWaitersBackIsUsableAgain) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  Bundle bundle(&runtime_);
  const int number = ends[0];
  Go(&bundle, [&] { static_cast<void>(engine().WaitForeignFd(number, false, Deadline::Never())); });
  close(ends[0]);
  close(ends[1]);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  ASSERT_EQ(ends[0], number);
  const std::string block(65536, 'x');
  while (write(ends[0], block.data(), block.size()) > 0) {
  }
  EXPECT_EQ(engine().WaitForeignFd(number, true, Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  bundle.CancelAndJoin();
  close(ends[0]);
  close(ends[1]);
}

TEST_F(EngineEpollTest, AnAttachedDescriptorIsNotForeign) {
  Pair pair(&engine());
  EXPECT_EQ(engine().WaitReadable(&pair.ends[0], Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  EXPECT_EQ(engine().WaitForeignFd(pair.fds[0], false, Deadline::Never()), EBUSY);
}

// Before the first wait the engine has no descriptor yet.
TEST_F(EngineEpollTest, WakeupFromAnotherThreadEndsAPoll) {
  for (int round = 0; round < 3; ++round) {
    engine().Wakeup();
    engine().Poll(Deadline::Never());
    std::thread other([&] { engine().Wakeup(); });
    engine().Poll(Deadline::Never());
    other.join();
    engine().Poll(Deadline::Immediately());
  }
}

}  // namespace
}  // namespace halfpipe
