// Sending, receiving and choosing among a few clauses allocate nothing, and neither do Channel<T>,
// Select and the locks. What happens when there is no memory. Counts calls of the global operator
// new and of malloc, which fail on demand.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/sync.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/channels.h"
#include "bytestream/sockets.h"

namespace {

size_t allocations = 0;
bool out_of_memory = false;

}  // namespace

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
// A sanitizer has its own malloc. It keeps its checks where only operator new is replaced.
void* operator new(size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return out_of_memory ? nullptr : std::malloc(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return out_of_memory ? nullptr : std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
#else
extern "C" void* __libc_malloc(size_t size);

// operator new calls it too.
extern "C" void* malloc(size_t size) {
  ++allocations;
  return out_of_memory ? nullptr : __libc_malloc(size);
}
#endif

namespace halfpipe {
namespace {

class ChannelsAllocationTest : public testing::Test {
 protected:
  // Runs `step` until everything is warm, then a hundred times more. The allocations of those.
  template <typename Step>
  size_t Count(Step step) {
    for (int i = 0; i < 100; ++i) step();
    const size_t before = allocations;
    for (int i = 0; i < 100; ++i) step();
    return allocations - before;
  }

  Runtime runtime_;
};

coroutine void Echo(int ch) {
  int value;
  while (chrecv(ch, &value, sizeof(value), -1) == 0 && chsend(ch, &value, sizeof(value), -1) == 0) {
  }
}

TEST_F(ChannelsAllocationTest, SendAndReceive) {
  int ch[2];
  ASSERT_EQ(chmake(ch), 0);
  const int worker = go(Echo(ch[0]));
  int failed = 0;
  EXPECT_EQ(Count([&] {
              int value = 1;
              failed |= chsend(ch[1], &value, sizeof(value), -1);
              failed |= chrecv(ch[1], &value, sizeof(value), -1);
            }),
            0u);
  EXPECT_EQ(failed, 0);
  // With a deadline that is armed and passes, too.
  int error = 0;
  EXPECT_EQ(Count([&] { error |= chrecv(ch[1], nullptr, 0, now() + 1) + 1; }), 0u);
  EXPECT_EQ(error, 0);
  for (const int handle : {worker, ch[0], ch[1]}) EXPECT_EQ(hclose(handle), 0);
}

coroutine void ChooseForEver(std::vector<chclause>* clauses) {
  while (choose(clauses->data(), static_cast<int>(clauses->size()), -1) >= 0 && errno == 0) {
  }
}

TEST_F(ChannelsAllocationTest, ChooseAmongUpToSixteen) {
  for (const int count : {1, 10, 16, 17}) {
    std::vector<int> ends;
    std::vector<chclause> clauses;
    int received = 0;
    for (int i = 0; i < count; ++i) {
      int ch[2];
      ASSERT_EQ(chmake(ch), 0);
      ends.push_back(ch[0]);
      clauses.push_back({CHRECV, ch[1], &received, sizeof(received)});
    }
    const int worker = go(ChooseForEver(&clauses));
    int failed = 0;
    const size_t counted = Count([&] {
      const int value = 1;
      failed |= chsend(ends.back(), &value, sizeof(value), -1);
      failed |= yield();
    });
    EXPECT_EQ(counted, count <= 16 ? 0u : 100u);
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(hclose(worker), 0);
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(hclose(ends[i]), 0);
      EXPECT_EQ(hclose(clauses[i].ch), 0);
    }
  }
}

TEST_F(ChannelsAllocationTest, OutOfMemory) {
  int ch[2] = {-7, -7};
  // The handle table has room.
  ASSERT_EQ(chmake(ch), 0);
  std::vector<chclause> clauses(17, chclause{CHRECV, ch[0], nullptr, 0});
  int more[2];
  out_of_memory = true;
  const int made = chmake(more);
  const int make_error = errno;
  const int many = choose(clauses.data(), 17, now() + 60'000);
  const int many_error = errno;
  const int few = choose(clauses.data(), 16, now() + 1);
  const int few_error = errno;
  out_of_memory = false;
  EXPECT_EQ(made, -1);
  EXPECT_EQ(make_error, ENOMEM);
  EXPECT_EQ(many, -1);
  EXPECT_EQ(many_error, ENOMEM);
  EXPECT_EQ(few, -1);
  EXPECT_EQ(few_error, ETIMEDOUT);
  EXPECT_EQ(choose(clauses.data(), 17, now() + 1), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  for (const int end : ch) EXPECT_EQ(hclose(end), 0);
}

TEST_F(ChannelsAllocationTest, SelectAndTypedChannels) {
  Channel<std::string> channel(&runtime_);
  Channel<int> acknowledged(&runtime_);
  Bundle bundle(&runtime_);
  ASSERT_EQ(bundle.Start(
                [&] {
                  std::optional<std::string> text;
                  std::optional<int> never;
                  SelectClause clauses[] = {acknowledged.ReceiveClause(&never),
                                            channel.ReceiveClause(&text)};
                  while (Select(&runtime_, absl::MakeSpan(clauses), Deadline::Never()).ok()) {
                    if (!acknowledged.Send(1, Deadline::Never()).ok()) return;
                  }
                },
                {}),
            0);
  bool ok = true;
  const std::string text = "short";
  EXPECT_EQ(Count([&] {
              ok = ok && channel.Send(text, Deadline::Never()).ok();
              ok = ok && acknowledged.Receive(Deadline::Never()).ok();
            }),
            0u);
  EXPECT_TRUE(ok);
}

TEST_F(ChannelsAllocationTest, Locks) {
  Mutex mutex(&runtime_);
  Semaphore semaphore(&runtime_, 1);
  Bundle bundle(&runtime_);
  ASSERT_EQ(bundle.Start(
                [&] {
                  for (;;) {
                    const MutexLock lock(&mutex, Deadline::Never());
                    if (!semaphore.Acquire(1, Deadline::Never()).ok()) return;
                    const int error = runtime_.Yield();
                    semaphore.Release(1);
                    if (error != 0) return;
                  }
                },
                {}),
            0);
  bool ok = true;
  EXPECT_EQ(Count([&] {
              {
                const MutexLock lock(&mutex, Deadline::Never());
                ok = ok && lock.held();
              }
              ok = ok && semaphore.Acquire(1, Deadline::Never()).ok();
              ok = ok && runtime_.Yield() == 0;
              semaphore.Release(1);
            }),
            0u);
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace halfpipe
