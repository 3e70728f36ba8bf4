#include "bytestream/proxy/socks5.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {
namespace {

// RFC 1929 section 2: 0 is success, every other one a failure.
constexpr uint8_t kAuthSucceeded = 0;
constexpr uint8_t kAuthFailed = 1;

// Bytes of the caller's secrets, gone when the scope is left.
template <size_t kSize>
struct SecretBytes {
  ~SecretBytes() { explicit_bzero(bytes, kSize); }
  uint8_t bytes[kSize];
};

absl::Status CheckFree(const Bytestream& stream) {
  if (!stream.reader_busy() && !stream.writer_busy()) return absl::OkStatus();
  return ErrnoStatus(EBUSY, "SOCKS5: another coroutine is using the stream");
}

absl::Status BadMessage(absl::string_view what, Socks5Error error) {
  return ErrnoStatus(EPROTO, absl::StrCat("SOCKS5 ", what, ": ", Socks5ErrorText(error)));
}

absl::Status Send(Bytestream* stream, const uint8_t* bytes, size_t size, Deadline deadline) {
  const IoSlice slice(bytes, size);
  return stream->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
}

// Waits for the message `what` at the front of the stream, and leaves it there. `parse` is called
// with the bytes that are there and remembers what it finds. No byte beyond the message is asked
// for, because a stream may not be able to keep it for others. `end` is the errno of a stream that
// ends before the first byte; one that ends inside is ECONNRESET. *error is set for EPROTO.
template <typename Parse>
absl::StatusOr<size_t> PeekMessage(Bytestream* stream, absl::string_view what, int end,
                                   Deadline deadline, Socks5Error* error, Parse parse) {
  Socks5Parse result = parse(absl::Span<const uint8_t>());
  for (;;) {
    const size_t wanted = result.size;
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(wanted, deadline);
    if (!bytes.ok()) return bytes.status();
    result = parse(*bytes);
    if (result.done()) return result.size;
    if (result.state == Socks5Parse::State::kInvalid) {
      *error = result.error;
      return BadMessage(what, result.error);
    }
    if (bytes->size() < wanted) {
      return ErrnoStatus(bytes->empty() ? end : ECONNRESET,
                         absl::StrCat("SOCKS5: the stream ended before the ", what));
    }
  }
}

// The same, and consumes it. What `parse` remembers must not be borrowed.
template <typename Parse>
absl::Status ReadMessage(Bytestream* stream, absl::string_view what, int end, Deadline deadline,
                         Parse parse) {
  Socks5Error error = Socks5Error::kNone;
  const absl::StatusOr<size_t> size = PeekMessage(stream, what, end, deadline, &error, parse);
  if (!size.ok()) return size.status();
  stream->Consume(*size);
  return absl::OkStatus();
}

// ---- Client ----

absl::Status CheckCredential(absl::string_view text) {
  if (text.size() > kSocks5TextBytesMax) {
    return ErrnoStatus(EMSGSIZE, absl::StrCat("SOCKS5 username or password of ", text.size(),
                                              " bytes exceeds ", kSocks5TextBytesMax));
  }
  if (text.empty() || text.find('\0') != absl::string_view::npos) {
    return ErrnoStatus(EINVAL, "SOCKS5 username or password is empty or has a NUL");
  }
  return absl::OkStatus();
}

absl::Status SendCredentials(Bytestream* stream, const Socks5Credentials& credentials,
                             Deadline deadline) {
  SecretBytes<kSocks5CredentialsBytesMax> message;
  const size_t size = EncodeSocks5Credentials(credentials, absl::MakeSpan(message.bytes));
  absl::Status status = Send(stream, message.bytes, size, deadline);
  if (!status.ok()) return status;
  uint8_t answer = 0;
  status =
      ReadMessage(stream, "answer to the password", ECONNRESET, deadline,
                  [&](absl::Span<const uint8_t> in) { return ParseSocks5AuthStatus(in, &answer); });
  if (!status.ok()) return status;
  if (answer == kAuthSucceeded) return absl::OkStatus();
  return ErrnoStatus(EACCES, "SOCKS5: the proxy refuses the username or password");
}

absl::Status Authenticate(Bytestream* stream, const std::optional<Socks5Credentials>& credentials,
                          Deadline deadline) {
  constexpr uint8_t kMethods[] = {kSocks5MethodNone, kSocks5MethodUsernamePassword};
  const Socks5Greeting greeting{absl::MakeConstSpan(kMethods, credentials.has_value() ? 2 : 1)};
  uint8_t message[kSocks5GreetingBytesMax];
  const size_t size = EncodeSocks5Greeting(greeting, absl::MakeSpan(message));
  absl::Status status = Send(stream, message, size, deadline);
  if (!status.ok()) return status;
  uint8_t method = kSocks5MethodNotAcceptable;
  status =
      ReadMessage(stream, "choice of a method", ECONNRESET, deadline,
                  [&](absl::Span<const uint8_t> in) { return ParseSocks5Choice(in, &method); });
  if (!status.ok()) return status;
  if (method == kSocks5MethodNone) return absl::OkStatus();
  if (method == kSocks5MethodUsernamePassword && credentials.has_value()) {
    return SendCredentials(stream, *credentials, deadline);
  }
  if (method == kSocks5MethodNotAcceptable) {
    return ErrnoStatus(EACCES, "SOCKS5: the proxy accepts no authentication method offered");
  }
  return ErrnoStatus(EPROTO, "SOCKS5: the proxy chose a method that was not offered");
}

// ---- Proxy ----

// Tells the client, whatever becomes of it: what it is told is the reason for the end.
void Tell(Bytestream* stream, const uint8_t* bytes, size_t size, Deadline deadline) {
  Send(stream, bytes, size, deadline).IgnoreError();
}

// Receives the greeting and answers with `method` if it is offered.
absl::Status ChooseMethod(Bytestream* stream, uint8_t method, Deadline deadline) {
  bool offered = false;
  const absl::Status status =
      ReadMessage(stream, "greeting", EPIPE, deadline, [&](absl::Span<const uint8_t> in) {
        Socks5Greeting greeting;
        const Socks5Parse parse = ParseSocks5Greeting(in, &greeting);
        offered = std::find(greeting.methods.begin(), greeting.methods.end(), method) !=
                  greeting.methods.end();
        return parse;
      });
  if (!status.ok()) return status;
  uint8_t answer[kSocks5AnswerBytes];
  const size_t size =
      EncodeSocks5Choice(offered ? method : kSocks5MethodNotAcceptable, absl::MakeSpan(answer));
  if (offered) return Send(stream, answer, size, deadline);
  Tell(stream, answer, size, deadline);
  return ErrnoStatus(EACCES, "SOCKS5: the client does not offer the method required");
}

// What the client sent, kept apart: the stream's buffer may change while the answer is thought over.
struct KeptCredentials {
  SecretBytes<2 * kSocks5TextBytesMax> text;
  size_t username_size = 0;
  size_t password_size = 0;

  void Keep(const Socks5Credentials& credentials) {
    username_size = credentials.username.size();
    password_size = credentials.password.size();
    std::memcpy(text.bytes, credentials.username.data(), username_size);
    std::memcpy(text.bytes + username_size, credentials.password.data(), password_size);
  }
  absl::string_view username() const { return Text(0, username_size); }
  absl::string_view password() const { return Text(username_size, password_size); }

 private:
  absl::string_view Text(size_t at, size_t size) const {
    return absl::string_view(reinterpret_cast<const char*>(text.bytes) + at, size);
  }
};

}  // namespace

std::optional<Socks5Address> Socks5AddressOf(absl::string_view host, uint16_t port) {
  if (host.size() < INET6_ADDRSTRLEN && host.find('\0') == absl::string_view::npos) {
    const std::string text(host);
    uint8_t octets[sizeof(in6_addr)];
    for (const int family : {AF_INET, AF_INET6}) {
      if (inet_pton(family, text.c_str(), octets) != 1) continue;
      const size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
      return Socks5Address::Ip(absl::MakeConstSpan(octets, size), port);
    }
  }
  return Socks5Address::Name(host, port);
}

absl::Status Socks5Connect(Bytestream* stream, const std::optional<Socks5Credentials>& credentials,
                           const Socks5Address& target, Deadline deadline, Socks5Address* bound) {
  if (target.port() == 0) return ErrnoStatus(EINVAL, "SOCKS5: port 0 cannot be connected to");
  absl::Status status;
  if (credentials.has_value()) {
    status = CheckCredential(credentials->username);
    if (status.ok()) status = CheckCredential(credentials->password);
    if (!status.ok()) return status;
  }
  status = CheckFree(*stream);
  if (status.ok()) status = Authenticate(stream, credentials, deadline);
  if (!status.ok()) return status;

  uint8_t message[kSocks5RequestBytesMax];
  const size_t size = EncodeSocks5Request({kSocks5CommandConnect, target}, absl::MakeSpan(message));
  status = Send(stream, message, size, deadline);
  if (!status.ok()) return status;
  Socks5Reply reply;
  status = ReadMessage(stream, "reply", ECONNRESET, deadline,
                       [&](absl::Span<const uint8_t> in) { return ParseSocks5Reply(in, &reply); });
  if (!status.ok()) return status;
  if (const int error = Socks5ReplyErrno(reply.code)) {
    return ErrnoStatus(error, absl::StrCat("SOCKS5: the proxy replies with code ", reply.code));
  }
  if (bound != nullptr) *bound = reply.address;
  return absl::OkStatus();
}

absl::Status Socks5ConnectByName(Bytestream* stream,
                                 const std::optional<Socks5Credentials>& credentials,
                                 absl::string_view host, uint16_t port, Deadline deadline,
                                 Socks5Address* bound) {
  if (host.size() > kSocks5TextBytesMax) {
    return ErrnoStatus(EMSGSIZE, absl::StrCat("SOCKS5 host name of ", host.size(),
                                              " bytes exceeds ", kSocks5TextBytesMax));
  }
  const std::optional<Socks5Address> target = Socks5AddressOf(host, port);
  if (!target.has_value()) return ErrnoStatus(EINVAL, "SOCKS5 host name is empty or has a NUL");
  return Socks5Connect(stream, credentials, *target, deadline, bound);
}

absl::Status Socks5Accept(Bytestream* stream, Deadline deadline) {
  absl::Status status = CheckFree(*stream);
  if (status.ok()) status = ChooseMethod(stream, kSocks5MethodNone, deadline);
  return status;
}

absl::Status Socks5Accept(Bytestream* stream, Socks5Authenticator authenticate, Deadline deadline) {
  absl::Status status = CheckFree(*stream);
  if (status.ok()) status = ChooseMethod(stream, kSocks5MethodUsernamePassword, deadline);
  if (!status.ok()) return status;
  bool accepted = false;
  {
    KeptCredentials kept;
    status = ReadMessage(stream, "username and password", ECONNRESET, deadline,
                         [&](absl::Span<const uint8_t> in) {
                           Socks5Credentials credentials;
                           const Socks5Parse parse = ParseSocks5Credentials(in, &credentials);
                           if (parse.done()) kept.Keep(credentials);
                           return parse;
                         });
    if (!status.ok()) return status;
    accepted = authenticate(kept.username(), kept.password());
  }
  uint8_t answer[kSocks5AnswerBytes];
  const size_t size =
      EncodeSocks5AuthStatus(accepted ? kAuthSucceeded : kAuthFailed, absl::MakeSpan(answer));
  if (accepted) return Send(stream, answer, size, deadline);
  Tell(stream, answer, size, deadline);
  return ErrnoStatus(EACCES, "SOCKS5: the client's username or password is refused");
}

absl::StatusOr<Socks5Request> Socks5PeekRequest(Bytestream* stream, size_t* size,
                                                Deadline deadline) {
  if (absl::Status status = CheckFree(*stream); !status.ok()) return status;
  Socks5Request request;
  Socks5Error error = Socks5Error::kNone;
  const absl::StatusOr<size_t> peeked =
      PeekMessage(stream, "request", EPIPE, deadline, &error,
                  [&](absl::Span<const uint8_t> in) { return ParseSocks5Request(in, &request); });
  uint8_t refusal = kSocks5ReplySucceeded;
  if (peeked.ok()) {
    *size = *peeked;
    if (request.command >= kSocks5CommandConnect && request.command <= kSocks5CommandUdpAssociate) {
      return request;
    }
    refusal = kSocks5ReplyCommandNotSupported;
  } else if (error == Socks5Error::kAddressType) {
    refusal = kSocks5ReplyAddressTypeNotSupported;
  } else {
    return peeked.status();
  }
  uint8_t message[kSocks5RequestBytesMax];
  const size_t message_size =
      EncodeSocks5Reply({refusal, Socks5Address()}, absl::MakeSpan(message));
  Tell(stream, message, message_size, deadline);
  if (!peeked.ok()) return peeked.status();
  return ErrnoStatus(EPROTO, absl::StrCat("SOCKS5 request: unknown command ", request.command));
}

absl::StatusOr<Socks5Request> Socks5ReadRequest(Bytestream* stream, Deadline deadline) {
  size_t size = 0;
  absl::StatusOr<Socks5Request> request = Socks5PeekRequest(stream, &size, deadline);
  if (request.ok()) stream->Consume(size);
  return request;
}

absl::Status Socks5SendReply(Bytestream* stream, uint8_t code, const Socks5Address& bound,
                             Deadline deadline) {
  if (code > kSocks5ReplyAddressTypeNotSupported) {
    return ErrnoStatus(EINVAL, absl::StrCat("SOCKS5 reply code ", code, " is not assigned"));
  }
  uint8_t message[kSocks5RequestBytesMax];
  const size_t size = EncodeSocks5Reply({code, bound}, absl::MakeSpan(message));
  return Send(stream, message, size, deadline);
}

}  // namespace halfpipe
