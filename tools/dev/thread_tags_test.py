"""Tests of thread_tags.py."""

import unittest

import thread_tags


def test(label, log, tags=()):
    return [
        {"id": {"targetConfigured": {"label": label}},
         "configured": {"targetKind": "cc_test rule", "tag": list(tags)}},
        {"id": {"testResult": {"label": label, "run": 1}},
         "testResult": {"testActionOutput": [{"name": "test.log", "uri": log},
                                             {"name": "test.xml", "uri": "no such file"}]}},
    ]


def untagged(events):
    """The log is the address itself."""
    return thread_tags.untagged(events, read=lambda uri: uri)


SEEN = "some output\n" + thread_tags.WORDS + "a/x\n" + thread_tags.WORDS + "tools/y\n"


class ThreadTagsTest(unittest.TestCase):

    def test_tagged(self):
        events = test("//a:x", SEEN, ["table", "threads"]) + test("//a:y", "some output\n")
        self.assertEqual(untagged(events), [])

    def test_not_tagged(self):
        events = test("//a:x", SEEN, ["threads"]) + test("//a:y", SEEN, ["threads-not"])
        self.assertEqual(
            untagged(events),
            ['//a:y has a second thread (in a/x, tools/y) and no tag "threads"'])

    def test_each_shard_and_attempt_counts(self):
        events = test("//a:x", SEEN) + test("//a:x", "some output\n")
        self.assertEqual(len(untagged(events)), 1)

    def test_a_tag_without_a_thread_is_nothing(self):
        events = test("//a:x", SEEN, ["threads"]) + test("//a:y", "", ["threads"])
        self.assertEqual(untagged(events), [])

    def test_words_within_a_line_are_no_witness(self):
        events = test("//a:x", SEEN, ["threads"]) + test("//a:y", "it says " + thread_tags.WORDS)
        self.assertEqual(untagged(events), [])

    def test_no_witness_at_all_is_a_failure(self):
        self.assertEqual(len(untagged(test("//a:x", "some output\n"))), 1)
        self.assertEqual(len(untagged([])), 1)


if __name__ == "__main__":
    unittest.main()
