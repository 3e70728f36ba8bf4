"""Fuzz targets whose corpus is also an ordinary test."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def cc_fuzz_target(name, srcs, corpus, deps = [], tags = [], size = "small", **kwargs):
    """A libFuzzer program, and a test that replays its corpus with any compiler.

    The sources define LLVMFuzzerTestOneInput and have no main().  Example:

        cc_fuzz_target(
            name = "frame_header_fuzzer",
            srcs = ["frame_header_fuzzer.cc"],
            corpus = glob(["frame_header_corpus/**"]),
            deps = [":frame_header"],
        )

        tools/bazelw test //websocket/core:frame_header_fuzzer_corpus_test
        tools/bazelw run --config=fuzz //websocket/core:frame_header_fuzzer -- \\
            -max_total_time=60 "$PWD/websocket/core/frame_header_corpus"

    A fuzzer checks a property (round trip, split invariance, agreement with a naive version) and
    aborts where it does not hold.  An input that once failed becomes a file of the corpus.

    Args:
      name: the fuzzer's name; it is built only when asked for, with --config=fuzz.  The test is
        <name>_corpus_test.
      srcs: the sources, compiled once for both.
      corpus: the inputs, source files without blanks in their names.  At least one.
      deps: what the sources use.
      tags: further tags of both.
      size: the test's size.
      **kwargs: further attributes of the library of the sources.
    """
    if not corpus:
        fail("%s: the corpus has no files" % name)
    cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        tags = tags,
        visibility = ["//visibility:private"],
        deps = deps,
        **kwargs
    )
    cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = tags + [
            "fuzzer",
            "manual",
        ],
        deps = [":" + name + "_lib"],
    )
    cc_test(
        name = name + "_corpus_test",
        size = size,
        args = ["$(location %s)" % file for file in corpus],
        data = corpus,
        tags = tags,
        deps = [
            ":" + name + "_lib",
            "//tools/build_defs:fuzz_replay_main",
        ],
    )
