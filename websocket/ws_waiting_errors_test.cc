// What the head of ws.h says of every call: it may find no descriptor or memory to wait with, and a
// connection breaks as the system says. Call by call, with every errno that is named there.

#include <cstdint>

#include "bytestream/iolist.h"
#include "bytestream/msocket.h"
#include "bytestream/testing/failing_calls.h"
#include "gtest/gtest.h"
#include "websocket/ws.h"

namespace halfpipe {
namespace {

constexpr auto kReceives = FailingCall::Uses::kReceives;
constexpr auto kSends = FailingCall::Uses::kSends;

char g_text[8] = "text";
dill_iolist g_list = {g_text, 4, nullptr, 0};
dill_ws_storage g_storage;

int Attach(int s, int) {
  return dill_ws_attach_client(s, DILL_WS_BINARY | DILL_WS_NOHTTP, nullptr, nullptr, -1);
}

const FailingCall kCalls[] = {
    {"ws_attach_client", kReceives, nullptr,
     [](int s, int64_t d) { return dill_ws_attach_client(s, DILL_WS_TEXT, "/", "a", d); }, true},
    {"ws_attach_client_mem", kReceives, nullptr,
     [](int s, int64_t d) {
       return dill_ws_attach_client_mem(s, DILL_WS_TEXT, "/", "a", &g_storage, d);
     },
     true},
    // Which asks first.
    {"ws_attach_client", kSends, nullptr,
     [](int s, int64_t d) { return dill_ws_attach_client(s, DILL_WS_TEXT, "/", "a", d); }, true},
    {"ws_attach_client_mem", kSends, nullptr,
     [](int s, int64_t d) {
       return dill_ws_attach_client_mem(s, DILL_WS_TEXT, "/", "a", &g_storage, d);
     },
     true},
    {"ws_attach_server", kReceives, nullptr,
     [](int s, int64_t d) {
       return dill_ws_attach_server(s, DILL_WS_TEXT, nullptr, 0, nullptr, 0, d);
     },
     true},
    {"ws_attach_server_mem", kReceives, nullptr,
     [](int s, int64_t d) {
       return dill_ws_attach_server_mem(s, DILL_WS_TEXT, nullptr, 0, nullptr, 0, &g_storage, d);
     },
     true},
    {"ws_send", kSends, Attach,
     [](int s, int64_t d) { return dill_ws_send(s, DILL_WS_BINARY, g_text, 4, d); }},
    {"ws_sendl", kSends, Attach,
     [](int s, int64_t d) { return dill_ws_sendl(s, DILL_WS_BINARY, &g_list, &g_list, d); }},
    {"msend", kSends, Attach, [](int s, int64_t d) { return dill_msend(s, g_text, 4, d); }},
    {"msendl", kSends, Attach,
     [](int s, int64_t d) { return dill_msendl(s, &g_list, &g_list, d); }},
    {"ws_done", kSends, Attach,
     [](int s, int64_t d) { return dill_ws_done(s, 1000, nullptr, 0, d); }},
    {"ws_recv", kReceives, Attach,
     [](int s, int64_t d) { return dill_ws_recv(s, nullptr, g_text, 4, d); }},
    {"ws_recvl", kReceives, Attach,
     [](int s, int64_t d) { return dill_ws_recvl(s, nullptr, &g_list, &g_list, d); }},
    {"mrecv", kReceives, Attach, [](int s, int64_t d) { return dill_mrecv(s, g_text, 4, d); }},
    {"mrecvl", kReceives, Attach,
     [](int s, int64_t d) { return dill_mrecvl(s, &g_list, &g_list, d); }},
    {"ws_detach", kReceives, Attach,
     [](int s, int64_t d) { return dill_ws_detach(s, 1000, nullptr, 0, d); }, true},
    // Which says Close first.
    {"ws_detach", kSends, Attach,
     [](int s, int64_t d) { return dill_ws_detach(s, 1000, nullptr, 0, d); }, true}};

TEST(WsWaitingErrorsTest, Shortages) {
  for (const FailingCall& call : kCalls) ExpectShortages(call);
}

TEST(WsWaitingErrorsTest, Breaks) {
  for (const FailingCall& call : kCalls) ExpectBreaks(call);
}

}  // namespace
}  // namespace halfpipe
