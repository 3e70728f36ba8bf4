"""The dependencies, for a WORKSPACE.  MODULE.bazel lists the same ones under the same names."""

load("//third_party:system_library.bzl", "files_repository", "system_library")

def _maybe(rule, name, **kwargs):
    if name not in native.existing_rules():
        rule(name = name, **kwargs)

def bazel4_deps():
    """Stands in for what Bazel 4 would download, out of its built-in rules."""
    _maybe(
        files_repository,
        name = "rules_cc",
        files = {Label("//third_party:bazel4/rules_cc.bzl"): "cc/defs.bzl"},
    )
    _maybe(
        files_repository,
        name = "rules_java",
        files = {Label("//third_party:bazel4/rules_java.bzl"): "java/defs.bzl"},
    )
    _maybe(
        files_repository,
        name = "rules_shell",
        files = {Label("//third_party:bazel4/rules_shell.bzl"): "shell/sh_test.bzl"},
    )
    _maybe(
        files_repository,
        name = "remote_coverage_tools",
        files = {
            Label("//third_party:bazel4/coverage.BUILD"): "BUILD",
            Label("//third_party:bazel4/lcov_merger.py"): "lcov_merger.py",
            Label("//third_party:bazel4/report_generator.py"): "report_generator.py",
        },
    )

def system_deps():
    """Wraps the libraries that are installed on this machine."""
    _maybe(
        system_library,
        name = "com_google_absl",
        debian_package = "libabsl-dev",
        targets = {
            "absl/base:base": ["absl_base"],
            "absl/base:config": ["absl_config"],
            "absl/base:core_headers": ["absl_core_headers"],
            "absl/base:endian": ["absl_endian"],
            "absl/cleanup:cleanup": ["absl_cleanup"],
            "absl/container:fixed_array": ["absl_fixed_array"],
            "absl/container:flat_hash_map": ["absl_flat_hash_map"],
            "absl/container:flat_hash_set": ["absl_flat_hash_set"],
            "absl/container:inlined_vector": ["absl_inlined_vector"],
            "absl/flags:flag": ["absl_flags"],
            "absl/flags:parse": ["absl_flags_parse"],
            "absl/flags:usage": ["absl_flags_usage"],
            "absl/functional:any_invocable": ["absl_any_invocable"],
            "absl/functional:function_ref": ["absl_function_ref"],
            "absl/hash:hash": ["absl_hash"],
            "absl/memory:memory": ["absl_memory"],
            "absl/meta:type_traits": ["absl_type_traits"],
            "absl/numeric:bits": ["absl_bits"],
            "absl/random:random": ["absl_random_random"],
            "absl/status:status": ["absl_status"],
            "absl/status:statusor": ["absl_statusor"],
            "absl/strings:cord": ["absl_cord"],
            "absl/strings:str_format": ["absl_str_format"],
            "absl/strings:string_view": ["absl_strings"],
            "absl/strings:strings": ["absl_strings"],
            "absl/synchronization:synchronization": ["absl_synchronization"],
            "absl/time:time": ["absl_time"],
            "absl/types:optional": ["absl_optional"],
            "absl/types:span": ["absl_span"],
            "absl/utility:utility": ["absl_utility"],
        },
    )
    _maybe(
        system_library,
        name = "com_google_googletest",
        debian_package = "libgtest-dev libgmock-dev",
        targets = {
            ":gtest": ["gmock"],
            ":gtest_main": ["-lgtest_main", "gmock"],
        },
    )
    _maybe(
        system_library,
        name = "com_github_google_benchmark",
        debian_package = "libbenchmark-dev",
        targets = {
            ":benchmark": ["benchmark", "-pthread"],
            ":benchmark_main": ["-lbenchmark_main", "benchmark", "-pthread"],
        },
    )
    _maybe(
        system_library,
        name = "boost.context",
        debian_package = "libboost-context-dev",
        # Boost has no pkg-config files.
        header = "boost/context/detail/fcontext.hpp",
        targets = {":boost.context": ["-lboost_context"]},
    )
    _maybe(
        system_library,
        name = "c-ares",
        debian_package = "libc-ares-dev",
        targets = {":ares": ["libcares"]},
    )
    _maybe(
        system_library,
        name = "openssl",
        debian_package = "libssl-dev",
        targets = {
            ":crypto": ["libcrypto"],
            ":ssl": ["libssl"],
        },
    )
    _maybe(
        system_library,
        name = "zlib",
        debian_package = "zlib1g-dev",
        targets = {":zlib": ["zlib"]},
    )

def halfpipe_deps():
    """Declares every external repository that halfpipe needs and the caller has not declared."""
    bazel4_deps()
    system_deps()
