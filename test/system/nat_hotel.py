#!/usr/bin/env python3
"""nat_hotel.py - two guests of a hotel whose gateway cuts off who has 200 connections: a Ringfolk node, and a program that opens one connection per contact.

    RF_BUILD=DIR nat_hotel.py [--svg FILE] [--seconds N] [--ice]

Both have 15 people to keep in touch with, and 61 groups of 10 members. Each comes online, looks for all of them and writes; the node calls somebody, too. What the
gateway counts for each is measured over time, and drawn. Exit status 1 when the node was cut off, had more than 4 flows or failed at something, or
when the other one was not cut off.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import natlab
from network import Failed, free_port, wait_registered

PEOPLE, GROUPS, MEMBERS = 15, 61, 10
LIMIT, MOST = 200, 4
PORT = 7000
# One connection per contact, 40 a second, each kept in use; says at the end how many were made and how many still work.
STRAW = """
import socket, sys, time
conns = []
for i in range(int(sys.argv[1])):
    try:
        conns.append(socket.create_connection(("198.51.100.1", 7000), 0.04))
    except OSError:
        pass
    time.sleep(0.025)
alive = 0
for c in conns:
    c.settimeout(0.03)
    try:
        c.sendall(b"x")
        alive += c.recv(1) == b"x"
    except OSError:
        pass
print(len(conns), alive, flush=True)
sys.stdin.read()
"""
SERVER = """
import asyncio
async def answer(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
async def main():
    server = await asyncio.start_server(answer, "198.51.100.1", 7000, backlog=1000)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Gateway(threading.Thread):
    """Looks twice a second how many flows each guest has, as the limit counts them, and who is cut off."""

    def __init__(self, lab, guests):
        super().__init__(daemon=True)
        self.lab, self.guests, self.begun, self.ended = lab, guests, time.monotonic(), False
        self.flows, self.blocked = {g: [] for g in guests}, {g: None for g in guests}

    def run(self):
        while not self.ended:
            table = self.lab.run("guest-gw", ["conntrack", "-L"]).stdout
            blocked, now = self.lab.blocked("guest"), time.monotonic() - self.begun
            for guest in self.guests:
                address = self.lab.address(guest)
                mine = [line for line in table.splitlines() if re.search(rf" src={re.escape(address)} ", line)]
                self.flows[guest].append((now, sum("TIME_WAIT" not in line and " CLOSE " not in line for line in mine)))
                if address in blocked and self.blocked[guest] is None:
                    self.blocked[guest] = now
            time.sleep(0.3)


def cli(node, *args):
    argv = [node.net.program("ringfolk"), "--home", str(node.home), *args]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).returncode == 0


def ringfolk(net, people, failures):
    """What the guest does; what failed is appended."""
    guest = net.add_client("guest", host="guest", settings={"mode": "hotel"})
    guest.ready(60)
    wait_registered([guest])
    names = [node.name for node in people]
    members = [f"member{g}x{m}" for g in range(GROUPS) for m in range(MEMBERS)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = dict(zip(names + members, pool.map(lambda name: cli(guest, "whois", name), names + members)))
    failures += [f"whois {name}" for name in names if not found[name]]
    failures += [f"text to {name}" for _ in range(2) for name in names if not cli(guest, "message", name, "hello")]
    if not cli(guest, "call", names[0], "--for", "5"):
        failures.append(f"call to {names[0]}")
    if not cli(people[1], "message", "guest", "how is the hotel?"):
        failures.append("a text to the guest")


def svg(gateway, labels, end):
    """Flows over time; the vertical axis is a square root, so that 4 and 200 can both be seen."""
    width, height, left, bottom, top = 760, 330, 48, 40, 16
    x = lambda t: left + (width - left - 12) * t / end  # noqa: E731
    y = lambda n: height - bottom - (height - bottom - top) * (n / 260) ** 0.5  # noqa: E731
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    for n in (0, 1, 4, 20, 50, 100, 150, 200, 250):
        color = "#c00" if n == LIMIT else "#ddd"
        yield f'<path d="M{left} {y(n):.1f}H{width - 12}" stroke="{color}"/><text x="{left - 6}" y="{y(n) + 4:.1f}" text-anchor="end">{n}</text>'
    for t in range(0, int(end) + 1, 10):
        yield f'<text x="{x(t):.1f}" y="{height - 22}" text-anchor="middle">{t}</text>'
    yield f'<text x="{width / 2}" y="{height - 5}" text-anchor="middle">seconds; vertical: connections that the gateway counts for the guest</text>'
    for (guest, color), label in zip((("guest", "#06c"), ("guest.2", "#e70")), labels):
        points = gateway.flows[guest]
        way = " ".join(f"{x(t):.1f},{y(n):.1f}" for t, n in points)
        yield f'<polyline points="{way}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield f'<text x="{left + 12}" y="{top + 60 if guest == "guest.2" else y(9):.1f}" fill="{color}">{label}</text>'
        if gateway.blocked[guest] is not None:
            at = x(gateway.blocked[guest])
            yield f'<path d="M{at:.1f} {top}V{height - bottom}" stroke="#c00" stroke-dasharray="4 3"/>'
            yield f'<text x="{at + 6:.1f}" y="{top + 10}" fill="#c00">cut off for 15 minutes</text>'
    yield "</svg>"


def run(lab, directory, seconds, ice):
    net, failures = natlab.LabNet(lab, directory), []
    server = lab.popen("pub", [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    try:
        port = free_port()
        net.start_enrolment(port)
        if not ice:
            net.enrol_cli("config", "set", "no-ice", "true")
        net.add_supernodes(3, port)
        people = [net.add_client(f"person{i}", service="echo") for i in range(PEOPLE)]
        for node in people:
            node.ready(60)
        wait_registered(people, 60)
        gateway = Gateway(lab, ("guest", "guest.2"))
        gateway.start()
        straw = lab.popen("guest.2", [sys.executable, "-c", STRAW, str(PEOPLE + GROUPS * MEMBERS)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
        ringfolk(net, people, failures)
        time.sleep(max(0, seconds - (time.monotonic() - gateway.begun)))
        made, alive = map(int, straw.stdout.readline().split())
        gateway.ended = True
        gateway.join(20)
        straw.communicate("")
        return gateway, failures, made, alive
    finally:
        net.end()
        server.kill()
        server.communicate()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--ice", action="store_true", help="in an overlay with ICE")
    options = parser.parse_args()
    why = natlab.missing()
    if why:
        sys.exit(f"nat_hotel: {why}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rf-hotel-"))
    try:
        with natlab.Lab(600, guest="hotel,hosts=2") as lab:
            gateway, failures, made, alive = run(lab, directory, options.seconds, options.ice)
    except Failed as failure:
        sys.exit(f"nat_hotel: {failure}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    most = {guest: max(n for _, n in points) for guest, points in gateway.flows.items()}
    print(f"Ringfolk in mode hotel: at most {most['guest']} flows, at the end {gateway.flows['guest'][-1][1]}, "
          f"cut off: {gateway.blocked['guest'] is not None}, failed: {failures or 'nothing'}")
    at = gateway.blocked["guest.2"]
    print(f"One connection per contact: {made} of {PEOPLE + GROUPS * MEMBERS} made, at most {most['guest.2']} flows, cut off "
          f"{'never' if at is None else f'after {at:.0f} s'}, {alive} connections work then")
    if options.svg:
        end = max(t for t, _ in gateway.flows["guest"])
        options.svg.write_text("\n".join(svg(gateway, ("Ringfolk, mode hotel", "one connection per contact"), end)) + "\n")
    good = not failures and gateway.blocked["guest"] is None and most["guest"] <= MOST and at is not None
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
