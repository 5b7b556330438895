#!/usr/bin/python3
"""peer_opendht.py - OpenDHT nodes on loopback, asked what bench_ring asks ours: memory, put, get, idle traffic, a third killed.

usage: peer_opendht.py [--nodes N] [--idle S]; prints "NAME VALUE" lines as the other benchmarks do. Its values are neither signed nor
encrypted, its packets not authenticated. A third of the nodes lives in a child process, which ends by SIGKILL.

Traffic is counted at the loopback interface, so nothing else should use it meanwhile: each packet once (bench_ring counts what it sends).
"""
import argparse
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

import opendht as dht  # Debian's python3-opendht: the system's interpreter

REQUESTS, KILLED_S, STREAMS = 300, 30, 8


def figure(name, value):
    print(f"opendht.{name} {value:.3f}", flush=True)


def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def lo_bytes():
    line = next(l for l in pathlib.Path("/proc/net/dev").read_text().splitlines() if l.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[0])


def start(count, port):
    nodes = []
    for _ in range(count):
        node = dht.DhtRunner()
        node.run(port=0, ipv4="127.0.0.1", is_bootstrap=False)
        if port or nodes:
            node.bootstrap("127.0.0.1", str(port or nodes[0].getBound().getPort()))
        nodes.append(node)
    return nodes


def key(i):
    return dht.InfoHash.get(f"user{i}@example.org")


def get(node, i):
    """Right: the first value arrives. Milliseconds, or None."""
    found, seen = threading.Event(), []

    def on_value(_value):
        if not seen:
            seen.append(time.monotonic())
            found.set()
        return False

    began = time.monotonic()
    node.get(key(i), on_value, lambda ok, nodes: found.set())
    found.wait(60)
    return (seen[0] - began) * 1e3 if seen else None


def put(node, i):
    done, result = threading.Event(), []

    def on_done(ok, _nodes):
        result.append(ok)
        done.set()

    began = time.monotonic()
    node.put(key(i), dht.Value(b"x" * 200), on_done)
    done.wait(60)
    return (time.monotonic() - began) * 1e3 if result and result[0] else None


def tell(what, took):
    right = sorted(t for t in took if t is not None)
    if right:
        figure(f"{what}_ms", statistics.median(right))
        figure(f"{what}_p95_ms", right[len(right) * 95 // 100])
    figure(f"{what}_right", len(right))
    figure(f"{what}_failed", len(took) - len(right))


def while_killed(nodes, others, values):
    took, lock, end = [], threading.Lock(), time.monotonic() + KILLED_S

    def stream(seed):
        rng = random.Random(seed)
        while time.monotonic() < end:
            t = get(rng.choice(nodes), rng.randrange(values))
            with lock:
                took.append(t)

    others.send_signal(signal.SIGKILL)
    others.wait()
    threads = [threading.Thread(target=stream, args=(i,)) for i in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell("killed", took)
    figure("killed_right_percent", 100 * sum(t is not None for t in took) / max(len(took), 1))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, default=50)
    options.add_argument("--idle", type=float, default=60)
    options.add_argument("--others", nargs=2, type=int, metavar=("COUNT", "PORT"), help="be the third that is killed")
    options = options.parse_args()
    if options.others:
        nodes = start(*options.others)
        print("ready", flush=True)
        time.sleep(3600)
        return
    killed, before = options.nodes // 3, resident()
    nodes = start(options.nodes - killed, 0)
    others = subprocess.Popen([sys.executable, __file__, "--others", str(killed), str(nodes[0].getBound().getPort())],
                              stdout=subprocess.PIPE, text=True)
    try:
        others.stdout.readline()
        time.sleep(10)
        figure("rss_bytes", (resident() - before) / len(nodes))
        rng = random.Random(1)
        tell("put", [put(rng.choice(nodes), i % options.nodes) for i in range(REQUESTS)])
        tell("get", [get(rng.choice(nodes), rng.randrange(options.nodes)) for _ in range(REQUESTS)])
        time.sleep(10)
        bytes_before = lo_bytes()
        time.sleep(options.idle)
        figure("idle_bytes_per_min", (lo_bytes() - bytes_before) / options.nodes * 60 / options.idle)
        while_killed(nodes, others, options.nodes)
    finally:
        others.kill()
    os._exit(0)  # fifty runners need not be taken apart


if __name__ == "__main__":
    main()
