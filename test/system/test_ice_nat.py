#!/usr/bin/env python3
"""test_ice_nat.py - our ICE agent between real NATs (the kernel's, in network namespaces), every kind with every kind, coturn as STUN and TURN server.

    RF_TOOLS=DIR test_ice_nat.py [--alone] [--nice]      DIR holds ice_shell; --nice: libnice's agent beside it (nice_peer), slow: its gathering takes 2 s

All pairs connect, directly where the kinds allow it; a table of the milliseconds until both ends have selected, for which --alone has one call after the other.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import unittest

import natlab

TOOLS = os.environ.get("RF_TOOLS", "")
KINDS = ("open", "cone", "restricted", "port", "symmetric", "hotel", "tcponly")
LOGIN = ["-u", "alice", "-p", "secret"]


def relayed(a, b):
    """Must this pair use a relay?"""
    hard, ports = {"symmetric", "hotel"}, {"port"}
    return "tcponly" in (a, b) or (a in hard and b in hard | ports) or (b in hard and a in ports)


class Server:
    def __init__(self, lab):
        self.directory = tempfile.TemporaryDirectory()
        self.process = lab.popen("pub", [
            "turnserver", "-n", "-L", natlab.PUB[0], "-L", natlab.PUB[1], "-E", natlab.PUB[0], "-p", "3478", "-m", "1", "-u", "alice:secret",
            "-r", "example.org", "--lt-cred-mech", "--fingerprint", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "/dev/null",
            "--pidfile", f"{self.directory.name}/pid", "--db", f"{self.directory.name}/db", "--simple-log"],
            cwd=self.directory.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)  # it says nowhere that it listens

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.directory.cleanup()


def agent(lab, program, host, kind, *options):
    server = f"{natlab.PUB[0]}:3478"
    turn = ["-T" if kind == "tcponly" and program == "ice_shell" else "-t", server, *LOGIN]
    stun = ["-s", server, "-s", f"{natlab.PUB[1]}:3478"] if program == "ice_shell" else ["-s", server]
    return lab.popen(host, [os.path.join(TOOLS, program), "-b", lab.address(host), *stun, *turn, *options], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)


def line(process, word):
    for text in process.stdout:
        if text.startswith(word + " "):
            return text.split(maxsplit=1)[1]
    return ""


def call(lab, program, a, b):
    """(milliseconds until both had selected, direct or relayed, whether data came both ways)"""
    ends = [agent(lab, program, f"a{KINDS.index(a)}", a, "-c"), agent(lab, program, f"b{KINDS.index(b)}", b)]
    told = [line(end, "local") for end in ends]
    for end, other in ((ends[1], told[0]), (ends[0], told[1])):  # the one that is called begins, as with Attach
        end.stdin.write(f"remote {other}")
        end.stdin.flush()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outs = list(pool.map(lambda end: end.communicate(timeout=60)[0].splitlines(), ends))
    selected = [[text.split()[1:] for text in out if text.startswith("selected")] for out in outs]
    if not all(selected):
        return None, "none", False
    heard = all(any(text.startswith("data") for text in out) for out in outs)
    return max(float(one[0][0]) for one in selected), selected[0][-1][1], heard


@natlab.required
class IceNat(unittest.TestCase):
    program = "ice_shell"
    alone = False

    def test_every_kind_with_every_kind(self):
        sites = {f"{side}{i}": kind for i, kind in enumerate(KINDS) for side in "ab"}
        with natlab.Lab(seconds=400, **sites) as lab:
            server = Server(lab)
            try:
                self.matrix(lab)
            finally:
                server.stop()

    def matrix(self, lab):
        """In each round every site has one call, so a round's calls can run at once."""
        results = {}
        with concurrent.futures.ThreadPoolExecutor(1 if self.alone else len(KINDS)) as pool:
            for shift in range(len(KINDS)):
                pairs = [(a, KINDS[(i + shift) % len(KINDS)]) for i, a in enumerate(KINDS)]
                results.update(zip(pairs, pool.map(lambda pair: call(lab, self.program, *pair), pairs)))
        print(f"\n{self.program:12}" + "".join(f"{kind:>12}" for kind in KINDS))
        for a in KINDS:
            cells = [results[a, b] for b in KINDS]
            print(f"{a:12}" + "".join(f"{ms:10.0f} {way[0]}" if ms is not None else f"{'-':>12}" for ms, way, _ in cells))
        for (a, b), (ms, way, heard) in results.items() if self.program == "ice_shell" else ():
            with self.subTest(a=a, b=b):
                self.assertTrue(heard)
                self.assertEqual(way, "relayed" if relayed(a, b) else "direct")
                self.assertLess(ms, 5000)  # a check sent again, not a session given up


if __name__ == "__main__":
    if "--nice" in sys.argv:
        sys.argv.remove("--nice")
        IceNat.program = "nice_peer"
        IceNat.alone = True
    if "--alone" in sys.argv:
        sys.argv.remove("--alone")
        IceNat.alone = True
    unittest.main(verbosity=2)
