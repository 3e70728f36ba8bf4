#include "bytestream/tls/tls.h"

#include <cerrno>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "bytestream/base/deadline.h"
#include "bytestream/libdillimpl.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/user_protocol.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

struct Files {
  static const Files& Get() {
    static const Files* const kFiles = new Files;
    return *kFiles;
  }

  const TestCerts& certs = TestCerts::Get();
  const std::string ca = WriteTestFile("ca.pem", certs.ca.certificate);
  const std::string other_ca = WriteTestFile("other_ca.pem", certs.other_ca.certificate);
  const std::string cert = WriteTestFile("cert.pem", certs.server.certificate);
  const std::string key = WriteTestFile("key.pem", certs.server.key);
  const std::string expired_cert = WriteTestFile("expired.pem", certs.expired.certificate);
  const std::string expired_key = WriteTestFile("expired_key.pem", certs.expired.key);
};

class TlsCallsTest : public CCallTest {
 protected:
  TlsCallsTest() {
    EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0);
    NewPair();
  }

  ~TlsCallsTest() override { EXPECT_EQ(tls_trust_file(nullptr), 0); }

  void NewPair() { ASSERT_EQ(ipc_pair(s_), 0); }

  // Attaches both ends: what each call gives, as a handle or a negative errno.
  void Attach(const std::function<int(int)>& client, const std::function<int(int)>& server) {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { server_ = Outcome(server(s_[1])); }), IsOk());
    client_ = Outcome(client(s_[0]));
    ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  void Attach() { Attach(ByHost("localhost"), Server(Files::Get().cert, Files::Get().key)); }

  static int Outcome(int result) { return result >= 0 ? result : -errno; }
  static std::function<int(int)> ByHost(const char* host) {
    return [=](int s) { return tls_attach_client_host(s, host, -1); };
  }
  static std::function<int(int)> Server(const std::string& cert, const std::string& key) {
    return [=](int s) { return tls_attach_server(s, cert.c_str(), key.c_str(), -1); };
  }

  void CloseBoth() {
    EXPECT_EQ(hclose(client_), 0);
    EXPECT_EQ(hclose(server_), 0);
  }

  int s_[2] = {-1, -1};
  int client_ = -1;
  int server_ = -1;
};

TEST_F(TlsCallsTest, CarriesBytesAndIsTakenOff) {
  Attach();
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  EXPECT_FAILS(EBADF, hclose(s_[0]));  // That number is dead.
  char buffer[8] = {};
  EXPECT_EQ(bsend(client_, "hello", 5, -1), 0);
  EXPECT_EQ(brecv(server_, buffer, 5, -1), 0);
  EXPECT_STREQ(buffer, "hello");
  // Any bytestream's face, for protocols of the user's own.
  auto* const face = static_cast<bsock_vfs*>(hquery(client_, bsock_type));
  ASSERT_NE(face, nullptr);
  EXPECT_EQ(tls_done(client_, -1), 0);
  EXPECT_FAILS(EPIPE, tls_done(client_, -1));
  EXPECT_FAILS(EPIPE, bsend(client_, "x", 1, -1));
  EXPECT_FAILS(EPIPE, brecv(server_, buffer, 1, -1));
  EXPECT_EQ(bsend(server_, "back", 4, -1), 0);
  EXPECT_EQ(brecv(client_, buffer, 4, -1), 0);
  Bundle bundle(&runtime_);
  int server = -1;
  ASSERT_THAT(bundle.Go([&] { server = tls_detach(server_, -1); }), IsOk());
  const int client = tls_detach(client_, -1);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  ASSERT_GT(client, 0);
  ASSERT_GT(server, 0);
  EXPECT_EQ(bsend(client, "plain", 5, -1), 0);
  EXPECT_EQ(brecv(server, buffer, 5, -1), 0);
  EXPECT_STREQ(buffer, "plain");
  EXPECT_FAILS(EBADF, tls_done(client_, -1));
  EXPECT_FAILS(ENOTSUP, tls_done(client, -1));
  EXPECT_FAILS(EBADF, tls_detach(client_, -1));
  EXPECT_FAILS(ENOTSUP, tls_detach(client, -1));
  EXPECT_EQ(hclose(client), 0);
  EXPECT_EQ(hclose(server), 0);
}

TEST_F(TlsCallsTest, LivesInMemoryOfTheCaller) {
  tls_storage storage[2];
  Attach([&](int s) { return tls_attach_client_host_mem(s, "127.0.0.1", &storage[0], -1); },
         [&](int s) {
           return tls_attach_server_mem(s, Files::Get().cert.c_str(), Files::Get().key.c_str(),
                                        &storage[1], -1);
         });
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  CloseBoth();
  NewPair();
  Attach([&](int s) { return tls_attach_client_mem(s, &storage[0], -1); },
         Server(Files::Get().cert, Files::Get().key));
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  CloseBoth();
}

TEST_F(TlsCallsTest, ClientsVerify) {
  Attach(ByHost("example.org"), Server(Files::Get().cert, Files::Get().key));
  EXPECT_EQ(client_, -EACCES);
  EXPECT_EQ(server_, -EACCES);
  NewPair();
  Attach(ByHost("localhost"), Server(Files::Get().expired_cert, Files::Get().expired_key));
  EXPECT_EQ(client_, -EACCES);
  NewPair();
  Attach([](int s) { return tls_attach_client(s, -1); },
         Server(Files::Get().expired_cert, Files::Get().expired_key));
  EXPECT_EQ(client_, -EACCES);
  EXPECT_EQ(tls_trust_file(Files::Get().other_ca.c_str()), 0);
  NewPair();
  Attach();
  EXPECT_EQ(client_, -EACCES);
  // The system's roots know nothing of ours.
  EXPECT_EQ(tls_trust_file(nullptr), 0);
  NewPair();
  Attach();
  EXPECT_EQ(client_, -EACCES);
}

TEST_F(TlsCallsTest, WithoutTrustThereIsNoClientWithoutName) {
  EXPECT_EQ(tls_trust_file(nullptr), 0);
  EXPECT_FAILS(EACCES, tls_attach_client(s_[0], -1));
  // Nothing was sent, and it is closed.
  char byte;
  EXPECT_FAILS(EPIPE, brecv(s_[1], &byte, 1, -1));
  EXPECT_EQ(hclose(s_[1]), 0);
}

TEST_F(TlsCallsTest, TrustStaysAsItIsWhenItCannotBeSet) {
  const std::string no_pem = WriteTestFile("none.pem", "nothing");
  const std::string huge = WriteTestFile("huge.pem", std::string((size_t{16} << 20) + 1, '\n'));
  EXPECT_FAILS(EINVAL, tls_trust_file(no_pem.c_str()));
  EXPECT_FAILS(EMSGSIZE, tls_trust_file(huge.c_str()));
  EXPECT_EQ(std::remove(huge.c_str()), 0);
  EXPECT_FAILS(ENOENT, tls_trust_file((no_pem + "x").c_str()));
  Attach();
  ASSERT_GT(client_, 0);
  CloseBoth();
}

// Trust is the process's, whichever thread sets and uses it, and may change at any time.
TEST_F(TlsCallsTest, ThreadsShareTheTrust) {
  std::thread setter([] {
    for (int i = 0; i < 200; ++i) EXPECT_EQ(tls_trust_file(Files::Get().ca.c_str()), 0);
  });
  for (int i = 0; i < 5; ++i) {
    Attach();
    ASSERT_GT(client_, 0);
    ASSERT_GT(server_, 0);
    CloseBoth();
    NewPair();
  }
  setter.join();
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_EQ(hclose(s_[1]), 0);
}

TEST_F(TlsCallsTest, BadArgumentsCloseTheStream) {
  const char* const cert = Files::Get().cert.c_str();
  const char* const key = Files::Get().key.c_str();
  const std::string no_pem = WriteTestFile("none.pem", "nothing");
  const std::string missing = no_pem + "x";
  const std::function<int(int)> invalid[] = {
      [](int s) { return tls_attach_client_host(s, nullptr, -1); },
      [](int s) { return tls_attach_client_host(s, "", -1); },
      [](int s) { return tls_attach_client_host_mem(s, "localhost", nullptr, -1); },
      [](int s) { return tls_attach_client_mem(s, nullptr, -1); },
      [&](int s) { return tls_attach_server(s, nullptr, key, -1); },
      [&](int s) { return tls_attach_server(s, cert, nullptr, -1); },
      [&](int s) { return tls_attach_server(s, no_pem.c_str(), key, -1); },
      [&](int s) { return tls_attach_server(s, cert, no_pem.c_str(), -1); },
      [&](int s) { return tls_attach_server_mem(s, cert, key, nullptr, -1); }};
  for (const auto& attach : invalid) {
    EXPECT_FAILS(EINVAL, attach(s_[0]));
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    NewPair();
  }
  EXPECT_FAILS(ENOENT, tls_attach_server(s_[0], missing.c_str(), key, -1));
  EXPECT_FAILS(EBADF, hclose(s_[0]));
  EXPECT_EQ(hclose(s_[1]), 0);
}

TEST_F(TlsCallsTest, HandlesThatWillNotDo) {
  const char* const cert = Files::Get().cert.c_str();
  const char* const key = Files::Get().key.c_str();
  const std::function<int(int)> attaches[] = {
      [](int s) { return tls_attach_client_host(s, "localhost", 0); },
      [](int s) { return tls_attach_client(s, 0); },
      [&](int s) { return tls_attach_server(s, cert, key, 0); }};
  const int bundle_handle = bundle();
  for (const auto& attach : attaches) {
    EXPECT_FAILS(EBADF, attach(-1));
    EXPECT_FAILS(ENOTSUP, attach(bundle_handle));
    {
      Bundle bundle(&runtime_);
      char byte;
      ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(ECANCELED, brecv(s_[0], &byte, 1, -1)); }), IsOk());
      EXPECT_FAILS(EBUSY, attach(s_[0]));
      bundle.CancelAndJoin();
    }
    {
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] {
        CancelSelf();
        EXPECT_FAILS(ECANCELED, attach(s_[0]));
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    }
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    NewPair();
    EXPECT_FAILS(ETIMEDOUT, attach(s_[0]));
    EXPECT_FAILS(EBADF, hclose(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    NewPair();
    EXPECT_EQ(bsend(s_[1], "no TLS at all, whatever it may be", 33, -1), 0);
    EXPECT_FAILS(EPROTO, attach(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    NewPair();
    EXPECT_EQ(ipc_done(s_[1], -1), 0);
    EXPECT_FAILS(ECONNRESET, attach(s_[0]));
    EXPECT_EQ(hclose(s_[1]), 0);
    NewPair();
  }
  EXPECT_EQ(hclose(bundle_handle), 0);
  EXPECT_EQ(hclose(s_[0]), 0);
  EXPECT_EQ(hclose(s_[1]), 0);
}

TEST_F(TlsCallsTest, DoneAndDetachThatFail) {
  Attach();
  ASSERT_GT(client_, 0);
  char byte;
  {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(ECANCELED, brecv(client_, &byte, 1, -1)); }), IsOk());
    EXPECT_FAILS(EBUSY, tls_detach(client_, -1));
    bundle.CancelAndJoin();
  }
  {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      CancelSelf();
      EXPECT_FAILS(ECANCELED, tls_done(client_, -1));
      EXPECT_FAILS(ECANCELED, tls_detach(client_, -1));
    }),
                IsOk());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }
  EXPECT_FAILS(EBADF, hclose(client_));
  EXPECT_EQ(hclose(server_), 0);

  NewPair();
  Attach();
  EXPECT_FAILS(ETIMEDOUT, tls_detach(client_, 0));
  EXPECT_FAILS(EBADF, hclose(client_));
  EXPECT_FAILS(ECONNRESET, tls_detach(server_, -1));
  EXPECT_FAILS(EBADF, hclose(server_));

  // A full connection.
  NewPair();
  Attach();
  const std::string much(500'000, 'x');
  EXPECT_EQ(bsend(client_, much.data(), much.size(), 0), 0);
  EXPECT_FAILS(ETIMEDOUT, tls_done(client_, 0));
  {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(ECANCELED, bsend(client_, "x", 1, -1)); }), IsOk());
    EXPECT_FAILS(EBUSY, tls_done(client_, 0));
    bundle.CancelAndJoin();
  }
  CloseBoth();
}

// Below there may be a protocol of the user's own, of which nothing is taken that is not for TLS.
TEST_F(TlsCallsTest, OverAProtocolOfTheUsersOwn) {
  UserProtocolLog log;
  s_[0] = FlipAttach(s_[0], &log);
  s_[1] = FlipAttach(s_[1], nullptr);
  Attach();
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  std::string message(100'000, 'm');
  std::string got(message.size(), '?');
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(bsend(server_, message.data(), message.size(), -1), 0);
    EXPECT_EQ(bsend(server_, "end", 3, -1), 0);
    server_ = tls_detach(server_, -1);
    ASSERT_GT(server_, 0);
    EXPECT_EQ(bsend(server_, "plain", 5, -1), 0);
  }),
              IsOk());
  EXPECT_EQ(brecv(client_, got.data(), got.size(), -1), 0);
  EXPECT_TRUE(got == message);
  // Input that nobody has read is dropped.
  client_ = tls_detach(client_, -1);
  ASSERT_GT(client_, 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  client_ = FlipDetach(client_);
  server_ = FlipDetach(server_);
  ASSERT_GT(client_, 0);
  ASSERT_GT(server_, 0);
  // The user's own detach finds its bytes where they are.
  char byte = 0;
  EXPECT_EQ(brecv(client_, &byte, 1, -1), 0);
  EXPECT_EQ(byte, static_cast<char>('p' ^ 0xff));
  CloseBoth();
}

// hclose() cuts a detach short.
TEST_F(TlsCallsTest, CloseDuringDetach) {
  Attach();
  ASSERT_GT(client_, 0);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_FAILS(EBADF, tls_detach(client_, -1)); }), IsOk());
  EXPECT_EQ(hclose(client_), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(hclose(server_), 0);
}

TEST_F(TlsCallsTest, CloseIsACleanEnd) {
  Attach();
  ASSERT_GT(client_, 0);
  char byte;
  EXPECT_EQ(hclose(client_), 0);
  EXPECT_FAILS(EPIPE, brecv(server_, &byte, 1, -1));
  EXPECT_EQ(hclose(server_), 0);
}

}  // namespace
}  // namespace halfpipe
