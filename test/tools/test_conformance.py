#!/usr/bin/env python3
# test_conformance.py - tools/check_conformance.py accepts a good document and refuses every bad row.
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TOOL = os.path.join(ROOT, "tools", "check_conformance.py")

FILES = {
    "src/wire/frame.c": "static int helper(int a,\n                  int b)\n{\n    return used(a) + b;\n}\n"
                        "int declared(void);\nint\nsplit_head(void)\n{\n    return 0;\n}\n"
                        "#define LIMIT 7\nstatic const struct row rows[] = {\n    {1},\n};\n",
    "src/wire/frame.h": "int declared(void);\n",
    "test/unit/test_frame.c": "static void test_cut(void **state)\n{\n}\n",
    "test/fuzz/fuzz_frame.c": "",
    "test/system/test_all.py": "class A:\n    def test_it(self):\n        pass\n",
}
HEAD = "# Conformance\n\n| § | Requirement | Where | Proof |\n|---|---|---|---|\n"
MARKS = "".join(f"| 9 D{n} | choice | `wire/frame.c:helper` | - |\n" for n in range(1, 49)) + "".join(
    f"| 10.{n} | pitfall | `wire/frame.c:helper` | - |\n" for n in range(1, 34))

GOOD_ROWS = [
    "| 1.2 | a frame is cut | `wire/frame.c:helper`, `wire/frame.c:split_head` | `test_frame:test_cut`, `fuzz_frame` |",
    "| 1.2 D3 | numbers | `wire/frame.c:LIMIT`, `wire/frame.c:rows`, `wire/frame.h:declared` | `system/test_all.py:test_it` |",
    "| 3.4 | stop and wait | not yet: DTLS | - |",
    "| 3.5 | keep it | deviates: closes at once, `wire/frame.c:helper` | no test yet |",
]

BAD_ROWS = [
    ("| 1.2 | x | `wire/frame.c:nowhere` | - |", "wire/frame.c does not define nowhere"),
    ("| 1.2 | x | `wire/frame.c:used` | - |", "wire/frame.c does not define used"),
    ("| 1.2 | x | `wire/frame.c:declared` | - |", "wire/frame.c does not define declared"),
    ("| 1.2 | x | `wire/none.c:helper` | - |", "no file for wire/none.c:helper"),
    ("| 1.2 | x | `wire/frame.c:helper` | `test_frame:test_gone` |", "test_frame does not define test_gone"),
    ("| 1.2 | x | `wire/frame.c:helper` | `test_gone:test_cut` |", "no file for test_gone:test_cut"),
    ("| 1.2 | x | `wire/frame.c:helper` | `system/test_all.py:test_gone` |", "does not define test_gone"),
    ("| 1.2 | x | `Error_Forbidden` | - |", "no file for Error_Forbidden"),
    ("| 1.2 | x | somewhere | - |", "Where names nothing"),
    ("| 1.2 | x | not yet: | - |", "Where names nothing"),
    ("| 1.2 | x | `wire/frame.c:helper` | seen to work |", "Proof names nothing"),
    ("| MUST | x | `wire/frame.c:helper` | - |", "no section number"),
    ("| 1.2 | | `wire/frame.c:helper` | - |", "no requirement"),
    ("| 1.2 | x | `wire/frame.c:helper` |", "3 cells, not 4"),
]


class CheckConformance(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="rf-conformance-")
        self.addCleanup(shutil.rmtree, self.root)
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run_tool(self):
        result = subprocess.run([sys.executable, TOOL, self.root], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    def test_good(self):
        self.write("docs/conformance.md", HEAD + "\n".join(GOOD_ROWS) + "\n" + MARKS)
        status, output = self.run_tool()
        self.assertEqual(status, 0, output)
        self.assertIn("85 rows, 1 not yet, 1 deviates, 1 no test yet", output)

    def test_bad(self):
        for row, words in BAD_ROWS:
            with self.subTest(row=row):
                self.write("docs/conformance.md", HEAD + row + "\n" + MARKS)
                status, output = self.run_tool()
                self.assertEqual(status, 1, output)
                self.assertIn(words, output)
                self.assertEqual(len(output.splitlines()), 1, output)  # and nothing else is found

    def test_incomplete(self):
        for mark in ("D17", "10.5"):
            rows = "".join(row + "\n" for row in MARKS.splitlines() if f" {mark} |" not in row)
            self.write("docs/conformance.md", HEAD + rows)
            self.assertEqual(self.run_tool(), (1, f"docs/conformance.md:1: missing: {mark}\n"))

    def test_no_document(self):
        self.assertEqual(self.run_tool()[0], 1)
        self.write("docs/conformance.md", "# Conformance\n")
        self.assertIn("no table", self.run_tool()[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
