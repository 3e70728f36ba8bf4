#include "bytestream/proxy/socks5.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/proxy/socks5_codec.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/fault_bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::string Bytes(std::initializer_list<int> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

std::string AddressBytes(int code) { return Bytes({5, code, 0, 1, 10, 0, 0, 7, 0x04, 0x01}); }

const std::string& GreetingAlone() {
  static const auto* const kBytes = new std::string(Bytes({5, 1, 0}));
  return *kBytes;
}
const std::string& GreetingWithPassword() {
  static const auto* const kBytes = new std::string(Bytes({5, 2, 0, 2}));
  return *kBytes;
}
const std::string& UserAndPass() {
  static const auto* const kBytes = new std::string(Bytes({1, 4}) + "user" + Bytes({4}) + "pass");
  return *kBytes;
}
const std::string& RequestByName() {
  static const auto* const kBytes =
      new std::string(Bytes({5, 1, 0, 3, 9}) + "a.example" + Bytes({0x01, 0xbb}));
  return *kBytes;
}

constexpr Socks5Credentials kCredentials{"user", "pass"};

class Socks5Test : public testing::Test {
 protected:
  // 0 or an errno.
  template <typename Function>
  static int Start(Bundle* bundle, Function function) {
    return StatusErrno(bundle->Go(std::move(function)));
  }

  Deadline Soon() { return Deadline::In(absl::Seconds(10)); }

  // The client's whole talk, with or without a password.
  absl::Status Connect(Bytestream* stream, bool password = false, Socks5Address* bound = nullptr) {
    std::optional<Socks5Credentials> credentials;
    if (password) credentials = kCredentials;
    return Socks5ConnectByName(stream, credentials, "a.example", 443, Soon(), bound);
  }

  absl::Status AcceptWithPassword(Bytestream* stream, bool answer = true) {
    return Socks5Accept(
        stream,
        [&](absl::string_view username, absl::string_view password) {
          seen_ += std::string(username) + ":" + std::string(password) + ";";
          return answer;
        },
        Soon());
  }

  SimRuntime runtime_;
  std::string seen_;
};

// ---- Client ----

TEST_F(Socks5Test, ClientWithoutPassword) {
  auto script = MakeScripted(&runtime_);
  script->ExpectWrite(GreetingAlone())
      .Deliver(Bytes({5, 0}))
      .ExpectWrite(RequestByName())
      .Deliver(AddressBytes(0));
  Socks5Address bound;
  EXPECT_THAT(Connect(script.get(), false, &bound), IsOk());
  EXPECT_TRUE(bound == *Socks5AddressOf("10.0.0.7", 1025));
}

TEST_F(Socks5Test, ClientWithPassword) {
  auto script = MakeScripted(&runtime_);
  script->ExpectWrite(GreetingWithPassword())
      .Deliver(Bytes({5, 2}))
      .ExpectWrite(UserAndPass())
      .Deliver(Bytes({1, 0}))
      .ExpectWrite(RequestByName())
      .Deliver(AddressBytes(0));
  EXPECT_THAT(Connect(script.get(), true), IsOk());
}

TEST_F(Socks5Test, ProxyMayDoWithoutThePassword) {
  auto script = MakeScripted(&runtime_);
  script->ExpectWrite(GreetingWithPassword())
      .Deliver(Bytes({5, 0}))
      .ExpectWrite(RequestByName())
      .Deliver(AddressBytes(0));
  EXPECT_THAT(Connect(script.get(), true), IsOk());
}

// What the target says comes with the proxy's reply, in one piece, and stays in the stream.
TEST_F(Socks5Test, BytesBehindTheReplyStay) {
  auto script = MakeScripted(&runtime_);
  script->ExpectWrite(GreetingAlone())
      .Deliver(Bytes({5, 0}))
      .ExpectWrite(RequestByName())
      .Deliver(AddressBytes(0) + "220 hello");
  ASSERT_THAT(Connect(script.get()), IsOk());
  EXPECT_EQ(script->buffered(), 9u);
  char text[9];
  const IoSpan span(text, sizeof(text));
  EXPECT_THAT(script->Read(absl::MakeConstSpan(&span, 1), Deadline::Immediately()), IsOk());
  EXPECT_EQ(std::string(text, 9), "220 hello");
}

TEST_F(Socks5Test, EachByteAlone) {
  auto script = MakeScripted(&runtime_);
  const auto trickle = [&](absl::string_view bytes) {
    for (const char byte : bytes) script->Deliver(absl::string_view(&byte, 1));
  };
  script->ExpectWrite(GreetingWithPassword());
  trickle(Bytes({5, 2}));
  script->ExpectWrite(UserAndPass());
  trickle(Bytes({1, 0}));
  script->ExpectWrite(RequestByName());
  trickle(Bytes({5, 0, 0, 3, 3}) + "abc" + Bytes({1, 2}));
  Socks5Address bound;
  EXPECT_THAT(Connect(script.get(), true, &bound), IsOk());
  EXPECT_TRUE(bound == *Socks5Address::Name("abc", 0x102));
}

TEST_F(Socks5Test, SeededCuts) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    auto script = MakeScripted(&runtime_);
    const auto cut = [&](std::string bytes) {
      while (!bytes.empty()) {
        const size_t size = 1 + random() % bytes.size();
        script->Deliver(bytes.substr(0, size));
        bytes.erase(0, size);
      }
    };
    script->ExpectWrite(GreetingWithPassword());
    cut(Bytes({5, 2}));
    script->ExpectWrite(UserAndPass());
    cut(Bytes({1, 0}));
    script->ExpectWrite(RequestByName());
    cut(Bytes({5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9}) + "rest");
    Socks5Address bound;
    ASSERT_THAT(Connect(script.get(), true, &bound), IsOk());
    EXPECT_TRUE(bound == *Socks5AddressOf("::1", 9));
    std::string rest(4, ' ');
    const IoSpan span(rest.data(), rest.size());
    EXPECT_THAT(script->Read(absl::MakeConstSpan(&span, 1), Soon()), IsOk());
    EXPECT_EQ(rest, "rest");
  }
}

TEST_F(Socks5Test, EachReplyCode) {
  for (int code = 1; code <= 255; ++code) {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(GreetingAlone())
        .Deliver(Bytes({5, 0}))
        .ExpectWrite(RequestByName())
        .Deliver(AddressBytes(code));
    Socks5Address bound;
    const absl::Status status = Connect(script.get(), false, &bound);
    EXPECT_THAT(status, IsErrno(Socks5ReplyErrno(static_cast<uint8_t>(code)))) << code;
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(bound == Socks5Address());
    EXPECT_FALSE(script->aborted());
  }
}

TEST_F(Socks5Test, MethodsThatTheProxyMayChoose) {
  for (const bool password : {false, true}) {
    for (int method = 1; method <= 255; ++method) {
      if (password && method == kSocks5MethodUsernamePassword) continue;
      auto script = MakeScripted(&runtime_);
      script->ExpectWrite(password ? GreetingWithPassword() : GreetingAlone())
          .Deliver(Bytes({5, method}));
      EXPECT_THAT(Connect(script.get(), password), IsErrno(method == 255 ? EACCES : EPROTO))
          << method;
    }
  }
}

TEST_F(Socks5Test, PasswordRefused) {
  for (const int answer : {1, 2, 255}) {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(GreetingWithPassword())
        .Deliver(Bytes({5, 2}))
        .ExpectWrite(UserAndPass())
        .Deliver(Bytes({1, answer}));
    EXPECT_THAT(Connect(script.get(), true), IsErrno(EACCES));
  }
}

TEST_F(Socks5Test, ProxyBreaksTheProtocol) {
  {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(GreetingAlone()).Deliver("HTTP/1.1 400 Bad Request\r\n");
    EXPECT_THAT(Connect(script.get()), IsErrno(EPROTO));
  }
  {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(GreetingWithPassword())
        .Deliver(Bytes({5, 2}))
        .ExpectWrite(UserAndPass())
        .Deliver(Bytes({5, 0}));
    EXPECT_THAT(Connect(script.get(), true), IsErrno(EPROTO));
  }
  for (const std::string& reply :
       {Bytes({4, 0, 0, 1, 0, 0, 0, 0, 0, 0}), Bytes({5, 0, 1, 1, 0, 0, 0, 0, 0, 0}),
        Bytes({5, 0, 0, 2, 0, 0, 0, 0, 0, 0}), Bytes({5, 0, 0, 3, 0, 0, 0, 0, 0, 0})}) {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(GreetingAlone())
        .Deliver(Bytes({5, 0}))
        .ExpectWrite(RequestByName())
        .Deliver(reply);
    EXPECT_THAT(Connect(script.get()), IsErrno(EPROTO));
  }
}

TEST_F(Socks5Test, StreamEndsOrBreaks) {
  const std::string answers = Bytes({5, 2, 1, 0}) + AddressBytes(0);
  for (size_t size = 0; size < answers.size(); ++size) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(testing::Message() << size << (reset ? " reset" : " end"));
      auto script = MakeScripted(&runtime_);
      const auto end = [&] { reset ? script->FailRead(ECONNRESET) : script->End(); };
      script->ExpectWrite(GreetingWithPassword());
      if (size > 0) script->Deliver(answers.substr(0, std::min(size, size_t{2})));
      if (size < 2) {
        end();
      } else {
        script->ExpectWrite(UserAndPass());
        if (size > 2) script->Deliver(answers.substr(2, std::min(size - 2, size_t{2})));
        if (size < 4) {
          end();
        } else {
          script->ExpectWrite(RequestByName());
          if (size > 4) script->Deliver(answers.substr(4, size - 4));
          end();
        }
      }
      EXPECT_THAT(Connect(script.get(), true), IsErrno(ECONNRESET));
    }
  }
}

TEST_F(Socks5Test, ClientArguments) {
  auto script = MakeScripted(&runtime_);  // of which nothing is asked
  const std::string longest(255, 'x');
  const std::string longer(256, 'x');
  const std::string nul("a\0b", 3);
  const auto by_name = [&](absl::string_view host, uint16_t port,
                           std::optional<Socks5Credentials> credentials = std::nullopt) {
    return Socks5ConnectByName(script.get(), credentials, host, port, Soon());
  };
  EXPECT_THAT(by_name("", 80), IsErrno(EINVAL));
  EXPECT_THAT(by_name(nul, 80), IsErrno(EINVAL));
  EXPECT_THAT(by_name(longer, 80), IsErrno(EMSGSIZE));
  EXPECT_THAT(by_name("a.example", 0), IsErrno(EINVAL));
  for (const bool in_password : {false, true}) {
    const auto with = [&](absl::string_view text) {
      return in_password ? Socks5Credentials{"user", text} : Socks5Credentials{text, "pass"};
    };
    EXPECT_THAT(by_name("a.example", 80, with("")), IsErrno(EINVAL));
    EXPECT_THAT(by_name("a.example", 80, with(nul)), IsErrno(EINVAL));
    EXPECT_THAT(by_name("a.example", 80, with(longer)), IsErrno(EMSGSIZE));
  }
  EXPECT_THAT(Socks5Connect(script.get(), std::nullopt, *Socks5AddressOf("::1", 0), Soon()),
              IsErrno(EINVAL));
  // At the limit all is well.
  script->ExpectWrite(GreetingWithPassword())
      .Deliver(Bytes({5, 2}))
      .ExpectWrite(Bytes({1, 255}) + longest + Bytes({255}) + longest)
      .Deliver(Bytes({1, 0}))
      .ExpectWrite(Bytes({5, 1, 0, 3, 255}) + longest + Bytes({255, 255}))
      .Deliver(AddressBytes(0));
  EXPECT_THAT(by_name(longest, 65535, Socks5Credentials{longest, longest}), IsOk());
}

TEST_F(Socks5Test, LiteralsAreSentAsAddresses) {
  EXPECT_EQ(Socks5AddressOf("127.0.0.1", 1)->type(), Socks5AddressType::kIpv4);
  EXPECT_EQ(Socks5AddressOf("2001:db8::1", 1)->type(), Socks5AddressType::kIpv6);
  EXPECT_EQ(Socks5AddressOf("1111:2222:3333:4444:5555:6666:123.123.123.123", 1)->type(),
            Socks5AddressType::kIpv6);
  for (const absl::string_view name :
       {"127.1", "localhost", "[::1]", "127.0.0.1.", "1.2.3.256", "fe80::1%2"}) {
    EXPECT_EQ(Socks5AddressOf(name, 1)->name(), name);
  }
  EXPECT_EQ(Socks5AddressOf("", 1), std::nullopt);
  EXPECT_EQ(Socks5AddressOf(absl::string_view("127.0.0.1\0", 10), 1), std::nullopt);
}

TEST_F(Socks5Test, OutboundDone) {
  auto script = MakeScripted(&runtime_);
  script->ExpectDone();
  ASSERT_THAT(script->Done(Soon()), IsOk());
  EXPECT_THAT(Connect(script.get()), IsErrno(EPIPE));
  EXPECT_THAT(Socks5SendReply(script.get(), 0, Socks5Address(), Soon()), IsErrno(EPIPE));
}

// Whoever is in the stream already is left alone, and nothing is sent.
TEST_F(Socks5Test, StreamInUse) {
  auto script = MakeScripted(&runtime_);
  script->BlockWrites();
  Bundle bundle(&runtime_);
  ASSERT_EQ(
      Start(&bundle, [&] { EXPECT_THAT(script->Peek(1, Deadline::Never()), IsErrno(ECANCELED)); }),
      0);
  size_t size = 0;
  EXPECT_THAT(Connect(script.get()), IsErrno(EBUSY));
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(EBUSY));
  EXPECT_THAT(AcceptWithPassword(script.get()), IsErrno(EBUSY));
  EXPECT_THAT(Socks5PeekRequest(script.get(), &size, Soon()), IsErrno(EBUSY));
  bundle.CancelAndJoin();
  ASSERT_EQ(Start(&bundle,
                  [&] {
                    const IoSlice slice("x", 1);
                    EXPECT_THAT(
                        script->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()),
                        IsErrno(ECANCELED));
                  }),
            0);
  EXPECT_THAT(Connect(script.get()), IsErrno(EBUSY));
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(EBUSY));
  EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(EBUSY));
  EXPECT_THAT(Socks5SendReply(script.get(), 0, Socks5Address(), Soon()), IsErrno(EBUSY));
  bundle.CancelAndJoin();
  script->UnblockWrites();
}

// ---- Proxy ----

TEST_F(Socks5Test, AcceptsWithoutPassword) {
  auto script = MakeScripted(&runtime_);
  script->Deliver(Bytes({5, 3, 1, 0, 2}) + RequestByName() + "early")
      .ExpectWrite(Bytes({5, 0}))
      .ExpectWrite(Bytes({5, 0, 0, 1, 127, 0, 0, 1, 0, 99}));
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsOk());
  const absl::StatusOr<Socks5Request> request = Socks5ReadRequest(script.get(), Soon());
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->command, kSocks5CommandConnect);
  EXPECT_TRUE(request->address == *Socks5Address::Name("a.example", 443));
  EXPECT_THAT(Socks5SendReply(script.get(), 0, *Socks5AddressOf("127.0.0.1", 99), Soon()), IsOk());
  EXPECT_EQ(script->buffered(), 5u);  // "early" is still there
}

TEST_F(Socks5Test, AcceptsWithPassword) {
  auto script = MakeScripted(&runtime_);
  for (const char byte : GreetingWithPassword()) script->Deliver(absl::string_view(&byte, 1));
  script->ExpectWrite(Bytes({5, 2}));
  for (const char byte : UserAndPass()) script->Deliver(absl::string_view(&byte, 1));
  script->ExpectWrite(Bytes({1, 0}));
  EXPECT_THAT(AcceptWithPassword(script.get()), IsOk());
  EXPECT_EQ(seen_, "user:pass;");
}

TEST_F(Socks5Test, RefusesPassword) {
  auto script = MakeScripted(&runtime_);
  script->Deliver(GreetingWithPassword())
      .ExpectWrite(Bytes({5, 2}))
      .Deliver(UserAndPass())
      .ExpectWrite(Bytes({1, 1}));
  EXPECT_THAT(AcceptWithPassword(script.get(), false), IsErrno(EACCES));
}

TEST_F(Socks5Test, TellsThatNoMethodWillDo) {
  auto script = MakeScripted(&runtime_);
  script->Deliver(Bytes({5, 2, 1, 2})).ExpectWrite(Bytes({5, 255}));
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(EACCES));
  script = MakeScripted(&runtime_);
  script->Deliver(GreetingAlone()).ExpectWrite(Bytes({5, 255}));
  EXPECT_THAT(AcceptWithPassword(script.get()), IsErrno(EACCES));
  EXPECT_EQ(seen_, "");
  // That it cannot be told changes nothing.
  script = MakeScripted(&runtime_);
  script->Deliver(GreetingAlone()).FailWrite(ECONNRESET);
  EXPECT_THAT(AcceptWithPassword(script.get()), IsErrno(EACCES));
}

TEST_F(Socks5Test, ClientBreaksTheProtocol) {
  for (const std::string& greeting : {Bytes({4, 1, 0, 80}), Bytes({5, 0}), std::string("GET /")}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(greeting);
    EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(EPROTO));
  }
  for (const std::string& credentials :
       {Bytes({5, 1}) + "u" + Bytes({1}) + "p", Bytes({1, 0, 1}) + "p",
        Bytes({1, 1}) + "u" + Bytes({0}), Bytes({1, 2}) + "u" + Bytes({0, 1}) + "p"}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(GreetingWithPassword()).ExpectWrite(Bytes({5, 2})).Deliver(credentials);
    EXPECT_THAT(AcceptWithPassword(script.get()), IsErrno(EPROTO));
    EXPECT_EQ(seen_, "");
  }
  for (const std::string& request :
       {Bytes({4, 1, 0, 1, 0}), Bytes({5, 1, 1, 1, 0}), Bytes({5, 1, 0, 3, 0})}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(request);
    EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(EPROTO));
  }
}

// RFC 1928 section 6 has a reply for each of the two.
TEST_F(Socks5Test, TellsWhatIsNotSupported) {
  for (const int command : {0, 4, 255}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(Bytes({5, command, 0, 1, 1, 2, 3, 4, 0, 80}))
        .ExpectWrite(Bytes({5, 7, 0, 1, 0, 0, 0, 0, 0, 0}));
    EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(EPROTO)) << command;
  }
  for (const int type : {0, 2, 5, 255}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(Bytes({5, 1, 0, type, 1, 2, 3, 4, 0, 80}))
        .ExpectWrite(Bytes({5, 8, 0, 1, 0, 0, 0, 0, 0, 0}));
    EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(EPROTO)) << type;
  }
}

TEST_F(Socks5Test, EachCommand) {
  for (const int command : {1, 2, 3}) {
    auto script = MakeScripted(&runtime_);
    script->Deliver(Bytes({5, command, 0, 1, 1, 2, 3, 4, 0, 0}));
    const absl::StatusOr<Socks5Request> request = Socks5ReadRequest(script.get(), Soon());
    ASSERT_THAT(request, IsOk());
    EXPECT_EQ(request->command, command);
  }
}

TEST_F(Socks5Test, ClientGoesAway) {
  auto script = MakeScripted(&runtime_);
  script->End();
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(EPIPE));
  script = MakeScripted(&runtime_);
  script->Deliver(Bytes({5})).End();
  EXPECT_THAT(Socks5Accept(script.get(), Soon()), IsErrno(ECONNRESET));
  script = MakeScripted(&runtime_);
  script->Deliver(GreetingWithPassword()).ExpectWrite(Bytes({5, 2})).End();
  EXPECT_THAT(AcceptWithPassword(script.get()), IsErrno(ECONNRESET));
  script = MakeScripted(&runtime_);
  script->End();
  EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(EPIPE));
  script = MakeScripted(&runtime_);
  script->Deliver(Bytes({5, 1, 0, 1, 127})).End();
  EXPECT_THAT(Socks5ReadRequest(script.get(), Soon()), IsErrno(ECONNRESET));
}

TEST_F(Socks5Test, ReplyCodesThatMayBeSent) {
  for (int code = 0; code <= 8; ++code) {
    auto script = MakeScripted(&runtime_);
    script->ExpectWrite(Bytes({5, code, 0, 1, 0, 0, 0, 0, 0, 0}));
    EXPECT_THAT(Socks5SendReply(script.get(), static_cast<uint8_t>(code), Socks5Address(), Soon()),
                IsOk());
  }
  auto script = MakeScripted(&runtime_);
  EXPECT_THAT(Socks5SendReply(script.get(), 9, Socks5Address(), Soon()), IsErrno(EINVAL));
  EXPECT_THAT(Socks5SendReply(script.get(), 255, Socks5Address(), Soon()), IsErrno(EINVAL));
}

// A request that has not come yet, or in part, is there for the next call.
TEST_F(Socks5Test, ARequestThatIsLate) {
  auto script = MakeScripted(&runtime_);
  for (size_t i = 0; i < RequestByName().size(); ++i) {
    EXPECT_THAT(Socks5ReadRequest(script.get(), Deadline::In(absl::Minutes(1))),
                IsErrno(ETIMEDOUT));
    EXPECT_EQ(script->buffered(), i);
    script->Deliver(RequestByName().substr(i, 1));
  }
  const absl::StatusOr<Socks5Request> request = Socks5ReadRequest(script.get(), Soon());
  ASSERT_THAT(request, IsOk());
  EXPECT_TRUE(request->address == *Socks5Address::Name("a.example", 443));
  EXPECT_EQ(script->buffered(), 0u);
}

TEST_F(Socks5Test, PeekLeavesTheRequest) {
  auto script = MakeScripted(&runtime_);
  script->Deliver(RequestByName() + "x");
  for (int i = 0; i < 2; ++i) {
    size_t size = 0;
    const absl::StatusOr<Socks5Request> request = Socks5PeekRequest(script.get(), &size, Soon());
    ASSERT_THAT(request, IsOk());
    EXPECT_EQ(size, RequestByName().size());
    EXPECT_EQ(script->buffered(), size + 1);
  }
}

// ---- Both sides ----

struct TalkResult {
  absl::Status client;
  absl::Status proxy;
};

// One coroutine is the proxy, this one the client; then a byte goes each way.
class Socks5TalkTest : public Socks5Test {
 protected:
  absl::Status Proxy(Bytestream* stream, bool password) {
    absl::Status status = password ? AcceptWithPassword(stream) : Socks5Accept(stream, Soon());
    if (!status.ok()) return status;
    const absl::StatusOr<Socks5Request> request = Socks5ReadRequest(stream, Soon());
    if (!request.ok()) return request.status();
    EXPECT_TRUE(request->address == *Socks5Address::Name("a.example", 443));
    status = Socks5SendReply(stream, 0, *Socks5AddressOf("::1", 7), Soon());
    return status.ok() ? SendByte(stream, 'p') : status;
  }

  absl::Status SendByte(Bytestream* stream, char byte) {
    const IoSlice slice(&byte, 1);
    return stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon());
  }

  // With a fault, its waits are those of one side, which begins. Whoever fails breaks the stream.
  TalkResult Talk(Bytestream* client, Bytestream* proxy, bool password, WaitFault* fault = nullptr,
                  bool client_begins = false) {
    TalkResult result;
    const auto run = [&](bool as_client) {
      if (fault != nullptr && as_client == client_begins) fault->set_only(runtime_.current());
      absl::Status& status = as_client ? result.client : result.proxy;
      Bytestream* const stream = as_client ? client : proxy;
      status = as_client ? Connect(stream, password) : Proxy(stream, password);
      if (!status.ok()) stream->Abort();
    };
    Bundle bundle(&runtime_);
    EXPECT_EQ(Start(&bundle, [&] { run(client_begins); }), 0);
    EXPECT_EQ(Start(&bundle, [&] { run(!client_begins); }), 0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    return result;
  }

  // Ends each wait of one side with each errno. It tells that, and the other side learns that it is
  // alone.
  void Sweep(bool client_fails) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        auto [client, proxy] = MakePair(&runtime_);
        const TalkResult result = Talk(client.get(), proxy.get(), true, &fault, client_fails);
        const absl::Status& own = client_fails ? result.client : result.proxy;
        const absl::Status& other = client_fails ? result.proxy : result.client;
        EXPECT_THAT(own, IsErrno(fault.hit() ? error : 0));
        EXPECT_EQ(other.ok(), !fault.hit());
      });
      EXPECT_GE(waits, 3);
    }
  }
};

TEST_F(Socks5TalkTest, OverChoppyPairs) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    for (const bool password : {false, true}) {
      auto [a, b] = MakePair(&runtime_);
      ChoppyBytestream client(std::move(a), seed);
      ChoppyBytestream proxy(std::move(b), seed + 1000);
      const TalkResult result = Talk(&client, &proxy, password);
      EXPECT_THAT(result.client, IsOk());
      EXPECT_THAT(result.proxy, IsOk());
      char byte = 0;
      const IoSpan span(&byte, 1);
      EXPECT_THAT(client.Read(absl::MakeConstSpan(&span, 1), Soon()), IsOk());
      EXPECT_EQ(byte, 'p');
    }
  }
}

TEST_F(Socks5TalkTest, ClientTimesOutOrIsCancelledAtEachWait) { Sweep(true); }

TEST_F(Socks5TalkTest, ProxyTimesOutOrIsCancelledAtEachWait) { Sweep(false); }

// Whichever call of the stream fails, its errno is what is told, and nothing else is done.
TEST_F(Socks5TalkTest, EachCallFails) {
  for (const int error : {ECONNRESET, ENOBUFS, ENOMEM, EMFILE, EHOSTUNREACH, EPIPE}) {
    for (const bool in_client : {false, true}) {
      const int calls = SweepFaults(error, [&](FaultPlan& plan) {
        auto [a, b] = MakePair(&runtime_);
        FaultPlan never(-1, 0);
        FaultBytestream client(std::move(a), in_client ? &plan : &never);
        FaultBytestream proxy(std::move(b), in_client ? &never : &plan);
        const TalkResult result = Talk(&client, &proxy, true);
        const absl::Status& own = in_client ? result.client : result.proxy;
        const absl::Status& other = in_client ? result.proxy : result.client;
        EXPECT_THAT(own, IsErrno(plan.hit() ? error : 0));
        // The proxy's last call is behind the talk.
        if (in_client || !plan.hit()) {
          EXPECT_EQ(other.ok(), !plan.hit());
        }
      });
      EXPECT_GE(calls, 6);
    }
  }
}

// Writes that are blocked: nothing has left, so that is an error and no tail.
TEST_F(Socks5Test, WritesThatBlock) {
  for (int at = 0; at < 3; ++at) {
    auto script = MakeScripted(&runtime_);
    if (at == 0) script->BlockWrites();
    if (at > 0) script->ExpectWrite(GreetingWithPassword()).Deliver(Bytes({5, 2}));
    if (at == 1) script->BlockWrites();
    if (at > 1) script->ExpectWrite(UserAndPass()).Deliver(Bytes({1, 0})).BlockWrites();
    EXPECT_THAT(Connect(script.get(), true), IsErrno(ETIMEDOUT)) << at;
    EXPECT_EQ(script->tail_size(), 0u);
    script->UnblockWrites();
  }
  auto script = MakeScripted(&runtime_);
  script->BlockWrites();
  EXPECT_THAT(Socks5SendReply(script.get(), 0, Socks5Address(), Soon()), IsErrno(ETIMEDOUT));
  script->UnblockWrites().ExpectWrite(Bytes({5, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_THAT(Socks5SendReply(script.get(), 0, Socks5Address(), Soon()), IsOk());
}

TEST_F(Socks5Test, AbortedDuringTheTalk) {
  const std::pair<BytestreamPtr, BytestreamPtr> ends = MakePair(&runtime_);
  Bytestream* const client = ends.first.get();
  Bundle bundle(&runtime_);
  ASSERT_EQ(Start(&bundle, [&] { EXPECT_THAT(Connect(client), IsErrno(EBADF)); }), 0);
  client->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

}  // namespace
}  // namespace halfpipe
