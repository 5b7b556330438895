#!/usr/bin/env python3
"""test_roaming.py - a client goes to another network, behind another NAT, or its gateway forgets it or gets another address: its own questions and others', texts
both ways, and the seconds that took. docs/nat.md.

    RF_BUILD=DIR test_roaming.py [--rounds N]
"""
import concurrent.futures
import subprocess
import sys
import time
import unittest

import natlab
from network import free_port, wait_registered, wait_until

BEFORE, STEP = 0.45, 0.25  # seconds: one begins just after it happened
BOUND = 15  # generous: what is aimed at is 3
ROUNDS = 1


class Stream:
    """A command begun every `step` seconds from BEFORE something happens on, for `seconds` after it."""

    def __init__(self, pool, argv, moved_at, seconds, step):
        self.argv, self.moved_at = argv, moved_at
        count = int((BEFORE + seconds) / step)
        self.jobs = [pool.submit(self.one, moved_at - BEFORE + i * step) for i in range(count)]

    def one(self, at):
        time.sleep(max(0, at - time.monotonic()))
        begun = time.monotonic()
        done = subprocess.run(self.argv, capture_output=True, timeout=60, check=False)
        return begun - self.moved_at, time.monotonic() - self.moved_at, done.returncode == 0

    def results(self):
        """(how many failed, seconds until one begun after it happened was answered, longest that one took)"""
        results = [job.result() for job in self.jobs]
        good = [(begun, end) for begun, end, ok in results if ok]
        return (len(results) - len(good), min((end for begun, end in good if begun > 0), default=float("inf")),
                max((end - begun for begun, end in good), default=float("inf")))


@natlab.required
class Roaming(natlab.LabTest):
    sites = {"home": "port", "cafe": "symmetric", "friend": "port"}
    seconds = 300

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.net.add_supernodes(4, port)
        cls.mobile = cls.net.add_client("mobile", host="home")
        cls.friend = cls.net.add_client("friend", host="friend")
        for node in (cls.mobile, cls.friend):
            node.ready()
        wait_registered([cls.mobile, cls.friend])
        for node in (cls.mobile, cls.friend):
            node.listen()

    def command(self, node, *args):
        return [self.net.program("ringfolk"), "--home", str(node.home), *args]

    def watch(self, what, happens, streams, allowed=0):
        """It happens while commands run, right after what happened before, or the start: the supernode by which a client came (back) in may still be linked with it."""
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            moved_at = time.monotonic() + BEFORE + 0.1
            running = {name: Stream(pool, self.command(*argv), moved_at, 3, step) for name, (argv, step) in streams.items()}
            time.sleep(max(0, moved_at - time.monotonic()))
            happens()
            found = {name: stream.results() for name, stream in running.items()}
        for name, (failed, first, longest) in found.items():
            print(f"{what}, {name}: the next one was answered after {first:.1f} s, the longest took {longest:.1f} s, {failed} failed", flush=True)
            self.assertLessEqual(failed, allowed, name)
            self.assertLess(longest, BOUND, name)

    def questions(self):
        return {"own questions": ((self.mobile, "ping", "friend"), STEP), "others' questions": ((self.friend, "ping", "mobile"), STEP)}

    def texts(self):
        for node, other in ((self.mobile, "friend"), (self.friend, "mobile")):  # a connection between them stands
            text = self.command(node, "message", other, "hello")
            wait_until("a text arrives", lambda argv=text: subprocess.run(argv, capture_output=True, check=False).returncode == 0, 60)
        return {"own texts": ((self.mobile, "message", "friend", "x"), 2 * STEP), "others' texts": ((self.friend, "message", "mobile", "x"), 2 * STEP)}

    def test_moves(self):
        for number in range(ROUNDS):
            for at, streams in ((100 + number, self.questions), (150 + number, self.texts)):
                self.watch("another network", lambda address=at: self.lab.move("home", "cafe", address), streams())
                self.watch("back", lambda address=at: self.lab.move("home", "home", address), streams())

    def test_gateway(self):
        """Nobody tells: who asks something notices, and then others reach it again."""
        for number in range(ROUNDS):
            self.watch("gateway off and on", lambda: self.lab.reset("home"), self.questions())
            self.watch("another public address", lambda last=100 + number: self.lab.renumber("home", last), self.questions())


if __name__ == "__main__":
    if "--rounds" in sys.argv:
        at = sys.argv.index("--rounds")
        ROUNDS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main(verbosity=2)
