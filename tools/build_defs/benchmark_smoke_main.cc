// Runs each linked benchmark for one iteration.  Exits with 0 if there was at least one and none
// reported an error.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

// Run::error_occurred became Run::skipped (0 is "not skipped") in Google Benchmark 1.8.
template <typename Run>
bool HasError(const Run& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred;
  } else {
    return run.skipped != decltype(run.skipped){};
  }
}

class CountingReporter : public benchmark::ConsoleReporter {
 public:
  CountingReporter() : ConsoleReporter(OO_None) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      ++run_count_;
      if (HasError(run)) ++error_count_;
    }
    ConsoleReporter::ReportRuns(runs);
  }

  size_t run_count() const { return run_count_; }
  size_t error_count() const { return error_count_; }

 private:
  size_t run_count_ = 0;
  size_t error_count_ = 0;
};

}  // namespace

int main(int, char** argv) {
  // Without a minimum time the first attempt, which is one iteration, is enough.  Newer versions
  // like a unit after the number and 1.7 refuses one, so there is none.
  char min_time[] = "--benchmark_min_time=0";
  char* flags[] = {argv[0], min_time, nullptr};
  int flag_count = 2;
  benchmark::Initialize(&flag_count, flags);
  if (flag_count != 1) {
    std::fprintf(stderr, "this Google Benchmark does not know %s\n", min_time);
    return 1;
  }

  CountingReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  if (reporter.run_count() == 0) {
    std::fprintf(stderr, "no benchmark is linked in\n");
    return 1;
  }
  if (reporter.error_count() != 0) {
    std::fprintf(stderr, "%zu of %zu benchmarks reported an error\n", reporter.error_count(),
                 reporter.run_count());
    return 1;
  }
  return 0;
}
