#!/usr/bin/env python3
"""Finds what the documents say of the tree and what is not so.

  tools/dev/check_docs.py [ROOT]

In README files: links to files and headings that are not there; names of files, targets and errnos
that are not there; names between backticks (functions, types, constants, options) that no source
has. In comments of sources: names of files and targets that are not there. In packages: public
libraries that the package's public face has forgotten. In headers of C calls: calls without a
comment or a short name, and errnos that are not there. One line for each, FILE:LINE: WHAT; status 1
if there is one.
"""

import errno
import os
import re
import sys

CODE = ('.h', '.cc', '.c', '.bzl', '.py', '.sh', '.js', '.inc')
# Files that are named and are not of this tree: zlib's.
FOREIGN = {'zconf.h'}
# Public libraries that are no part of their package's public face, and why.
NOT_OF_FACE = {
    '//websocket:libdill',  # a face of its own, with names that others may have
}
# What macros call.
PREFIXED_ONLY = {'dill_go_named'}
RULE = re.compile(r'^(\w+)\(\n(.*?)^\)', re.M | re.S)
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
SPAN = re.compile(r'`([^`]+)`')
LABEL = re.compile(r'(?<![\w@:/.])//((?:[a-z]\w*(?:/\w+)*)?)(?::([\w+-]+(?:\.[\w+-]+)*))?')
FILE = re.compile(r'(?<![\w/.*<:-])((?:\w[\w.-]*/)*\w[\w-]*\.(?:h|cc|c|md|sh|py|bzl|js|inc))(?![\w*/])')
IDENTIFIER = re.compile(r'[A-Za-z_]\w*')
ERRNO = re.compile(r'\bE[A-Z0-9]{3,}\b')


def walk(root):
    """All files of the tree, by their path from its root."""
    for place, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f[0] != '.' and not f.startswith('bazel-'))
        for name in sorted(files):
            yield os.path.relpath(os.path.join(place, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as file:
        return file.read()


def names_of(build):
    """The targets of a BUILD file; what stands for several ("step%d") as a pattern."""
    names = re.findall(r'name = "([^"]+)"', build)
    return re.compile('|'.join(re.sub('%.', '.+', re.escape(n).replace('\\%', '%')) for n in names))


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = list(walk(root))
        self.file_set = set(self.files)
        self.suffixes = set()
        self.targets = {}
        words = set()
        for path in self.files:
            parts = path.split('/')
            for i in range(len(parts)):
                self.suffixes.add('/'.join(parts[i:]))
            if parts[-1] in ('BUILD', 'BUILD.bazel'):
                self.targets['/'.join(parts[:-1])] = names_of(read(root, path))
            if path.endswith(CODE) or parts[-1] in ('BUILD', 'bazelw', 'run', 'MODULE.bazel'):
                words.update(IDENTIFIER.findall(read(root, path)))
        self.words = words

    def has_label(self, package, name):
        if package.endswith('/'):
            return False
        if package not in self.targets:
            return False
        name = name or package.split('/')[-1]
        return bool(self.targets[package].fullmatch(name)) or '%s/%s' % (package, name) in self.file_set

    def has_file(self, name):
        return name in self.suffixes or name in FOREIGN


def anchors(text):
    result = set()
    for heading in re.findall(r'^#+ (.*)$', text, re.M):
        slug = re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
        result.add(slug)
    return result


def check_link(tree, path, target):
    if re.match(r'[a-z]+:', target):
        return None
    file, _, anchor = target.partition('#')
    full = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
    if not os.path.exists(os.path.join(tree.root, full)):
        return 'no such file: %s' % target
    if anchor and anchor not in anchors(read(tree.root, full)):
        return 'no such heading: %s' % target
    return None


def check_labels(tree, text):
    for match in LABEL.finditer(text):
        package, name = match.group(1) or '', match.group(2)
        rest = text[match.end():]
        if rest.startswith(('...', '/...')) or (not package and not name):
            if package and not any((p + '/').startswith(package + '/') for p in tree.targets):
                yield 'no such package: //%s/...' % package
            continue
        if rest.startswith(('*', '/*')):
            continue
        if not tree.has_label(package, name):
            yield 'no such target: %s' % match.group(0)


def check_files(tree, text):
    for match in FILE.finditer(text):
        if not tree.has_file(match.group(1)):
            yield 'no such file: %s' % match.group(1)


def check_errnos(text):
    for name in ERRNO.findall(text):
        if not hasattr(errno, name):
            yield 'no such errno: %s' % name


def check_span(tree, span):
    """What is between backticks: each name in it that looks like one of the code is somewhere."""
    if not re.fullmatch(r'[\w:.<>*~&,() \[\]-]+', span):
        return
    for match in IDENTIFIER.finditer(FILE.sub('', span)):
        name = match.group()
        if len(name) < 4 or not re.search(r'[A-Z_]|\(\)$', name + span[-2:]):
            continue
        if span[match.end():].startswith(('*', '...')) or name.endswith('_'):
            if not any(word.startswith(name) for word in tree.words):
                yield 'no name begins with %s' % name
        elif name not in tree.words:
            yield 'nothing has the name %s' % name


def check_readme(tree, path):
    fenced = False
    for number, line in enumerate(read(tree.root, path).split('\n'), 1):
        if line.startswith('```'):
            fenced = not fenced
        problems = []
        if not fenced:
            problems += [check_link(tree, path, target) for target in LINK.findall(line)]
            for span in SPAN.findall(line):
                problems += check_span(tree, span)
        rest = LINK.sub('', line)
        problems += check_labels(tree, rest)
        if not fenced and not line.startswith('    '):  # Programs may have files of their own.
            problems += check_files(tree, rest)
        problems += check_errnos(rest)
        for problem in problems:
            if problem:
                yield number, problem


def names_in(rule, attribute):
    """The strings of a list in the text of a rule."""
    match = re.search(r'^    %s = \[(.*?)\]' % attribute, rule, re.M | re.S)
    return re.findall(r'"([^"]+)"', match.group(1)) if match else []


def check_face(tree, path):
    """The target that has its package's name and no headers brings all that is public there."""
    text = read(tree.root, path)
    package = os.path.dirname(path)
    public = {}
    deps = {}
    face = None
    for match in RULE.finditer(text):
        kind, rule = match.groups()
        name = re.search(r'^    name = "([^"]+)"', rule, re.M)
        if not kind.endswith('library') or not name or 'testonly' in rule:
            continue
        name = name.group(1)
        deps[name] = [dep[1:] for dep in names_in(rule, 'deps') if dep[0] == ':']
        if name == os.path.basename(package) and not names_in(rule, 'hdrs'):
            face = name
        elif '//visibility:public' in names_in(rule, 'visibility'):
            public[name] = text.count('\n', 0, match.start()) + 1
    if face is None:
        return
    brought, waiting = set(), [face]
    while waiting:
        name = waiting.pop()
        if name not in brought:
            brought.add(name)
            waiting += deps.get(name, [])
    for name, number in public.items():
        label = '//%s:%s' % (package, name)
        if name not in brought and label not in NOT_OF_FACE:
            yield number, '%s is public, and //%s does not bring it' % (label, package)


def check_c_header(tree, path):
    """Each C call says what it does, and has its short name as a label of the linkage name."""
    lines = read(tree.root, path).split('\n')
    text = '\n'.join(lines)
    if 'DILL_DISABLE_RAW_NAMES' not in text:
        return
    labels = dict(re.findall(r'\b(\w+)\([^;{}]*?__asm__\(\s*"(\w+)"\)', text))
    documented = False
    for number, line in enumerate(lines, 1):
        match = re.match(r'^(?!typedef)[a-z][\w ]*[ *]+(dill_\w+)\(', line)
        if match:
            name = match.group(1)
            if not documented:
                yield number, '%s has no comment' % name
            if labels.get(name[len('dill_'):]) != name and name not in PREFIXED_ONLY:
                yield number, '%s has no short name' % name
        # A comment counts for all declarations behind it up to the next empty line.
        documented = line.endswith('*/') or (documented and line != '')


def comment_of(line, path):
    if path.endswith(('.py', '.sh', '.bzl', 'BUILD', 'bazelw')):
        match = re.match(r'^\s*#(.*)', line)
    else:
        match = re.match(r'^\s*(?://|/\*|\*)(.*)', line) or re.search(r'(?:[;{}),]\s+//)(.*)', line)
    return match.group(1) if match else None


def check_code(tree, path):
    for number, line in enumerate(read(tree.root, path).split('\n'), 1):
        comment = comment_of(line, path)
        if comment is None:
            continue
        problems = list(check_labels(tree, comment)) + list(check_files(tree, comment))
        if path.endswith('.h'):
            problems += check_errnos(comment)
        for problem in problems:
            yield number, problem


def check(root):
    """All findings in the tree at `root`, each as FILE:LINE: WHAT."""
    tree = Tree(root)
    for path in tree.files:
        found = []
        if path.endswith('.md'):
            found = check_readme(tree, path)
        elif os.path.basename(path) == 'BUILD':
            found = list(check_code(tree, path)) + list(check_face(tree, path))
        elif path.endswith('.h'):
            found = list(check_code(tree, path)) + list(check_c_header(tree, path))
        elif path.endswith(CODE):
            found = check_code(tree, path)
        for number, problem in found:
            yield '%s:%d: %s' % (path, number, problem)


def main():
    here = os.path.dirname(os.path.realpath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, '../..')
    findings = list(check(os.path.realpath(root)))
    print('\n'.join(findings + ['%d findings' % len(findings)]))
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
