"""Libraries that decide and never wait."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def pure_library(name, tags = [], **kwargs):
    """A cc_library whose code parses, serializes or decides, and never reaches I/O.

    The tag is what //tools/dev:layering_test goes by: a target that carries it may depend, inside
    this repository, only on other pure targets and on the value types of //bytestream/base.

    Args:
      name: the target's name.
      tags: further tags.
      **kwargs: as for cc_library.
    """
    cc_library(
        name = name,
        tags = tags + ["pure"],
        **kwargs
    )
