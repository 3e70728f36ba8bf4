#!/usr/bin/env python3
"""Merges the lcov tracefiles of all tests into one, for `bazel coverage`."""

import argparse
import collections
import pathlib


def read(lines, hits):
    """Adds the line counts of one tracefile to hits, by source file and line."""
    source = None
    for line in lines:
        key, _, value = line.strip().partition(":")
        if key == "SF":
            source = value
            hits[source].update()  # A file without lines is listed too.
        elif key == "DA":
            number, count = value.split(",")[:2]
            hits[source][int(number)] += int(count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reports_file", type=pathlib.Path, required=True)
    parser.add_argument("--output_file", type=pathlib.Path, required=True)
    args, _ = parser.parse_known_args()

    hits = collections.defaultdict(collections.Counter)
    for report in args.reports_file.read_text().split():
        with open(report, encoding="utf-8") as lines:
            read(lines, hits)
    with args.output_file.open("w") as out:
        for name, lines in sorted(hits.items()):
            out.write(f"SF:{name}\n")
            out.writelines(f"DA:{n},{count}\n" for n, count in sorted(lines.items()))
            out.write(f"LH:{sum(map(bool, lines.values()))}\nLF:{len(lines)}\nend_of_record\n")


if __name__ == "__main__":
    main()
