#ifndef HALFPIPE_TOOLS_INTEROP_PROXY_H_
#define HALFPIPE_TOOLS_INTEROP_PROXY_H_

#include <memory>
#include <string>
#include <vector>

#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {

// A program that others wrote as a reverse proxy.
struct ProxyKind {
  std::string name;
  std::vector<std::string> version;  // As Peer::version.
  std::string install;               // As Peer::install.
  // Writes its files to `directory` and returns the command that runs it in the foreground, in one
  // process.
  struct Setting {
    std::string directory;
    std::string token;     // What it answers to a GET of /which.
    int port;              // Where it listens.
    int tls_port;          // The same with TLS, as localhost.
    std::string backend;   // ADDRESS:PORT of wsecho.
    std::string refusing;  // ADDRESS:PORT that refuses connections, behind /refusing.
    // Seconds, after which it gives up a WebSocket at /?idle through which nothing goes.
    int idle_seconds;
    std::string certificate;  // PEM.
    std::string key;
  };
  std::vector<std::string> (*command)(const Setting& setting);
};

ProxyKind Nginx();
ProxyKind Haproxy();

// A proxy that runs, on ports of the loopback address, until this is destroyed.
class Proxy {
 public:
  // Blocks until it answers; fails the test if it does not. It stands in front of `backend`.
  Proxy(const ProxyKind& kind, const std::string& backend);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // ADDRESS:PORT.
  std::string address() const;
  int tls_port() const { return tls_port_; }

  static constexpr int kIdleSeconds = 5;

 private:
  bool Start(const ProxyKind& kind, const std::string& backend);
  void Stop();

  int refusing_fd_ = -1;  // Bound and not listening.
  int port_ = 0;
  int tls_port_ = 0;
  std::unique_ptr<ChildProcess> process_;
  bool stopped_ = false;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_PROXY_H_
