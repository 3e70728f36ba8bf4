// Each errno of tls.h by each of its calls: the forms on storage of the caller fail as the others
// do, and what only a system in trouble or a wicked peer brings about.

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/sockets.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/failing_calls.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/full_table.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

struct Files {
  static const Files& Get() {
    static const Files* const kFiles = new Files;
    return *kFiles;
  }

  const TestCerts& certs = TestCerts::Get();
  const std::string ca = WriteTestFile("errors_ca.pem", certs.ca.certificate);
  const std::string cert = WriteTestFile("errors_cert.pem", certs.server.certificate);
  const std::string key = WriteTestFile("errors_key.pem", certs.server.key);
  const std::string expired_cert = WriteTestFile("errors_old.pem", certs.expired.certificate);
  const std::string expired_key = WriteTestFile("errors_old_key.pem", certs.expired.key);
};

// The attaches; each its own storage, so that several can be there at a time.
struct Attach {
  const char* name;
  bool is_client;
  bool in_callers_storage;
  std::function<int(int s, int64_t deadline)> make;
};

// A server's attach with files of the test's.
int Serve(int s, const std::string& cert, const std::string& key, dill_tls_storage* storage,
          int64_t deadline) {
  if (storage == nullptr) return tls_attach_server(s, cert.c_str(), key.c_str(), deadline);
  return tls_attach_server_mem(s, cert.c_str(), key.c_str(), storage, deadline);
}

std::vector<Attach> Attaches(dill_tls_storage storages[3]) {
  const Files& files = Files::Get();
  return {
      {"tls_attach_client_host", true, false,
       [](int s, int64_t d) { return tls_attach_client_host(s, "localhost", d); }},
      {"tls_attach_client_host_mem", true, true,
       [=](int s, int64_t d) {
         return tls_attach_client_host_mem(s, "localhost", &storages[0], d);
       }},
      {"tls_attach_client", true, false, [](int s, int64_t d) { return tls_attach_client(s, d); }},
      {"tls_attach_client_mem", true, true,
       [=](int s, int64_t d) { return tls_attach_client_mem(s, &storages[1], d); }},
      {"tls_attach_server", false, false,
       [&files](int s, int64_t d) { return Serve(s, files.cert, files.key, nullptr, d); }},
      {"tls_attach_server_mem", false, true,
       [=, &files](int s, int64_t d) { return Serve(s, files.cert, files.key, &storages[2], d); }}};
}

class TlsErrorsTest : public CCallTest {
 protected:
  TlsErrorsTest() { EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0); }
  ~TlsErrorsTest() override { EXPECT_EQ(tls_trust_file(nullptr), 0); }

  void NewPair() { ASSERT_EQ(ipc_pair(s_), 0); }

  // Attaches both ends of a new pair: results, or negative errnos.
  void AttachBoth(const std::function<int(int)>& client, const std::function<int(int)>& server) {
    NewPair();
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { server_ = Outcome(server(s_[1])); }), IsOk());
    client_ = Outcome(client(s_[0]));
    ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  static int Outcome(int result) { return result >= 0 ? result : -errno; }

  dill_tls_storage storages_[3];
  const std::vector<Attach> attaches_ = Attaches(storages_);
  int s_[2] = {-1, -1};
  int client_ = -1;
  int server_ = -1;
};

// ---- Attach ------------------------------------------------------------------------------------

TEST_F(TlsErrorsTest, AttachToWhatWillNotDo) {
  const int b = bundle();
  for (const Attach& attach : attaches_) {
    SCOPED_TRACE(attach.name);
    EXPECT_FAILS(EBADF, attach.make(-1, 0));
    EXPECT_FAILS(ENOTSUP, attach.make(b, 0));
    NewPair();
    {
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(ECANCELED, brecv(s_[0], nullptr, 1, -1)); }),
                  IsOk());
      EXPECT_FAILS(EBUSY, attach.make(s_[0], -1));
      bundle.CancelAndJoin();
    }
    {
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        CancelSelf();
        EXPECT_FAILS(ECANCELED, attach.make(s_[0], -1));
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    }
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    const std::function<void()> peers_and_errors[] = {
        [&] { EXPECT_FAILS(ETIMEDOUT, attach.make(s_[0], 0)); },
        [&] {
          EXPECT_EQ(bsend(s_[1], "no TLS at all, whatever it may be", 33, -1), 0);
          EXPECT_FAILS(EPROTO, attach.make(s_[0], -1));
        },
        [&] {
          EXPECT_EQ(ipc_done(s_[1], -1), 0);
          EXPECT_FAILS(ECONNRESET, attach.make(s_[0], -1));
        }};
    for (const auto& fails : peers_and_errors) {
      NewPair();
      fails();
      EXPECT_FAILS(EBADF, hclose(s_[0]));
      EXPECT_EQ(hclose(s_[1]), 0);
    }
  }
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(TlsErrorsTest, CertificatesAreRefusedByAndToEach) {
  const Files& files = Files::Get();
  for (const Attach& attach : attaches_) {
    SCOPED_TRACE(attach.name);
    if (attach.is_client) {
      AttachBoth(
          [&](int s) { return attach.make(s, -1); },
          [&](int s) { return Serve(s, files.expired_cert, files.expired_key, nullptr, -1); });
      EXPECT_EQ(client_, -EACCES);
    } else {
      AttachBoth([](int s) { return tls_attach_client_host(s, "example.org", -1); },
                 [&](int s) { return attach.make(s, -1); });
      EXPECT_EQ(client_, -EACCES);
    }
    EXPECT_EQ(server_, -EACCES);
  }
}

TEST_F(TlsErrorsTest, FilesOfTheServer) {
  const Files& files = Files::Get();
  const std::string none = WriteTestFile("errors_none.pem", "nothing");
  const std::string missing = none + "x";
  const std::string huge = WriteTestFile("errors_huge.pem", std::string((16 << 20) + 1, '\n'));
  dill_tls_storage* const storages[] = {nullptr, &storages_[2]};
  for (dill_tls_storage* storage : storages) {
    for (const bool cert : {true, false}) {
      const auto expect = [&](int error, const std::string& file) {
        NewPair();
        EXPECT_FAILS(error,
                     Serve(s_[0], cert ? file : files.cert, cert ? files.key : file, storage, -1));
        EXPECT_FAILS(EBADF, hclose(s_[0]));
        EXPECT_EQ(hclose(s_[1]), 0);
      };
      expect(EINVAL, none);
      expect(ENOENT, missing);
      expect(EMSGSIZE, huge);
      // Of read(2), here.
      expect(EISDIR, "/");
    }
  }
  EXPECT_EQ(std::remove(huge.c_str()), 0);
}

// A signal makes nothing fail.
TEST_F(TlsErrorsTest, FilesAreReadInSpiteOfSignals) {
  const Syscall calls[] = {Syscall::kOpen, Syscall::kRead};
  for (const Syscall call : calls) {
    SyscallFault fault({call}, 0, EINTR);
    EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0);
    EXPECT_TRUE(fault.hit());
  }
  for (const Syscall call : calls) {
    SyscallFault fault({call}, 0, EINTR);
    AttachBoth([&](int s) { return attaches_[0].make(s, -1); },
               [&](int s) { return attaches_[4].make(s, -1); });
    EXPECT_TRUE(fault.hit());
    EXPECT_EQ(hclose(client_), 0);
    EXPECT_EQ(hclose(server_), 0);
  }
}

// What waiting in the handshake lacks, and how the connection below breaks: all is closed then.
TEST(TlsWaitingErrorsTest, Attach) {
  EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0);
  dill_tls_storage storages[3];
  for (const Attach& attach : Attaches(storages)) {
    const FailingCall call = {attach.name, FailingCall::Uses::kReceives, nullptr, attach.make,
                              /*closes=*/true};
    ExpectShortages(call);
    ExpectBreaks(call);
  }
  EXPECT_EQ(tls_trust_file(nullptr), 0);
}

// Others have taken every number while the two ends shook hands.
TEST_F(TlsErrorsTest, NoNumberAfterTheHandshake) {
  std::vector<int> results;
  Bundle bundle(&runtime_);
  const auto begin = [&](const Attach& attach, int s) {
    ASSERT_THAT(
        bundle.Go([&results, attach, s] { results.push_back(Outcome(attach.make(s, -1))); }),
        IsOk());
  };
  for (const Attach& attach : attaches_) {
    NewPair();
    // The peer needs another storage than its like.
    begin(attach.is_client ? attach : attaches_[0], s_[0]);
    begin(attach.is_client ? attaches_[4] : attach, s_[1]);
  }
  ASSERT_TRUE(results.empty());
  {
    const EveryNumber all;
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
  int without_number = 0;
  for (const int result : results) {
    // Where the client has gone, the server may see that first.
    EXPECT_TRUE(result == -EMFILE || result == -ECONNRESET) << result;
    without_number += result == -EMFILE ? 1 : 0;
  }
  EXPECT_EQ(results.size(), 12u);
  EXPECT_GE(without_number, 6);
}

TEST_F(TlsErrorsTest, NoMemoryForTheObjectOrItsNumber) {
  struct Ends {
    const Attach* attach;
    int s[2];
  };
  std::vector<Ends> all;
  for (const Attach& attach : attaches_) {
    NewPair();
    all.push_back({&attach, {s_[0], s_[1]}});
    if (attach.in_callers_storage) continue;
    NewPair();
    AllocationFault fault(0);
    EXPECT_FAILS(ENOMEM, attach.make(s_[0], -1));
    EXPECT_TRUE(fault.hit());
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
  }
  AttachBoth([&](int s) { return attaches_[0].make(s, -1); },
             [&](int s) { return attaches_[4].make(s, -1); });
  ASSERT_GT(client_, 0);
  const FullTable full;
  {
    // Everything is there but the number: of the peer's detach, and of ours.
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(ENOMEM, tls_detach(server_, -1)); }), IsOk());
    AllocationFault fault(0);
    fault.FailOn();
    EXPECT_FAILS(ENOMEM, tls_detach(client_, -1));
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(fault.hit());
  }
  for (const int h : {client_, server_}) EXPECT_FAILS(EBADF, hclose(h));
  for (const Ends& ends : all) {
    SCOPED_TRACE(ends.attach->name);
    int results[2] = {0, 0};
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { results[0] = Outcome(ends.attach->make(ends.s[0], -1)); }), IsOk());
    const Attach& peer = ends.attach->is_client ? attaches_[4] : attaches_[0];
    ASSERT_THAT(bundle.Go([&] { results[1] = Outcome(peer.make(ends.s[1], -1)); }), IsOk());
    AllocationFault fault(0);
    fault.FailOn();
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(fault.hit());
    EXPECT_EQ(results[0], -ENOMEM);
    EXPECT_LT(results[1], 0);
  }
}

// ---- Done and detach ---------------------------------------------------------------------------

// A connection over the in-memory pair, with the server's lower end at hand.
class TlsBreachTest : public TlsErrorsTest {
 protected:
  void Connect(const std::function<void(BytestreamPtr)>& serve) {
    auto [a, b] = MakePair(&runtime_);
    BytestreamPtr lower = std::move(b);
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { serve(std::move(lower)); }), IsOk());
    client_ = tls_attach_client_host(StreamHandle::Make(std::move(a)), "localhost", -1);
    ASSERT_GT(client_, 0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  // Once a receive has met it, everything says so.
  void ExpectEverywhere(int error) {
    EXPECT_FAILS(error, brecv(client_, nullptr, 1, -1));
    EXPECT_FAILS(error, bsend(client_, "x", 1, -1));
    EXPECT_FAILS(error, tls_done(client_, -1));
    EXPECT_FAILS(error, tls_detach(client_, -1));
    EXPECT_FAILS(EBADF, hclose(client_));
  }
};

TEST_F(TlsBreachTest, GarbageIsABreachOfTheProtocol) {
  const std::string garbage = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  for (const bool received_before : {false, true}) {
    Bytestream* lower = nullptr;
    Connect([&](BytestreamPtr b) {
      lower = b.get();
      server_ =
          Serve(StreamHandle::Make(std::move(b)), Files::Get().cert, Files::Get().key, nullptr, -1);
    });
    const IoSlice slice(garbage);
    EXPECT_THAT(lower->WriteTail(absl::MakeConstSpan(&slice, 1)), IsOk());
    if (received_before) {
      ExpectEverywhere(EPROTO);
    } else {
      EXPECT_EQ(tls_done(client_, -1), 0);
      EXPECT_FAILS(EPROTO, tls_detach(client_, -1));
      EXPECT_FAILS(EBADF, hclose(client_));
    }
    EXPECT_EQ(hclose(server_), 0);
  }
}

// A server that asks for a certificate, which the C calls have none to show.
TEST_F(TlsBreachTest, AServerThatRefusesUs) {
  TlsServerOptions options = TestServerOptions();
  options.client_trust.text = TestCerts::Get().ca.certificate;
  const auto demanding = MakeServerContext(options);
  for (const bool received_before : {false, true}) {
    std::unique_ptr<TlsStream> server;
    Connect([&](BytestreamPtr b) {
      server = std::make_unique<TlsStream>(&runtime_, std::move(b));
      EXPECT_THAT(server->Handshake(*demanding, "", Deadline::Never()), IsErrno(EACCES));
    });
    if (received_before) {
      ExpectEverywhere(EACCES);
    } else {
      EXPECT_EQ(tls_done(client_, -1), 0);
      EXPECT_FAILS(EACCES, tls_detach(client_, -1));
      EXPECT_FAILS(EBADF, hclose(client_));
    }
  }
}

// What sending the record that ends the stream may break with, and what it lacks for a moment.
TEST_F(TlsErrorsTest, DoneOverABrokenNetwork) {
  for (const int error : {ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED,
                          ECONNREFUSED, EACCES, EPERM, EIO}) {
    SCOPED_TRACE(error);
    for (const bool detach : {false, true}) {
      AttachBoth([&](int s) { return attaches_[0].make(s, -1); },
                 [&](int s) { return attaches_[4].make(s, -1); });
      ASSERT_GT(client_, 0);
      const bool network = error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN ||
                           error == ECONNABORTED;
      {
        SyscallFault fault({Syscall::kSendmsg}, 0, error);
        // EACCES would be a certificate's.
        EXPECT_FAILS(network ? error : ECONNRESET,
                     detach ? tls_detach(client_, -1) : tls_done(client_, -1));
        EXPECT_TRUE(fault.hit());
      }
      if (!detach) {
        EXPECT_FAILS(network ? error : ECONNRESET, tls_done(client_, -1));
        EXPECT_EQ(hclose(client_), 0);
      }
      EXPECT_FAILS(EBADF, hclose(client_));
      EXPECT_EQ(hclose(server_), 0);
    }
  }
}

TEST_F(TlsErrorsTest, DetachOverABrokenNetwork) {
  for (const int error : {ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED,
                          ECONNREFUSED, EPERM, EIO, ENOMEM, ENOBUFS}) {
    SCOPED_TRACE(error);
    AttachBoth([&](int s) { return attaches_[0].make(s, -1); },
               [&](int s) { return attaches_[4].make(s, -1); });
    ASSERT_GT(client_, 0);
    {
      SyscallFault fault({Syscall::kRecvmsg}, 0, error);
      EXPECT_FAILS(error, tls_detach(client_, -1));
      EXPECT_TRUE(fault.hit());
    }
    EXPECT_FAILS(EBADF, hclose(client_));
    EXPECT_EQ(hclose(server_), 0);
  }
}

// Over TCP what a wait needs has been there since the handshake; another stream may want it later.
class WantingStream final : public ForwardingBytestream {
 public:
  using ForwardingBytestream::ForwardingBytestream;

  void set_error(int error) { error_ = error; }

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    if (error_ != 0) return ErrnoStatus(error_, "wanted by a test");
    return ForwardingBytestream::Peek(min, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    if (error_ != 0) return ErrnoStatus(error_, "wanted by a test");
    return ForwardingBytestream::WriteTail(slices);
  }

 private:
  int error_ = 0;
};

TEST_F(TlsErrorsTest, EndsThatLackSomething) {
  for (int i = 0; i < 10; ++i) {
    const int error = std::array{EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC}[i / 2];
    SCOPED_TRACE(error);
    auto [a, b] = MakePair(&runtime_);
    auto* const lower = new WantingStream(std::move(a));
    s_[0] = StreamHandle::Make(BytestreamPtr(lower));
    s_[1] = StreamHandle::Make(std::move(b));
    {
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] { server_ = attaches_[4].make(s_[1], -1); }), IsOk());
      client_ = attaches_[0].make(s_[0], -1);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    }
    ASSERT_GT(client_, 0);
    if (i % 2 == 0) {
      // After its own end it has only to receive.
      EXPECT_EQ(tls_done(client_, -1), 0);
      lower->set_error(error);
      EXPECT_FAILS(error, brecv(client_, nullptr, 1, -1));
      EXPECT_FAILS(error, tls_detach(client_, -1));
      EXPECT_FAILS(EBADF, hclose(client_));
    } else {
      // A record that does not leave breaks the connection: OpenSSL has made it once for all.
      lower->set_error(error);
      EXPECT_FAILS(ECONNRESET, tls_done(client_, -1));
      EXPECT_FAILS(ECONNRESET, bsend(client_, "x", 1, -1));
      EXPECT_EQ(hclose(client_), 0);
    }
    EXPECT_EQ(hclose(server_), 0);
  }
}

// The number of the handle that goes is free for the one that comes, so it cannot be missing.
TEST_F(TlsErrorsTest, DetachNeedsNoFurtherNumber) {
  AttachBoth([&](int s) { return attaches_[0].make(s, -1); },
             [&](int s) { return attaches_[4].make(s, -1); });
  ASSERT_GT(client_, 0);
  {
    const EveryNumber all;
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { server_ = tls_detach(server_, -1); }), IsOk());
    client_ = tls_detach(client_, -1);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
  EXPECT_EQ(hclose(client_), 0);
  EXPECT_EQ(hclose(server_), 0);
}

}  // namespace
}  // namespace halfpipe
