// The tables themselves: names, sections, and a runner that notices what is wrong.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
#include "websocket/testing/conformance/case.h"
#include "websocket/testing/conformance/runner.h"

namespace halfpipe::websocket::conformance {
namespace {

// The sections that say what may come after the opening handshake, and what has to be done then.
const char* const kSections[] = {
    "6455 5.1",      // masked by clients alone
    "6455 5.2",      // the base framing protocol
    "6455 5.3",      // masking
    "6455 5.4",      // fragmentation
    "6455 5.5",      // control frames
    "6455 5.5.1",    // Close
    "6455 5.5.2",    // Ping
    "6455 5.5.3",    // Pong
    "6455 5.6",      // data frames
    "6455 5.7",      // examples
    "6455 5.8",      // extensibility
    "6455 6.1",      // sending
    "6455 6.2",      // receiving
    "6455 7.1.1",    // closing the connection
    "6455 7.1.2",    // starting the closing handshake
    "6455 7.1.4",    // the connection is closed
    "6455 7.1.5",    // the close code
    "6455 7.1.6",    // the close reason
    "6455 7.1.7",    // failing the connection
    "6455 7.3",      // normal closure
    "6455 7.4.1",    // defined codes
    "6455 7.4.2",    // reserved codes
    "6455 8.1",      // UTF-8
    "6455 10.3",     // masking keys
    "6455 10.4",     // limits
    "7692 6",        // the bit
    "7692 6.1",      // and its place
    "7692 6.2",      // inflated text
    "7692 7.1.1",    // context takeover
    "7692 7.1.1.1",  // of the server
    "7692 7.1.1.2",  // of the client
    "7692 7.1.2",    // windows
    "7692 7.2.1",    // compression
    "7692 7.2.2",    // decompression
    "7692 7.2.3.1",  // examples
    "7692 7.2.3.2",  //
    "7692 7.2.3.3",  //
    "7692 7.2.3.4",  //
    "7692 7.2.3.5",  //
    "7692 7.2.3.6",  //
    "7692 8",        // what a bomb may take
};

TEST(ConformanceTablesTest, NamesAreUnique) {
  std::set<std::string> names;
  for (const Case& row : AllCases()) {
    EXPECT_FALSE(row.name.empty());
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
  RecordProperty("rows", static_cast<int>(names.size()));
  // As many as there were; a table that is lost is noticed.
  EXPECT_GE(names.size(), 1600u);
}

TEST(ConformanceTablesTest, EverySectionHasRowsAndEveryRowASection) {
  std::map<std::string, int> rows;
  for (const char* section : kSections) rows[section] = 0;
  for (const Case& row : AllCases()) {
    ASSERT_TRUE(rows.count(row.section) == 1) << row.name << " is of section " << row.section;
    ++rows[row.section];
  }
  for (const auto& [section, count] : rows) EXPECT_GT(count, 0) << section;
}

TEST(ConformanceTablesTest, EachRowSaysHowItEnds) {
  for (const Case& row : AllCases()) {
    SCOPED_TRACE(row.name);
    int ends = 0;
    size_t sent = 0;
    for (const Event& event : row.events) {
      ends += event.kind == Event::Kind::kClosed || event.kind == Event::Kind::kFailed ||
              event.kind == Event::Kind::kReset;
      sent += event.kind == Event::Kind::kSent;
    }
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(sent, row.first.size() + row.after.size());
  }
}

Case Sample() {
  return {.name = "sample",
          .section = "6455 5.4",
          .first = {SendText("we")},
          .in = {TextMore("a"), Ping("p"), Last("b"), Close(1001, "bye")},
          .events = {Sent(), GotText("ab"), Closed(1001, "bye")},
          .out = {Text("we"), Pong("p")}};
}

// Each change of an expectation makes the comparison fail, in each mode and role.
TEST(ConformanceTablesTest, AWrongExpectationIsNoticed) {
  std::vector<Case> wrong(10, Sample());
  wrong[0].events[1].payload = "abc";
  wrong[1].events[1].kind = Event::Kind::kBinary;
  wrong[2].events[2].code = 1000;
  wrong[3].events[2].payload = "by";
  wrong[4].events[0].code = 1;
  wrong[5].events.pop_back();
  wrong[6].out[1].payload = "q";
  wrong[7].out[1].first_byte = 0x89;
  wrong[8].out.pop_back();
  wrong[9].close_out = kNoClose;
  SimRuntime runtime;
  for (const Mode mode : kModes) {
    for (const Role role : RolesOf(Sample())) {
      const std::string seen = Replay(&runtime, Sample(), role, mode, {});
      EXPECT_EQ(seen, Expected(Sample(), mode));
      for (const Case& row : wrong) EXPECT_NE(seen, Expected(row, mode));
    }
  }
}

// And each change of what the peer sends.
TEST(ConformanceTablesTest, ADeviationIsNoticed) {
  const std::string expected = Expected(Sample(), Mode::kView);
  std::vector<Case> changed(5, Sample());
  changed[0].in[2].payload = "c";
  changed[1].in.erase(changed[1].in.begin() + 1);
  changed[2].in[0].first_byte = 0x41;
  changed[3].in[2].wrong_mask = true;
  changed[4].in.pop_back();
  SimRuntime runtime;
  for (const Case& row : changed) {
    EXPECT_NE(Replay(&runtime, row, Role::kServer, Mode::kView, {}), expected);
  }
}

TEST(ConformanceTablesTest, CutsLoseNothing) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * 7));
  for (const Cuts& cuts : {Cuts{}, Cuts{Cuts::Kind::kSingle}, Cuts{Cuts::Kind::kSeeded, 1},
                           Cuts{Cuts::Kind::kSeeded, 2}}) {
    for (const size_t size : {0u, 1u, 1199u, 1200u, 1201u, 1202u, 5000u}) {
      std::string joined;
      for (const std::string& piece : CutAs(cuts, bytes.substr(0, size))) {
        EXPECT_FALSE(piece.empty());
        joined += piece;
      }
      EXPECT_TRUE(joined == bytes.substr(0, size));
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket::conformance
