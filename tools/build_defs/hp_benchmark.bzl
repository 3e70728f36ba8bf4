"""Benchmarks that cannot rot."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def hp_benchmark(name, srcs, deps = [], tags = [], size = "small", **kwargs):
    """A Google Benchmark program, and a test that runs one iteration of all that is in it.

    The sources use BENCHMARK(...) and have no main().  Example:

        hp_benchmark(
            name = "masking_benchmark",
            srcs = ["masking_benchmark.cc"],
            deps = [":masking"],
        )

        tools/bazelw run --config=opt //websocket/core:masking_benchmark
        tools/bazelw test //websocket/core:masking_benchmark_smoke_test

    The test fails where a benchmark calls SkipWithError, and where there is none to run.  A
    benchmark that sets MinTime() or Iterations() itself keeps them in the test: leave them out.

    Args:
      name: the program's name; the test is <name>_smoke_test.
      srcs: the sources, compiled once for both.
      deps: what they use, Google Benchmark excepted.
      tags: further tags of both; the program always has "benchmark".
      size: the test's size.
      **kwargs: further attributes of the library of the sources, such as copts or data.
    """
    cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs,
        alwayslink = True,  # The benchmarks register themselves.
        tags = tags,
        visibility = ["//visibility:private"],
        deps = deps + ["@com_github_google_benchmark//:benchmark"],
        **kwargs
    )
    cc_binary(
        name = name,
        testonly = True,
        tags = tags + ["benchmark"],
        deps = [
            ":" + name + "_lib",
            "@com_github_google_benchmark//:benchmark_main",
        ],
    )
    cc_test(
        name = name + "_smoke_test",
        size = size,
        tags = tags,
        deps = [
            ":" + name + "_lib",
            "//tools/build_defs:benchmark_smoke_main",
        ],
    )
