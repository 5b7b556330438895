#!/usr/bin/env python3
"""bench_call.py - how long from `ringfolk call` to ringing: an enrolment server, a ring of supernodes, a caller, a callee, real daemons.

usage: bench_call.py BUILD_DIR [--supernodes N] [--calls N]; prints "NAME VALUE" lines.

The clock starts before the CLI is started and stops when the callee's daemon tells its listener that it rings: process start, control
socket, lookup over the ring, AppAttach, a new TLS connection, INVITE. Each callee is called once so ("first"), then once more over the
connection that is there ("again").
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from network import Failed, Net, Process, free_port, wait_registered  # noqa: E402


class Stamped(Process):
    """A program whose lines carry the time at which they were read."""

    def _read(self):
        for line in self.p.stdout:
            self.lines.put((time.monotonic(), line.rstrip("\n")))
        self.lines.put(None)

    def wait_event(self, want, seconds):
        return self.wait_line(lambda entry: want(json.loads(entry[1])), seconds)


def listen(node):
    argv = [node.net.program("ringfolk"), "--home", str(node.home), "--json", "listen"]
    process = Stamped(argv, node.net.dir / f"{node.name}-listen.log")
    node.net.extra.append(process)
    return process


def one_call(net, caller, callee, events):
    """Milliseconds until the callee rings, and until the caller knows."""
    argv = [net.program("ringfolk"), "--home", str(caller.home), "--json", "call", callee.user, "--for", "1"]
    began = time.monotonic()
    call = Stamped(argv, net.dir / "call.log")
    ringing = events.wait_event(lambda e: e.get("type") == "call" and e.get("direction") == "incoming"
                                and e.get("state") in ("incoming", "ringing"), 10)
    known = call.wait_event(lambda e: e.get("state") == "ringing", 10)
    call.end(5)
    events.wait_event(lambda e: e.get("type") == "call" and e.get("state") == "ended", 10)
    return (ringing[0] - began) * 1000, (known[0] - began) * 1000


def start_ms(program):
    """What starting the CLI and reading its line costs by itself."""
    began = time.monotonic()
    subprocess.run([program, "--help"], capture_output=True, check=False)
    return (time.monotonic() - began) * 1000


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--supernodes", type=int, default=8)
    options.add_argument("--calls", type=int, default=8)
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringfolk-bench-") as directory:
        net = Net(options.build, directory)
        try:
            port = free_port()
            net.start_enrolment(port)
            net.add_supernodes(options.supernodes, port)
            alice = net.add_client("alice")
            callees = [net.add_client(f"bob{i}") for i in range(options.calls)]
            for node in (alice, *callees):
                node.ready()
            wait_registered([alice, *callees])
            time.sleep(2)
            listeners = [listen(callee) for callee in callees]
            time.sleep(0.5)
            for name in ("first", "again"):
                times = [one_call(net, alice, *both) for both in zip(callees, listeners)]
                print(f"call.{name}_ringing_ms {statistics.median(t[0] for t in times):.3f}")
                print(f"call.{name}_ringing_max_ms {max(t[0] for t in times):.3f}")
                print(f"call.{name}_known_ms {statistics.median(t[1] for t in times):.3f}")
            print(f"call.cli_start_ms {statistics.median(start_ms(net.program('ringfolk')) for _ in range(10)):.3f}")
        except Failed as problem:
            sys.exit(f"bench_call: {problem}")
        finally:
            net.end()


if __name__ == "__main__":
    main()
