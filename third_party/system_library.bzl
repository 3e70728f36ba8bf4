"""A repository rule that wraps installed libraries as cc_library targets."""

_HEADER = """load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    defines = {defines},
    linkopts = {linkopts},
)
"""

def _install(packages):
    return "Install it: `tools/bazelw --setup-only`, or `apt-get install %s`." % packages

def _pkg_config(rctx, modules):
    """Returns the flags of some pkg-config modules, None where one is missing."""
    if not modules:
        return []
    result = rctx.execute(["pkg-config", "--cflags", "--libs"] + modules)
    if result.return_code:
        return None
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _check_header(rctx):
    """Fails unless the compiler finds the header that stands for the library."""
    compiler = rctx.os.environ.get("CC", "cc")
    result = rctx.execute(
        [compiler, "-x", "c++", "-E", "-include", rctx.attr.header, "-o", "/dev/null", "/dev/null"],
    )
    if result.return_code:
        fail("@%s: %s does not find <%s> of Debian's %s. %s" % (
            rctx.name,
            compiler,
            rctx.attr.header,
            rctx.attr.debian_package,
            _install(rctx.attr.debian_package),
        ))

def _system_library_impl(rctx):
    if not rctx.which("pkg-config"):
        fail("@%s: pkg-config is not on the PATH. %s" % (rctx.name, _install("pkg-config")))
    if rctx.attr.header:
        _check_header(rctx)

    packages = {}
    missing = []
    for target, libs in rctx.attr.targets.items():
        package, name = target.split(":")
        modules = [lib for lib in libs if not lib.startswith("-")]
        flags = _pkg_config(rctx, modules)
        if flags == None:
            # One target of many may be younger than the installed library.
            missing.extend(modules)
            continue
        flags = flags + [lib for lib in libs if lib.startswith("-")]
        packages[package] = packages.get(package, _HEADER) + _LIBRARY.format(
            name = name,
            defines = repr([f[2:] for f in flags if f.startswith("-D")]),
            linkopts = repr([f for f in flags if f[:2] in ["-l", "-L", "-W", "-p"]]),
        )
    if not packages:
        fail("@%s: pkg-config does not find %s of Debian's %s. %s" % (
            rctx.name,
            missing[0],
            rctx.attr.debian_package,
            _install(rctx.attr.debian_package),
        ))
    for package, content in packages.items():
        rctx.file(package + "/BUILD" if package else "BUILD", content, executable = False)
    if "" not in packages:
        rctx.file("BUILD", "", executable = False)

system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "debian_package": attr.string(
            mandatory = True,
            doc = "What to install where the library is missing, for the error message.",
        ),
        "header": attr.string(
            doc = "A header that stands for a library which pkg-config does not know.",
        ),
        "targets": attr.string_list_dict(
            mandatory = True,
            doc = "'package:name' to its pkg-config modules, or bare -l flags.",
        ),
    },
    configure = True,
    doc = "cc_library targets that link what the machine has installed.",
    environ = ["CC", "PKG_CONFIG_PATH"],
    local = True,
)

def _files_impl(rctx):
    for label, path in rctx.attr.files.items():
        rctx.symlink(label, path)
        directory = path.rpartition("/")[0]
        if directory and path.endswith(".bzl"):
            rctx.file(directory + "/BUILD", "", executable = False)

files_repository = repository_rule(
    implementation = _files_impl,
    attrs = {"files": attr.label_keyed_string_dict(mandatory = True)},
    doc = "A repository made of some of this repository's files.",
)
