#include "tools/interop/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bytestream/testing/test_certs.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

constexpr absl::Duration kStartTime = absl::Seconds(60);
constexpr absl::Duration kPollTime = absl::Milliseconds(20);
// Somebody else may take a port between our look and the proxy's.
constexpr int kStarts = 3;

// A socket at a port of the loopback address that was free, which refuses connections.
int BindAnywhere(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  EXPECT_TRUE(file.good()) << path;
}

// In one process it stays who it is, but root's would want to give its directories to nobody.
//
// $0: the directory, $1: the port, $2: that of TLS, $3: the backend, $4: what refuses, $5: the token,
// $6: seconds. What nginx has for itself begins with a $$ here.
constexpr char kNginxConfig[] = R"(
daemon off;
master_process off;
user root;
pid $0/nginx.pid;
error_log $0/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $0/body;
  proxy_temp_path $0/proxy;
  fastcgi_temp_path $0/fastcgi;
  uwsgi_temp_path $0/uwsgi;
  scgi_temp_path $0/scgi;
  map $$http_upgrade $$connection_field { default upgrade; '' ''; }
  upstream echo { server $3; keepalive 4; }
  proxy_http_version 1.1;
  proxy_set_header Host $$http_host;
  proxy_set_header Upgrade $$http_upgrade;
  proxy_set_header Connection $$connection_field;
  server {
    listen 127.0.0.1:$1;
    listen 127.0.0.1:$2 ssl;
    ssl_certificate $0/certificate.pem;
    ssl_certificate_key $0/key.pem;
    location = /which { return 200 "$5"; }
    location = /refusing { proxy_pass http://$4; }
    location = /idle { proxy_pass http://echo/; proxy_read_timeout $6s; }
    location / { proxy_pass http://echo; }
  }
}
)";

std::vector<std::string> StartNginx(const ProxyKind::Setting& s) {
  WriteFile(s.directory + "/certificate.pem", s.certificate);
  WriteFile(s.directory + "/key.pem", s.key);
  const std::string config = s.directory + "/nginx.conf";
  WriteFile(config, absl::Substitute(kNginxConfig, s.directory, s.port, s.tls_port, s.backend,
                                     s.refusing, s.token, s.idle_seconds));
  return {"/usr/sbin/nginx", "-e", "stderr", "-p", s.directory, "-c", config};
}

// As above.
constexpr char kHaproxyConfig[] = R"(
global
  maxconn 64
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 120s
  timeout server 120s
  timeout tunnel 120s
frontend front
  bind 127.0.0.1:$1
  bind 127.0.0.1:$2 ssl crt $0/both.pem
  http-request return status 200 content-type text/plain string $5 if { path /which }
  use_backend refusing if { path /refusing }
  use_backend idle if { path /idle }
  default_backend echo
backend echo
  server wsecho $3
backend idle
  timeout tunnel $6s
  http-request set-path /
  server wsecho $3
backend refusing
  retries 0
  server nobody $4
)";

std::vector<std::string> StartHaproxy(const ProxyKind::Setting& s) {
  WriteFile(s.directory + "/both.pem", s.certificate + s.key);
  const std::string config = s.directory + "/haproxy.cfg";
  WriteFile(config, absl::Substitute(kHaproxyConfig, s.directory, s.port, s.tls_port, s.backend,
                                     s.refusing, s.token, s.idle_seconds));
  return {"/usr/sbin/haproxy", "-db", "-f", config};
}

}  // namespace

ProxyKind Nginx() {
  return {"Nginx", {"/usr/sbin/nginx", "-v"}, "apt-get install nginx-light", StartNginx};
}

ProxyKind Haproxy() {
  return {"Haproxy", {"/usr/sbin/haproxy", "-v"}, "apt-get install haproxy", StartHaproxy};
}

Proxy::Proxy(const ProxyKind& kind, const std::string& backend) {
  for (int i = 0; i < kStarts; ++i) {
    if (Start(kind, backend)) return;
  }
  // Its end comes with the reason.
  Stop();
  ADD_FAILURE() << kind.name << " does not answer: " << process_->errors();
}

Proxy::~Proxy() {
  Stop();
  close(refusing_fd_);
}

void Proxy::Stop() {
  if (stopped_) return;
  stopped_ = true;
  process_->Signal(SIGTERM);
  process_->Wait();
}

bool Proxy::Start(const ProxyKind& kind, const std::string& backend) {
  std::string directory = absl::StrCat(getenv("TEST_TMPDIR"), "/proxy.XXXXXX");
  EXPECT_NE(mkdtemp(&directory[0]), nullptr);
  if (refusing_fd_ >= 0) close(refusing_fd_);
  int refusing = 0;
  refusing_fd_ = BindAnywhere(&refusing);
  const int held[] = {BindAnywhere(&port_), BindAnywhere(&tls_port_)};
  for (const int fd : held) close(fd);
  const std::string token = absl::StrCat("proxy-", getpid(), "-", port_);
  process_ = std::make_unique<ChildProcess>(
      kind.command({.directory = directory,
                    .token = token,
                    .port = port_,
                    .tls_port = tls_port_,
                    .backend = backend,
                    .refusing = absl::StrCat("127.0.0.1:", refusing),
                    .idle_seconds = kIdleSeconds,
                    .certificate = TestCerts::Get().server.certificate,
                    .key = TestCerts::Get().server.key}));
  const absl::Time end = absl::Now() + kStartTime / kStarts;
  while (absl::Now() < end) {
    ChildProcess curl(
        {"curl", "-s", "--max-time", "10", absl::StrCat("http://", address(), "/which")});
    curl.Finish("");
    if (curl.output() == token) return true;
    absl::SleepFor(kPollTime);
  }
  return false;
}

std::string Proxy::address() const { return absl::StrCat("127.0.0.1:", port_); }

}  // namespace halfpipe::tools
