// Every system call and every request for memory of a client fails, those of OpenSSL too: Connect(),
// or what is done with its Stream, tells an errno that the headers name, nothing is left, and the
// client is of use afterwards.
//
// The server has a thread of its own, in which nothing fails.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/openssl_memory.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/tls/tls_context.h"
#include "gtest/gtest.h"
#include "websocket/client.h"
#include "websocket/reconnecting_client.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

// It makes thousands, of which one in so many fails.
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr int kTlsStride = 97;
#else
constexpr int kTlsStride = 11;
#endif

Deadline InTime() { return Deadline::In(absl::Seconds(30)); }

// What a connection goes through, and none of it.
enum class Stage { kNone, kConnect, kSend, kReceive, kClose };
constexpr Stage kStages[] = {Stage::kConnect, Stage::kSend, Stage::kReceive, Stage::kClose};

using StageCallback = std::function<void(Stage)>;

// What came of a connection: the stage that failed, if one did, and with what.
struct Outcome {
  Stage failed = Stage::kNone;
  int error = 0;
  std::string message;
};

// Sends everybody on to where there is an echo.
Handler Elsewhere() {
  Handler handler;
  handler.on_upgrade = [](const UpgradeRequest&) {
    UpgradeDecision decision = UpgradeDecision::Refuse(302, "it has moved\n");
    decision.fields.push_back({"Location", "/new"});
    return decision;
  };
  return handler;
}

struct Way {
  const char* name;
  const char* url;  // $ for the port or the path
  int redirects;
};

std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }

class ClientFaultTest : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    const TestCerts& certs = TestCerts::Get();
    TlsServerOptions server_options;
    server_options.identity.certificates.text = certs.server.certificate;
    server_options.identity.key.text = certs.server.key;
    auto server_tls = TlsContext::ForServer(server_options);
    TlsClientOptions client_options;
    client_options.trust.text = certs.ca.certificate;
    auto client_tls = TlsContext::ForClient(client_options);
    ASSERT_TRUE(server_tls.ok() && client_tls.ok());
    server_tls_ = *std::move(server_tls);
    client_tls_ = *std::move(client_tls);
    server_ = std::make_unique<Server>();
    server_->Handle("/old", Elsewhere());
    Handler echo = EchoHandler();
    echo.options.deflate.enabled = true;
    server_->Handle("/new", std::move(echo));
    std::string place = UniqueName("@halfpipe-client-fault-test-");
    if (absl::string_view(GetParam().name) == "Unix") {
      ASSERT_TRUE(server_->ListenUnix(place).ok());
    } else {
      const bool tls = absl::string_view(GetParam().name) == "Tls";
      const auto address = server_->ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0),
                                              tls ? server_tls_.get() : nullptr);
      ASSERT_TRUE(address.ok()) << address.status();
      place = absl::StrCat(address->port());
    }
    ASSERT_TRUE(server_->Start().ok());
    url_ = GetParam().url;
    url_.replace(url_.find('$'), 1, place);
    // So that all that the server keeps is there.
    Runtime runtime;
    Client client = MakeClient(&runtime);
    ASSERT_EQ(Live(&client, [](Stage) {}).message, "");
    AwaitIdleServer(&runtime);
  }

  void TearDown() override {
    server_->Stop();
    EXPECT_EQ(server_->counts().connections, 0u);
  }

  Client MakeClient(Runtime* runtime) {
    auto resolver = std::make_unique<FakeResolver>(runtime);
    resolver->Say("server.test", IpFamily::kIpv4, {.addresses = {"127.0.0.1"}});
    SetRuntimeResolver(runtime, std::move(resolver));
    ClientOptions options;
    options.redirects_max = 1;
    options.tls = client_tls_.get();
    options.stream.deflate.enabled = true;
    return Client(runtime, std::move(options));
  }

  void AwaitIdleServer(Runtime* runtime) {
    while (server_->counts().connections != 0) {
      ASSERT_EQ(runtime->SleepUntil(Deadline::In(absl::Microseconds(100))), 0);
    }
  }

  // One connection; `at` is told of each stage.
  Outcome Live(Client* client, const StageCallback& at) {
    const auto failed = [](Stage where, const absl::Status& status) {
      return Outcome{where, StatusErrno(status), std::string(status.message())};
    };
    at(Stage::kConnect);
    const auto stream = client->Connect(url_, InTime());
    if (!stream.ok()) return failed(Stage::kConnect, stream.status());
    EXPECT_EQ(client->response().redirects, GetParam().redirects);
    const std::string text(1000, 'x');
    at(Stage::kSend);
    absl::Status status = (*stream)->SendText(text, InTime());
    if (!status.ok()) return failed(Stage::kSend, status);
    at(Stage::kReceive);
    const auto message = (*stream)->ReceiveView(InTime());
    if (!message.ok()) return failed(Stage::kReceive, message.status());
    EXPECT_TRUE(message->has_value() && (*message)->text() == text);
    at(Stage::kClose);
    status = (*stream)->Close(1000, "", InTime());
    if (!status.ok()) return failed(Stage::kClose, status);
    return {};
  }

  // One connection of whose stages `at` is told, and another one; looks at what is left. Returns
  // what came of the first one.
  Outcome LiveTwice(const StageCallback& at) {
    at(Stage::kNone);
    const std::set<std::string> before = OpenDescriptors();
    Outcome outcome;
    {
      Runtime runtime;
      Client client = MakeClient(&runtime);
      outcome = Live(&client, at);
      at(Stage::kNone);
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
      const Outcome again = Live(&client, [](Stage) {});
      EXPECT_EQ(again.error, 0) << again.message;
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
      // Connections are accepted in their order, so by now the server has had all of them.
      AwaitIdleServer(&runtime);
    }
    EXPECT_EQ(OpenDescriptors(), before);
    return outcome;
  }

  std::unique_ptr<TlsContext> server_tls_;
  std::unique_ptr<TlsContext> client_tls_;
  std::unique_ptr<Server> server_;
  std::string url_;
};

INSTANTIATE_TEST_SUITE_P(Ways, ClientFaultTest,
                         testing::Values(Way{"Tcp", "ws://server.test:$/old", 1},
                                         Way{"Tls", "wss://localhost:$/old", 1},
                                         Way{"Unix", "ws+unix:$:/new", 0}),
                         [](const testing::TestParamInfo<Way>& info) { return info.param.name; });

// What a connection may come to where that call has failed; 0: nothing has changed.
std::set<int> Expected(const SyscallFault& fault) {
  if (!fault.hit() || fault.error() == EINTR) return {0};
  switch (fault.call()) {
    case Syscall::kSocket:
    case Syscall::kConnect:
    case Syscall::kGetsockopt:
      // Not where it was of an address that is not the only one, or only asked for its source.
      return {0, fault.error()};
    case Syscall::kSendmsg:
    case Syscall::kRecvmsg:
      // Not in the content of an answer that redirects, nor in what TLS says at its end.
      return {0, fault.error(), ECONNRESET};
    case Syscall::kShutdown:
      return {0, ECONNRESET};
    case Syscall::kMmap:
      return {0, ENOMEM};
    case Syscall::kEpollCreate1:
    case Syscall::kEpollCtl:
    case Syscall::kEventfd:
      return {0, fault.error() == ENODEV ? ENOMEM : fault.error()};
    default:
      return {0};
  }
}

TEST_P(ClientFaultTest, EachSystemCallFails) {
  int calls = 0;
  int runs = 0;
  int lived = 0;
  std::map<Stage, int> failed;
  const auto sweep = [&](Stage stage, SyscallSet set) {
    calls += SweepSyscalls(set, [&](SyscallFault& fault) {
      const Outcome outcome = LiveTwice([&](Stage now) { fault.set_armed(now == stage); });
      EXPECT_EQ(Expected(fault).count(outcome.error), 1u)
          << "errno " << outcome.error << ", " << outcome.message;
      // TLS keeps what it has encrypted, and sends it once there is room for it.
      if (stage == Stage::kSend && fault.call() == Syscall::kSendmsg &&
          !IsShortage(fault.error())) {
        EXPECT_EQ(outcome.error == 0, fault.error() == EINTR);
      }
      ++runs;
      if (outcome.error == 0) {
        ++lived;
      } else {
        ++failed[outcome.failed];
      }
    });
  };
  // How often the client has to wait depends on the server's thread. So that no call is passed over
  // for that, each stage begins to count anew, and in the longest one each kind counts by itself.
  for (int kind = 0; kind < kSyscallCount && !HasFailure(); ++kind) {
    sweep(Stage::kConnect, {static_cast<Syscall>(kind)});
  }
  for (const Stage stage : kStages) {
    if (stage != Stage::kConnect && !HasFailure()) sweep(stage, SyscallSet());
  }
  // The answer may be there before it is waited for, or not.
  if (!HasFailure()) sweep(Stage::kReceive, {Syscall::kRecvmsg});
  std::printf("%d system calls, %d runs, %d of them to the end\n", calls, runs, lived);
  EXPECT_GE(calls, 10);
  EXPECT_GT(lived, 0);
  for (const Stage stage : kStages) EXPECT_GT(failed[stage], 0) << static_cast<int>(stage);
}

TEST_P(ClientFaultTest, EachRequestForMemoryFails) {
  HALFPIPE_CHECK(kOpenSslIsOurs);
  const bool tls = absl::string_view(GetParam().name) == "Tls";
  // OpenSSL does not always say that it was memory, nor a Close what its end could not be sent for.
  const auto expected = [tls](const Outcome& outcome) {
    if (outcome.error == ENOMEM) return true;
    if (!tls) return false;
    if (outcome.failed == Stage::kClose && outcome.error == ECONNRESET) return true;
    return outcome.error == EINVAL || outcome.error == EACCES || outcome.error == EPROTO;
  };
  std::map<Stage, int> failed;
  std::map<int, int> told;
  bool hit = true;
  int nth = 0;
  for (; hit && !HasFailure(); nth += tls ? kTlsStride : 1) {
    SCOPED_TRACE(testing::Message() << "request for memory " << nth << " fails");
    AllocationFault fault(nth);
    const Outcome outcome = LiveTwice([&](Stage now) { fault.set_armed(now != Stage::kNone); });
    hit = fault.hit();
    EXPECT_TRUE(outcome.error == 0 || (hit && expected(outcome)))
        << "errno " << outcome.error << ", " << outcome.message;
    if (outcome.error != 0) ++failed[outcome.failed];
    ++told[outcome.error];
  }
  std::printf("about %d requests for memory.", nth);
  for (const auto& [error, count] : told) std::printf(" errno %d: %d.", error, count);
  std::printf("\n");
  EXPECT_GE(nth, tls ? 1000 : 3);
  EXPECT_GT(told[ENOMEM], 1);
  if (tls) {
    EXPECT_GT(failed[Stage::kConnect], 0);
    return;
  }
  EXPECT_GT(failed[Stage::kReceive], 0);  // what inflates
  EXPECT_EQ(failed[Stage::kSend], 0);     // sent as it is, then
}

// Without a stack for an attempt another one is made later, and not when some former answer said.
TEST(ReconnectingClientFaultTest, WithoutAStackItTriesAgain) {
  FdLeakCheck leaks;
  SimRuntime runtime;
  Server server(&runtime, {});
  bool busy = true;
  Handler handler = EchoHandler();
  handler.on_upgrade = [&](const UpgradeRequest&) {
    if (!std::exchange(busy, false)) return UpgradeDecision::Accept();
    UpgradeDecision decision = UpgradeDecision::Refuse(503, "busy\n");
    decision.fields.push_back({"Retry-After", "1000"});
    return decision;
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  ClientOptions options;
  options.dial = [&](absl::string_view, uint16_t, Deadline) -> absl::StatusOr<BytestreamPtr> {
    return ConnectPair(&runtime, &server);
  };
  Bundle sleepers(&runtime);
  std::optional<SyscallFault> fault;
  std::vector<ConnectionEnd> ends;
  std::vector<absl::Duration> pauses;
  ReconnectingClient* self = nullptr;
  ReconnectHandlers handlers;
  handlers.on_open = [&](Stream&) { EXPECT_TRUE(self->Close(1000, "").ok()); };
  handlers.on_end = [&](const ConnectionEnd& end, std::optional<absl::Duration> pause) {
    ends.push_back(end);
    pauses.push_back(pause.value_or(absl::InfiniteDuration()));
    if (ends.size() == 1) {
      // All stacks that there are are taken.
      fault.emplace(SyscallSet{Syscall::kMmap}, 0, ENOMEM);
      fault->FailOn();
      while (sleepers.Go([&] { runtime.SleepUntil(Deadline::Never()); }).ok()) {
      }
    } else {
      fault.reset();
      sleepers.CancelAndJoin();
    }
  };
  ReconnectingClient client(&runtime, "ws://a.example/", std::move(options), {},
                            std::move(handlers));
  self = &client;
  EXPECT_EQ(client.Run(), absl::OkStatus());
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].error, EACCES);
  EXPECT_EQ(ends[0].status, 503);
  EXPECT_GE(pauses[0], absl::Seconds(1000));
  EXPECT_EQ(ends[1].error, ENOMEM);
  EXPECT_EQ(ends[1].status, 0);
  EXPECT_EQ(ends[1].retry_after, std::nullopt);
  EXPECT_LT(pauses[1], absl::Seconds(1000));
  server.Stop();
}

}  // namespace
}  // namespace halfpipe::websocket
