#include "bytestream/testing/dns_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/tcp.h"

namespace halfpipe {
namespace {

// RFC 1035 section 3.2.2, RFC 3596 section 2.1.
constexpr int kTypeA = 1;
constexpr int kTypeCname = 5;
constexpr int kTypeAaaa = 28;
// RFC 1035 section 4.1.1.
constexpr size_t kHeadBytes = 12;
constexpr size_t kUdpBytesMax = 512;
constexpr int kResponseFlags = 0x8180;  // a response, recursion desired and available
constexpr int kTruncated = 0x0200;
constexpr int kServFail = 2;
constexpr int kNxDomain = 3;
constexpr int kRefused = 5;

void Append16(std::string* out, int value) {
  out->push_back(static_cast<char>(value >> 8));
  out->push_back(static_cast<char>(value & 0xff));
}

void AppendName(std::string* out, absl::string_view name) {
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    out->push_back(static_cast<char>(label.size()));
    absl::StrAppend(out, label);
  }
  out->push_back('\0');
}

void AppendRecord(std::string* out, absl::string_view owner, int type, absl::string_view data) {
  AppendName(out, owner);
  Append16(out, type);
  Append16(out, 1);  // IN
  Append16(out, 0);  // time to live, 32 bits
  Append16(out, 60);
  Append16(out, static_cast<int>(data.size()));
  absl::StrAppend(out, data);
}

std::string AddressBytes(const std::string& literal, IpFamily family) {
  const std::optional<IpAddress> address = IpAddress::Parse(literal, 0, family);
  HALFPIPE_CHECK(address.has_value());
  std::string bytes(family == IpFamily::kIpv6 ? 16 : 4, '\0');
  const sockaddr* const any = address->sockaddr_ptr();
  if (family == IpFamily::kIpv6) {
    std::memcpy(&bytes[0], &reinterpret_cast<const sockaddr_in6*>(any)->sin6_addr, bytes.size());
  } else {
    std::memcpy(&bytes[0], &reinterpret_cast<const sockaddr_in*>(any)->sin_addr, bytes.size());
  }
  return bytes;
}

struct Query {
  std::string id;        // 2 bytes
  std::string question;  // as it came: name, type, class
  std::string name;      // in lower case, with dots
  int type = 0;
};

// Nothing for what is no query with one question.
std::optional<Query> ParseQuery(absl::string_view bytes) {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  Query query;
  query.id = std::string(bytes.substr(0, 2));
  size_t at = kHeadBytes;
  while (at < bytes.size() && bytes[at] != 0) {
    const size_t size = static_cast<uint8_t>(bytes[at]);
    if (size > 63 || at + 1 + size >= bytes.size()) return std::nullopt;
    absl::StrAppend(&query.name, query.name.empty() ? "" : ".", bytes.substr(at + 1, size));
    at += 1 + size;
  }
  if (at + 5 > bytes.size()) return std::nullopt;
  query.type = static_cast<uint8_t>(bytes[at + 2]);
  query.question = std::string(bytes.substr(kHeadBytes, at + 5 - kHeadBytes));
  absl::AsciiStrToLower(&query.name);
  return query;
}

// A head (RFC 1035 section 4.1.1) and the question.
std::string Begin(const Query& query, int flags, int answers) {
  std::string out = query.id;
  Append16(&out, kResponseFlags | flags);
  Append16(&out, 1);
  Append16(&out, answers);
  Append16(&out, 0);
  Append16(&out, 0);
  absl::StrAppend(&out, query.question);
  return out;
}

std::string Answer(const Query& query, IpFamily family, const DnsReply& reply) {
  std::string out =
      Begin(query, 0, static_cast<int>(reply.aliases.size() + reply.addresses.size()));
  std::string owner = query.name;
  for (const std::string& alias : reply.aliases) {
    std::string data;
    AppendName(&data, alias);
    AppendRecord(&out, owner, kTypeCname, data);
    owner = alias;
  }
  for (const std::string& address : reply.addresses) {
    AppendRecord(&out, owner, family == IpFamily::kIpv6 ? kTypeAaaa : kTypeA,
                 AddressBytes(address, family));
  }
  return out;
}

// A UDP socket at the address, -1 if that is taken.
int UdpSocketAt(const IpAddress& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  HALFPIPE_CHECK(fd >= 0);
  if (bind(fd, address.sockaddr_ptr(), address.sockaddr_size()) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

DnsServer::DnsServer(Runtime* runtime) : runtime_(runtime), bundle_(runtime) {
  int udp = -1;
  for (int attempt = 0; udp < 0; ++attempt) {
    HALFPIPE_CHECK(attempt < 20);
    local_ = IpAddress::Loopback(IpFamily::kIpv4, 0);
    const absl::StatusOr<int> fd = TcpListenFd(&local_, TcpListenOptions());
    HALFPIPE_CHECK(fd.ok());
    tcp_ = std::make_unique<Listener>(runtime, *fd);
    udp = UdpSocketAt(local_);
  }
  runtime_->engine().Attach(&udp_, udp);
  HALFPIPE_CHECK(bundle_.Go([this] { ServeUdp(); }).ok());
  HALFPIPE_CHECK(bundle_.Go([this] { ServeTcp(); }).ok());
}

DnsServer::~DnsServer() {
  bundle_.CancelAndJoin();
  const int fd = udp_.fd;
  runtime_->engine().Detach(&udp_);
  close(fd);
}

void DnsServer::Say(absl::string_view name, IpFamily family, DnsReply reply) {
  replies_[{std::string(name), family}] = std::move(reply);
}

std::string DnsServer::address() const { return local_.ToString(); }

void DnsServer::ServeUdp() {
  while (questions_.size() < kQueriesMax) {
    char buffer[kUdpBytesMax];
    sockaddr_storage from = {};
    const iovec piece = {buffer, sizeof(buffer)};
    msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof(from);
    const IoResult received =
        runtime_->engine().Receive(&udp_, {&piece, 1}, &message, Deadline::Never());
    if (received.error == ECANCELED || received.error == EBADF) return;
    if (received.error != 0) continue;  // of a datagram that was sent before
    const std::string query(buffer, received.count);
    const socklen_t from_size = message.msg_namelen;
    // A coroutine for each, because replies may be delayed.
    static_cast<void>(bundle_.Go([this, query, from, from_size] {
      std::string reply = Reply(query, /*tcp=*/false);
      if (reply.empty()) return;
      sockaddr_storage to = from;
      const iovec bytes = {&reply[0], reply.size()};
      msghdr header = {};
      header.msg_name = &to;
      header.msg_namelen = from_size;
      static_cast<void>(
          runtime_->engine().Send(&udp_, {&bytes, 1}, &header, false, Deadline::Immediately()));
    }));
  }
}

void DnsServer::ServeTcp() {
  while (questions_.size() < kQueriesMax) {
    const absl::StatusOr<int> fd = tcp_->Accept(Deadline::Never());
    if (!fd.ok()) return;
    if (!bundle_.Go([this, fd] { ServeConnection(*fd); }).ok()) close(*fd);
  }
}

void DnsServer::ServeConnection(int fd) {
  FdStream stream(runtime_, fd);
  for (;;) {
    uint8_t size[2];
    const IoSpan size_slice(size, sizeof(size));
    if (!stream.Read({&size_slice, 1}, Deadline::Never()).ok()) return;
    std::string query(static_cast<size_t>(size[0] << 8 | size[1]), '\0');
    const IoSpan query_slice(reinterpret_cast<uint8_t*>(&query[0]), query.size());
    if (!stream.Read({&query_slice, 1}, Deadline::Never()).ok()) return;
    const std::string reply = Reply(query, /*tcp=*/true);
    if (reply.empty()) continue;
    std::string framed;
    Append16(&framed, static_cast<int>(reply.size()));
    absl::StrAppend(&framed, reply);
    const IoSlice slice(framed.data(), framed.size());
    if (!stream.Write({&slice, 1}, /*more=*/false, Deadline::Never()).ok()) return;
  }
}

std::string DnsServer::Reply(absl::string_view bytes, bool tcp) {
  const std::optional<Query> query = ParseQuery(bytes);
  if (!query.has_value()) return "";
  const IpFamily family = query->type == kTypeAaaa ? IpFamily::kIpv6 : IpFamily::kIpv4;
  questions_.push_back(absl::StrCat(query->name, family == IpFamily::kIpv6 ? " AAAA" : " A",
                                    tcp ? " over TCP" : ""));
  const auto found = replies_.find({query->name, family});
  if (found == replies_.end()) return Begin(*query, kNxDomain, 0);
  const DnsReply reply = found->second;
  if (reply.delay > absl::ZeroDuration() && runtime_->SleepUntil(Deadline::In(reply.delay)) != 0) {
    return "";
  }
  switch (reply.kind) {
    case DnsReply::Kind::kNoSuchName:
      return Begin(*query, kNxDomain, 0);
    case DnsReply::Kind::kServerFailure:
      return Begin(*query, kServFail, 0);
    case DnsReply::Kind::kRefused:
      return Begin(*query, kRefused, 0);
    case DnsReply::Kind::kSilence:
      return "";
    case DnsReply::Kind::kMalformed:
      return Begin(*query, 0, 3) + "\xff\xff\xff";
    case DnsReply::Kind::kAnswer:
    case DnsReply::Kind::kWrongId:
      break;
  }
  std::string answer = Answer(*query, family, reply);
  if (reply.kind == DnsReply::Kind::kWrongId) answer[0] = static_cast<char>(answer[0] ^ 0x55);
  if (!tcp && answer.size() > kUdpBytesMax) return Begin(*query, kTruncated, 0);
  return answer;
}

}  // namespace halfpipe
