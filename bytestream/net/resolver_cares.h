#ifndef HALFPIPE_BYTESTREAM_NET_RESOLVER_CARES_H_
#define HALFPIPE_BYTESTREAM_NET_RESOLVER_CARES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolver.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"

struct ares_addrinfo;
struct ares_channeldata;

namespace halfpipe {

// Asks the name servers of resolv.conf(5), by c-ares on the runtime's engine. One of it serves all
// coroutines of a runtime.
//
// Its descriptors exist only while something is asked, and resolv.conf is read whenever the first
// lookup begins after a time without any, so that a changed one is noticed. Without that file, or a
// server in it, the server of this machine is asked, as resolv.conf(5) says.
//
// c-ares runs before and in the runtime's polls, never on the stack of whoever asks, and all that it
// does there is to mark coroutines ready.
//
// Example:
//   CaresResolver resolver(&runtime, CaresResolver::Options());
//   absl::StatusOr<std::vector<IpAddress>> addresses =
//       resolver.Lookup("www.example.org", IpFamily::kIpv6, Deadline::In(absl::Seconds(5)));
class CaresResolver final : public Resolver, private HeldOutput {
 public:
  // Lookups that are under way at the same time; further ones wait in the order in which they came,
  // each no longer than its deadline.
  static constexpr size_t kLookupsMax = 64;

  struct Options {
    // Who is asked instead of the servers of resolv.conf, and without its search list:
    // "127.0.0.1:5353,[::1]:53". Empty: as resolv.conf says.
    std::string servers = {};
    // How long one server has for an answer, and how often each is asked. 0: as resolv.conf says.
    int try_timeout_ms = 0;
    int tries = 0;
    // 1 or more.
    size_t lookups_max = kLookupsMax;
  };

  // `runtime` is borrowed and outlives the object.
  CaresResolver(Runtime* runtime, Options options);
  // Nobody may be in Lookup(), but at the implicit end of a runtime.
  ~CaresResolver() override;
  CaresResolver(const CaresResolver&) = delete;
  CaresResolver& operator=(const CaresResolver&) = delete;

  absl::StatusOr<std::vector<IpAddress>> Lookup(absl::string_view name, IpFamily family,
                                                Deadline deadline) override;

  // Lookups that c-ares has in hand; those that nobody waits for any more are among them until they
  // are dropped.
  size_t asked_count() const { return asked_count_; }

 private:
  struct Question;
  struct Socket;
  class CaresCall;

  // What becomes of the questions in a channel that is closed.
  enum class OnClose { kAskAgain, kFail };

  // HeldOutput: before the next poll, on a stack that polls.
  void ReleaseHeldOutput() override { Settle(); }

  void Settle();
  void Ask(Question* question);
  int OpenChannel();
  int OpenTimer();
  void CloseChannel(OnClose on_close, int error);
  void Answered(Question* question, int status, const ares_addrinfo* result);
  void Finish(Question* question, int error);
  void SocketState(int fd, bool readable, bool writable);
  void Watch(int fd, Socket* socket);
  void OnSocketReady(int fd, bool readable);
  void ArmTimer();
  void OnTimer();
  bool RefuseReentry();

  Runtime* const runtime_;
  const Options options_;
  ares_channeldata* channel_ = nullptr;
  absl::flat_hash_map<int, std::unique_ptr<Socket>> sockets_;  // that c-ares has open
  EngineFd timer_;                                             // of its next timeout
  bool timer_watched_ = false;
  size_t asked_count_ = 0;      // questions that c-ares has
  size_t abandoned_count_ = 0;  // of these, those that nobody waits for
  bool in_cares_ = false;
  int watch_error_ = 0;  // the engine could not take up a descriptor
  OnClose on_close_ = OnClose::kFail;
  int close_error_ = 0;

  struct Lists;
  const std::unique_ptr<Lists> lists_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_RESOLVER_CARES_H_
