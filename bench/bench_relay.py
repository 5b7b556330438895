#!/usr/bin/env python3
"""bench_relay.py - our relay, coturn and a bare forwarder under the same load, one after the other, each on core 0, the load on core 1: single
datagrams, bursts of 20 of one flow, and the delay at half of the rate that the slowest of them reaches. And how the memory of our relay and of coturn grows from
1,000 to --hold allocations with a permission and a channel each.

usage: bench_relay.py BUILD_DIR [--seconds S] [--allocations N] [--hold N] [--only-memory]; prints "NAME VALUE" lines
"""
import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))
from cores import pinned  # noqa: E402
from network import free_port  # noqa: E402


class Ours:
    name = "ours"

    more = ["0", "shared"]  # as in ringfolkd: the port is the node's, too

    def __init__(self, build):
        self.process = subprocess.Popen(pinned(0, [str(build / "bench" / "bench_relay"), "127.0.0.1:0", "1", *self.more]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = json.loads(self.process.stdout.readline())
        self.server, self.how = said["address"], "turn"
        self.login = [said["realm"], said["user"], said["password"]]
        self.peer_port = free_port()

    def stop(self):
        self.process.communicate("", timeout=20)


class Coturn:
    name = "coturn"

    def __init__(self, _):
        port, self.peer_port = free_port(), free_port()
        self.server, self.how, self.login = f"127.0.0.1:{port}", "turn", ["bench", "bench", "secret"]
        self.directory = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            pinned(0, ["turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(port), "-m", "1", "-u", "bench:secret",
                       "-r", "bench", "--lt-cred-mech", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli",
                       "--log-file", "/dev/null", "--pidfile", f"{self.directory.name}/pid", "--db", f"{self.directory.name}/db",
                       "--simple-log"]),
            cwd=self.directory.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.directory.cleanup()


class Bare:
    name = "bare"

    def __init__(self, build):
        self.peer_port = free_port()
        self.process = subprocess.Popen(pinned(0, [str(build / "bench" / "bare_forward"), str(self.peer_port)]),
                                        stdout=subprocess.PIPE, text=True)
        self.server, self.how, self.login = f"127.0.0.1:{self.process.stdout.readline().strip()}", "bare", ["-", "-", "-"]

    def stop(self):
        self.process.kill()
        self.process.communicate()


def load(build, server, how, *numbers, seconds=120):
    argv = pinned(1, [str(build / "bench" / "relay_load"), how, server.server, str(server.peer_port), str(server.process.pid),
                      *server.login, *map(str, numbers)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        print(f"{server.name}: {done.stderr.strip()}", file=sys.stderr)
        return {}
    return {m[1]: float(m[2]) for m in re.finditer(r"relay_load\.(\w+) (-?[0-9.]+)", done.stdout)}


def measure(build, kind, what, *numbers):
    """One run with a fresh server; prints its figures and gives them."""
    server = kind(build)
    try:
        got = load(build, server, "hold" if what == "hold" else server.how, *numbers)
    finally:
        server.stop()
    for name, value in got.items():
        print(f"relay.{kind.name}.{what}.{name} {value:.1f}")
    sys.stdout.flush()
    return got


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--allocations", type=int, default=100)
    parser.add_argument("--hold", type=int, default=8000)
    parser.add_argument("--only-memory", action="store_true")
    options = parser.parse_args()
    build, kinds = options.build.resolve(), (Bare, Coturn, Ours)

    def run(kind, what, burst, outstanding, rate=0):
        return measure(build, kind, what, options.allocations, outstanding, 200, burst, options.seconds, rate)

    for kind in kinds[1:]:
        measure(build, kind, "hold", options.hold, 1000)
    if options.only_memory:
        return
    singles = [run(kind, "single", 1, 8).get("pps", 0) for kind in kinds]
    for kind in kinds:
        run(kind, "burst", 20, 40)
    half = min(singles) / 4  # of what the slowest can; a datagram there and back counts twice
    for kind in kinds if half else ():
        run(kind, "half", 1, 8, half)


if __name__ == "__main__":
    main()
