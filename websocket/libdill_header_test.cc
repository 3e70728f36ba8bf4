// The drop-in header comes first: what follows, of the standard library, of Abseil and of our own,
// must not mind its names.

// clang-format off
#include <libdill.h>

#include <chrono>
#include <coroutine>
#include <future>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bytestream/bytestream.h"
#include "bytestream/message_socket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/sync.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/testing/wait_sweep.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"
#include "gtest/gtest.h"
// clang-format on

namespace {

using halfpipe::Deadline;

TEST(LibdillHeaderTest, OtherNamesMeanWhatTheyMeant) {
  EXPECT_GT(std::chrono::steady_clock::now().time_since_epoch().count(), 0);
  EXPECT_GT(absl::ToUnixSeconds(absl::Now()), 0);
  std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::this_thread::yield();
  EXPECT_TRUE(std::noop_coroutine());
}

TEST(LibdillHeaderTest, BothSpellingsAreOneFunction) {
  EXPECT_EQ(reinterpret_cast<void*>(&now), reinterpret_cast<void*>(&dill_now));
  EXPECT_EQ(reinterpret_cast<void*>(&ws_send), reinterpret_cast<void*>(&dill_ws_send));
  EXPECT_EQ(reinterpret_cast<void*>(&chsend), reinterpret_cast<void*>(&dill_chsend));
  EXPECT_EQ(reinterpret_cast<void*>(&msend), reinterpret_cast<void*>(&dill_msend));
  EXPECT_EQ(reinterpret_cast<void*>(&http_attach), reinterpret_cast<void*>(&dill_http_attach));
  EXPECT_EQ(reinterpret_cast<void*>(&socks5_client_connect),
            reinterpret_cast<void*>(&dill_socks5_client_connect));
  static_assert(CHSEND == 1 && CHRECV == 2 && sizeof(chstorage) == sizeof(dill_chstorage));
  static_assert(sizeof(ws_storage) == sizeof(dill_ws_storage));
  static_assert(WS_BINARY == 0 && WS_TEXT == 1 && WS_NOHTTP == 2 && WS_KEY_SIZE == 32);
}

coroutine void Echo(int s) {
  char buffer[16];
  const ssize_t size = mrecv(s, buffer, sizeof(buffer), -1);
  if (size >= 0) msend(s, buffer, static_cast<size_t>(size), -1);
}

// The C calls, and the C++ API beside them.
TEST(LibdillHeaderTest, BothApisInOneFile) {
  int sockets[2];
  ASSERT_EQ(ipc_pair(sockets), 0);
  const int client = ws_attach_client(sockets[0], WS_NOHTTP, nullptr, nullptr, -1);
  const int server = ws_attach_server(sockets[1], WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  const int worker = go(Echo(server));
  ASSERT_GT(worker, 0);
  EXPECT_EQ(msend(client, "x", 1, -1), 0);
  char byte = 0;
  EXPECT_EQ(mrecv(client, &byte, 1, -1), 1);
  EXPECT_EQ(byte, 'x');
  for (const int handle : {worker, client, server}) EXPECT_EQ(hclose(handle), 0);

  halfpipe::Runtime& runtime = halfpipe::Runtime::Current();
  auto [a, b] = halfpipe::MakePair(&runtime);
  using halfpipe::websocket::Options;
  using halfpipe::websocket::Role;
  using halfpipe::websocket::Stream;
  Stream sender(&runtime, std::move(a), Options{.role = Role::kClient});
  Stream receiver(&runtime, std::move(b), Options{.role = Role::kServer});
  EXPECT_TRUE(sender.SendText("hello", Deadline::Never()).ok());
  auto message = receiver.ReceiveView(Deadline::Never());
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_EQ((*message)->text(), "hello");
}

}  // namespace
