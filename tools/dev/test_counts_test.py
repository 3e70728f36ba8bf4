"""Tests of test_counts.py."""

import json
import unittest

import test_counts


def configured(label, kind):
    return {"id": {"targetConfigured": {"label": label}}, "configured": {"targetKind": kind}}


def completed(label, success=True):
    return {"id": {"targetCompleted": {"label": label}}, "completed": {"success": success}}


def summary(label, status):
    return {"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}}


def test(label, status):
    return [configured(label, "cc_test rule"), completed(label), summary(label, status)]


class CountTest(unittest.TestCase):

    def test_all_pass(self):
        events = test("//a:x", "PASSED") + test("//a:y", "PASSED")
        events += [configured("//a:lib", "cc_library rule"), completed("//a:lib")]
        self.assertEqual(test_counts.count(events, 0), ({"//a:x", "//a:y"}, {}))

    def test_failures_have_a_reason(self):
        events = test("//a:x", "PASSED") + test("//a:y", "FAILED") + test("//a:z", "TIMEOUT")
        passed, failed = test_counts.count(events, 3)
        self.assertEqual(passed, {"//a:x"})
        self.assertEqual(failed, {"//a:y": "failed", "//a:z": "timeout"})

    def test_a_test_that_does_not_build_failed(self):
        events = test("//a:x", "PASSED")
        events += [configured("//a:y", "cc_test rule"), completed("//a:y", success=False)]
        events += [summary("//a:y", "FAILED_TO_BUILD")]
        self.assertEqual(test_counts.count(events, 1), ({"//a:x"}, {"//a:y": "was not built"}))

    def test_a_library_that_does_not_build_failed(self):
        events = test("//a:x", "PASSED")
        events += [configured("//a:lib", "cc_library rule")]
        events += [{"id": {"targetCompleted": {"label": "//a:lib"}}, "aborted": {}}]
        self.assertEqual(test_counts.count(events, 1)[1], {"//a:lib": "was not built"})

    def test_a_target_that_is_not_analysed_failed(self):
        events = test("//a:x", "PASSED")
        events += [{"id": {"configuredLabel": {"label": "//b:y"}}, "aborted": {"reason": "x"}}]
        self.assertEqual(test_counts.count(events, 1)[1], {"//b:y": "was not built"})

    def test_a_test_that_never_ran_failed(self):
        events = [configured("//a:x", "sh_test rule"), completed("//a:x")]
        self.assertEqual(test_counts.count(events, 8)[1], {"//a:x": "was not run"})

    def test_a_status_without_a_culprit_is_a_failure(self):
        passed, failed = test_counts.count(test("//a:x", "PASSED"), 36)
        self.assertEqual(passed, {"//a:x"})
        self.assertEqual(failed, {"bazel": "ended with status 36"})

    def test_nothing_is_a_failure(self):
        self.assertEqual(test_counts.count([], 0), (set(), {"bazel": "ran no test"}))

    def test_events_end_where_they_were_cut(self):
        lines = [json.dumps(event) for event in test("//a:x", "PASSED")] + ['{"id": {"te']
        self.assertEqual(len(list(test_counts.read_events(lines))), 3)


if __name__ == "__main__":
    unittest.main()
