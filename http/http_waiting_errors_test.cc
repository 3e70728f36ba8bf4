// What the head of http.h says of every call: it may find no descriptor or memory to wait with, and
// a connection breaks as the system says. Call by call, with every errno that is named there.

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "bytestream/testing/failing_calls.h"
#include "gtest/gtest.h"
#include "http/http.h"

namespace halfpipe {
namespace {

constexpr auto kReceives = FailingCall::Uses::kReceives;
constexpr auto kSends = FailingCall::Uses::kSends;

int Attach(int s, int) { return http_attach(s); }

// After our start line.
int Begun(int s, int) {
  s = http_attach(s);
  EXPECT_EQ(http_sendrequest(s, "GET", "/", -1), 0);
  return s;
}

// After the peer's.
int Answered(int s, int peer) {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  EXPECT_EQ(send(peer, line.data(), line.size(), 0), static_cast<ssize_t>(line.size()));
  s = http_attach(s);
  EXPECT_EQ(http_recvstatus(s, nullptr, 0, -1), 200);
  return s;
}

const FailingCall kCalls[] = {
    {"http_sendrequest", kSends, Attach,
     [](int s, int64_t d) { return http_sendrequest(s, "GET", "/", d); }},
    {"http_sendstatus", kSends, Attach,
     [](int s, int64_t d) { return http_sendstatus(s, 200, "OK", d); }},
    {"http_sendfield", kSends, Begun,
     [](int s, int64_t d) { return http_sendfield(s, "Host", "a", d); }},
    {"http_done", kSends, Begun, [](int s, int64_t d) { return http_done(s, d); }},
    {"http_recvrequest", kReceives, Attach,
     [](int s, int64_t d) { return http_recvrequest(s, nullptr, 0, nullptr, 0, d); }},
    {"http_recvstatus", kReceives, Attach,
     [](int s, int64_t d) { return http_recvstatus(s, nullptr, 0, d); }},
    {"http_recvfield", kReceives, Answered,
     [](int s, int64_t d) { return http_recvfield(s, nullptr, 0, nullptr, 0, d); }},
    {"http_detach", kReceives, Answered, [](int s, int64_t d) { return http_detach(s, d); }, true},
    // Which ends our head first.
    {"http_detach", kSends, Begun, [](int s, int64_t d) { return http_detach(s, d); }, true}};

TEST(HttpWaitingErrorsTest, Shortages) {
  for (const FailingCall& call : kCalls) ExpectShortages(call);
}

TEST(HttpWaitingErrorsTest, Breaks) {
  for (const FailingCall& call : kCalls) ExpectBreaks(call);
}

}  // namespace
}  // namespace halfpipe
