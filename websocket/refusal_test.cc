// A refused upgrade over real TCP: the client reads the whole answer and a clean end, however much
// of its request was left unread.

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "websocket/testing/handles.h"
#include "websocket/ws.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe::websocket {
namespace {

struct Refused {
  const char* name;
  std::string request;
  const char* status_line;
};

// What is sent at once fits into the socket's receive buffer, so that it can all have arrived when
// the server answers.
constexpr size_t kBodyBytes = 20'000;

const Refused kRefused[] = {
    {"HeadTooLong",
     absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\n", "A: ", std::string(7000, 'a'),
                  "\r\nB: ", std::string(7000, 'b'), "\r\nC: ", std::string(7000, 'c'), "\r\n\r\n"),
     "HTTP/1.1 431 "},
    {"FieldTooLong",
     absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nA: ", std::string(20'000, 'a'), "\r\n\r\n"),
     "HTTP/1.1 431 "},
    {"Body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n", "HTTP/1.1 405 "},
    {"Nonsense", "nonsense\r\n\r\n", "HTTP/1.1 400 "},
};

class RefusalTest : public testing::TestWithParam<Refused> {
 protected:
  // The server's answer as the client sees it; *end is the errno that reading ended with.
  static std::string Ask(const std::string& request, bool half_close, int* end) {
    dill_ipaddr address;
    EXPECT_EQ(ipaddr_local(&address, "127.0.0.1", 0, 0), 0);
    const int listener = tcp_listen(&address, 1);
    const int client = tcp_connect(&address, -1);
    const int server = tcp_accept(listener, nullptr, -1);
    EXPECT_EQ(bsend(client, request.data(), request.size(), -1), 0);
    EXPECT_EQ(half_close ? tcp_done(client, -1) : 0, 0);
    AwaitArrival(server, request.size());
    EXPECT_EQ(ws_attach_server(server, WS_TEXT, nullptr, 0, nullptr, 0, -1), -1);
    EXPECT_EQ(errno, EPROTO);
    std::string answer;
    char byte;
    while (brecv(client, &byte, 1, -1) == 0) answer.push_back(byte);
    *end = errno;
    EXPECT_EQ(hclose(client), 0);
    EXPECT_EQ(hclose(listener), 0);
    return answer;
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

INSTANTIATE_TEST_SUITE_P(Requests, RefusalTest, testing::ValuesIn(kRefused),
                         [](const auto& info) { return info.param.name; });

TEST_P(RefusalTest, AnswerArrivesWhole) {
  for (const bool half_close : {false, true}) {
    SCOPED_TRACE(half_close);
    int end = 0;
    const std::string answer =
        Ask(absl::StrCat(GetParam().request, std::string(kBodyBytes, 'x')), half_close, &end);
    EXPECT_EQ(answer.substr(0, 13), GetParam().status_line);
    EXPECT_TRUE(absl::EndsWith(answer, "\r\nContent-Length: 0\r\n\r\n")) << answer;
    EXPECT_EQ(end, EPIPE);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
