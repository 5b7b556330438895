#!/usr/bin/env python3
"""binding_lifetimes.py - what clients behind NATs that forget sooner and later learn of them, what they send before and after, and whether they are reached all the time.

    RF_BUILD=DIR binding_lifetimes.py [--learn MINUTES] [--minutes N]      as root

Per NAT (idle UDP and TCP forgotten after so many seconds) four clients: one that learns and one that does not (keepalive_max_s as keepalive_s), both left alone and counted by their kernels
at IP; and another two, which somebody in the public net pings, each time a little later than the NAT would forget them if nobody sent anything.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "test" / "system"), str(HERE.parent / "tools")]

import natlab  # noqa: E402  (needs the path above)
from idle_bytes import count  # noqa: E402
from network import free_port, wait_registered  # noqa: E402

NATS = {"n30": (30, 30), "n60": (60, 60), "n120": (120, 300), "n300": (300, 7440)}
KINDS = ("learns", "usual", "learns, pinged", "usual, pinged")


def host_of(site, kind):
    return site if kind == 0 else f"{site}.{kind + 1}"


def learned(node):
    return next((f["text"] for f in node.cli("doctor", seconds=60)[0]["findings"] if f["about"] == "bindings"), "-")


def counter(node, name):
    return node.cli("counters")[0]["node"].get(name, 0)


class Asker(threading.Thread):
    """Pings one client again and again: all that matters is how long each answer took."""

    def __init__(self, asker, node, pause_s):
        super().__init__(daemon=True)
        self.asker, self.node, self.pause_s = asker, node, pause_s
        self.took, self.stop = [], threading.Event()

    def run(self):
        while not self.stop.wait(self.pause_s):
            begun = time.monotonic()
            argv = [self.asker.net.program("ringfolk"), "--home", str(self.asker.home), "ping", self.node.id]
            done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
            self.took.append((begun, time.monotonic() - begun, done.returncode == 0))

    def said(self, first, last):
        took = [(t, good) for at, t, good in self.took if first <= at < last]
        late = sum(t > 2 for t, good in took if good)
        return f"{len(took)} pings, {sum(not good for _, good in took)} unanswered, {late} answered after more than 2 s, longest {max((t for t, _ in took), default=0):.1f} s"


def clients(net):
    out = {}
    for site in NATS:
        for kind in range(len(KINDS)):
            host = host_of(site, kind)
            settings = {} if kind in (0, 2) else {"keepalive_max_s": 60}
            out[host] = net.add_client(host.replace(".", "x"), host=host, settings=settings)
    return out


def run(lab, net, options):
    port = free_port()
    net.start_enrolment(port)
    net.add_supernodes(4, port)
    nodes = clients(net)
    asker = net.add_client("asker", host="asker")
    for node in [*nodes.values(), asker]:
        node.ready()
    wait_registered(nodes.values(), 90)
    askers = {}
    for site, (_, tcp) in NATS.items():
        for kind in (2, 3):
            host = host_of(site, kind)
            askers[host] = Asker(asker, nodes[host], min(600, tcp * 1.1 + 8))
            askers[host].start()
    counted = [host_of(site, kind) for site in NATS for kind in (0, 1)]
    time.sleep(30)
    begun, first = time.monotonic(), {host: count(lab, host) for host in counted}
    time.sleep(options.learn * 60)
    middle_at, middle = time.monotonic(), {host: count(lab, host) for host in counted}
    time.sleep(options.minutes * 60)
    hours = ((middle_at - begun) / 3600, (time.monotonic() - middle_at) / 3600)
    last = {host: count(lab, host) for host in counted}
    for site, (udp, tcp) in NATS.items():
        print(f"{site}: UDP {udp} s, TCP {tcp} s")
        for kind, name in enumerate(KINDS):
            host = host_of(site, kind)
            if host in askers:
                askers[host].stop.set()
                end = time.monotonic()
                print(f"  {name}: first {askers[host].said(0, middle_at)}; then {askers[host].said(middle_at, end)}; broken {counter(nodes[host], 'bindings_broken')}")
                continue
            before = [(now - then) / hours[0] for now, then in zip(middle[host], first[host])]
            after = [(now - then) / hours[1] for now, then in zip(last[host], middle[host])]
            print(f"  {name}: {before[0]:.0f} bytes and {before[1]:.0f} packets an hour while learning, {after[0]:.0f} and {after[1]:.0f} afterwards;"
                  f" broken {counter(nodes[host], 'bindings_broken')}; {learned(nodes[host])}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learn", type=float, default=45)
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    why = natlab.missing()
    if why:
        sys.exit(f"binding_lifetimes: {why}")
    directory = tempfile.mkdtemp(prefix="rf-bindings-")
    sites = {site: f"port,hosts=4,timeout={udp},tcp={tcp}" for site, (udp, tcp) in NATS.items()}
    with natlab.Lab((options.learn + options.minutes) * 60 + 600, asker="open", **sites) as lab:
        net = natlab.LabNet(lab, directory)
        try:
            run(lab, net, options)
        finally:
            net.end()


if __name__ == "__main__":
    main()
