#!/usr/bin/env python3
"""check_conformance.py - every function and test that docs/conformance.md names exists, and its tables are complete.

Usage: check_conformance.py [ROOT]

A table's header is `| § | Requirement | Where | Proof |`. In `Where` and `Proof` whatever stands in backticks is a reference:
    room/file.c:function   under src/ (else test/, tools/, the root); the function, macro or table is defined in that file
    test_wire_frame:name   a test in test/unit/test_wire_frame.c;  fuzz_wire_frame: test/fuzz/fuzz_wire_frame.c
    replay/name.rpl        a scenario in test/replay/
`Where` names at least one, or begins with "not yet: " and what it waits for, or with "deviates: ". `Proof` names at least one, or
says "no test yet", or "-" where there is nothing to prove. The marks D1..D48 and the pitfalls 10.1..10.33 must all be there.
Exit status 0: fine, 1: findings, one a line, 2: wrong usage.
"""
import os
import re
import sys

DOCUMENT = "docs/conformance.md"
HEADER = ["§", "Requirement", "Where", "Proof"]
SECTION = re.compile(r"\d+(\.\d+)?( D\d+)*$")
TEST = re.compile(r"(test|fuzz)_\w+$")
FILE = re.compile(r"[\w./-]+\.(c|h|py|sh|rpl)$")
CHOICES = {f"D{n}" for n in range(1, 49)}
PITFALLS = {f"10.{n}" for n in range(1, 34)}


def find_file(root, name):
    """The path of a reference's file, None if there is none."""
    if TEST.fullmatch(name):
        places = [f"test/{'unit' if name.startswith('test_') else 'fuzz'}/{name}.c"]
    elif FILE.fullmatch(name):
        places = [f"{folder}{name}" for folder in ("src/", "test/", "tools/", "")]
    else:
        return None
    paths = [os.path.join(root, place) for place in places]
    return next((path for path in paths if os.path.isfile(path)), None)


def defines(path, text, name):
    """Is `name` defined in this text, not merely used or declared?"""
    word = re.escape(name)
    if path.endswith((".py", ".sh")):
        return re.search(rf"^\s*(def|class)\s+{word}\b|^{word}\(\)", text, re.M) is not None
    if re.search(rf"^#define\s+{word}\b", text, re.M):
        return True
    if re.search(rf"^[^\s#/*][^;{{}}()]*\b{word}(\[[^]]*\])?\s*=", text, re.M):  # a table
        return True
    if re.search(rf"^(enum|struct)\s+{word}\s*{{", text, re.M):
        return True
    for found in re.finditer(rf"^(?:[\w*][^;{{}}()\n]*[\s*])?{word}\s*\(", text, re.M):  # a function's head, up to ; or {
        rest = text[found.end():]
        end = re.search(r"[;{]", rest)
        if end and (end.group() == "{" or path.endswith(".h")):
            return True
    return False


class Checker:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.texts = {}
        self.counts = {"rows": 0, "not yet": 0, "deviates": 0, "no test yet": 0}
        self.marks = set()

    def find(self, line, words):
        self.findings.append(f"{DOCUMENT}:{line}: {words}")

    def text(self, path):
        if path not in self.texts:
            with open(path, encoding="utf-8") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def references(self, line, cell):
        found = re.findall(r"`([^`]*)`", cell)
        for reference in found:
            name, _, symbol = reference.partition(":")
            path = find_file(self.root, name)
            if path is None:
                self.find(line, f"no file for {reference}")
            elif symbol and not defines(path, self.text(path), symbol):
                self.find(line, f"{name} does not define {symbol}")
        return len(found)

    def row(self, line, cells):
        section, requirement, where, proof = cells
        self.counts["rows"] += 1
        if not SECTION.fullmatch(section):
            self.find(line, f"no section number: {section}")
        self.marks.update(section.split())
        if not requirement:
            self.find(line, "no requirement")
        named = self.references(line, where)
        proofs = self.references(line, proof)
        waits = where.startswith("not yet: ") and len(where) > len("not yet: ")
        deviates = where.startswith("deviates: ")
        self.counts["not yet"] += waits
        self.counts["deviates"] += deviates
        self.counts["no test yet"] += proof == "no test yet"
        if named == 0 and not waits and not deviates:
            self.find(line, "Where names nothing")
        if proofs == 0 and proof not in ("no test yet", "-"):
            self.find(line, "Proof names nothing")

    def document(self, text):
        in_table = False
        for number, raw in enumerate(text.splitlines(), 1):
            if not raw.startswith("|"):
                in_table = False
                continue
            cells = [cell.strip() for cell in raw.strip().strip("|").split("|")]
            if cells == HEADER:
                in_table = True
            elif in_table and not set(raw) <= set("|-: "):
                if len(cells) != len(HEADER):
                    self.find(number, f"{len(cells)} cells, not {len(HEADER)}")
                else:
                    self.row(number, cells)
        missing = sorted((CHOICES | PITFALLS) - self.marks, key=lambda m: [int(n) for n in re.findall(r"\d+", m)])
        if self.counts["rows"] == 0:
            self.find(1, "no table")
        elif missing:
            self.find(1, "missing: " + " ".join(missing))


def main():
    if len(sys.argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = sys.argv[1] if len(sys.argv) == 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    path = os.path.join(root, DOCUMENT)
    if not os.path.isfile(path):
        print(f"{DOCUMENT}: not there")
        return 1
    checker = Checker(root)
    with open(path, encoding="utf-8") as file:
        checker.document(file.read())
    for finding in checker.findings:
        print(finding)
    if not checker.findings:
        print(f"{DOCUMENT}: " + ", ".join(f"{count} {what}" for what, count in checker.counts.items()))
    return 1 if checker.findings else 0


if __name__ == "__main__":
    sys.exit(main())
