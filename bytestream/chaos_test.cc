// A thousand coroutines over two hundred connections (pairs, Unix and TCP sockets) that send,
// receive, run into deadlines, are cancelled, end directions and close, all at random from a seed
// that is printed. Every byte that was reported sent arrives once and in order as long as both ends
// stay; what was not does not; an end that looks clean cuts nothing off.
//
// HALFPIPE_CHAOS_SEED repeats a seed (with pairs alone: every step of it), HALFPIPE_CHAOS_SECONDS
// says how long connections are made anew; the test ends when those that live then have.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

#ifdef ABSL_HAVE_THREAD_SANITIZER
constexpr int kConnections = 40;
#else
constexpr int kConnections = 200;
#endif

constexpr size_t kPieceBytesMax = 20'000;
constexpr int kTcpConnectionsMax = 5'000;

// splitmix64, one for each actor so that they do not depend on each other's turns.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t Below(size_t limit) { return static_cast<size_t>(Next() % limit); }
  bool Percent(size_t percent) { return Below(100) < percent; }
  // 1..max, mostly small.
  size_t Size(size_t max) {
    const size_t bound = Percent(60) ? 100 : Percent(70) ? 3'000 : max;
    return 1 + Below(std::min(bound, max));
  }
  Deadline When() {
    if (Percent(50)) return Deadline::Never();
    if (Percent(40)) return Deadline::Immediately();
    return Deadline::In(absl::Microseconds(static_cast<int64_t>(Below(400))));
  }

 private:
  uint64_t state_;
};

// The byte at a place of a direction: none looks like its neighbours, or like another direction's.
uint8_t ByteAt(uint64_t id, uint64_t offset) {
  uint64_t x = offset + id * 0x9e3779b97f4a7c15;
  x ^= x >> 29;
  return static_cast<uint8_t>((x * 0xbf58476d1ce4e5b9) >> 56);
}

enum class Kind { kPair, kUnix, kTcp };

struct Direction {
  uint64_t id = 0;
  // The sending side.
  uint64_t sent = 0;     // reported sent
  uint64_t offered = 0;  // that, and what a call in progress has begun to send
  bool finish = false;   // the writer is to end the direction
  bool ending = false;   // Done() is in progress or has happened
  bool done = false;     // it has happened
  bool broken = false;   // the writer was told that the connection is
  std::vector<uint8_t> out = std::vector<uint8_t>(kPieceBytesMax);
  // The receiving side.
  uint64_t received = 0;
  size_t skip = 0;    // what an interrupted skip still has to do
  bool over = false;  // the reader has met the end
  std::vector<uint8_t> in = std::vector<uint8_t>(kPieceBytesMax);
};

// Direction d leads from end d to end 1 - d.
struct Connection {
  Kind kind = Kind::kPair;
  size_t tail_max = 0;
  std::array<BytestreamPtr, 2> ends;
  std::array<Direction, 2> directions;
  std::array<bool, 2> aborted = {false, false};  // or an orderly close that may fail
  bool reset = false;                            // a tail was above its bound

  bool MayBreak() const { return aborted[0] || aborted[1] || reset; }
};

struct Totals {
  uint64_t connections = 0;
  uint64_t bytes = 0;
  uint64_t cancelled = 0;
  uint64_t timed_out = 0;
  uint64_t ended_well = 0;
};

class World {
 public:
  World(Runtime* runtime, uint64_t seed, std::vector<Kind> kinds, std::function<bool(int)> stop)
      : runtime_(runtime), seed_(seed), kinds_(std::move(kinds)), stop_(std::move(stop)) {}

  // Runs until it is over.
  void Live() {
    {
      Bundle keepers(runtime_);
      for (int i = 0; i < kConnections; ++i) {
        HALFPIPE_CHECK(keepers.Go([this] { Keep(); }).ok());
      }
      EXPECT_EQ(keepers.Wait(Deadline::Never()), 0);
    }
    std::cout << totals_.connections << " connections, " << totals_.bytes << " bytes, "
              << totals_.cancelled << " cancelled, " << totals_.timed_out << " timed out, "
              << totals_.ended_well << " ended well, at most " << most_coroutines_
              << " coroutines\n";
    EXPECT_GT(totals_.bytes, 100'000u);
    EXPECT_GT(totals_.cancelled, 0u);
    EXPECT_GT(totals_.timed_out, 0u);
    EXPECT_GT(totals_.ended_well, 0u);
    // Keepers, and the four workers of each.
    EXPECT_GE(most_coroutines_, static_cast<size_t>(5 * kConnections * 9 / 10));
  }

 private:
  // The four workers of a connection: the writer of each direction, then the readers.
  using Workers = std::array<std::unique_ptr<Bundle>, 4>;

  Random NewRandom() { return Random(seed_ ^ (++actors_ * 0xd1342543de82ef95)); }

  bool Failed() const { return testing::Test::HasFailure(); }
  bool Stop(int round) { return Failed() || stop_(round); }

  void Fail(const Connection& connection, size_t d, const std::string& what, int error = 0) {
    const Direction& direction = connection.directions[d];
    ADD_FAILURE() << what << " (errno " << error << ", kind " << static_cast<int>(connection.kind)
                  << ", direction " << direction.id << ", sent " << direction.sent << ", offered "
                  << direction.offered << ", received " << direction.received << ", done "
                  << direction.done << ", aborted " << connection.aborted[0]
                  << connection.aborted[1] << ", reset " << connection.reset << "), seed " << seed_;
  }

  // ---- Sending ---------------------------------------------------------------------------------

  // What a call of the sending side came to. False: the writer is to go.
  bool JudgeSend(Connection* connection, size_t d, const absl::Status& status) {
    Direction& direction = connection->directions[d];
    const int error = StatusErrno(status);
    if (error == ETIMEDOUT || error == ECANCELED) {
      direction.offered = direction.sent;
      if (direction.received > direction.sent) {
        Fail(*connection, d, "bytes of a send arrived that was reported not to have happened");
      }
      ++(error == ETIMEDOUT ? totals_.timed_out : totals_.cancelled);
      return error == ETIMEDOUT;
    }
    if (error == 0) {
      totals_.bytes += direction.offered - direction.sent;
      direction.sent = direction.offered;
      return true;
    }
    direction.broken = true;
    const bool ours = error == EBADF && connection->aborted[d];
    if (!ours && !(error == ECONNRESET && connection->MayBreak())) {
      Fail(*connection, d, "sending failed", error);
    }
    return false;
  }

  absl::Status SendSome(Connection* connection, size_t d, Random* random) {
    Direction& direction = connection->directions[d];
    Bytestream& stream = *connection->ends[d];
    const size_t size = random->Size(kPieceBytesMax);
    for (size_t i = 0; i < size; ++i) direction.out[i] = ByteAt(direction.id, direction.sent + i);
    const size_t first = random->Below(size + 1);
    const size_t second = random->Below(size - first + 1);
    const uint8_t* const bytes = direction.out.data();
    const IoSlice slices[] = {IoSlice(bytes, first), IoSlice(bytes + first, second),
                              IoSlice(bytes + first + second, size - first - second)};
    direction.offered = direction.sent + size;
    // What is in a tail or held back counts for the bound.
    const bool fits = stream.tail_size() + size + kPieceBytesMax < connection->tail_max;
    if (!fits) connection->reset = true;
    if (random->Percent(5) && (fits || random->Percent(5))) return stream.WriteTail(slices);
    return stream.Write(slices, /*more=*/random->Percent(20), random->When());
  }

  void Write(Connection* connection, size_t d) {
    Random random = NewRandom();
    Direction& direction = connection->directions[d];
    for (;;) {
      absl::Status status;
      if (direction.finish && random.Percent(30)) {
        direction.ending = true;
        status = connection->ends[d]->Done(random.When());
        direction.ending = direction.done = status.ok();
      } else if (random.Percent(5)) {
        status = connection->ends[d]->Flush(random.When());
      } else {
        status = SendSome(connection, d, &random);
      }
      if (!JudgeSend(connection, d, status) || direction.done || Failed()) return;
      if (!Pause(&random)) return;
    }
  }

  // ---- Receiving -------------------------------------------------------------------------------

  // `bytes` are what comes next.
  bool Check(Connection* connection, size_t d, absl::Span<const uint8_t> bytes, uint64_t offset) {
    const Direction& direction = connection->directions[d];
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == ByteAt(direction.id, offset + i)) continue;
      Fail(*connection, d, "a wrong byte at " + std::to_string(offset + i));
      return false;
    }
    return true;
  }

  bool Took(Connection* connection, size_t d, size_t count) {
    Direction& direction = connection->directions[d];
    direction.received += count;
    if (direction.received <= direction.offered) return true;
    Fail(*connection, d, "more arrived than was sent");
    return false;
  }

  // The stream has come to its clean end.
  bool AtEnd(Connection* connection, size_t d) {
    Direction& direction = connection->directions[d];
    direction.over = true;
    // A Unix socket has no reset: what its end drops when it is aborted is just missing.
    const bool cut_off = connection->kind == Kind::kUnix && connection->MayBreak();
    if (!direction.ending && !connection->MayBreak())
      Fail(*connection, d, "an end that nobody made");
    if (direction.received < direction.sent && !cut_off) {
      Fail(*connection, d, "a clean end that cuts off what was sent");
    }
    return false;
  }

  // What a call of the receiving side came to. False: the reader is to go.
  bool JudgeReceive(Connection* connection, size_t d, int error) {
    Direction& direction = connection->directions[d];
    if (error == 0) return true;
    if (error == ETIMEDOUT || error == ECANCELED) {
      ++(error == ETIMEDOUT ? totals_.timed_out : totals_.cancelled);
      return error == ETIMEDOUT;
    }
    direction.over = true;
    const bool ours = error == EBADF && connection->aborted[1 - d];
    if (!ours && !(error == ECONNRESET && connection->MayBreak())) {
      Fail(*connection, d, "receiving failed", error);
    }
    return false;
  }

  bool PeekSome(Connection* connection, size_t d, Random* random) {
    Direction& direction = connection->directions[d];
    Bytestream& stream = *connection->ends[1 - d];
    const size_t min = random->Size(4'000);
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream.Peek(min, random->When());
    if (!bytes.ok()) return JudgeReceive(connection, d, StatusErrno(bytes.status()));
    if (bytes->empty()) return AtEnd(connection, d);
    if (!Check(connection, d, *bytes, direction.received)) return false;
    const size_t count = random->Percent(70) ? bytes->size() : random->Below(bytes->size() + 1);
    stream.Consume(count);
    return Took(connection, d, count);
  }

  bool ReadSome(Connection* connection, size_t d, Random* random) {
    Direction& direction = connection->directions[d];
    const size_t max = random->Size(kPieceBytesMax);
    const size_t min = 1 + random->Below(std::min<size_t>(max, 500));
    const absl::StatusOr<size_t> size = connection->ends[1 - d]->ReadSome(
        absl::MakeSpan(direction.in.data(), max), min, random->When());
    if (!size.ok()) return JudgeReceive(connection, d, StatusErrno(size.status()));
    if (*size == 0) return AtEnd(connection, d);
    return Check(connection, d, absl::MakeConstSpan(direction.in.data(), *size),
                 direction.received) &&
           Took(connection, d, *size);
  }

  // A list of which a piece may be skipped.
  bool ReadList(Connection* connection, size_t d, Random* random) {
    Direction& direction = connection->directions[d];
    const size_t a = random->Size(kPieceBytesMax / 3);
    const size_t b = random->Size(kPieceBytesMax / 3);
    const size_t c = random->Size(kPieceBytesMax / 3);
    const bool skips = random->Percent(30);
    uint8_t* const in = direction.in.data();
    const IoSpan slices[] = {IoSpan(in, a), IoSpan(skips ? nullptr : in + a, b),
                             IoSpan(in + a + b, c)};
    const absl::Status status = connection->ends[1 - d]->Read(slices, random->When());
    // Before the end there are fewer bytes than that: smaller calls take them.
    if (StatusErrno(status) == EPIPE) return PeekSome(connection, d, random);
    if (!status.ok()) return JudgeReceive(connection, d, StatusErrno(status));
    if (!Check(connection, d, absl::MakeConstSpan(in, a), direction.received)) return false;
    if (!skips && !Check(connection, d, absl::MakeConstSpan(in + a, b), direction.received + a)) {
      return false;
    }
    return Check(connection, d, absl::MakeConstSpan(in + a + b, c), direction.received + a + b) &&
           Took(connection, d, a + b + c);
  }

  // An interrupted skip has skipped some: it is to be made again until it is through.
  bool Skip(Connection* connection, size_t d, Random* random) {
    Direction& direction = connection->directions[d];
    if (direction.skip == 0) direction.skip = random->Size(kPieceBytesMax);
    const IoSpan slice(nullptr, direction.skip);
    const absl::Status status =
        connection->ends[1 - d]->Read(absl::MakeConstSpan(&slice, 1), random->When());
    if (StatusErrno(status) == EPIPE) {
      // It has skipped all that was left.
      if (direction.sent - direction.received >= direction.skip && !connection->MayBreak()) {
        Fail(*connection, d, "a skip ended before its end");
      }
      if (!connection->MayBreak()) direction.received = direction.sent;
      direction.received = std::max(direction.received, direction.sent);
      return AtEnd(connection, d);
    }
    if (!status.ok()) return JudgeReceive(connection, d, StatusErrno(status));
    return Took(connection, d, std::exchange(direction.skip, 0));
  }

  void Read(Connection* connection, size_t d) {
    Random random = NewRandom();
    for (;;) {
      const size_t what = random.Below(100);
      const bool goes_on = connection->directions[d].skip > 0 || what < 5
                               ? Skip(connection, d, &random)
                           : what < 40 ? PeekSome(connection, d, &random)
                           : what < 70 ? ReadSome(connection, d, &random)
                                       : ReadList(connection, d, &random);
      if (!goes_on || Failed() || !Pause(&random)) return;
    }
  }

  // Lets others run, now and then. False when cancelled.
  bool Pause(Random* random) {
    if (random->Percent(20)) return runtime_->Yield() == 0;
    if (random->Percent(40)) return true;
    return runtime_->SleepUntil(
               Deadline::In(absl::Microseconds(static_cast<int64_t>(random->Below(1'000))))) == 0;
  }

  // ---- Lives of connections --------------------------------------------------------------------

  std::pair<BytestreamPtr, BytestreamPtr> Pair(Connection* connection, Random* random) {
    PairOptions options;
    options.capacity_bytes = random->Percent(50) ? 1 + random->Below(5'000) : size_t{64} << 10;
    options.send_tail_bytes_max = connection->tail_max;
    return MakePair(runtime_, options);
  }

  BytestreamPtr Stream(const Connection& connection, int fd) {
    FdStream::Options options;
    options.send_tail_bytes_max = connection.tail_max;
    return BytestreamPtr(new FdStream(runtime_, fd, options));
  }

  // By listening, connecting and accepting; sockets with small buffers where that fails, as where
  // the ports have all been used.
  std::pair<BytestreamPtr, BytestreamPtr> Sockets(Connection* connection, Random* random) {
    // Ports of connections that have ended stay in use for a minute.
    if (connection->kind == Kind::kTcp && ++tcp_connections_ > kTcpConnectionsMax) {
      connection->kind = Kind::kUnix;
    }
    if (connection->kind == Kind::kTcp && random->Percent(50)) {
      IpAddress address = *IpAddress::Parse("127.0.0.1", 0);
      const absl::StatusOr<int> listening = TcpListenFd(&address, TcpListenOptions());
      if (listening.ok()) {
        Listener listener(runtime_, *listening);
        const absl::StatusOr<int> first = TcpConnectFd(runtime_, address, Deadline::Never());
        if (first.ok()) {
          absl::StatusOr<int> second(-1);
          do {
            EXPECT_EQ(runtime_->Yield(), 0);
            second = listener.Accept(random->When());
          } while (StatusErrno(second.status()) == ETIMEDOUT);
          HALFPIPE_CHECK(second.ok());
          return {Stream(*connection, *first), Stream(*connection, *second)};
        }
      }
      connection->kind = Kind::kUnix;
    }
    const std::array<int, 2> fds =
        ConnectedFds(connection->kind == Kind::kTcp ? Transport::kTcp : Transport::kUnix);
    return {Stream(*connection, fds[0]), Stream(*connection, fds[1])};
  }

  void Start(Connection* connection, Workers* workers, size_t worker) {
    const size_t d = worker % 2;
    Bundle* const bundle = (*workers)[worker].get();
    HALFPIPE_CHECK(bundle
                       ->Go([this, connection, worker, d] {
                         worker < 2 ? Write(connection, d) : Read(connection, d);
                       })
                       .ok());
    most_coroutines_ = std::max(most_coroutines_, runtime_->coroutine_count());
  }

  static bool Over(const Connection& connection, size_t worker) {
    const Direction& direction = connection.directions[worker % 2];
    return worker < 2 ? direction.done || direction.broken : direction.over;
  }

  void Abort(Connection* connection, size_t end) {
    connection->aborted[end] = true;
    connection->ends[end]->Abort();
  }

  // Cancels one of the workers, and lets another one go on from where it was.
  void Replace(Connection* connection, Workers* workers, size_t worker) {
    (*workers)[worker]->CancelAndJoin();
    if (!Over(*connection, worker)) Start(connection, workers, worker);
  }

  void Join(Workers* workers) {
    for (auto& bundle : *workers) EXPECT_EQ(bundle->Wait(Deadline::Never()), 0);
  }

  // Both directions come to their ends; nothing may be missing.
  void EndWell(Connection* connection, Workers* workers) {
    for (Direction& direction : connection->directions) direction.finish = true;
    Join(workers);
    if (connection->MayBreak() || Failed()) return;
    ++totals_.ended_well;
    for (size_t d = 0; d < 2; ++d) {
      const Direction& direction = connection->directions[d];
      if (!direction.done || !direction.over || direction.received != direction.sent) {
        Fail(*connection, d, "not all that was sent has arrived");
      }
    }
  }

  // One end closes in order, or gives up; the other end's workers see how it ends.
  void CloseInOrder(Connection* connection, Workers* workers, Random* random) {
    const size_t end = random->Below(2);
    // Its writer and its reader.
    (*workers)[end]->CancelAndJoin();
    (*workers)[2 + (1 - end)]->CancelAndJoin();
    connection->directions[end].ending = true;
    connection->directions[1 - end].finish = true;
    const Deadline deadline = random->When();
    if (!deadline.is_never()) connection->aborted[end] = true;
    auto* const stream = static_cast<FdStream*>(connection->ends[end].get());
    const int error = StatusErrno(stream->Close(deadline));
    const bool broke = error == ECONNRESET && connection->MayBreak();
    if (error != 0 && error != ETIMEDOUT && !broke) Fail(*connection, end, "closing failed", error);
    if (error == ETIMEDOUT) connection->aborted[end] = true;
    // What came for it was dropped, and nobody reads on.
    connection->directions[1 - end].over = true;
    Join(workers);
  }

  void Meddle(Connection* connection, Workers* workers, Random* random) {
    const size_t steps = random->Below(30);
    for (size_t i = 0; i < steps && !Failed(); ++i) {
      const int64_t micros = static_cast<int64_t>(random->Below(2'000));
      EXPECT_EQ(runtime_->SleepUntil(Deadline::In(absl::Microseconds(micros))), 0);
      if (random->Percent(40)) Replace(connection, workers, random->Below(4));
      if (random->Percent(2)) connection->directions[random->Below(2)].finish = true;
    }
  }

  void LiveOnce(Random* random) {
    Connection connection;
    connection.kind = kinds_[random->Below(kinds_.size())];
    connection.tail_max = random->Percent(10) ? 50'000 : Bytestream::kDefaultSendTailBytesMax;
    for (Direction& direction : connection.directions) direction.id = ++directions_;
    std::tie(connection.ends[0], connection.ends[1]) =
        connection.kind == Kind::kPair ? Pair(&connection, random) : Sockets(&connection, random);
    ++totals_.connections;
    Workers workers;
    for (auto& bundle : workers) bundle = std::make_unique<Bundle>(runtime_);
    for (size_t worker = 0; worker < 4; ++worker) Start(&connection, &workers, worker);
    // So that all are there at once, once.
    for (++started_; started_ < kConnections;) {
      EXPECT_EQ(runtime_->SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
    Meddle(&connection, &workers, random);
    const size_t how = random->Below(100);
    if (how < 50) {
      EndWell(&connection, &workers);
    } else if (how < 65 && connection.kind != Kind::kPair) {
      CloseInOrder(&connection, &workers, random);
    } else if (how < 90) {
      Abort(&connection, random->Below(2));
      // Those of the other end find out, or are told to go.
      for (Direction& direction : connection.directions) direction.finish = true;
      Join(&workers);
    } else {
      // All at once, in any order.
      if (random->Percent(50)) Abort(&connection, random->Below(2));
      for (auto& bundle : workers) bundle->CancelAndJoin();
    }
  }

  // Makes one connection after the other.
  void Keep() {
    Random random = NewRandom();
    for (int round = 0; !Stop(round); ++round) LiveOnce(&random);
  }

  Runtime* const runtime_;
  const uint64_t seed_;
  const std::vector<Kind> kinds_;
  const std::function<bool(int)> stop_;
  int started_ = 0;
  int tcp_connections_ = 0;
  uint64_t actors_ = 0;
  uint64_t directions_ = 0;
  size_t most_coroutines_ = 0;
  Totals totals_;
};

uint64_t Seed() {
  const char* const text = std::getenv("HALFPIPE_CHAOS_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10)
                                        : static_cast<uint64_t>(Clock::System().NowNanos());
  std::cout << "HALFPIPE_CHAOS_SEED=" << seed << "\n";
  return seed;
}

// On simulated time, where a seed repeats every step.
TEST(ChaosTest, Pairs) {
  SimRuntime runtime;
  World(&runtime, Seed(), {Kind::kPair}, [](int round) { return round >= 2; }).Live();
  EXPECT_EQ(runtime.coroutine_count(), 0u);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST(ChaosTest, PairsAndSockets) {
  const char* const text = std::getenv("HALFPIPE_CHAOS_SECONDS");
  const int64_t seconds = text != nullptr && *text != '\0' ? std::atoll(text) : 3;
  FdLeakCheck leaks;
  Runtime runtime;
  const Deadline until = Deadline::In(absl::Seconds(seconds));
  World(&runtime, Seed(), {Kind::kPair, Kind::kPair, Kind::kUnix, Kind::kTcp}, [&](int round) {
    return round > 0 && until.ExpiredAt(Clock::System().NowNanos());
  }).Live();
  EXPECT_EQ(runtime.coroutine_count(), 0u);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

}  // namespace
}  // namespace halfpipe
