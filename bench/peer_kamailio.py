#!/usr/bin/env python3
"""peer_kamailio.py - Kamailio's registrar and proxy driven by sipp: the CPU of one REGISTER, one question for bindings, one call.

usage: peer_kamailio.py [--users N] [--seconds S]; prints "NAME VALUE" lines as the other benchmarks do.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent / "kamailio"
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from cores import pinned  # noqa: E402
from network import free_port  # noqa: E402  (needs the path above)

RATES = {"register": (8000, 4000), "query": (8000, 4000), "call": (4000, 2000, 1000, 500)}  # per second: the first that loses none
TICK = os.sysconf("SC_CLK_TCK")


def processes_of(pid):
    """The process and its children, which for Kamailio is all of it."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [pid] + [p for child in path.read_text().split() for p in processes_of(int(child))]


def cpu_s(pid):
    """User and system time of Kamailio, seconds; schedstat counts in nanoseconds."""
    total = 0
    for p in processes_of(pid):
        total += int(pathlib.Path(f"/proc/{p}/schedstat").read_text().split()[0])
    return total / 1e9


class Sipp:
    def __init__(self, directory, server):
        self.dir, self.server = pathlib.Path(directory), server
        self.callee_port = free_port()
        self.callee = None

    def run_callee(self):
        argv = pinned(1, ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(self.callee_port), "-nostdin",
                          "127.0.0.1"])
        self.callee = subprocess.Popen(argv, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, scenario, count, rate):
        """Returns the calls that failed."""
        stat = self.dir / f"{scenario}.csv"
        argv = pinned(1, ["sipp", "-sf", str(HERE / f"{scenario}.xml"), "-inf", str(self.dir / "users.csv"),
                          "-key", "callee", str(self.callee_port), "-i", "127.0.0.1", "-p", str(free_port()),
                          "-m", str(count), "-r", str(rate), "-l", "20000", "-nostdin",
                          "-trace_stat", "-stf", str(stat), self.server])
        subprocess.run(argv, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=60 + 3 * count / rate, check=False)
        lines = stat.read_text().splitlines()
        values = dict(zip(lines[0].split(";"), lines[-1].split(";")))
        return count - int(values["SuccessfulCall(C)"])


def start_kamailio(directory):
    port = free_port()
    config = pathlib.Path(directory) / "kamailio.cfg"
    modules = next(pathlib.Path("/usr/lib").glob("*/kamailio/modules"))
    text = (HERE / "kamailio.cfg").read_text().replace("PORT", str(port))
    config.write_text(text.replace("/usr/lib/x86_64-linux-gnu/kamailio/modules", str(modules)))
    argv = pinned(0, ["kamailio", "-f", str(config), "-DD", "-m", "512", "-M", "16", "-Y", str(directory)])
    log = open(pathlib.Path(directory) / "kamailio.log", "wb")
    process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=directory)
    time.sleep(2)
    if process.poll() is not None:
        sys.exit("peer_kamailio: kamailio does not start:\n" +
                 (pathlib.Path(directory) / "kamailio.log").read_text(errors="replace")[-2000:])
    return process, port


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--users", type=int, default=5000)
    options.add_argument("--seconds", type=float, default=3)
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringfolk-bench-") as directory:
        users = "".join(f"user{i}\n" for i in range(options.users))
        (pathlib.Path(directory) / "users.csv").write_text("SEQUENTIAL\n" + users)
        kamailio, port = start_kamailio(directory)
        sipp = Sipp(directory, f"127.0.0.1:{port}")
        try:
            sipp.run_callee()
            sipp.run("register", options.users, RATES["register"][0])
            for scenario, rates in RATES.items():
                for rate in rates:
                    count = int(rate * options.seconds)
                    before = cpu_s(kamailio.pid)
                    failed = sipp.run(scenario, count, rate)
                    cpu = cpu_s(kamailio.pid) - before
                    if failed == 0:
                        break
                print(f"kamailio.{scenario}_cpu_us {cpu / max(1, count - failed) * 1e6:.3f}")
                print(f"kamailio.{scenario}_rate {rate}")
                print(f"kamailio.{scenario}_failed {failed}", flush=True)
        finally:
            for process in (sipp.callee, kamailio):
                if process:
                    process.terminate()
                    process.wait()


if __name__ == "__main__":
    main()
