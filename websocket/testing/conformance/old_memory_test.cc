// Nothing of what was in memory before is ever sent: every row of the tables is played twice, with
// the stack, the free blocks of the runtime's pool and what malloc() gives painted in one colour
// and then in another, and sends the same bytes.

#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/entropy.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/conformance/case.h"
#include "websocket/testing/conformance/handshake_case.h"
#include "websocket/testing/conformance/runner.h"
#include "websocket/testing/endpoint.h"
#include "websocket/testing/replay_bytestream.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket::conformance {
namespace {

constexpr uint8_t kColours[] = {0x55, 0xaa};

// More than one endpoint has at a time.
constexpr size_t kBlocks = 4;

// Deeper than the calls of an endpoint go.
__attribute__((noinline)) uint8_t PaintStack(uint8_t colour) {
  volatile uint8_t below[64 * 1024];
  for (volatile uint8_t& byte : below) byte = colour;
  return below[colour];
}

void PaintBlocks(BufferPool* pool, uint8_t colour) {
  std::vector<uint8_t*> blocks(kBlocks);
  for (uint8_t*& block : blocks) {
    block = pool->Get();
    ASSERT_NE(block, nullptr);
    std::memset(block, colour, BufferPool::kBlockSize);
  }
  for (uint8_t* const block : blocks) pool->Put(block);
}

void Paint(Runtime* runtime, uint8_t colour) {
  PaintStack(colour);
  PaintBlocks(&runtime->buffer_pool(), colour);
  // glibc's own paint, for what is given out and what is given back; sanitizers have theirs.
  mallopt(M_PERTURB, colour);
}

TEST(OldMemoryTest, BlocksAreGivenOutAsTheyWerePainted) {
  SimRuntime runtime;
  for (const uint8_t colour : kColours) {
    Paint(&runtime, colour);
    uint8_t* const block = runtime.buffer_pool().Get();
    ASSERT_NE(block, nullptr);
    // The pool keeps its list in the first bytes of a free block.
    for (size_t i = sizeof(void*); i < BufferPool::kBlockSize; ++i) ASSERT_EQ(block[i], colour);
    runtime.buffer_pool().Put(block);
  }
}

TEST(OldMemoryTest, FramesHaveNothingOfIt) {
  SimRuntime runtime;
  uint32_t number = 0;
  for (const Case& row : AllCases()) {
    for (const Role role : RolesOf(row)) {
      const Mode mode = kModes[++number % std::size(kModes)];
      for (const Cuts& cuts : {Cuts{}, Cuts{Cuts::Kind::kSeeded, number}}) {
        std::string sent[2];
        for (int i = 0; i < 2; ++i) {
          Paint(&runtime, kColours[i]);
          sent[i] = ReplayForWire(&runtime, row, role, mode, cuts);
        }
        EXPECT_TRUE(sent[0] == sent[1]) << row.name;
      }
    }
  }
}

TEST(OldMemoryTest, AnswersHaveNothingOfIt) {
  SimRuntime runtime;
  for (const RequestCase& row : RequestCases()) {
    ServerUpgradeOptions options;
    if (row.options != nullptr) row.options(&options);
    EchoOptions echo;
    echo.plain = row.plain;
    std::string sent[2];
    for (int i = 0; i < 2; ++i) {
      Paint(&runtime, kColours[i]);
      sent[i] = RunServer(&runtime, options, echo, SeededPieces(RequestBytes(row.head), 1)).written;
    }
    EXPECT_EQ(sent[0], sent[1]) << row.name;
    EXPECT_EQ(sent[0].empty(), row.status == 0) << row.name;
  }
}

TEST(OldMemoryTest, RequestsHaveNothingOfIt) {
  SimRuntime runtime;
  for (const AnswerCase& row : AnswerCases()) {
    std::string sent[2];
    for (int i = 0; i < 2; ++i) {
      Paint(&runtime, kColours[i]);
      FakeEntropy entropy(1);
      ClientUpgradeOptions options;
      options.host = "example.org";
      options.entropy = &entropy;
      if (row.options != nullptr) row.options(&options);
      sent[i] = RunClient(&runtime, options, {}, OnePiece(AnswerBytes(row.head))).written;
    }
    EXPECT_EQ(sent[0], sent[1]) << row.name;
    EXPECT_FALSE(sent[0].empty());
  }
}

}  // namespace
}  // namespace halfpipe::websocket::conformance
