#!/usr/bin/env python3
"""bench_files.py - a file between two real daemons over loopback, beside the same file by curl from openssl s_server (plain TLS 1.3).

usage: bench_files.py BUILD_DIR [--mb N] [--rounds N] [--no-ice]; prints "NAME VALUE" lines.

Devices connect by datagrams (ICE, DTLS), as overlays have it unless they say --no-ice: then it is TLS, and the figures are called files.tcp. MB are 10^6 bytes. "share" reads, encrypts and hashes the file where it is; "fetch" brings it to another daemon, checked and on its disk. CPU is user and system time of the process, all threads; memory is the most that was
resident (VmHWM), beside what it was before.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from network import Net, free_port, wait_registered  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    return 0


def control(node, cmd, **args):
    """The result of a command on the control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(600)
        s.connect(str(node.home / "control.sock"))
        s.sendall(json.dumps({"id": 1, "cmd": cmd, "args": args}).encode() + b"\n")
        for line in s.makefile():
            said = json.loads(line)
            if "result" in said:
                return said["result"]
            if "error" in said:
                raise RuntimeError(said["error"])
    raise RuntimeError("the daemon is gone")


def print_figure(name, value):
    print(f"{name} {value:.2f}", flush=True)


def tls_copy(directory, path, mb):
    """curl from openssl s_server: (MB/s, CPU ms per MB of both)."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    if not key.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                        "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-quiet", "-WWW", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", cert, "-tls1_3",
                               "-ciphersuites", "TLS_AES_128_GCM_SHA256"], cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        out = directory / "by-curl"
        before = cpu_s(server.pid)
        began = time.monotonic()
        curl = subprocess.Popen(["curl", "-sk", "-o", out, f"https://127.0.0.1:{port}/{path.name}"])
        _, status, usage = os.wait4(curl.pid, 0)
        took = time.monotonic() - began
        curl.returncode = status
        if status != 0 or out.stat().st_size != path.stat().st_size:
            raise RuntimeError("curl failed")
        out.unlink()
        return mb / took, (cpu_s(server.pid) - before) * 1000 / mb, (usage.ru_utime + usage.ru_stime) * 1000 / mb
    finally:
        server.kill()
        server.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--mb", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-ice", action="store_true")
    options = parser.parse_args()
    prefix = "files.tcp." if options.no_ice else "files."
    with tempfile.TemporaryDirectory(prefix="rf-bench-files-") as name:
        directory = pathlib.Path(name)
        path = directory / "file.bin"
        block = os.urandom(1000000)
        with open(path, "wb") as file:
            for i in range(options.mb):
                file.write(i.to_bytes(8, "big") + block[8:])
        net = Net(options.build, directory / "net")
        net.dir.mkdir()
        try:
            port = free_port()
            net.start_enrolment(port)
            if options.no_ice:
                net.enrol_cli("config", "set", "no-ice", "true")
            net.add_supernodes(1, port)
            alice, bob = net.add_client("alice"), net.add_client("bob")
            for node in (alice, bob):
                node.ready()
            wait_registered([alice, bob])
            figures = {}
            giver, taker = alice.daemon.p.pid, bob.daemon.p.pid
            was = {pid: memory(pid, "VmRSS") for pid in (giver, taker)}
            for _ in range(options.rounds):
                began, cpu = time.monotonic(), cpu_s(giver)
                shared = control(alice, "file-share", path=str(path))
                figures.setdefault("share_mb_per_s", []).append(options.mb / (time.monotonic() - began))
                figures.setdefault("share_cpu_ms_per_mb", []).append((cpu_s(giver) - cpu) * 1000 / options.mb)
                began, cpu = time.monotonic(), (cpu_s(giver), cpu_s(taker))
                got = control(bob, "file-fetch", reference=shared["reference"], to=str(directory), **{"from": ["alice"]})
                figures.setdefault("fetch_mb_per_s", []).append(options.mb / (time.monotonic() - began))
                figures.setdefault("give_cpu_ms_per_mb", []).append((cpu_s(giver) - cpu[0]) * 1000 / options.mb)
                figures.setdefault("take_cpu_ms_per_mb", []).append((cpu_s(taker) - cpu[1]) * 1000 / options.mb)
                if subprocess.run(["cmp", "-s", path, got["path"]], check=False).returncode != 0:
                    raise RuntimeError("what came is not what was shared")
                os.unlink(got["path"])
                speed, serve, take = tls_copy(directory, path, options.mb)
                figures.setdefault("tls_mb_per_s", []).append(speed)
                figures.setdefault("tls_give_cpu_ms_per_mb", []).append(serve)
                figures.setdefault("tls_take_cpu_ms_per_mb", []).append(take)
            for what, values in figures.items():
                print_figure(prefix + what, statistics.median(values))
            print_figure(prefix + "give_memory_bytes", memory(giver, "VmHWM") - was[giver])
            print_figure(prefix + "take_memory_bytes", memory(taker, "VmHWM") - was[taker])
        finally:
            net.end()


if __name__ == "__main__":
    main()
