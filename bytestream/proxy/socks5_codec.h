#ifndef HALFPIPE_BYTESTREAM_PROXY_SOCKS5_CODEC_H_
#define HALFPIPE_BYTESTREAM_PROXY_SOCKS5_CODEC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe {

// The messages of SOCKS version 5 (RFC 1928) and of its username/password authentication (RFC
// 1929). Pure and stateless.
//
//   client                                      proxy
//   Socks5Greeting: methods offered       ->
//                                         <-    Socks5Choice: the method, or none
//   Socks5Credentials (method 2 only)     ->
//                                         <-    Socks5AuthStatus
//   Socks5Request: command and address    ->
//                                         <-    Socks5Reply: code and address
//
// Then the bytes are those of the connection asked for.

inline constexpr uint8_t kSocks5Version = 5;

// The longest domain name, and the longest username and password: a length of one byte.
inline constexpr size_t kSocks5TextBytesMax = 255;
inline constexpr size_t kSocks5MethodsMax = 255;

// The largest message of each kind.
inline constexpr size_t kSocks5GreetingBytesMax = 2 + kSocks5MethodsMax;
inline constexpr size_t kSocks5CredentialsBytesMax = 3 + 2 * kSocks5TextBytesMax;
inline constexpr size_t kSocks5RequestBytesMax = 7 + kSocks5TextBytesMax;  // a reply's too
// Both answers that are no reply.
inline constexpr size_t kSocks5AnswerBytes = 2;

// Authentication methods (RFC 1928 section 3).
inline constexpr uint8_t kSocks5MethodNone = 0x00;
inline constexpr uint8_t kSocks5MethodUsernamePassword = 0x02;
inline constexpr uint8_t kSocks5MethodNotAcceptable = 0xff;

// Commands (section 4).
inline constexpr uint8_t kSocks5CommandConnect = 0x01;
inline constexpr uint8_t kSocks5CommandBind = 0x02;
inline constexpr uint8_t kSocks5CommandUdpAssociate = 0x03;

// Reply codes (section 6). Those above are not assigned.
inline constexpr uint8_t kSocks5ReplySucceeded = 0x00;
inline constexpr uint8_t kSocks5ReplyGeneralFailure = 0x01;
inline constexpr uint8_t kSocks5ReplyNotAllowed = 0x02;
inline constexpr uint8_t kSocks5ReplyNetworkUnreachable = 0x03;
inline constexpr uint8_t kSocks5ReplyHostUnreachable = 0x04;
inline constexpr uint8_t kSocks5ReplyConnectionRefused = 0x05;
inline constexpr uint8_t kSocks5ReplyTtlExpired = 0x06;
inline constexpr uint8_t kSocks5ReplyCommandNotSupported = 0x07;
inline constexpr uint8_t kSocks5ReplyAddressTypeNotSupported = 0x08;

// What a reply code means to the client: 0 for success, EIO, EACCES, ENETUNREACH, EHOSTUNREACH,
// ECONNREFUSED, ETIMEDOUT, EOPNOTSUPP and EAFNOSUPPORT for codes 1 to 8, EPROTO for others.
int Socks5ReplyErrno(uint8_t code);

// Address types (section 5), with their numbers.
enum class Socks5AddressType : uint8_t { kIpv4 = 1, kName = 3, kIpv6 = 4 };

// An address and a port as SOCKS says them. A value of fixed size. Default: 0.0.0.0, port 0.
class Socks5Address {
 public:
  Socks5Address() = default;

  // 4 or 16 octets, most significant first. Nothing for another number.
  static std::optional<Socks5Address> Ip(absl::Span<const uint8_t> octets, uint16_t port);

  // A domain name of 1 to kSocks5TextBytesMax bytes without NUL. Nothing for others. Whether it
  // could be the name of a host is not looked at.
  static std::optional<Socks5Address> Name(absl::string_view name, uint16_t port);

  Socks5AddressType type() const { return type_; }
  uint16_t port() const { return port_; }

  // 4 or 16 octets; of a name, its bytes. Lives as long as the object.
  absl::Span<const uint8_t> octets() const { return absl::MakeConstSpan(bytes_.data(), size_); }

  // The name; of an IP address, empty. Lives as long as the object.
  absl::string_view name() const;

  friend bool operator==(const Socks5Address& a, const Socks5Address& b) {
    return a.type_ == b.type_ && a.port_ == b.port_ && a.octets() == b.octets();
  }

 private:
  Socks5Address(Socks5AddressType type, absl::Span<const uint8_t> bytes, uint16_t port);

  Socks5AddressType type_ = Socks5AddressType::kIpv4;
  uint8_t size_ = 4;
  uint16_t port_ = 0;
  std::array<uint8_t, kSocks5TextBytesMax> bytes_ = {};
};

// 1 to kSocks5MethodsMax methods, borrowed.
struct Socks5Greeting {
  absl::Span<const uint8_t> methods;
};

// Both of 1 to kSocks5TextBytesMax bytes, borrowed. NUL is refused: who keeps them as C strings
// would see others than were sent.
struct Socks5Credentials {
  absl::string_view username = {};
  absl::string_view password = {};
};

struct Socks5Request {
  uint8_t command = kSocks5CommandConnect;  // any: the caller knows which it can do
  Socks5Address address;
};

struct Socks5Reply {
  uint8_t code = kSocks5ReplySucceeded;  // any
  Socks5Address address;
};

// The rule that a message breaks.
enum class Socks5Error : uint8_t {
  kNone,
  kVersion,          // not 5; in RFC 1929 messages, not 1
  kNoMethods,        // a greeting that offers none
  kReserved,         // the reserved byte is not 0
  kAddressType,      // none of the three
  kEmptyName,        // a domain name of no bytes
  kNulInName,        // NUL in a domain name
  kEmptyCredential,  // a username or password of no bytes
  kNulInCredential,  // NUL in one
};

// For people. Static text.
absl::string_view Socks5ErrorText(Socks5Error error);

struct Socks5Parse {
  enum class State : uint8_t { kDone, kNeedMore, kInvalid };

  State state = State::kNeedMore;
  // kDone: bytes of the message. kNeedMore: call again with at least that many bytes, which the
  // message has if it is a valid one. kInvalid: 0.
  size_t size = 0;
  Socks5Error error = Socks5Error::kNone;

  bool done() const { return state == State::kDone; }
};

// Read one message at the start of `in`, which may be any length; bytes behind it are not looked
// at. The message is written for kDone alone, and what it borrows is in `in`. The first byte that
// breaks a rule makes it kInvalid, whatever follows or is still to come.
Socks5Parse ParseSocks5Greeting(absl::Span<const uint8_t> in, Socks5Greeting* greeting);
Socks5Parse ParseSocks5Choice(absl::Span<const uint8_t> in, uint8_t* method);
Socks5Parse ParseSocks5Credentials(absl::Span<const uint8_t> in, Socks5Credentials* credentials);
Socks5Parse ParseSocks5AuthStatus(absl::Span<const uint8_t> in, uint8_t* status);
Socks5Parse ParseSocks5Request(absl::Span<const uint8_t> in, Socks5Request* request);
Socks5Parse ParseSocks5Reply(absl::Span<const uint8_t> in, Socks5Reply* reply);

// Write one message at the start of `out`, which has room for the largest one of its kind, and
// return its size. What is to be written keeps the limits above: 0 if it does not, and nothing is
// written.
size_t EncodeSocks5Greeting(const Socks5Greeting& greeting, absl::Span<uint8_t> out);
size_t EncodeSocks5Choice(uint8_t method, absl::Span<uint8_t> out);
size_t EncodeSocks5Credentials(const Socks5Credentials& credentials, absl::Span<uint8_t> out);
size_t EncodeSocks5AuthStatus(uint8_t status, absl::Span<uint8_t> out);
size_t EncodeSocks5Request(const Socks5Request& request, absl::Span<uint8_t> out);
size_t EncodeSocks5Reply(const Socks5Reply& reply, absl::Span<uint8_t> out);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_PROXY_SOCKS5_CODEC_H_
