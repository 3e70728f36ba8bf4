"""Libraries that parse, serialize or decide, and never wait; and the proof that they do not.

A pure package writes

    load("//tools/build_defs:pure_library.bzl", "pure_library", "pure_package_query")

    pure_library(
        name = "masking",
        srcs = ["masking.cc"],
        hdrs = ["masking.h"],
    )

    # ... all other targets ...

    pure_package_query(name = "pure_deps")

with the query as the last statement of its BUILD file, and is added to //tools/dev:layering_test.
The query makes the test :pure_deps_test, which looks at each rule of the package that is neither
a test nor testonly, and fails where

  * one of them is not a pure_library, or reaches a rule of this repository that is neither a
    pure_library nor in //bytestream/base;
  * a source file of theirs includes a header of the system's I/O, threads or streams, or one of
    //bytestream beyond base, its own pure ones excepted;
  * a rule stands behind the query in the BUILD file, where it would not be seen.

A package that holds drivers beside pure libraries calls pure_package_query(name = "pure_deps",
mixed = True): only its pure libraries are looked at.
"""

load("@rules_cc//cc:defs.bzl", "cc_library")
load("@rules_shell//shell:sh_test.bzl", "sh_test")

# Rules of this repository, which a pure target may not reach: all but the pure ones and the value
# types.  Labels start with "//", or with "@@//" or "@//" depending on the Bazel.
_VIOLATIONS = """
let reached = kind(" rule", filter("^@*//", deps(set({targets})))) in
$reached except attr("tags", "[\\[ ]pure[,\\]]", $reached) except filter("^@*//bytestream/base:", $reached)
"""

def pure_library(name, tags = [], **kwargs):
    """A cc_library whose code parses, serializes or decides, and never reaches I/O.

    Args:
      name: the target's name.
      tags: further tags; "pure" is what the query goes by.
      **kwargs: as for cc_library.
    """
    cc_library(
        name = name,
        tags = tags + ["pure"],
        **kwargs
    )

def _files(rule):
    """Returns the names of a rule's own source files, relative to the package."""
    files = []
    for attribute in ["srcs", "hdrs", "textual_hdrs"]:
        for label in rule.get(attribute) or []:
            if label.startswith(":"):
                files.append(label[1:])
    return files

def pure_package_query(name, mixed = False, tags = []):
    """Makes the test <name>_test: this package's pure libraries reach no I/O.

    Call it last in a BUILD file; the comment on top of this file says what it checks.

    Args:
      name: "pure_deps".
      mixed: whether the package may hold libraries that are not pure.
      tags: tags of the test.
    """
    targets = []
    test_files = {}
    pure_files = {}
    for rule_name, rule in native.existing_rules().items():
        pure = "pure" in (rule.get("tags") or [])
        if rule["kind"].endswith("_test") or rule.get("testonly") or (mixed and not pure):
            for file in _files(rule):
                test_files[file] = True
            continue
        targets.append("//%s:%s" % (native.package_name(), rule_name))
        for file in _files(rule):
            pure_files[file] = True
    if not targets:
        fail("pure_package_query: the BUILD file has no pure_library before it")

    # In a pure package a file is looked at even if no rule names it in a way that can be read here.
    sources = native.glob(["*.h", "*.cc", "*.c", "*.inc"], exclude = test_files.keys())
    if mixed:
        sources = pure_files.keys()
    native.genquery(
        name = name + "_violations",
        testonly = True,
        expression = _VIOLATIONS.format(targets = " ".join(targets)),
        opts = ["--noimplicit_deps"],
        scope = targets,
        visibility = ["//tools/dev:__subpackages__"],
    )
    sh_test(
        name = name + "_test",
        size = "small",
        srcs = ["//tools/build_defs:pure_package_test.sh"],
        args = [
            "mixed" if mixed else "pure",
            "$(rootpath :%s_violations)" % name,
            "$(rootpath BUILD)",
        ] + ["$(rootpath %s)" % file for file in sources],
        data = [
            "BUILD",
            ":%s_violations" % name,
        ] + sources,
        tags = tags,
        visibility = ["//tools/dev:__subpackages__"],
    )
