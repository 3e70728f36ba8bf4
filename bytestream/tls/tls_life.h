#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_LIFE_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_LIFE_H_

#include <functional>
#include <string>
#include <vector>

#include "bytestream/tls/tls.h"

namespace halfpipe {

// The whole life of a TLS connection in C calls, both ends of it, any call of which may fail: for
// tests that make something fail, whatever it is. A call that the headers allow to be made again is
// made again once; any other failure closes the end that it befell.
//
// What was received is compared with what was sent, so that nothing is lost, doubled or made up, and
// no end is taken for a clean one that is not.
//
// Example:
//   TlsLife life({.detaches = true});
//   life.Run(s[0], s[1], [&] { fault.set_armed(true); });
//   for (int error : life.told()) EXPECT_EQ(error, ENOMEM);
class TlsLife {
 public:
  struct Options {
    bool in_callers_memory = false;  // the "_mem" forms
    bool by_host = true;             // else tls_attach_client()
    bool detaches = false;           // else both end with tls_done() and hclose()
    bool trusted = true;             // else the server's certificate is one that nobody trusts
  };

  explicit TlsLife(Options options) : options_(options) {}
  TlsLife(const TlsLife&) = delete;
  TlsLife& operator=(const TlsLife&) = delete;

  // Before anything fails: what is made once in a process has been made then. Sets the trust, which
  // is in this file.
  static void WarmUp();
  static const std::string& TrustFile();

  // Takes both handles over, which are those of two connected bytestreams. From `begin` on things
  // may fail: before that a coroutine has to be started.
  void Run(int client, int server, const std::function<void()>& begin);

  // True if each end has lived to its end.
  bool client_lived() const { return client_lived_; }
  bool server_lived() const { return server_lived_; }
  bool lived() const { return client_lived_ && server_lived_; }

  // Each errno that a call has failed with, in order, of either end.
  const std::vector<int>& told() const { return told_; }

 private:
  template <typename Call>
  int Told(Call call);
  template <typename Call>
  int Again(Call call);
  bool Client(int s);
  bool Server(int s);
  bool Talk(int t, bool is_client);
  bool End(int t, bool is_client);

  const Options options_;
  dill_tls_storage storage_[2];
  bool client_lived_ = false;
  bool server_lived_ = false;
  std::vector<int> told_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_LIFE_H_
