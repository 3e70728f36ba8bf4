#ifndef HALFPIPE_WEBSOCKET_SERVER_COUNTERS_H_
#define HALFPIPE_WEBSOCKET_SERVER_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>

namespace halfpipe::websocket {

// What a server has done, and has to do, added up over its threads. For people, metrics and tests.
struct ServerCounts {
  // Now.
  uint64_t connections = 0;    // all of them, from accept to the end
  uint64_t open = 0;           // of them, past the opening handshake and not closing
  uint64_t parked = 0;         // of them, at rest: without a coroutine
  uint64_t kept_alive = 0;     // between plain requests, without a coroutine too
  uint64_t waiting = 0;        // readable, waiting for a place among those at work
  uint64_t at_work = 0;        // with a coroutine: handshakes, messages, sessions
  uint64_t message_bytes = 0;  // held for messages that have not come whole

  // Since the start.
  uint64_t accepted = 0;
  uint64_t upgraded = 0;
  uint64_t plain_requests = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_received = 0;      // of their payload
  uint64_t messages_sent = 0;       // by Connection; a session's own sends do not count
  uint64_t bytes_sent = 0;          // of their payload
  uint64_t messages_skipped = 0;    // not queued for a connection that is slow
  uint64_t slow_closed = 0;         // connections broken for being slow
  uint64_t drained = 0;             // connections that came to an orderly end while draining
  uint64_t aborted = 0;             // connections broken at the end of a drain
  uint64_t timed_out = 0;           // connections broken for a bound in time
  uint64_t accept_failures = 0;     // accept(2) for want of descriptors or memory
  std::map<int, uint64_t> refused;  // handshakes, by status; 0: ended without an answer
};

// A number that one thread changes and any may read.
class Counter {
 public:
  void Add(uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  void Subtract(uint64_t count = 1) { Add(~count + 1); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

// Those of one thread.
struct ServerCounters {
  static constexpr int kStatusMax = 599;

  Counter connections, open, parked, kept_alive, waiting, at_work, message_bytes;
  Counter accepted, upgraded, plain_requests, messages_received, bytes_received, messages_sent,
      bytes_sent, messages_skipped, slow_closed, drained, aborted, timed_out, accept_failures;
  std::array<Counter, kStatusMax + 1> refused;

  void CountRefusal(int status) {
    refused[status >= 0 && status <= kStatusMax ? static_cast<size_t>(status) : 0].Add();
  }

  // Adds them to `counts`. From any thread; each number is right at some moment.
  void AddTo(ServerCounts* counts) const;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SERVER_COUNTERS_H_
