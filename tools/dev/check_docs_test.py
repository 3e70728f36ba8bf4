"""Tests of check_docs.py: of each thing that it finds, and of the tree that it is in."""

import os
import tempfile
import unittest

import check_docs


class CheckDocsTest(unittest.TestCase):

    def findings(self, files):
        """What is found in a tree of these files, each as PATH:LINE: WHAT."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, 'w', encoding='utf-8') as file:
                    file.write(text)
            return list(check_docs.check(root))

    def test_nothing_is_wrong(self):
        self.assertEqual(self.findings({
            'README.md': '# A b\n[x](a/x.h) [y](#a-b) [z](https://nowhere/) `x.h` `Thing` `a/*`\n'
                         '`a_thing()` `kThing...` //a //a:x //a:step2 //a/... EPIPE `http_*`\n',
            'a/BUILD': '    name = "x"\n    name = "a"\n    name = "step%d" % step\n',
            'a/x.h': '// See a/BUILD, a/x.h and //a:x.\nThing kThingOne http_x a_thing();\n',
        }), [])

    def test_links(self):
        self.assertEqual(self.findings({'a/README.md': '\n[x](b.md) [y](README.md#no) [z](#no)\n'}), [
            'a/README.md:2: no such file: b.md',
            'a/README.md:2: no such heading: README.md#no',
            'a/README.md:2: no such heading: #no',
        ])

    def test_targets(self):
        self.assertEqual(self.findings({
            'README.md': '//a:no //b //c/... //a\n',
            'a/BUILD': '    name = "x"\n',
            'a/x.cc': 'int x;  // as in //a:gone\nchar y[] = "//a:not_looked_at";\n',
        }), [
            'README.md:1: no such target: //a:no',
            'README.md:1: no such target: //b',
            'README.md:1: no such package: //c/...',
            'README.md:1: no such target: //a',
            'a/x.cc:1: no such target: //a:gone',
        ])

    def test_files(self):
        self.assertEqual(self.findings({
            'README.md': 'gone.h\n',
            'x.c': '/* gone.c */\n#include <not_looked_at.h>\n',
            'x.sh': '# gone.sh\n',
        }), [
            'README.md:1: no such file: gone.h',
            'x.c:1: no such file: gone.c',
            'x.sh:1: no such file: gone.sh',
        ])

    def test_names(self):
        self.assertEqual(self.findings({
            'README.md': '`Gone` `gone()` `a_gone` `kGone...` `Gone::Thing` EGONE\n'
                         '```cpp\n`NotLookedAt`\n```\n',
            'x.h': 'Thing\n',
        }), [
            'README.md:1: nothing has the name Gone',
            'README.md:1: nothing has the name gone',
            'README.md:1: nothing has the name a_gone',
            'README.md:1: no name begins with kGone',
            'README.md:1: nothing has the name Gone',
            'README.md:1: no such errno: EGONE',
        ])

    def test_face(self):
        def rule(name, attribute, values, visibility='public'):
            return ('cc_library(\n    name = "%s",\n    visibility = ["//visibility:%s"],\n'
                    '    %s = ["%s"],\n)\n' % (name, visibility, attribute, values))

        libraries = (rule('part', 'deps', ':below') + rule('below', 'hdrs', 'below.h') +
                     rule('own', 'hdrs', 'own.h', 'private') + rule('gone', 'hdrs', 'gone.h'))
        self.assertEqual(self.findings({'a/BUILD': rule('a', 'deps', ':part') + libraries}), [
            'a/BUILD:21: //a:gone is public, and //a does not bring it',
        ])
        self.assertEqual(self.findings({'b/BUILD': libraries}), [])

    def test_c_header(self):
        self.assertEqual(self.findings({
            'x.h': '/* EGONE */\n\nint dill_a(void);\n\n/* EPIPE */\nint dill_b(int x,\n           int y);\n'
                   'void* dill_c(void);\n\n#ifndef DILL_DISABLE_RAW_NAMES\n'
                   'int a(void) __asm__("dill_a");\nint b(int x,\n      int y) __asm__(\n    "dill_c");\n',
        }), [
            'x.h:1: no such errno: EGONE',
            'x.h:3: dill_a has no comment',
            'x.h:6: dill_b has no short name',
            'x.h:8: dill_c has no short name',
        ])

    def test_this_tree(self):
        # Where the test runs its own file is a link to the one in the tree.
        root = os.path.join(os.path.dirname(os.path.realpath(__file__)), '../..')
        if not os.path.exists(os.path.join(root, 'MODULE.bazel')):
            self.skipTest('the tree is not here, but a copy of these files alone')
        self.assertEqual(list(check_docs.check(os.path.realpath(root))), [])


if __name__ == '__main__':
    unittest.main()
