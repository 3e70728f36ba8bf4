#include "bytestream/proxy/socks5_codec.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using State = Socks5Parse::State;
using Room = std::array<uint8_t, 1024>;

enum class Kind { kGreeting, kChoice, kCredentials, kAuthStatus, kRequest, kReply };

std::string Bytes(std::initializer_list<int> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

absl::Span<const uint8_t> SpanOf(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

std::string TextOf(absl::Span<const uint8_t> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Describe(const Socks5Address& address) {
  return absl::StrCat(static_cast<int>(address.type()), "|", TextOf(address.octets()), "|",
                      address.port());
}

// Parses and, where that works, says what was found and encodes it again.
Socks5Parse Parse(Kind kind, absl::string_view wire, std::string* found = nullptr) {
  std::string text;
  Room room;
  size_t size = 0;
  Socks5Parse parse;
  const auto in = SpanOf(wire);
  const auto out = absl::MakeSpan(room);
  uint8_t value = 0;
  switch (kind) {
    case Kind::kGreeting: {
      Socks5Greeting greeting;
      parse = ParseSocks5Greeting(in, &greeting);
      text = TextOf(greeting.methods);
      if (parse.done()) size = EncodeSocks5Greeting(greeting, out);
      break;
    }
    case Kind::kChoice:
      parse = ParseSocks5Choice(in, &value);
      text = absl::StrCat(value);
      if (parse.done()) size = EncodeSocks5Choice(value, out);
      break;
    case Kind::kCredentials: {
      Socks5Credentials credentials;
      parse = ParseSocks5Credentials(in, &credentials);
      text = absl::StrCat(credentials.username, ":", credentials.password);
      if (parse.done()) size = EncodeSocks5Credentials(credentials, out);
      break;
    }
    case Kind::kAuthStatus:
      parse = ParseSocks5AuthStatus(in, &value);
      text = absl::StrCat(value);
      if (parse.done()) size = EncodeSocks5AuthStatus(value, out);
      break;
    case Kind::kRequest: {
      Socks5Request request;
      parse = ParseSocks5Request(in, &request);
      text = absl::StrCat(request.command, "|", Describe(request.address));
      if (parse.done()) size = EncodeSocks5Request(request, out);
      break;
    }
    case Kind::kReply: {
      Socks5Reply reply;
      parse = ParseSocks5Reply(in, &reply);
      text = absl::StrCat(reply.code, "|", Describe(reply.address));
      if (parse.done()) size = EncodeSocks5Reply(reply, out);
      break;
    }
  }
  if (parse.done()) {
    EXPECT_EQ(TextOf(absl::MakeConstSpan(room.data(), size)), wire.substr(0, parse.size));
  }
  if (found != nullptr) *found = text;
  return parse;
}

struct Valid {
  const char* name;
  Kind kind;
  std::string wire;
  std::string found;
};

std::vector<Valid> ValidMessages() {
  const std::string longest(255, 'n');
  std::string methods;
  for (int i = 0; i < 255; ++i) methods.push_back(static_cast<char>(i));
  return {
      {"one method", Kind::kGreeting, Bytes({5, 1, 0}), Bytes({0})},
      {"two methods", Kind::kGreeting, Bytes({5, 2, 0, 2}), Bytes({0, 2})},
      {"254 methods", Kind::kGreeting, Bytes({5, 254}) + methods.substr(0, 254),
       methods.substr(0, 254)},
      {"255 methods", Kind::kGreeting, Bytes({5, 255}) + methods, methods},
      {"choice", Kind::kChoice, Bytes({5, 2}), "2"},
      {"no choice", Kind::kChoice, Bytes({5, 255}), "255"},
      {"credentials", Kind::kCredentials, Bytes({1, 4}) + "user" + Bytes({5}) + "p:ass",
       "user:p:ass"},
      {"shortest credentials", Kind::kCredentials, Bytes({1, 1}) + "u" + Bytes({1}) + "p", "u:p"},
      {"longest credentials", Kind::kCredentials,
       Bytes({1, 255}) + longest + Bytes({255}) + longest, longest + ":" + longest},
      {"254 bytes of credentials", Kind::kCredentials,
       Bytes({1, 254}) + longest.substr(1) + Bytes({254}) + longest.substr(1),
       longest.substr(1) + ":" + longest.substr(1)},
      {"accepted", Kind::kAuthStatus, Bytes({1, 0}), "0"},
      {"refused", Kind::kAuthStatus, Bytes({1, 255}), "255"},
      {"connect by IPv4", Kind::kRequest, Bytes({5, 1, 0, 1, 127, 0, 0, 1, 0x15, 0xb3}),
       "1|1|" + Bytes({127, 0, 0, 1}) + "|5555"},
      {"bind by IPv6", Kind::kRequest,
       Bytes({5, 2, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255}),
       "2|4|" + Bytes({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}) + "|65535"},
      {"UDP by name", Kind::kRequest, Bytes({5, 3, 0, 3, 9}) + "localhost" + Bytes({0, 0}),
       "3|3|localhost|0"},
      {"shortest name", Kind::kRequest, Bytes({5, 1, 0, 3, 1}) + "n" + Bytes({0, 80}), "1|3|n|80"},
      {"254 bytes of name", Kind::kRequest,
       Bytes({5, 1, 0, 3, 254}) + longest.substr(1) + Bytes({0, 80}),
       "1|3|" + longest.substr(1) + "|80"},
      {"longest name", Kind::kRequest, Bytes({5, 1, 0, 3, 255}) + longest + Bytes({0, 80}),
       "1|3|" + longest + "|80"},
      {"unknown command", Kind::kRequest, Bytes({5, 77, 0, 1, 0, 0, 0, 0, 0, 0}),
       "77|1|" + Bytes({0, 0, 0, 0}) + "|0"},
      {"succeeded", Kind::kReply, Bytes({5, 0, 0, 1, 10, 0, 0, 1, 4, 0}),
       "0|1|" + Bytes({10, 0, 0, 1}) + "|1024"},
      {"refused with a name", Kind::kReply, Bytes({5, 5, 0, 3, 1}) + "x" + Bytes({0, 0}),
       "5|3|x|0"},
  };
}

TEST(Socks5CodecTest, ValidMessagesInPieces) {
  for (const Valid& valid : ValidMessages()) {
    SCOPED_TRACE(valid.name);
    std::string found;
    const Socks5Parse whole = Parse(valid.kind, valid.wire, &found);
    EXPECT_EQ(whole.state, State::kDone);
    EXPECT_EQ(whole.size, valid.wire.size());
    EXPECT_EQ(found, valid.found);
    // What follows belongs to others.
    const Socks5Parse followed = Parse(valid.kind, valid.wire + "\xff more", &found);
    EXPECT_TRUE(followed.done());
    EXPECT_EQ(followed.size, valid.wire.size());
    EXPECT_EQ(found, valid.found);
    for (size_t size = 0; size < valid.wire.size(); ++size) {
      const Socks5Parse part = Parse(valid.kind, absl::string_view(valid.wire).substr(0, size));
      ASSERT_EQ(part.state, State::kNeedMore) << size;
      EXPECT_GT(part.size, size);
      EXPECT_LE(part.size, valid.wire.size()) << size;
    }
  }
}

// Whoever waits for exactly as many bytes as asked for comes to the end in few steps.
TEST(Socks5CodecTest, FewSteps) {
  for (const Valid& valid : ValidMessages()) {
    SCOPED_TRACE(valid.name);
    size_t size = 0;
    int steps = 0;
    for (;; ++steps) {
      const Socks5Parse part = Parse(valid.kind, absl::string_view(valid.wire).substr(0, size));
      if (part.done()) break;
      ASSERT_EQ(part.state, State::kNeedMore);
      size = part.size;
    }
    EXPECT_EQ(size, valid.wire.size());
    EXPECT_LE(steps, 3);
  }
}

struct Broken {
  const char* name;
  Kind kind;
  std::string wire;  // the last byte is the one that breaks the rule
  Socks5Error error;
};

TEST(Socks5CodecTest, BrokenMessages) {
  const std::vector<Broken> cases = {
      {"greeting of SOCKS 4", Kind::kGreeting, Bytes({4}), Socks5Error::kVersion},
      {"HTTP", Kind::kGreeting, "G", Socks5Error::kVersion},
      {"version 6", Kind::kGreeting, Bytes({6}), Socks5Error::kVersion},
      {"no methods", Kind::kGreeting, Bytes({5, 0}), Socks5Error::kNoMethods},
      {"choice version", Kind::kChoice, Bytes({1}), Socks5Error::kVersion},
      {"credentials version 0", Kind::kCredentials, Bytes({0}), Socks5Error::kVersion},
      {"credentials version 2", Kind::kCredentials, Bytes({2}), Socks5Error::kVersion},
      {"empty username", Kind::kCredentials, Bytes({1, 0}), Socks5Error::kEmptyCredential},
      {"empty password", Kind::kCredentials, Bytes({1, 1}) + "u" + Bytes({0}),
       Socks5Error::kEmptyCredential},
      {"NUL in username", Kind::kCredentials, Bytes({1, 3}) + "u" + Bytes({0}),
       Socks5Error::kNulInCredential},
      {"NUL in password", Kind::kCredentials, Bytes({1, 1}) + "u" + Bytes({2, 0}),
       Socks5Error::kNulInCredential},
      {"status version", Kind::kAuthStatus, Bytes({5}), Socks5Error::kVersion},
      {"request version", Kind::kRequest, Bytes({4}), Socks5Error::kVersion},
      {"reserved", Kind::kRequest, Bytes({5, 1, 1}), Socks5Error::kReserved},
      {"address type 0", Kind::kRequest, Bytes({5, 1, 0, 0}), Socks5Error::kAddressType},
      {"address type 2", Kind::kRequest, Bytes({5, 1, 0, 2}), Socks5Error::kAddressType},
      {"address type 5", Kind::kRequest, Bytes({5, 1, 0, 5}), Socks5Error::kAddressType},
      {"address type 255", Kind::kRequest, Bytes({5, 1, 0, 255}), Socks5Error::kAddressType},
      {"empty name", Kind::kRequest, Bytes({5, 1, 0, 3, 0}), Socks5Error::kEmptyName},
      {"NUL in name", Kind::kRequest, Bytes({5, 1, 0, 3, 9}) + "a" + Bytes({0}),
       Socks5Error::kNulInName},
      {"reply version", Kind::kReply, Bytes({0}), Socks5Error::kVersion},
      {"reply reserved", Kind::kReply, Bytes({5, 0, 255}), Socks5Error::kReserved},
      {"reply address type", Kind::kReply, Bytes({5, 0, 0, 9}), Socks5Error::kAddressType},
      {"reply empty name", Kind::kReply, Bytes({5, 0, 0, 3, 0}), Socks5Error::kEmptyName},
  };
  for (const Broken& broken : cases) {
    SCOPED_TRACE(broken.name);
    const std::string rest(600, '\1');
    for (size_t more = 0; more < rest.size(); more += more < 4 ? 1 : 97) {
      const Socks5Parse parse = Parse(broken.kind, broken.wire + rest.substr(0, more));
      EXPECT_EQ(parse.state, State::kInvalid);
      EXPECT_EQ(parse.error, broken.error) << Socks5ErrorText(parse.error);
      EXPECT_EQ(parse.size, 0u);
    }
    for (size_t size = 0; size < broken.wire.size(); ++size) {
      EXPECT_EQ(Parse(broken.kind, broken.wire.substr(0, size)).state, State::kNeedMore) << size;
    }
  }
}

TEST(Socks5CodecTest, NothingIsWrittenUnlessDone) {
  uint8_t value = 7;
  EXPECT_FALSE(ParseSocks5Choice(SpanOf(Bytes({5})), &value).done());
  EXPECT_FALSE(ParseSocks5AuthStatus(SpanOf(Bytes({5, 0})), &value).done());
  EXPECT_EQ(value, 7);
  Socks5Request request;
  request.command = 7;
  request.address = *Socks5Address::Name("before", 7);
  const Socks5Address before = request.address;
  const std::string wire = Bytes({5, 1, 0, 1, 127, 0, 0, 1, 0});
  EXPECT_FALSE(ParseSocks5Request(SpanOf(wire), &request).done());
  EXPECT_EQ(request.command, 7);
  EXPECT_TRUE(request.address == before);
}

TEST(Socks5CodecTest, LimitsOfWhatIsSent) {
  Room room;
  room.fill(0xee);
  const auto out = absl::MakeSpan(room);
  const std::string longest(255, 'x');
  const std::string longer(256, 'x');
  const std::string nul("a\0b", 3);
  for (const std::string& bad : {std::string(), longer, nul}) {
    EXPECT_EQ(EncodeSocks5Credentials({bad, "p"}, out), 0u);
    EXPECT_EQ(EncodeSocks5Credentials({"u", bad}, out), 0u);
    EXPECT_EQ(Socks5Address::Name(bad, 1), std::nullopt);
  }
  EXPECT_EQ(EncodeSocks5Greeting({}, out), 0u);
  EXPECT_EQ(EncodeSocks5Greeting({SpanOf(longer)}, out), 0u);
  for (const uint8_t byte : room) ASSERT_EQ(byte, 0xee);
  EXPECT_EQ(EncodeSocks5Credentials({longest, longest}, out), kSocks5CredentialsBytesMax);
  EXPECT_EQ(EncodeSocks5Greeting({SpanOf(longest)}, out), kSocks5GreetingBytesMax);
  EXPECT_EQ(EncodeSocks5Request({1, *Socks5Address::Name(longest, 1)}, out),
            kSocks5RequestBytesMax);
}

TEST(Socks5CodecTest, Addresses) {
  const uint8_t octets[17] = {1, 2, 3, 4};
  for (size_t size = 0; size <= sizeof(octets); ++size) {
    const auto address = Socks5Address::Ip(absl::MakeConstSpan(octets, size), 9);
    EXPECT_EQ(address.has_value(), size == 4 || size == 16) << size;
    if (address.has_value()) {
      EXPECT_EQ(address->octets(), absl::MakeConstSpan(octets, size));
      EXPECT_EQ(address->port(), 9);
      EXPECT_TRUE(address->name().empty());
    }
  }
  const Socks5Address name = *Socks5Address::Name("a.example", 80);
  EXPECT_EQ(name.name(), "a.example");
  EXPECT_EQ(name.type(), Socks5AddressType::kName);
  EXPECT_TRUE(name == *Socks5Address::Name("a.example", 80));
  EXPECT_FALSE(name == *Socks5Address::Name("a.example", 81));
  EXPECT_FALSE(name == *Socks5Address::Name("b.example", 80));
  // The same bytes of another type.
  EXPECT_FALSE(*Socks5Address::Name("abcd", 1) == *Socks5Address::Ip(SpanOf("abcd"), 1));
  EXPECT_EQ(Describe(Socks5Address()), "1|" + Bytes({0, 0, 0, 0}) + "|0");
}

TEST(Socks5CodecTest, ErrnoOfReplies) {
  const int errors[] = {0,         EIO,        EACCES,      ENETUNREACH, EHOSTUNREACH, ECONNREFUSED,
                        ETIMEDOUT, EOPNOTSUPP, EAFNOSUPPORT};
  for (int code = 0; code <= 255; ++code) {
    EXPECT_EQ(Socks5ReplyErrno(static_cast<uint8_t>(code)), code <= 8 ? errors[code] : EPROTO)
        << code;
  }
}

TEST(Socks5CodecTest, ErrorsHaveTexts) {
  std::vector<absl::string_view> texts;
  for (int error = 0; error <= static_cast<int>(Socks5Error::kNulInCredential); ++error) {
    const absl::string_view text = Socks5ErrorText(static_cast<Socks5Error>(error));
    EXPECT_FALSE(text.empty());
    for (const absl::string_view other : texts) EXPECT_NE(text, other);
    texts.push_back(text);
  }
}

}  // namespace
}  // namespace halfpipe
