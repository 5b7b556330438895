#!/usr/bin/env python3
"""test_ice.py - our ICE agent at libnice's and our TURN client at coturn's relay, over real sockets on loopback.

    RF_TOOLS=DIR test_ice.py        DIR holds ice_shell and nice_peer
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
from network import free_port  # noqa: E402

TOOLS = os.environ["RF_TOOLS"]
USER, PASSWORD = "alice", "secret"


class Coturn:
    """A TURN and STUN server on loopback. stale: nonces that are good for so many seconds only."""

    def __init__(self, stale=None):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.directory = tempfile.TemporaryDirectory()
        options = [f"--stale-nonce={stale}"] if stale else []
        self.process = subprocess.Popen(
            ["turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(self.port), "-m", "1", "-u", f"{USER}:{PASSWORD}",
             "-r", "example.org", "--lt-cred-mech", "--fingerprint", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli",
             "--log-file", "/dev/null", "--pidfile", f"{self.directory.name}/pid", "--db", f"{self.directory.name}/db",
             "--simple-log", *options],
            cwd=self.directory.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.directory.cleanup()


class Agent:
    def __init__(self, program, *options):
        self.process = subprocess.Popen([os.path.join(TOOLS, program), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.local = None

    def gather(self):
        self.local = self.process.stdout.readline().split(maxsplit=1)[1]

    def start(self, other):
        self.process.stdin.write(f"remote {other.local}")
        self.process.stdin.flush()

    def end(self, seconds):
        with self.process:
            try:
                out, _ = self.process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                out, _ = self.process.communicate()
        lines = [line.split(maxsplit=1) for line in out.splitlines()]
        return {"selected": [line[1].split() for line in lines if line[0] == "selected"],
                "data": [line[1] for line in lines if line[0] == "data"],
                "alive": any(line[0] == "alive" for line in lines),
                "failed": [line[1] for line in lines if line[0] == "failed"]}


def call(caller, called, stay=0, pause=0):
    """Both agents' results. caller, called: program and options; the caller controls. pause: seconds between gathering and the start."""
    agents = [Agent(*caller, "-c", "-k", str(stay)), Agent(*called, "-k", str(stay))]
    for agent in agents:
        agent.gather()
    time.sleep(pause)
    agents[1].start(agents[0])
    agents[0].start(agents[1])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda agent: agent.end(stay + 20), agents))


def login(server, flag="-t"):
    return [flag, server.address, "-u", USER, "-p", PASSWORD]


class IceTest(unittest.TestCase):
    """The calls sleep most of their time, so all go side by side."""

    @classmethod
    def setUpClass(cls):
        cls.server, cls.stale = Coturn(), Coturn(stale=5)
        cls.addClassCleanup(cls.server.stop)
        cls.addClassCleanup(cls.stale.stop)
        time.sleep(1.5)  # coturn says nowhere that it listens
        s, ours, nice = cls.server, "ice_shell", "nice_peer"
        runs = {
            "we_control": ([ours], [nice]),
            "it_controls": ([nice], [ours]),
            "it_controls_aggressively": ([nice, "-a"], [ours]),
            "both_ours": ([ours], [ours]),
            "ipv6": ([ours, "-b", "::1"], [ours, "-b", "::1"]),
            "both_families": ([ours, "-b", "127.0.0.1", "-b", "::1"], [ours, "-b", "::1"]),
            "stun": ([ours, "-s", s.address], [nice, "-s", s.address]),
            "we_relay": ([ours, *login(s), "-r"], [nice]),
            "we_relay_tcp": ([ours, *login(s, "-T"), "-r"], [nice]),
            "we_relay_and_are_controlled": ([nice], [ours, *login(s), "-r"]),
            "it_relays": ([ours], [nice, *login(s), "-r"]),
            "both_relay": ([ours, *login(s), "-r"], [nice, *login(s), "-r"]),
            "both_relay_it_controls": ([nice, *login(s), "-r"], [ours, *login(s, "-T"), "-r"]),
            "relay_but_direct": ([ours, *login(s)], [nice, *login(s)]),
            "wrong_password": ([ours, "-t", s.address, "-u", USER, "-p", "wrong"], [nice]),
        }
        long_runs = {  # consent of both for longer than it lasts; nonces that have run out
            "consent": ([ours], [nice], 35),
            "consent_it_controls": ([nice], [ours], 35),
            "stale_nonces": ([ours, *login(cls.stale), "-r"], [ours, *login(cls.stale, "-T"), "-r"], 0, 6),
        }
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            cls.long = {name: pool.submit(call, *run) for name, run in long_runs.items()}
            cls.results = {}
            for name, run in runs.items():
                cls.results[name] = call(*run)

    def good(self, results, way):
        for result in results:
            self.assertEqual(result["failed"], [])
            self.assertEqual(result["selected"][-1][1], way)
            self.assertEqual(len(result["data"]), 1)
            self.assertTrue(result["alive"])

    def test_calls(self):
        for name, results in self.results.items():
            with self.subTest(name):
                way = "relayed" if "relay" in name and "direct" not in name else "direct"
                print(f"{name}: {', '.join(' '.join(r['selected'][-1]) if r['selected'] else '-' for r in results)}")
                self.good(results, way)

    def test_consent(self):
        for name in ("consent", "consent_it_controls"):
            with self.subTest(name):
                self.good(self.long[name].result(), "direct")

    def test_stale_nonces(self):
        self.good(self.long["stale_nonces"].result(), "relayed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
