// A thread ends with handles open whose objects, or the stacks of their coroutines, are in memory
// that has gone before. Nothing of it is touched: the process would crash.

#include <sys/mman.h>

#include <cstddef>
#include <functional>
#include <string>
#include <thread>

#include "gtest/gtest.h"
// clang-format off: its macros are for what follows.
#include <libdill.h>
// clang-format on

namespace halfpipe::websocket {
namespace {

constexpr size_t kPart = 16'384;
constexpr size_t kParts = 4;

// Runs `use(memory)` on a thread of its own and takes the memory away before that ends.
void EndThreadAfter(const std::function<void(char*)>& use) {
  std::thread([&] {
    void* const memory =
        mmap(nullptr, kParts * kPart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    use(static_cast<char*>(memory));
    EXPECT_EQ(munmap(memory, kParts * kPart), 0);
  }).join();
}

coroutine void Sleep() { msleep(-1); }

coroutine void ReceiveFrom(int ch) { chrecv(ch, nullptr, 0, -1); }

coroutine void ReceiveMessage(int s) { mrecv(s, nullptr, 1, -1); }

coroutine void SendMessages(int s) {
  static const char message[1000] = {};
  while (msend(s, message, sizeof(message), -1) == 0) {
  }
}

coroutine void ReceiveBytes(int s) { brecv(s, nullptr, 1, -1); }

template <typename Storage>
Storage* At(char* memory, size_t part) {
  static_assert(sizeof(Storage) <= kPart, "the parts are to be larger");
  return reinterpret_cast<Storage*>(memory + part * kPart);
}

TEST(RuntimeEndTest, StacksAndBundles) {
  EndThreadAfter([](char* memory) {
    EXPECT_GT(go_mem(Sleep(), memory, kPart), 0);
    EXPECT_GT(go_mem(static_cast<void>(0), memory + kPart, kPart), 0);
    const int b = bundle_mem(At<bundle_storage>(memory, 2));
    EXPECT_EQ(bundle_go(b, Sleep()), 0);
    EXPECT_EQ(bundle_go_mem(b, Sleep(), memory + 3 * kPart, kPart), 0);
  });
}

TEST(RuntimeEndTest, Channels) {
  EndThreadAfter([](char* memory) {
    int ch[2];
    EXPECT_EQ(chmake_mem(At<chstorage>(memory, 0), ch), 0);
    EXPECT_GT(go(ReceiveFrom(ch[0])), 0);
    EXPECT_GT(go_mem(ReceiveFrom(ch[1]), memory + kPart, kPart), 0);
  });
}

// With bytes that wait to be sent, in memory of the caller's and next to it.
TEST(RuntimeEndTest, Sockets) {
  EndThreadAfter([](char* memory) {
    const std::string block(1'000'000, 'x');
    ipaddr addr;
    ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    const int listener = tcp_listen_mem(&addr, 1, At<tcp_listener_storage>(memory, 0));
    const int client = tcp_connect_mem(&addr, At<tcp_storage>(memory, 1), -1);
    const int server = tcp_accept(listener, nullptr, -1);
    EXPECT_EQ(bsend(client, block.data(), block.size(), 0), 0);
    EXPECT_EQ(bsend(server, block.data(), block.size(), 0), 0);
    EXPECT_GT(go(ReceiveBytes(server)), 0);
    int s[2];
    EXPECT_EQ(ipc_pair_mem(At<ipc_pair_storage>(memory, 2), s), 0);
    EXPECT_GT(go(ReceiveBytes(s[0])), 0);
    ipaddr local;
    ASSERT_EQ(ipaddr_local(&local, "127.0.0.1", 0, 0), 0);
    EXPECT_GT(udp_open_mem(&local, nullptr, At<udp_storage>(memory, 3)), 0);
  });
}

// The layer is in the caller's memory, or what it stands on is.
TEST(RuntimeEndTest, Layers) {
  using Attach = std::function<int(int s, void* memory)>;
  const Attach attaches[] = {
      [](int s, void* memory) {
        auto* const storage = static_cast<prefix_storage*>(memory);
        return memory != nullptr ? prefix_attach_mem(s, 2, 0, storage) : prefix_attach(s, 2, 0);
      },
      [](int s, void* memory) {
        auto* const storage = static_cast<suffix_storage*>(memory);
        return memory != nullptr ? suffix_attach_mem(s, "\r\n", 2, storage)
                                 : suffix_attach(s, "\r\n", 2);
      },
      [](int s, void* memory) {
        if (memory == nullptr) return term_attach(suffix_attach(s, "\r\n", 2), ".", 1);
        auto* const storage = static_cast<char*>(memory);
        const int below = suffix_attach_mem(s, "\r\n", 2, At<suffix_storage>(storage, 2));
        return term_attach_mem(below, ".", 1, At<term_storage>(storage, 0));
      },
      [](int s, void* memory) {
        auto* const storage = static_cast<http_storage*>(memory);
        return memory != nullptr ? http_attach_mem(s, storage) : http_attach(s);
      },
      [](int s, void* memory) {
        auto* const storage = static_cast<ws_storage*>(memory);
        return memory != nullptr
                   ? ws_attach_server_mem(s, WS_NOHTTP, nullptr, 0, nullptr, 0, storage, -1)
                   : ws_attach_server(s, WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
      },
  };
  for (const Attach& attach : attaches) {
    EndThreadAfter([&](char* memory) {
      // With all below it, which would be out of reach otherwise.
      int s[2];
      ASSERT_EQ(ipc_pair_mem(At<ipc_pair_storage>(memory, 3), s), 0);
      EXPECT_GT(attach(s[0], memory), 0);
      int t[2];
      ASSERT_EQ(ipc_pair_mem(At<ipc_pair_storage>(memory, 1), t), 0);
      EXPECT_GT(attach(t[0], nullptr), 0);
      // Nothing below is the caller's, and so all of it is closed.
      int u[2];
      ASSERT_EQ(ipc_pair(u), 0);
      const int h = attach(u[0], nullptr);
      EXPECT_GT(h, 0);
      // Somebody is inside, and will never come out.
      EXPECT_GT(go(ReceiveMessage(h)), 0);
      EXPECT_GT(go(SendMessages(h)), 0);
      EXPECT_GT(go(SendMessages(h)), 0);
    });
  }
}

}  // namespace
}  // namespace halfpipe::websocket
