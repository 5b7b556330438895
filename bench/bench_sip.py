#!/usr/bin/env python3
"""bench_sip.py - the CPU of one REGISTER at a daemon, and of one call from phone to phone through two of them, driven by SIPp on loopback.

usage: bench_sip.py BUILD_DIR [--seconds S]; prints "NAME VALUE" lines.

REGISTER: authenticated, with a nonce that the phone knows already, as phones refresh. A call: INVITE challenged and answered, 180, 200, ACK,
BYE; each daemon has a dialog with its phone and one over the overlay's TLS connection. What a daemon uses when nothing happens is taken off.
Rates are kept below what one device grants another (100 messages each second).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from network import Failed, Net, check, free_port, wait_registered  # noqa: E402

CALLS = ROOT / "test" / "system" / "sipp"
DOMAIN = "example.org"
REFRESHES = 100  # of one run through register.xml
CALL_RATE = 15


def cpu_s(node):
    """User and system time of a daemon so far, all threads."""
    tasks = pathlib.Path(f"/proc/{node.daemon.p.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


class Phone:
    def __init__(self, net, node, peer):
        self.dir, self.node, self.peer, self.port = net.dir, node, peer, free_port()

    def start(self, scenario, count, rate):
        argv = ["sipp", "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(self.port), "-m", str(count), "-r", str(rate),
                "-l", "150", "-nostdin", "-timeout", "120", "-timeout_error", "-key", "user", self.node.user, "-key", "peer", self.peer,
                "-key", "domain", DOMAIN, "-au", self.node.user, "-ap", self.node.password,
                f"127.0.0.1:{self.node.sip.split(':')[1]}"]
        if (os.cpu_count() or 1) > 1:
            argv = ["taskset", "-c", "1", *argv]
        return subprocess.Popen(argv, cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, scenario, count, rate):
        self.finish(self.start(scenario, count, rate))

    @staticmethod
    def finish(process):
        out, _ = process.communicate(timeout=150)
        check(process.returncode == 0, f"SIPp failed: {out[-800:]}")


def measured(nodes, work):
    """CPU of each daemon during work(), without what it uses anyhow; and the seconds that it took."""
    idle = [cpu_s(node) for node in nodes]
    time.sleep(1)
    idle = [cpu_s(node) - before for node, before in zip(nodes, idle)]
    began, start = time.monotonic(), [cpu_s(node) for node in nodes]
    work()
    took = time.monotonic() - began
    return [max(0, cpu_s(node) - before - share * took) for node, before, share in zip(nodes, start, idle)], took


def add_phone_user(net, name):
    node = net.add_client(name, sip=f"127.0.0.1:{free_port()}")
    node.password = json.loads((node.home / "config.json").read_text())["sip_password"]
    return node


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--seconds", type=float, default=5)
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringfolk-bench-") as directory:
        net = Net(options.build, directory)
        try:
            port = free_port()
            net.start_enrolment(port)
            net.add_supernodes(1, port)
            nodes = [add_phone_user(net, "alice"), add_phone_user(net, "bob")]
            for node in nodes:
                node.ready()
            wait_registered(nodes)
            alice, bob = Phone(net, nodes[0], "bob"), Phone(net, nodes[1], "alice")
            count = max(1, int(options.seconds * 20))
            (cpu,), took = measured(nodes[:1], lambda: alice.run(ROOT / "bench" / "sip" / "register.xml", count, 10000))
            requests = count * (REFRESHES + 1)
            print(f"sip.register_cpu_us {cpu / requests * 1e6:.3f}")
            print(f"sip.register_per_s {requests / took:.1f}")
            bob.run(CALLS / "register.xml", 1, 1)
            calls = int(options.seconds * CALL_RATE)

            def call(count=calls):
                waiting = bob.start(CALLS / "answer.xml", count, CALL_RATE)
                time.sleep(0.5)
                alice.run(CALLS / "call.xml", count, CALL_RATE)
                bob.finish(waiting)

            call(3)  # the connection between both is made
            both, _ = measured(nodes, call)
            print(f"sip.call_caller_cpu_us {both[0] / calls * 1e6:.3f}")
            print(f"sip.call_callee_cpu_us {both[1] / calls * 1e6:.3f}")
            print(f"sip.call_cpu_us {sum(both) / calls * 1e6:.3f}")
        except Failed as problem:
            sys.exit(f"bench_sip: {problem}")
        finally:
            net.end()


if __name__ == "__main__":
    main()
