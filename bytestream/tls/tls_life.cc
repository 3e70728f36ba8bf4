#define DILL_DISABLE_RAW_NAMES
#include "bytestream/tls/tls_life.h"

#include <cerrno>
#include <string>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/testing/test_certs.h"
#include "gtest/gtest.h"
// After all others: its macros are for what follows.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

struct Files {
  static const Files& Get() {
    static const Files* const kFiles = new Files;
    return *kFiles;
  }

  const std::string ca = WriteTestFile("life_ca.pem", TestCerts::Get().ca.certificate);
  const std::string cert = WriteTestFile("life_cert.pem", TestCerts::Get().server.certificate);
  const std::string key = WriteTestFile("life_key.pem", TestCerts::Get().server.key);
  const std::string other_cert =
      WriteTestFile("life_other_cert.pem", TestCerts::Get().untrusted.certificate);
  const std::string other_key = WriteTestFile("life_other_key.pem", TestCerts::Get().untrusted.key);
};

const std::string& Text() {
  static const std::string* const kText = new std::string(Pattern(20'000));
  return *kText;
}

// Nothing here takes long. What would wait for ever is told by an errno that nobody expects.
int64_t Soon() { return dill_now() + 20'000; }

}  // namespace

const std::string& TlsLife::TrustFile() { return Files::Get().ca; }

void TlsLife::WarmUp() {
  HALFPIPE_CHECK(dill_tls_trust_file(TrustFile().c_str()) == 0);
  int s[2];
  HALFPIPE_CHECK(dill_ipc_pair(s) == 0);
  TlsLife life(Options{});
  life.Run(s[0], s[1], [] {});
  EXPECT_TRUE(life.lived());
}

// What the call gives, or a negative errno, which is noted.
template <typename Call>
int TlsLife::Told(Call call) {
  const int result = call();
  if (result >= 0) return result;
  const int error = errno;
  told_.push_back(error);
  return -error;
}

// The same, and a second time if the first one has done nothing.
template <typename Call>
int TlsLife::Again(Call call) {
  const int result = Told(call);
  const bool nothing =
      result == -ETIMEDOUT || result == -ECANCELED || (result < 0 && IsShortage(-result));
  return nothing ? Told(call) : result;
}

void TlsLife::Run(int client, int server, const std::function<void()>& begin) {
  const int h = dill_go({
    EXPECT_EQ(dill_yield(), 0);
    server_lived_ = Server(server);
  });
  ASSERT_GT(h, 0);
  begin();
  client_lived_ = Client(client);
  EXPECT_EQ(dill_bundle_wait(h, -1), 0);
  EXPECT_EQ(dill_hclose(h), 0);
}

bool TlsLife::Client(int s) {
  dill_tls_storage* const mem = &storage_[0];
  const int t = Told([&] {
    if (options_.by_host) {
      return options_.in_callers_memory
                 ? dill_tls_attach_client_host_mem(s, "localhost", mem, Soon())
                 : dill_tls_attach_client_host(s, "localhost", Soon());
    }
    return options_.in_callers_memory ? dill_tls_attach_client_mem(s, mem, Soon())
                                      : dill_tls_attach_client(s, Soon());
  });
  // Whatever has happened, that number is dead.
  EXPECT_EQ(dill_hclose(s), -1);
  if (t < 0) return false;
  return Talk(t, /*is_client=*/true) && End(t, /*is_client=*/true);
}

bool TlsLife::Server(int s) {
  const Files& files = Files::Get();
  const char* const cert = (options_.trusted ? files.cert : files.other_cert).c_str();
  const char* const key = (options_.trusted ? files.key : files.other_key).c_str();
  const int t = Told([&] {
    return options_.in_callers_memory
               ? dill_tls_attach_server_mem(s, cert, key, &storage_[1], Soon())
               : dill_tls_attach_server(s, cert, key, Soon());
  });
  EXPECT_EQ(dill_hclose(s), -1);
  if (t < 0) return false;
  return Talk(t, /*is_client=*/false) && End(t, /*is_client=*/false);
}

// A long text to the server, a short one back. False: `t` is closed.
bool TlsLife::Talk(int t, bool is_client) {
  const std::string reply = "reply";
  const std::string& sent = is_client ? Text() : reply;
  std::string got((is_client ? reply : Text()).size(), '?');
  const auto send_all = [&] {
    return Again([&] { return dill_bsend(t, sent.data(), sent.size(), Soon()); });
  };
  const auto receive_all = [&] {
    const int result = Again([&] { return dill_brecv(t, got.data(), got.size(), Soon()); });
    if (result == 0) {
      EXPECT_TRUE(got == (is_client ? reply : Text())) << "other bytes came than were sent";
    }
    return result;
  };
  const bool talked =
      is_client ? send_all() == 0 && receive_all() == 0 : receive_all() == 0 && send_all() == 0;
  if (!talked) {
    EXPECT_EQ(dill_hclose(t), 0);
  }
  return talked;
}

bool TlsLife::End(int t, bool is_client) {
  char byte = 0;
  bool well = true;
  int open = t;
  // The client, so that its detach finds the direction ended; the server where nothing is detached.
  if (is_client || !options_.detaches) {
    well = Again([&] { return dill_tls_done(t, Soon()); }) == 0;
  }
  if (well && options_.detaches) {
    open = Told([&] { return dill_tls_detach(t, Soon()); });
    EXPECT_EQ(dill_tls_done(t, 0), -1);
    EXPECT_EQ(errno, EBADF);
    if (open < 0) return false;
    if (is_client) {
      const int result = Again([&] { return dill_brecv(open, &byte, 1, Soon()); });
      // Where TLS is off already, an end that has failed closes like any other.
      if (result == -EPIPE) told_.pop_back();
      well = result == 0;
      EXPECT_EQ(byte, well ? 'p' : 0);
    } else {
      well = Again([&] { return dill_bsend(open, "p", 1, Soon()); }) == 0;
    }
  } else if (well) {
    // The end that is to come here is no failure.
    int result = dill_brecv(t, &byte, 1, Soon()) == 0 ? 0 : -errno;
    if (result != -EPIPE) {
      told_.push_back(-result);
      result = Again([&] { return dill_brecv(t, &byte, 1, Soon()); });
    }
    if (result == -EPIPE && !told_.empty() && told_.back() == EPIPE) told_.pop_back();
    well = result == -EPIPE;
  }
  EXPECT_EQ(dill_hclose(open), 0);
  return well;
}

}  // namespace halfpipe
