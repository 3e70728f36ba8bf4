// Every row of the tables, in every way it can be played: whole, byte by byte and in seeded cuts;
// by ReceiveView, Receive, Discard and in parts; against a peer that has said everything already,
// over a pair in memory and over TCP.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
#include "websocket/testing/conformance/case.h"
#include "websocket/testing/conformance/runner.h"
#include "websocket/testing/tcp_pairs.h"

namespace halfpipe::websocket::conformance {
namespace {

// Another one each time; TEST_RANDOM_SEED replays one.
uint32_t Seed() {
  static const uint32_t seed = [] {
    const char* const given = std::getenv("TEST_RANDOM_SEED");
    const uint32_t value = given != nullptr
                               ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                               : std::random_device()();
    std::cout << "TEST_RANDOM_SEED=" << value << std::endl;
    return value;
  }();
  return seed;
}

std::vector<Cuts> AllCuts(uint32_t number) {
  return {{Cuts::Kind::kWhole},
          {Cuts::Kind::kSingle},
          {Cuts::Kind::kSeeded, number},
          {Cuts::Kind::kSeeded, Seed() + number}};
}

const char* NameOf(Role role) { return role == Role::kServer ? "server" : "client"; }

std::string Where(const Case& row, Role role, Mode mode, const Cuts& cuts) {
  return row.name + " (" + row.section + "), as a " + NameOf(role) + ", mode " +
         std::to_string(static_cast<int>(mode)) + ", cuts " +
         std::to_string(static_cast<int>(cuts.kind)) + " seed " + std::to_string(cuts.seed);
}

TEST(ConformanceTest, Replayed) {
  SimRuntime runtime;
  uint32_t number = 0;
  size_t turns = 0;
  for (const Case& row : AllCases()) {
    ++number;
    // Of what is long each cut is played in one mode, in turn; of the others in all of them.
    const bool is_long = WireOf(row.in, Role::kServer).size() > 4096;
    for (const Role role : RolesOf(row)) {
      for (const Cuts& cuts : AllCuts(number)) {
        const size_t turn = ++turns % std::size(kModes);
        for (const Mode mode : kModes) {
          if (is_long && mode != kModes[turn]) continue;
          const std::string seen = Replay(&runtime, row, role, mode, cuts);
          const std::string expected = Expected(row, mode);
          EXPECT_TRUE(seen == expected) << Where(row, role, mode, cuts) << "\nseen:\n"
                                        << seen << "expected:\n"
                                        << expected;
        }
      }
    }
  }
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST(ConformanceTest, OverAPair) {
  SimRuntime runtime;
  // Small enough that a sender of a large message has to wait, and not so small that a pong has to:
  // of several the newest alone would then be sent, as section 5.5.3 allows.
  const Connect connect = [&runtime] { return MakePair(&runtime, {.capacity_bytes = 4096}); };
  uint32_t number = 0;
  for (const Case& row : AllCases()) {
    ++number;
    for (const Role role : RolesOf(row)) {
      for (const Cuts& cuts : AllCuts(number)) {
        const Mode mode = kModes[(number + static_cast<uint32_t>(cuts.kind)) % std::size(kModes)];
        SCOPED_TRACE(Where(row, role, mode, cuts));
        EXPECT_EQ(Play(&runtime, row, role, mode, cuts, connect), Expected(row, mode));
      }
    }
  }
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST(ConformanceTest, OverTcp) {
  FdLeakCheck leaks;
  Runtime runtime;
  TcpPairs pairs(&runtime);
  const Connect connect = [&pairs] { return pairs.Make(); };
  uint32_t number = 0;
  for (const Case& row : AllCases()) {
    ++number;
    const std::vector<Cuts> all = AllCuts(number);
    for (const Role role : RolesOf(row)) {
      // One way for each row and role: in turn, and another one with each seed.
      const uint32_t turn = Seed() + number + (role == Role::kServer ? 0 : 2);
      const Cuts& cuts = all[turn % all.size()];
      const Mode mode = kModes[turn / all.size() % std::size(kModes)];
      SCOPED_TRACE(Where(row, role, mode, cuts));
      EXPECT_EQ(Play(&runtime, row, role, mode, cuts, connect), Expected(row, mode));
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket::conformance
