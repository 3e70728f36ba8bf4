#include "tools/interop/results.h"

#include <errno.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

constexpr char kReadme[] = "tools/interop/README.md";

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

// Looks after the table when all tests of the program have ended.
class Table : public testing::Environment {
 public:
  // gtest owns it.
  static Table& Get() {
    static Table* const table = new Table;
    return *table;
  }

  void Add(Result result) { results_.push_back(std::move(result)); }
  void Miss(absl::string_view peer) { absent_.emplace(peer); }

  void TearDown() override {
    if (testing::UnitTest::GetInstance()->Failed()) return;
    // program_invocation_short_name is the test's name, under Bazel as well as without it.
    const std::string test = program_invocation_short_name;
    if (const char* path = getenv("HALFPIPE_INTEROP_README")) {
      Write(path, test);
    } else {
      Check(Contents(kReadme), test);
    }
  }

 private:
  void Write(const std::string& path, const std::string& test) {
    std::stable_sort(results_.begin(), results_.end(),
                     [](const Result& a, const Result& b) { return a.peer < b.peer; });
    EXPECT_TRUE(absent_.empty()) << "peers are missing: " << absl::StrJoin(absent_, ", ");
    const std::string readme = WithTable(Contents(path), test, FormatResults(results_));
    if (testing::UnitTest::GetInstance()->Failed()) return;
    std::ofstream(path) << readme;
    EXPECT_EQ(KeysIn(Contents(path), test).size(), results_.size()) << path;
  }

  void Check(const std::string& readme, const std::string& test) {
    std::set<ResultKey> committed = KeysIn(readme, test);
    for (const Result& result : results_) {
      EXPECT_EQ(committed.erase(KeyOf(result)), 1)
          << "no row of its own in the table of " << test << ":\n"
          << FormatResults({result}) << kHowToWrite;
    }
    // Some of the tests alone have some of the rows alone.
    if (testing::GTEST_FLAG(filter) != "*" || getenv("TESTBRIDGE_TEST_ONLY") != nullptr) return;
    for (const ResultKey& key : committed) {
      EXPECT_TRUE(absent_.count(key[0]) > 0)
          << "the table of " << test << " has a row that is no result:\n"
          << absl::StrJoin(key, " | ") << kHowToWrite;
    }
  }

  static constexpr char kHowToWrite[] = "\ntools/interop/write_tables.sh writes it";

  std::vector<Result> results_;
  std::set<std::string> absent_;
};

[[maybe_unused]] testing::Environment* const registered =
    testing::AddGlobalTestEnvironment(&Table::Get());

}  // namespace

void RecordResult(Result result) {
  if (testing::Test::HasFailure()) return;
  result.outcome = absl::StrCat("passed", result.outcome.empty() ? "" : ": ", result.outcome);
  Table::Get().Add(std::move(result));
}

void RecordAbsence(absl::string_view peer) { Table::Get().Miss(peer); }

std::string CasesIn(absl::string_view output) {
  std::vector<absl::string_view> cases;
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (!absl::ConsumePrefix(&line, "did ")) continue;
    if (std::find(cases.begin(), cases.end(), line) == cases.end()) cases.push_back(line);
  }
  return absl::StrJoin(cases, ", ");
}

}  // namespace halfpipe::tools
