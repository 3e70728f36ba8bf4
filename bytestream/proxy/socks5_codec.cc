#include "bytestream/proxy/socks5_codec.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bytestream/base/check.h"

namespace halfpipe {
namespace {

// The version of the username/password negotiation (RFC 1929 section 2), not that of SOCKS.
constexpr uint8_t kAuthVersion = 1;
constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6Bytes = 16;
constexpr size_t kPortBytes = 2;
// Version, command or code, reserved, address type.
constexpr size_t kRequestHeadBytes = 4;

Socks5Parse Done(size_t size) { return {Socks5Parse::State::kDone, size, Socks5Error::kNone}; }
Socks5Parse NeedMore(size_t size) {
  return {Socks5Parse::State::kNeedMore, size, Socks5Error::kNone};
}
Socks5Parse Invalid(Socks5Error error) { return {Socks5Parse::State::kInvalid, 0, error}; }

bool HasNul(absl::Span<const uint8_t> bytes) {
  return std::find(bytes.begin(), bytes.end(), 0) != bytes.end();
}

absl::string_view TextOf(absl::Span<const uint8_t> bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::Span<const uint8_t> BytesOf(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

bool IsText(absl::string_view text) {
  return !text.empty() && text.size() <= kSocks5TextBytesMax && !HasNul(BytesOf(text));
}

// A text at `*at`, its length before it. Done or invalid; if kNeedMore, as the caller returns it.
Socks5Parse ParseText(absl::Span<const uint8_t> in, size_t* at, Socks5Error empty, Socks5Error nul,
                      absl::Span<const uint8_t>* text) {
  if (in.size() <= *at) return NeedMore(*at + 1);
  const size_t size = in[*at];
  if (size == 0) return Invalid(empty);
  *text = in.subspan(*at + 1, size);  // as far as it is there
  if (HasNul(*text)) return Invalid(nul);
  *at += 1 + size;
  return text->size() == size ? Done(*at) : NeedMore(*at);
}

// Two bytes: a version and a value.
Socks5Parse ParseAnswer(absl::Span<const uint8_t> in, uint8_t version, uint8_t* value) {
  if (!in.empty() && in[0] != version) return Invalid(Socks5Error::kVersion);
  if (in.size() < kSocks5AnswerBytes) return NeedMore(kSocks5AnswerBytes);
  *value = in[1];
  return Done(kSocks5AnswerBytes);
}

size_t EncodeAnswer(uint8_t version, uint8_t value, absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(out.size() >= kSocks5AnswerBytes);
  out[0] = version;
  out[1] = value;
  return kSocks5AnswerBytes;
}

uint16_t PortAt(absl::Span<const uint8_t> in, size_t at) {
  return static_cast<uint16_t>(in[at] << 8 | in[at + 1]);
}

// An IP address or name, with its port, behind the address type.
Socks5Parse ParseAddress(absl::Span<const uint8_t> in, Socks5Address* address) {
  size_t at = kRequestHeadBytes;
  absl::Span<const uint8_t> bytes;
  const auto type = static_cast<Socks5AddressType>(in[at - 1]);
  switch (type) {
    case Socks5AddressType::kIpv4:
    case Socks5AddressType::kIpv6:
      bytes = in.subspan(at, type == Socks5AddressType::kIpv4 ? kIpv4Bytes : kIpv6Bytes);
      at += type == Socks5AddressType::kIpv4 ? kIpv4Bytes : kIpv6Bytes;
      break;
    case Socks5AddressType::kName: {
      const Socks5Parse name =
          ParseText(in, &at, Socks5Error::kEmptyName, Socks5Error::kNulInName, &bytes);
      if (name.state == Socks5Parse::State::kInvalid) return name;
      if (in.size() <= kRequestHeadBytes) return name;
      break;
    }
    default:
      return Invalid(Socks5Error::kAddressType);
  }
  if (in.size() < at + kPortBytes) return NeedMore(at + kPortBytes);
  const uint16_t port = PortAt(in, at);
  *address = type == Socks5AddressType::kName ? *Socks5Address::Name(TextOf(bytes), port)
                                              : *Socks5Address::Ip(bytes, port);
  return Done(at + kPortBytes);
}

// Requests and replies have one form (RFC 1928 sections 4 and 6).
Socks5Parse ParseRequestOrReply(absl::Span<const uint8_t> in, uint8_t* value,
                                Socks5Address* address) {
  if (!in.empty() && in[0] != kSocks5Version) return Invalid(Socks5Error::kVersion);
  if (in.size() > 2 && in[2] != 0) return Invalid(Socks5Error::kReserved);
  // With the byte behind the head, which is the length if there is one, the size is known.
  if (in.size() < kRequestHeadBytes) return NeedMore(kRequestHeadBytes + 1);
  const Socks5Parse parse = ParseAddress(in, address);
  if (parse.done()) *value = in[1];
  return parse;
}

size_t EncodeRequestOrReply(uint8_t value, const Socks5Address& address, absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(out.size() >= kSocks5RequestBytesMax);
  size_t size = 0;
  out[size++] = kSocks5Version;
  out[size++] = value;
  out[size++] = 0;
  out[size++] = static_cast<uint8_t>(address.type());
  const absl::Span<const uint8_t> bytes = address.octets();
  if (address.type() == Socks5AddressType::kName) out[size++] = static_cast<uint8_t>(bytes.size());
  std::memcpy(&out[size], bytes.data(), bytes.size());
  size += bytes.size();
  out[size++] = static_cast<uint8_t>(address.port() >> 8);
  out[size++] = static_cast<uint8_t>(address.port());
  return size;
}

}  // namespace

int Socks5ReplyErrno(uint8_t code) {
  switch (code) {
    case kSocks5ReplySucceeded:
      return 0;
    case kSocks5ReplyGeneralFailure:
      return EIO;
    case kSocks5ReplyNotAllowed:
      return EACCES;
    case kSocks5ReplyNetworkUnreachable:
      return ENETUNREACH;
    case kSocks5ReplyHostUnreachable:
      return EHOSTUNREACH;
    case kSocks5ReplyConnectionRefused:
      return ECONNREFUSED;
    case kSocks5ReplyTtlExpired:
      return ETIMEDOUT;
    case kSocks5ReplyCommandNotSupported:
      return EOPNOTSUPP;
    case kSocks5ReplyAddressTypeNotSupported:
      return EAFNOSUPPORT;
    default:
      return EPROTO;
  }
}

absl::string_view Socks5ErrorText(Socks5Error error) {
  switch (error) {
    case Socks5Error::kNone:
      return "no error";
    case Socks5Error::kVersion:
      return "another protocol version";
    case Socks5Error::kNoMethods:
      return "no authentication method offered";
    case Socks5Error::kReserved:
      return "the reserved byte is not 0";
    case Socks5Error::kAddressType:
      return "unknown address type";
    case Socks5Error::kEmptyName:
      return "empty domain name";
    case Socks5Error::kNulInName:
      return "NUL in a domain name";
    case Socks5Error::kEmptyCredential:
      return "empty username or password";
    case Socks5Error::kNulInCredential:
      return "NUL in a username or password";
  }
  return "unknown error";
}

Socks5Address::Socks5Address(Socks5AddressType type, absl::Span<const uint8_t> bytes, uint16_t port)
    : type_(type), size_(static_cast<uint8_t>(bytes.size())), port_(port) {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

std::optional<Socks5Address> Socks5Address::Ip(absl::Span<const uint8_t> octets, uint16_t port) {
  if (octets.size() == kIpv4Bytes) return Socks5Address(Socks5AddressType::kIpv4, octets, port);
  if (octets.size() == kIpv6Bytes) return Socks5Address(Socks5AddressType::kIpv6, octets, port);
  return std::nullopt;
}

std::optional<Socks5Address> Socks5Address::Name(absl::string_view name, uint16_t port) {
  if (!IsText(name)) return std::nullopt;
  return Socks5Address(Socks5AddressType::kName, BytesOf(name), port);
}

absl::string_view Socks5Address::name() const {
  return type_ == Socks5AddressType::kName ? TextOf(octets()) : absl::string_view();
}

Socks5Parse ParseSocks5Greeting(absl::Span<const uint8_t> in, Socks5Greeting* greeting) {
  if (!in.empty() && in[0] != kSocks5Version) return Invalid(Socks5Error::kVersion);
  if (in.size() < 2) return NeedMore(2);
  const size_t count = in[1];
  if (count == 0) return Invalid(Socks5Error::kNoMethods);
  if (in.size() < 2 + count) return NeedMore(2 + count);
  greeting->methods = in.subspan(2, count);
  return Done(2 + count);
}

Socks5Parse ParseSocks5Choice(absl::Span<const uint8_t> in, uint8_t* method) {
  return ParseAnswer(in, kSocks5Version, method);
}

Socks5Parse ParseSocks5Credentials(absl::Span<const uint8_t> in, Socks5Credentials* credentials) {
  if (!in.empty() && in[0] != kAuthVersion) return Invalid(Socks5Error::kVersion);
  if (in.size() < 2) return NeedMore(2);
  size_t at = 1;
  absl::Span<const uint8_t> texts[2];
  for (absl::Span<const uint8_t>& text : texts) {
    const Socks5Parse parse =
        ParseText(in, &at, Socks5Error::kEmptyCredential, Socks5Error::kNulInCredential, &text);
    if (parse.state == Socks5Parse::State::kNeedMore && &text == &texts[0]) {
      return NeedMore(parse.size + 1);  // with the length of the password
    }
    if (!parse.done()) return parse;
  }
  *credentials = {TextOf(texts[0]), TextOf(texts[1])};
  return Done(at);
}

Socks5Parse ParseSocks5AuthStatus(absl::Span<const uint8_t> in, uint8_t* status) {
  return ParseAnswer(in, kAuthVersion, status);
}

Socks5Parse ParseSocks5Request(absl::Span<const uint8_t> in, Socks5Request* request) {
  return ParseRequestOrReply(in, &request->command, &request->address);
}

Socks5Parse ParseSocks5Reply(absl::Span<const uint8_t> in, Socks5Reply* reply) {
  return ParseRequestOrReply(in, &reply->code, &reply->address);
}

size_t EncodeSocks5Greeting(const Socks5Greeting& greeting, absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(out.size() >= kSocks5GreetingBytesMax);
  const size_t count = greeting.methods.size();
  if (count == 0 || count > kSocks5MethodsMax) return 0;
  out[0] = kSocks5Version;
  out[1] = static_cast<uint8_t>(count);
  std::memcpy(&out[2], greeting.methods.data(), count);
  return 2 + count;
}

size_t EncodeSocks5Choice(uint8_t method, absl::Span<uint8_t> out) {
  return EncodeAnswer(kSocks5Version, method, out);
}

size_t EncodeSocks5Credentials(const Socks5Credentials& credentials, absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(out.size() >= kSocks5CredentialsBytesMax);
  if (!IsText(credentials.username) || !IsText(credentials.password)) return 0;
  size_t size = 0;
  out[size++] = kAuthVersion;
  for (const absl::string_view text : {credentials.username, credentials.password}) {
    out[size++] = static_cast<uint8_t>(text.size());
    std::memcpy(&out[size], text.data(), text.size());
    size += text.size();
  }
  return size;
}

size_t EncodeSocks5AuthStatus(uint8_t status, absl::Span<uint8_t> out) {
  return EncodeAnswer(kAuthVersion, status, out);
}

size_t EncodeSocks5Request(const Socks5Request& request, absl::Span<uint8_t> out) {
  return EncodeRequestOrReply(request.command, request.address, out);
}

size_t EncodeSocks5Reply(const Socks5Reply& reply, absl::Span<uint8_t> out) {
  return EncodeRequestOrReply(reply.code, reply.address, out);
}

}  // namespace halfpipe
