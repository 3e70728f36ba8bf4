#!/usr/bin/env python3
"""Finds the tests that have a second thread and are not tagged "threads".

  thread_tags.py EVENTS

EVENTS is what --build_event_json_file wrote of a run of tests with --run_under=//tools/dev:thread_witness,
whose words are in the tests' logs. Prints a line for each such test, and for the whole if no test in
it had a second thread, for then nothing was looked at. Status 0 if it printed none.

The tag is what the thread sanitizer goes by, which has nothing to say about a test with one thread.
"""

import sys
import urllib.parse

import test_counts

TAG = "threads"
WORDS = "thread_witness: a second thread in "


def read_log(uri):
    path = urllib.parse.unquote(urllib.parse.urlparse(uri).path)
    with open(path, encoding="utf-8", errors="replace") as log:
        return log.read()


def untagged(events, read=read_log):
    """Returns the lines to print."""
    tagged = set()
    programs = {}
    for event in events:
        (kind, event_id), = event["id"].items()
        label = event_id.get("label", "") if isinstance(event_id, dict) else ""
        if kind == "targetConfigured" and TAG in event.get("configured", {}).get("tag", []):
            tagged.add(label)
        elif kind == "testResult":
            for output in event.get("testResult", {}).get("testActionOutput", []):
                if output.get("name") != "test.log":
                    continue
                for line in read(output["uri"]).splitlines():
                    if line.startswith(WORDS):
                        programs.setdefault(label, set()).add(line[len(WORDS):])
    if not programs:
        return ["no test had a second thread: they did not run under thread_witness"]
    return [
        '%s has a second thread (in %s) and no tag "%s"' %
        (label, ", ".join(sorted(programs[label])), TAG)
        for label in sorted(programs.keys() - tagged)
    ]


def main():
    path, = sys.argv[1:]
    try:
        with open(path, encoding="utf-8") as lines:
            found = untagged(test_counts.read_events(lines))
    except OSError as error:
        found = [str(error)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
