#!/usr/bin/env python3
"""test_mls_peer.py - MLS with an implementation that we did not write, the npm package ts-mls: key packages, Welcomes, Commits, proposals, messages and
external Commits in both directions, for both cipher suites.

    RF_BUILD=DIR test_mls_peer.py

Skipped where there is no node 20, or where npm cannot fetch the packages of npm/package.json; they are kept in the build directory.
"""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("RF_BUILD", HERE.parents[1] / "build" / "release"))


def packages():
    """The folder with node_modules in it; a SkipTest when that cannot be had."""
    folder = BUILD / "npm"
    wanted = json.loads((HERE / "npm" / "package.json").read_text())["dependencies"]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise unittest.SkipTest("no node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise unittest.SkipTest(f"node {version.strip()} is older than 20")
    for name, number in wanted.items():
        file = folder / "node_modules" / name / "package.json"
        if not file.exists() or json.loads(file.read_text())["version"] != number:
            break
    else:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "npm" / "package.json", folder)
    argv = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix", str(folder)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, cwd=folder, check=False)
    except subprocess.TimeoutExpired as error:
        raise unittest.SkipTest("npm does not answer") from error
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm cannot fetch the packages: {done.stderr.strip()[-200:]}")
    return folder


class Device:
    """A process that does what lines tell it."""

    def __init__(self, test, argv):
        self.test, self.argv = test, argv
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.stop)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        self.test.assertTrue(line.startswith("ok "), f"{pathlib.Path(self.argv[-1]).name} {words[0]}: {line}")
        answer = line.split(" ")[1:]
        return answer[0] if len(answer) == 1 else answer


class Peer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = packages()

    def ours(self, suite, name):
        device = Device(self, [str(BUILD / "test" / "mls_peer")])
        return device, device("new", suite, name)

    def theirs(self, suite, name):
        device = Device(self, ["node", str(HERE / "mls_peer.mjs"), str(self.folder)])
        return device, device("new", suite, name)

    def agree(self, members):
        states = [device("state") for device in members]
        for state in states:
            self.assertEqual(state, states[0])

    def say(self, members):
        for number, sender in enumerate(members):
            text = f"message {number}".encode().hex()
            message = sender("say", text)
            for other in members:
                if other is not sender:
                    self.assertEqual(other("process", message), ["application", text])

    def commit(self, members, author, *words):
        """A Commit that all other members process; gives the Welcome."""
        message = author("commit", *words)
        for other in members:
            if other is not author:
                self.assertIn(other("process", message)[0], ("commit", "removed"))
        return author("accept")

    def history(self, suite, make_first, make_second):
        """Both kinds of devices in all parts: who creates, adds, commits, proposes, removes, comes in by itself; d is of the second kind."""
        a, _ = make_first(suite, "a")
        b, package_b = make_second(suite, "b")
        c, package_c = make_first(suite, "c")
        d, package_d = make_second(suite, "d")
        a("create", b"group of two kinds".hex())
        b("join", self.commit([a], a, "add", package_b))
        self.agree([a, b])
        self.say([a, b])
        c("join", self.commit([a, b], b, "add", package_c))
        members = [a, b, c]
        self.agree(members)
        for author in members:  # everybody renews his path, in private and in public
            self.commit(members, author)
            self.commit(members, author, "public")
            self.agree(members)
        self.say(members)
        proposal = b("propose", "add", package_d)  # of one kind, committed by the other kind
        for other in (a, c):
            self.assertEqual(other("process", proposal), ["proposal", "-"])
        d("join", self.commit(members, a))
        members = [a, b, c, d]
        self.agree(members)
        self.say(members)
        self.commit(members, c, "remove", 3)
        members = [a, b, c]
        self.agree(members)
        d, _ = make_second(suite, "d")
        message = d("external", a("info"))  # with a GroupInfo of the other kind
        for other in members:
            self.assertEqual(other("process", message)[0], "commit")
        d("accept")
        members = [a, b, c, d]
        self.agree(members)
        self.say(members)
        self.commit(members, d)
        self.agree(members)
        self.commit(members, a, "remove", 3)
        self.agree([a, b, c])

    def test_x25519_ours_creates(self):
        self.history(1, self.ours, self.theirs)

    def test_x25519_theirs_creates(self):
        self.history(1, self.theirs, self.ours)

    def test_p256_ours_creates(self):
        self.history(2, self.ours, self.theirs)

    def test_p256_theirs_creates(self):
        self.history(2, self.theirs, self.ours)

    def test_our_update_is_committed_by_theirs(self):
        for suite in (1, 2):
            a, _ = self.theirs(suite, "a")
            b, package_b = self.ours(suite, "b")
            a("create", b"updates".hex())
            b("join", self.commit([a], a, "add", package_b))
            proposal = b("propose", "update")
            self.assertEqual(a("process", proposal), ["proposal", "-"])
            self.commit([a, b], a)
            self.agree([a, b])
            self.say([a, b])

    def test_resync(self):
        """A device of ours that lost its state takes its own place in a group of theirs."""
        for suite in (1, 2):
            a, _ = self.theirs(suite, "a")
            b, package_b = self.ours(suite, "b")
            a("create", b"resync".hex())
            b("join", self.commit([a], a, "add", package_b))
            self.assertEqual(a("process", b("external", a("info")))[0], "commit")
            b("accept")
            self.agree([a, b])
            self.say([a, b])


if __name__ == "__main__":
    unittest.main()
