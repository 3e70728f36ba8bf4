#include "bytestream/runtime/context.h"

#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kStackSize = 128 * 1024;

// A flow that runs `body` when switched to, and is over after it.
class Flow {
 public:
  Flow(Context* home, void (*body)(Flow*), size_t stack_size = kStackSize, size_t offset = 0)
      : home_(home), body_(body), stack_(new char[stack_size + offset]) {
    context_.Prepare(stack_.get() + offset, stack_size, &Run, this);
  }

  void Enter() { home_->SwitchTo(&context_); }
  void Leave() { context_.SwitchTo(home_); }

  std::string log;
  bool over = false;

 private:
  static void Run(void* argument) {
    Flow* const flow = static_cast<Flow*>(argument);
    flow->body_(flow);
    flow->over = true;
    flow->context_.Exit(flow->home_);
  }

  Context* const home_;
  void (*const body_)(Flow*);
  const std::unique_ptr<char[]> stack_;
  Context context_;
};

TEST(ContextTest, GoesThereAndBack) {
  Context home;
  Flow flow(&home, [](Flow* self) {
    for (char c = 'a'; c < 'd'; ++c) {
      self->log += c;
      self->Leave();
    }
  });
  EXPECT_EQ(flow.log, "");
  flow.Enter();
  EXPECT_EQ(flow.log, "a");
  flow.Enter();
  flow.Enter();
  EXPECT_FALSE(flow.over);
  flow.Enter();
  EXPECT_EQ(flow.log, "abc");
  EXPECT_TRUE(flow.over);
}

TEST(ContextTest, StackNeedsNoAlignment) {
  Context home;
  for (size_t offset = 0; offset < 16; ++offset) {
    Flow flow(
        &home,
        [](Flow* self) {
          alignas(16) char text[32] = "x";
          self->log = reinterpret_cast<uintptr_t>(text) % 16 == 0 ? "aligned" : "not";
        },
        kStackSize - 1, offset);
    flow.Enter();
    EXPECT_EQ(flow.log, "aligned");
  }
}

void ThrowAtDepth(int depth) {
  if (depth == 0) throw std::runtime_error("deep");
  std::string unwound(depth, 'x');
  ThrowAtDepth(depth - 1);
  if (unwound.empty()) throw std::logic_error("not reached");
}

TEST(ContextTest, DeepExceptionsAreCaughtOnTheirOwnStack) {
  Context home;
  Flow flow(&home, [](Flow* self) {
    try {
      ThrowAtDepth(50);
    } catch (const std::runtime_error& error) {
      self->Leave();
      self->log += error.what();
    }
  });
  flow.Enter();
  try {
    ThrowAtDepth(20);
    FAIL();
  } catch (const std::runtime_error&) {
    flow.Enter();
    EXPECT_EQ(flow.log, "deep");
  }
}

TEST(ContextTest, ExceptionsBeingHandledStayApart) {
  Context home;
  std::vector<std::unique_ptr<Flow>> flows;
  for (int i = 0; i < 3; ++i) {
    flows.push_back(std::make_unique<Flow>(&home, [](Flow* self) {
      try {
        throw std::runtime_error(self->log);
      } catch (...) {
        self->Leave();
        try {
          throw;
        } catch (const std::runtime_error& again) {
          self->Leave();
          self->log = std::string("again ") + again.what();
        }
      }
      EXPECT_EQ(std::current_exception(), nullptr);
    }));
    flows.back()->log = std::to_string(i);
  }
  for (const auto& flow : flows) flow->Enter();
  EXPECT_EQ(std::current_exception(), nullptr);
  // Not in the order of nesting.
  for (const int i : {1, 0, 2, 0, 2, 1}) flows[i]->Enter();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(flows[i]->over);
    EXPECT_EQ(flows[i]->log, "again " + std::to_string(i));
  }
}

struct LeavesWhileUnwinding {
  explicit LeavesWhileUnwinding(Flow* flow) : flow(flow) {}
  ~LeavesWhileUnwinding() {
    flow->log += std::to_string(std::uncaught_exceptions());
    flow->Leave();
    flow->log += std::to_string(std::uncaught_exceptions());
  }
  Flow* const flow;
};

TEST(ContextTest, UncaughtExceptionsAreCountedForEachFlow) {
  Context home;
  Flow flow(&home, [](Flow* self) {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    try {
      LeavesWhileUnwinding leaves(self);
      throw 1;
    } catch (int) {
      self->log += std::to_string(std::uncaught_exceptions());
    }
  });
  flow.Enter();
  EXPECT_EQ(flow.log, "1");
  EXPECT_EQ(std::uncaught_exceptions(), 0);
  flow.Enter();
  EXPECT_EQ(flow.log, "110");
}

TEST(ContextTest, FloatingPointControlIsKept) {
  Context home;
  const int before = std::fegetround();
  Flow flow(&home, [](Flow* self) {
    std::fesetround(FE_UPWARD);
    self->Leave();
    self->log = std::fegetround() == FE_UPWARD ? "kept" : "lost";
  });
  flow.Enter();
  EXPECT_EQ(std::fegetround(), before);
  std::fesetround(FE_DOWNWARD);
  flow.Enter();
  EXPECT_EQ(flow.log, "kept");
  EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
  std::fesetround(before);
}

TEST(ContextTest, ManySuspendedFlows) {
#ifdef ABSL_HAVE_THREAD_SANITIZER
  constexpr int kCount = 2'000;  // ThreadSanitizer's own limit is near 8,000
#else
  constexpr int kCount = 10'000;
#endif
  Context home;
  std::vector<std::unique_ptr<Flow>> flows;
  for (int i = 0; i < kCount; ++i) {
    flows.push_back(std::make_unique<Flow>(
        &home,
        [](Flow* self) {
          try {
            throw 1;
          } catch (int) {
            self->Leave();
          }
        },
        16 * 1024));
    flows.back()->Enter();
  }
  for (const auto& flow : flows) flow->Enter();
  for (const auto& flow : flows) ASSERT_TRUE(flow->over);
}

// The stack of a finished flow is free when the next one runs.
TEST(ContextTest, StackIsReusedAtOnce) {
  Context home;
  std::vector<char> stack(kStackSize);
  struct State {
    Context* home;
    Context* self;
    int runs;
  } state = {&home, nullptr, 0};
  for (int i = 0; i < 1000; ++i) {
    Context context;
    state.self = &context;
    context.Prepare(
        stack.data(), stack.size(),
        [](void* argument) {
          State* const state = static_cast<State*>(argument);
          volatile char frame[512];
          for (volatile char& c : frame) c = 1;
          ++state->runs;
          state->self->Exit(state->home);
        },
        &state);
    home.SwitchTo(&context);
  }
  EXPECT_EQ(state.runs, 1000);
}

TEST(ContextDeathTest, ExceptionThatLeavesTheEntryEndsTheProcess) {
  EXPECT_DEATH(
      {
        Context home;
        Flow flow(&home, [](Flow*) { throw std::runtime_error("nobody's"); });
        flow.Enter();
      },
      "");
}

}  // namespace
}  // namespace halfpipe
