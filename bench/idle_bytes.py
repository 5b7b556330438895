#!/usr/bin/env python3
"""idle_bytes.py - what an idle client sends and receives in an hour: a real daemon behind a NAT of network namespaces, counted by its kernel at IP (headers of IP, TCP, UDP and TLS included).

    RF_BUILD=DIR idle_bytes.py [--minutes N] [--settle S]      as root

Two clients with ICE: one that is registered and does nothing, one that another has written to once, so that a connection between devices stands at first; and the last one's friend.
"""
import argparse
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "test" / "system"), str(HERE.parent / "tools")]

import natlab  # noqa: E402  (needs the path above)
from network import free_port, wait_registered  # noqa: E402

CLIENTS = ("quiet", "written", "friend")


def count(lab, host):
    """(bytes, packets) that went over IP there so far, loopback left out."""
    lines = [line.split() for line in lab.run(host, ["cat", "/proc/net/netstat"]).stdout.splitlines() if line.startswith("IpExt:")]
    ip = dict(zip(lines[0][1:], map(int, lines[1][1:])))
    eth = [line.split() for line in lab.run(host, ["cat", "/proc/net/dev"]).stdout.splitlines() if "eth0:" in line][0]
    return ip["InOctets"] + ip["OutOctets"], int(eth[2]) + int(eth[10])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--settle", type=float, default=60)
    options = parser.parse_args()
    why = natlab.missing()
    if why:
        sys.exit(f"idle_bytes: {why}")
    directory = tempfile.mkdtemp(prefix="rf-idle-")
    with natlab.Lab(options.minutes * 60 + options.settle + 120, **{name: "port" for name in CLIENTS}) as lab:
        net = natlab.LabNet(lab, directory)
        try:
            port = free_port()
            net.start_enrolment(port)
            net.add_supernodes(4, port)
            nodes = {name: net.add_client(name, host=name) for name in CLIENTS}
            for node in nodes.values():
                node.ready()
            wait_registered(nodes.values())
            nodes["written"].listen()
            time.sleep(options.settle)
            nodes["friend"].cli("message", "written", "hello")
            time.sleep(1)
            begun, before = time.monotonic(), {name: count(lab, name) for name in CLIENTS}
            minute = {}
            while time.monotonic() - begun < options.minutes * 60:
                time.sleep(max(0, min(60, options.minutes * 60 - (time.monotonic() - begun))))
                minute = minute or {name: count(lab, name)[0] - before[name][0] for name in CLIENTS}
            hours = (time.monotonic() - begun) / 3600
            for name in CLIENTS:
                octets, packets = (now - then for now, then in zip(count(lab, name), before[name]))
                print(f"{name}: {octets / hours:.0f} bytes and {packets / hours:.0f} packets an hour; {minute[name]} bytes in the first minute; {lab.flows(name)} flows at its gateway at the end")
        finally:
            net.end()


if __name__ == "__main__":
    main()
