#!/usr/bin/env python3
# test_tools.py - each tool of tools/ accepts a good sample and refuses every bad one.
# Every row of BAD_... is one bad sample: files that are put into a small good tree, and words that must stand in a finding.
import contextlib
import io
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import traceback
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def run(tool, *arguments):
    """In this process: to start Python for each of a hundred samples takes longer than the tools do."""
    said, before = io.StringIO(), sys.argv
    sys.argv = [tool, *arguments]
    status = 0
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_path(os.path.join(ROOT, "tools", tool), run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        said.write(f"{end.code}\n" if isinstance(end.code, str) else "")
    except Exception:  # what a Python of its own would end with
        status = 1
        said.write(traceback.format_exc())
    finally:
        sys.argv = before
    return status, said.getvalue()


class Tree(unittest.TestCase):
    """Writes trees of files into a folder that goes away."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="rf-tools-")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, files):
        for name, text in files.items():
            path = os.path.join(self.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)

    def check_rows(self, tool, good, bad):
        for files, words in bad:
            with self.subTest(words=words, files=list(files)):
                shutil.rmtree(self.root)
                self.write(good)
                self.write(files)
                status, output = run(tool, self.root)
                self.assertEqual(status, 1, output)
                self.assertIn(words, output)
                self.assertEqual(len(output.splitlines()), 1, output)  # and nothing else is found


def includes(*names):
    return "".join(f"#include {name}\n" for name in names)


GOOD_LAYERS = {
    "src/base/id.h": includes("<stdint.h>"),
    "src/base/addr.c": includes('"base/id.h"', "<arpa/inet.h>"),
    "src/crypto/crypto.h": includes('"base/id.h"'),
    "src/crypto/openssl/key.c": includes('"crypto/crypto.h"', "<openssl/evp.h>"),
    "src/crypto/openssl/openssl.h": "",
    "src/crypto/fake/fake.h": includes('"crypto/crypto.h"'),
    "src/link/engine_gnutls.c": includes('"crypto/crypto.h"', "<gnutls/gnutls.h>", "<gnutls/dtls.h>"),
    "src/overlay/topology.h": includes('"base/id.h"'),
    "src/overlay/usage.h": "",
    "src/overlay/store.h": includes('"overlay/topology.h"'),
    "src/overlay/chord/chord.h": includes('"overlay/topology.h"'),
    "src/node/node.h": includes('"overlay/chord/chord.h"', '"overlay/store.h"', "<string.h>"),
    "src/node/store.h": "",
    "src/io/loop.h": includes("<sys/epoll.h>"),
    "src/io/loop.c": includes("  \"io/loop.h\""),
    "src/sim/world.h": includes('"node/node.h"', '"crypto/fake/fake.h"'),
    "src/db/node.c": includes('"node/store.h"', "<sqlite3.h>"),
    "src/sip/sip.c": includes("<re/re.h>", '"node/node.h"'),
    "src/apps/ringfolkd.c": includes('"io/loop.h"', '"node/node.h"', '"crypto/openssl/openssl.h"', "<unistd.h>"),
    "src/apps/ringfolk-sim.c": includes('"sim/world.h"'),
    "include/ringfolk/node.h": includes("<stdint.h>"),
    "test/unit/test.c": includes('"sim/world.h"', '"io/loop.h"', "<cmocka.h>"),
}

BAD_LAYERS = [
    ({"src/base/id.c": includes('"crypto/crypto.h"')}, 'base/ must not include "crypto/crypto.h"'),
    ({"src/overlay/a.c": includes('"link/x.h"'), "src/link/x.h": ""}, 'overlay/ must not include "link/x.h"'),
    ({"src/link/a.c": includes('"overlay/store.h"')}, 'link/ must not include "overlay/store.h"'),
    ({"src/overlay/chord/a.c": includes('"overlay/store.h"')}, 'overlay/chord/ must not include "overlay/store.h"'),
    ({"src/overlay/a.c": includes('"overlay/chord/chord.h"')}, 'overlay/ must not include "overlay/chord/chord.h"'),
    ({"src/usage/a.c": includes('"overlay/store.h"')}, 'usage/ must not include "overlay/store.h"'),
    ({"src/ident/a.c": includes('"crypto/openssl/openssl.h"')}, 'ident/ must not include "crypto/openssl/openssl.h"'),
    ({"src/crypto/a.c": includes('"crypto/openssl/openssl.h"')}, 'crypto/ must not include "crypto/openssl/openssl.h"'),
    ({"src/sim/a.c": includes('"io/loop.h"')}, 'sim/ must not include "io/loop.h"'),
    ({"src/io/a.c": includes('"sim/world.h"')}, 'io/ must not include "sim/world.h"'),
    ({"src/apps/ringfolkd.c": includes('"sim/world.h"', '"io/loop.h"')}, 'apps/ must not include "io/loop.h"'),
    ({"src/apps/a.c": includes('"crypto/fake/fake.h"', '"db/node.h"'), "src/db/node.h": ""}, 'apps/ must not include "db/node.h"'),
    ({"src/control/a.c": includes('"node/store.h"')}, 'control/ must not include "node/store.h"'),
    ({"src/base/id.c": includes('"id.h"')}, '"id.h" is not written from src/'),
    ({"src/base/id.c": includes('"../base/id.h"')}, "is not written from src/"),
    ({"src/link/a.c": includes("<sys/socket.h>")}, "<sys/socket.h>: link/ is a room without system headers"),
    ({"src/wire/a.c": includes("<time.h>")}, "<time.h>: wire/ is a room without system headers"),
    ({"src/wire/a.c": includes("<arpa/inet.h>")}, "<arpa/inet.h>: wire/ is a room without system headers"),
    ({"src/io/a.c": includes("<re/re_sip.h>")}, "only sip may see libre"),
    ({"src/io/a.c": includes("<re.h>")}, "only sip may see libre"),
    ({"src/enrol/a.c": includes("<sqlite3.h>")}, "only db may see SQLite"),
    ({"src/enrol/a.c": includes("<libpq-fe.h>")}, "only db may see PostgreSQL"),
    ({"src/crypto/a.c": includes("<openssl/evp.h>")}, "may see OpenSSL"),
    ({"src/io/a.c": includes("<openssl/ssl.h>")}, "may see OpenSSL"),
    ({f"src/link/{name}.c": includes("<gnutls/gnutls.h>") for name in "bcde"}, "only 4 files of link/ may see GnuTLS"),
    ({"src/conf/a.c": includes("<libxml/tree.h>"), "src/conf/b.c": includes("<libxml/tree.h>")}, "only 1 file of conf/"),
    ({"src/wire/a.c": includes("<cmocka.h>")}, "only test/ may see cmocka"),
    ({"src/attic/a.c": ""}, "src/attic has no row"),
    ({"include/ringfolk/b.h": includes('"base/id.h"')}, "a public header must not include base/id.h"),
]


class CheckLayers(Tree):
    def test_good_sample(self):
        self.write(GOOD_LAYERS)
        self.assertEqual(run("check_layers.py", self.root), (0, ""))

    def test_bad_samples(self):
        self.check_rows("check_layers.py", GOOD_LAYERS, BAD_LAYERS)

    def test_no_tree(self):
        self.assertNotEqual(run("check_layers.py", self.root)[0], 0)
        self.write({"src/base/page.md": "no code"})
        self.assertIn("has no C file", run("check_layers.py", self.root)[1])


GOOD_C = "/* good.c - does nothing, well. */\n\nint rf_good(int a)\n{\n    return a;\n}\n"


def c_file(body):
    return "/* a.c - a sample. */\n" + body


def function(lines):
    return "int rf_long(int a, int b)\n{\n" + "    a += b;\n" * (lines - 4) + "    return a;\n}\n"


GOOD_TIDY = {
    "src/base/good.c": GOOD_C,
    "src/base/good.h": "/*\n * good.h - declares little.\n */\nint rf_good(int a);\n",
    "test/unit/test_built.c": "/* test_built.c - tests little. */\n",
    "test/unit/tests_built.cmake": "rf_test(test_built SOURCES test_built.c)\n",
    "test/unit/long.c": "/* long.c - just short enough. */\n" + "int rf_a;\n" * 729 + function(70),
    "docs/page.md": "The state stands in ~/.ringfolk and build/release.\n",
    "Makefile": "all:\n\ttrue\n",
    "build/junk.c": "\t \n",
    "test/vectors/odd.txt": "as it came \n\n",
}

BAD_TIDY = [
    ({"src/base/a.c": "int rf_a(void);\n"}, "src/base/a.c:1: the first line must say"),
    ({"src/base/a.c": "/* b.c - another file. */\n"}, "src/base/a.c:1: the first line must say"),
    ({"src/base/a.c": "/* a.c */\n"}, "src/base/a.c:1: the first line must say"),
    ({"src/base/a.c": "/*\n * what a stranger wants to know\n */\n"}, "src/base/a.c:1: the first line must say"),
    ({"src/base/a.c": c_file("int rf_a;\n" * 800)}, "801 lines, more than 800"),
    ({"src/base/a.c": c_file(function(71))}, "a.c:2: a function of 71 lines"),
    ({"src/base/a.c": c_file("/* a\tb */\n")}, "a.c:2: a tab"),
    ({"docs/page.md": "blank \n"}, "docs/page.md:1: blanks at the end"),
    ({"docs/page.md": "dos\r\n"}, "docs/page.md:1: blanks at the end"),
    ({"docs/page.md": "cut"}, "docs/page.md:1: the file must end with one newline"),
    ({"docs/page.md": "long\n\n"}, "the file must end with one newline"),
    ({"tools/a.sh": "cd /" + "home/someone/src\n"}, "tools/a.sh:1: a path of somebody's machine"),
    ({"docs/page.md": "see `/" + "work/main`\n"}, "a path of somebody's machine"),
    ({"web/package-lock.json": '"resolved": "https://registry.' + 'npmjs.org/x"\n'}, "the address of a package registry"),
    ({"src/base/a.c": c_file("int rf_a( int b );\n")}, "src/base/a.c:2: not formatted"),
    ({"test/unit/a.c": c_file("int rf_a(void)\n{\n  return 1;\n}\n")}, "test/unit/a.c:3: not formatted"),
    ({"test/unit/test_a.c": c_file("").replace("a.c", "test_a.c"), "test/unit/tests_a.cmake": "rf_test(test_ab)\n"},
     "test/unit/test_a.c:1: no .cmake file builds it"),
    ({"test/fuzz/fuzz_a.c": c_file("").replace("a.c", "fuzz_a.c")}, "test/fuzz/fuzz_a.c:1: no .cmake file builds it"),
    ({"bench/a.h": c_file("int *rf_a(char* b);\n").replace("a.c", "a.h")}, "bench/a.h:2: not formatted"),
]


class Tidy(Tree):
    def test_good_sample(self):
        self.write(GOOD_TIDY)
        self.assertEqual(run("tidy.py", self.root), (0, ""))

    def test_bad_samples(self):
        self.check_rows("tidy.py", GOOD_TIDY, BAD_TIDY)

    def test_list(self):
        self.write(GOOD_TIDY)
        status, output = run("tidy.py", "--list", self.root)
        self.assertEqual(status, 0)
        self.assertEqual([os.path.basename(line) for line in output.splitlines()], ["good.c", "good.h", "long.c", "test_built.c"])

    def test_no_tree(self):
        self.write({"docs/page.md": "no code\n"})
        self.assertEqual(run("tidy.py", self.root)[0], 1)


# room, C source, words of the finding (None: a good sample)
PURE_SAMPLES = [
    ("base", "#include <string.h>\nint rf_other(const char *s);\nint rf_a(const char *s) { return rf_other(s) + strcmp(s, \"x\"); }"
             "int rf_other(const char *s) { return *s; }", None),
    ("base", "#include <stdlib.h>\nvoid *rf_a(void) { return malloc(1); }", None),
    ("wire", "#include <stdlib.h>\nvoid *rf_a(void) { return malloc(1); }", "wire/a.o: calls malloc"),
    ("wire", "const char *const rf_names[] = {\"a\", \"b\"};", None),
    ("wire", "int stranger(void);\nint rf_a(void) { return stranger(); }", "wire/a.o: calls stranger"),
    ("wire", "static int count;\nint rf_a(void) { return ++count; }", "keeps state outside of an object: count"),
    ("wire", "int rf_mode = 3;", "keeps state outside of an object: rf_mode"),
    ("node", "_Thread_local int rf_depth;", "keeps state outside of an object: rf_depth"),
    ("link", "#include <sys/socket.h>\nint rf_a(void) { return socket(1, 2, 0); }", "link/a.o: calls socket"),
    ("overlay", "#include <time.h>\nlong rf_a(void) { return (long)time(0); }", "overlay/a.o: calls time"),
    ("node", "#include <stdlib.h>\nint rf_a(void) { return rand(); }", "node/a.o: calls rand"),
    ("node", "#include <stdlib.h>\nchar *rf_a(void) { return getenv(\"HOME\"); }", "node/a.o: calls getenv"),
    ("node", "#include <stdio.h>\nvoid rf_a(int n) { printf(\"%d\", n); }", "calls printf"),
    ("chat", "#include <pthread.h>\nint rf_a(pthread_t *t, void *(*f)(void *)) { return pthread_create(t, 0, f, 0); }",
     "chat/a.o: calls pthread_create"),
    ("io", "#include <unistd.h>\nint rf_a(void) { return fork(); }", None),  # a shell: not held
]


class CheckPure(Tree):
    def build(self, room, source):
        folder = os.path.join(self.root, "src", room)
        os.makedirs(folder)
        self.write({f"src/{room}/a.c": source})
        subprocess.run(["gcc", "-O2", "-c", "a.c", "-o", "a.o"], cwd=folder, check=True)
        subprocess.run(["ar", "rcs", f"librf_{room}.a", "a.o"], cwd=folder, check=True)

    def test_samples(self):
        for room, source, words in PURE_SAMPLES:
            with self.subTest(room=room, words=words, source=source):
                shutil.rmtree(self.root)
                self.build(room, source)
                status, output = run("check_pure.py", self.root)
                self.assertEqual(status, 0 if words is None else 1, output)
                self.assertIn(words or "0 findings", output)

    def test_calls_between_rooms(self):
        self.build("base", "int rf_b(void) { return 1; }")
        self.build("wire", "int rf_b(void); int rf_elsewhere(void);\nint rf_w(void) { return rf_b() + rf_elsewhere(); }")
        self.assertEqual(run("check_pure.py", self.root)[0], 0)
        self.build("io", "int rf_io(void) { return 2; }")
        self.build("node", "int rf_io(void);\nint rf_n(void) { return rf_io(); }")
        self.assertIn("node/a.o: calls rf_io of io/", run("check_pure.py", self.root)[1])

    def test_no_libraries(self):
        self.assertNotEqual(run("check_pure.py", self.root)[0], 0)

    def test_no_symbols(self):
        self.build("wire", "static int rf_a(void) __attribute__((unused));\nstatic int rf_a(void) { return 1; }")
        self.assertIn("shows no symbols", run("check_pure.py", self.root)[1])
        self.assertNotEqual(run("check_pure.py", self.root)[0], 0)


GOOD_RESULTS = """<testsuite><testcase name="a" status="run"/><testcase name="b" status="run"/>
<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
<testcase name="d" status="disabled"><skipped message="Disabled"/></testcase></testsuite>"""
BAD_RESULTS = """<testsuite><testcase name="a" status="run"/><testcase name="b" status="fail"><failure/></testcase>
<testcase name="c" status="notrun"><skipped message="Unable to find executable"/></testcase></testsuite>"""


class SumResults(Tree):
    def sums(self, text, status):
        self.write({"results.xml": text})
        return run("sum_results.py", os.path.join(self.root, "results.xml"), str(status))

    def test_good(self):
        self.assertEqual(self.sums(GOOD_RESULTS, 0), (0, "2 0 2 \n"))

    def test_failures(self):
        self.assertEqual(self.sums(BAD_RESULTS, 8), (0, "1 2 0 b c\n"))

    def test_ctest_failed_without_a_test(self):
        self.assertEqual(self.sums(GOOD_RESULTS, 1)[1].split()[:3], ["2", "1", "2"])

    def test_no_results(self):
        self.assertNotEqual(run("sum_results.py", os.path.join(self.root, "none.xml"), "0")[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
