#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "bytestream/base/deadline.h"
#include "bytestream/net/pair.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/stream_handle.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/http.h"
#include "http/http_test_support.h"

namespace {

// While set, memory asked for by new(std::nothrow) is refused.
bool refuse_nothrow_memory = false;

}  // namespace

void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return refuse_nothrow_memory ? nullptr : std::malloc(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return refuse_nothrow_memory ? nullptr : std::malloc(size);
}
void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new[](size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace halfpipe {
namespace {

TEST_F(HttpTest, NoMemoryForTheObject) {
  auto [a, b] = MakePair(&runtime_);
  const int stream = StreamHandle::Make(std::move(a));
  refuse_nothrow_memory = true;
  const int error = Errno(http_attach(stream));
  refuse_nothrow_memory = false;
  EXPECT_EQ(error, ENOMEM);
  EXPECT_EQ(OpenHandles(), 0u);
  EXPECT_THAT(b->Peek(1, Deadline::Immediately()), IsOkAndHolds(testing::IsEmpty()));
}

// The table of handles grows by chunks; the one who needs the next one is told.
TEST_F(HttpTest, NoMemoryForTheHandle) {
  for (const bool detach : {false, true}) {
    SCOPED_TRACE(detach ? "detach" : "attach");
    int error = 0;
    for (int i = 0; i < 5000 && error == 0; ++i) {
      auto [a, b] = MakePair(&runtime_);
      int s = StreamHandle::Make(std::move(a));
      struct http_storage storage;
      if (!detach) refuse_nothrow_memory = true;
      s = http_attach_mem(s, &storage);
      refuse_nothrow_memory = false;
      if (s < 0) {
        error = errno;
        break;
      }
      if (detach) refuse_nothrow_memory = true;
      const int lower = http_detach(s, -1);
      refuse_nothrow_memory = false;
      if (lower < 0) {
        error = errno;
      } else {
        EXPECT_EQ(Close(lower), 0);
      }
    }
    EXPECT_EQ(error, ENOMEM);
    EXPECT_EQ(OpenHandles(), 0u);
  }
}

TEST_F(HttpTest, StorageOfTheCallerIsUsedAgain) {
  struct http_storage storage;
  auto [a, b] = MakePair(&runtime_);
  int s = StreamHandle::Make(std::move(a));
  for (int i = 0; i < 10; ++i) {
    std::memset(&storage, 0xee, sizeof(storage));
    refuse_nothrow_memory = true;
    s = http_attach_mem(s, &storage);
    refuse_nothrow_memory = false;
    ASSERT_GT(s, 0);
    EXPECT_EQ(Errno(http_sendrequest(s, "GET", "/", -1)), 0);
    EXPECT_THAT(Write(b.get(), "HTTP/1.1 200 OK\r\nA: 1\r\n\r\n"), IsOk());
    EXPECT_EQ(ReceiveStatus(s), "200 OK");
    s = http_detach(s, -1);
    ASSERT_GT(s, 0);
    EXPECT_EQ(Arrived(b.get()), "GET / HTTP/1.1\r\n\r\n");
  }
  EXPECT_EQ(Close(s), 0);
}

}  // namespace
}  // namespace halfpipe
