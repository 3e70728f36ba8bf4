#ifndef HALFPIPE_BYTESTREAM_TESTING_DNS_SERVER_H_
#define HALFPIPE_BYTESTREAM_TESTING_DNS_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What a DnsServer says about a name.
struct DnsReply {
  enum class Kind {
    kAnswer,         // the addresses, behind the aliases; neither: the name exists without them
    kNoSuchName,     // NXDOMAIN
    kServerFailure,  // SERVFAIL
    kRefused,        // REFUSED
    kSilence,
    kMalformed,  // a head that promises an answer, and bytes that are none
    kWrongId,    // the answer to another question
  };
  Kind kind = Kind::kAnswer;
  std::vector<std::string> addresses = {};  // literals of the family asked for
  // Canonical names on the way from the name asked for (RFC 1034 section 3.6.2).
  std::vector<std::string> aliases = {};
  absl::Duration delay = absl::ZeroDuration();
};

// A name server on loopback, UDP and TCP, for tests: a few coroutines of the runtime. What does not
// fit into 512 bytes is cut over UDP, so that the asker comes again over TCP (RFC 1035 section
// 4.2.1). Ends with the object, or when it was asked kQueriesMax times.
//
// Example:
//   DnsServer server(&runtime);
//   server.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
//   CaresResolver resolver(&runtime, {.servers = server.address()});
class DnsServer {
 public:
  static constexpr int kQueriesMax = 2000;

  // `runtime` is borrowed and outlives the object. Ends the process where the system has no
  // sockets.
  explicit DnsServer(Runtime* runtime);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  // From now on, this about `name` (in lower case, no final dot). Names of which nothing was said
  // do not exist.
  void Say(absl::string_view name, IpFamily family, DnsReply reply);

  // "127.0.0.1:PORT"
  std::string address() const;

  // Questions so far, in order, as "NAME A" and "NAME AAAA", with " over TCP" where that was so.
  const std::vector<std::string>& questions() const { return questions_; }

 private:
  void ServeUdp();
  void ServeTcp();
  void ServeConnection(int fd);
  // The bytes to answer a query with, none for silence; waits for the delay.
  std::string Reply(absl::string_view query, bool tcp);

  Runtime* const runtime_;
  std::map<std::pair<std::string, IpFamily>, DnsReply> replies_;
  std::vector<std::string> questions_;
  IpAddress local_;
  EngineFd udp_;
  std::unique_ptr<Listener> tcp_;
  Bundle bundle_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_DNS_SERVER_H_
