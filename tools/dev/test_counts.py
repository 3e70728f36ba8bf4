#!/usr/bin/env python3
"""Counts what one `bazel test` did, from its build events.

  test_counts.py EVENTS BAZEL_STATUS

EVENTS is what --build_event_json_file wrote, BAZEL_STATUS is Bazel's exit status.  Prints the number
that passed, a blank and the number that failed on the first line, then the label of each failure with
a word why.  A target that is no test counts only where it fails to build.  Whatever Bazel complains
about without naming a target is one failure.
"""

import json
import sys


def read_events(lines):
    """Yields the events; a last line that was cut short by the end of Bazel ends them."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def count(events, bazel_status):
    """Returns the labels that passed, and a dictionary of those that failed to the reason."""
    tests = set()
    passed = set()
    failed = {}
    for event in events:
        (kind, event_id), = event["id"].items()
        label = event_id.get("label", "") if isinstance(event_id, dict) else ""
        if kind == "targetConfigured" and "configured" in event:
            if event["configured"].get("targetKind", "").endswith("_test rule"):
                tests.add(label)
        elif kind == "targetCompleted":
            if "aborted" in event or not event.get("completed", {}).get("success"):
                failed.setdefault(label, "was not built")
        elif kind == "testSummary":
            status = event.get("testSummary", {}).get("overallStatus", "no status")
            if status == "PASSED":
                passed.add(label)
            elif status != "FAILED_TO_BUILD":
                failed[label] = status.lower()
        elif "aborted" in event and label:
            failed.setdefault(label, "was not built")
    for label in tests - passed:
        failed.setdefault(label, "was not run")
    passed -= failed.keys()
    if bazel_status != 0 and not failed:
        failed["bazel"] = "ended with status %d" % bazel_status
    if not passed and not failed:
        failed["bazel"] = "ran no test"
    return passed, failed


def main():
    path, status = sys.argv[1:]
    try:
        with open(path, encoding="utf-8") as lines:
            passed, failed = count(read_events(lines), int(status))
    except OSError:
        passed, failed = set(), {"bazel": "wrote no events, and ended with status " + status}
    print(len(passed), len(failed))
    for label, reason in sorted(failed.items()):
        print(label, reason)


if __name__ == "__main__":
    main()
