#!/usr/bin/env python3
"""run.py - `make bench`: runs the benchmarks and sets their figures beside aims and limits.

usage: bench/run.py BUILD_DIR [--full] [--only WORD]... [--json FILE]
  --full   10,000 idle clients instead of 1,000, longer runs
  --only   forward, requests, clients, links, lookups, ring, sip, relay, ice, media, call, files; may be repeated
  --json   writes every figure, also those that are not in the table

Figures "per core" are operations per second of CPU time of the process measured, its system calls included: what a core would do if it
did nothing else. They suffer little from other work on the machine; figures in milliseconds suffer fully.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

from cores import pinned

HERE = pathlib.Path(__file__).resolve().parent


def program(build, name):
    for place in ("bench", "test", "bin"):
        if (build / place / name).exists():
            return str(build / place / name)
    return None


class Run:
    def __init__(self, build, full):
        self.build, self.full = build, full
        self.figures, self.problems = {}, []

    def get(self, name):
        return self.figures.get(name)

    def take(self, name, argv, seconds=300, prefix=""):
        """Runs a program that prints NAME VALUE lines; the prefix keeps apart what two of them call the same."""
        if argv[0] is None:
            self.problems.append(f"{name}: not built")
            return
        print(f"  {name} ...", file=sys.stderr, flush=True)
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{name}: not done within {seconds} s")
            return
        for line in done.stdout.splitlines():
            found = re.fullmatch(r"([a-z0-9_.]+) (-?[0-9.]+)", line)
            if found:
                self.figures[prefix + found[1]] = float(found[2])
        if done.returncode != 0:
            self.problems.append(f"{name}: exit status {done.returncode}: {done.stderr.strip()[-300:]}")

    # ---- what limits us: the library's bare operations on the same core in the same run ----

    def openssl(self):
        print("  openssl speed ...", file=sys.stderr, flush=True)
        argv = pinned(0, ["openssl", "speed", "-seconds", "1", "ecdsap256", "ecdhx25519"])
        out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        sign = re.search(r"ecdsa \(nistp256\)\s+\S+s\s+\S+s\s+([\d.]+)\s+([\d.]+)", out)
        ecdh = re.search(r"ecdh \(X25519\)\s+\S+s\s+([\d.]+)", out)
        if not sign or not ecdh:
            self.problems.append("openssl speed: its output was not understood")
            return
        self.figures["openssl.sign_us"] = 1e6 / float(sign[1])
        self.figures["openssl.verify_us"] = 1e6 / float(sign[2])
        self.figures["openssl.x25519_us"] = 1e6 / float(ecdh[1])

    def crypto_limit(self, signs, verifies, x25519s=0):
        """Operations per second when only these were done."""
        need = ("openssl.sign_us", "openssl.verify_us", "openssl.x25519_us")
        if any(n not in self.figures for n in need):
            return None
        return 1e6 / (signs * self.figures[need[0]] + verifies * self.figures[need[1]] +
                      x25519s * self.figures[need[2]])

    # ---- the benchmarks ----

    def forward(self):
        exe, seconds = program(self.build, "bench_super"), 5 if self.full else 2
        self.take("messages through a supernode, plain", [exe, "plain", str(seconds)])
        forward = program(self.build, "bench_forward")
        if forward:
            print("  overlay alone ...", file=sys.stderr, flush=True)
            out = subprocess.run(pinned(0, [forward, "1000000"]), capture_output=True, text=True, check=False).stdout
            rates = [float(n) for n in re.findall(r"(\d+) forwarded/s", out)]
            if rates:
                self.figures["overlay.forward_per_cpu_s"] = statistics.median(rates)

    def requests(self):
        exe, seconds = program(self.build, "bench_super"), 5 if self.full else 2
        self.take("messages, Fetch and Store through a supernode, TLS", [exe, "gnutls", str(seconds)])

    def clients(self):
        count, idle_s = (10000, 60) if self.full else (1000, 20)
        self.figures["clients.count"] = count
        self.take(f"{count} idle clients", [program(self.build, "bench_clients"), str(count), str(idle_s)], 1200)

    def links(self):
        count = "10000" if self.full else "1000"
        self.take(f"{count} links of TLS", pinned(0, [program(self.build, "bench_link"), count]), 600)
        self.take(f"{count} links of DTLS", pinned(0, [program(self.build, "bench_dtls"), count]), 600, "udp.")

    def lookups(self):
        seconds = 5 if self.full else 3
        self.take("Kamailio", [sys.executable, str(HERE / "peer_kamailio.py"), "--seconds", str(seconds)])

    def sip(self):
        self.take("SIP through our daemons", [sys.executable, str(HERE / "bench_sip.py"), str(self.build),
                                              "--seconds", "10" if self.full else "4"])

    def ring(self):
        """Both in a network of their own, so that nobody else's traffic is counted."""
        alone = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "alone"]
        idle_s = "120" if self.full else "30"
        self.take("a ring of 50 supernodes", [*alone, program(self.build, "bench_ring") or "bench_ring", "50", idle_s])
        self.take("50 nodes of OpenDHT", [*alone, "/usr/bin/python3", str(HERE / "peer_opendht.py"), "--nodes", "50", "--idle", idle_s])

    def relay(self):
        argv = [sys.executable, str(HERE / "bench_relay.py"), str(self.build), "--seconds", "8" if self.full else "3"]
        self.take("a bare forwarder, coturn, our relay", argv, 600)

    def ice(self):
        self.take("ICE sessions", [program(self.build, "bench_ice"), "2000"])
        if program(self.build, "bench_nice"):
            self.take("agents of libnice", [program(self.build, "bench_nice"), "1000"])

    def media(self):
        argv = [program(self.build, "bench_media"), "20", "20" if self.full else "5"]
        self.take("media of 20 calls through two nodes", argv, prefix="media.")

    def files(self):
        self.take("chunks of files", [program(self.build, "bench_files"), "256"])
        size = ["--mb", "2147", "--rounds", "1"] if self.full else ["--mb", "300"]
        for way in ([], ["--no-ice"]):
            self.take("a file between two daemons, " + ("TLS" if way else "ICE"),
                      [sys.executable, str(HERE / "bench_files.py"), str(self.build), *size, *way], 600)

    def call(self):
        self.take("calls over a ring of 8 supernodes", [sys.executable, str(HERE / "bench_call.py"), str(self.build)])


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def per_core(cpu_us):
    return 1e6 / cpu_us if cpu_us else None


def kib(bytes_):
    return bytes_ / 1024 if bytes_ else None


def rows(run):
    """(what, figure, unit, aim, at least?, name of what it is compared with, its figure)"""
    g = run.get
    fetch, store = run.crypto_limit(1, 1), run.crypto_limit(1, 2)
    cold_fetch, cold_store = run.crypto_limit(1, 2), run.crypto_limit(1, 3)
    # server of a handshake: signs once, verifies the client's certificate and proof, one key and one agreement
    full, resumed = run.crypto_limit(1, 2, 2), run.crypto_limit(0, 0, 2)
    calls = g("kamailio.call_cpu_us")  # about 150 us on an idle machine
    def limit(times, what):
        value = g(f"{what}.packets_per_cpu_s")
        return times * value if value else None

    kilo = kib(g("clients.rss_bytes"))  # as VmRSS counts, and as the aim was set
    return [
        ("messages forwarded, without TLS", g("plain.forward_per_cpu_s"), "/s core", 100000, True,
         "overlay alone, in memory", g("overlay.forward_per_cpu_s")),
        ("messages forwarded, with TLS", g("gnutls.forward_per_cpu_s"), "/s core", 50000, True,
         "without TLS", g("plain.forward_per_cpu_s")),
        ("Fetch, warm certificate cache", g("gnutls.fetch_warm_per_cpu_s"), "/s core", None, True,
         "openssl: sign + verify", fetch),
        ("Fetch, cold", g("gnutls.fetch_cold_per_cpu_s"), "/s core", None, True,
         "openssl: sign + 2 verify", cold_fetch),
        ("Store, warm certificate cache", g("gnutls.store_warm_per_cpu_s"), "/s core", None, True,
         "openssl: sign + 2 verify", store),
        ("Store, cold", g("gnutls.store_cold_per_cpu_s"), "/s core", None, True,
         "openssl: sign + 3 verify", cold_store),
        ("lookup of a registration (a Fetch)", g("gnutls.fetch_warm_cpu_us"), "us CPU", calls or 150, False,
         f"Kamailio: routing a call, {g('kamailio.call_rate') or 0:.0f}/s", calls),
        ("", g("gnutls.fetch_warm_cpu_us"), "us CPU", None, False,
         "Kamailio: asking for bindings, unsigned", g("kamailio.query_cpu_us")),
        ("lookups through one supernode", g("gnutls.fetch_warm_per_s"), "/s", None, True,
         "limit: openssl, as above", fetch),
        (f"memory per idle client, {g('clients.count') or 0:,.0f} of them", kilo, "kB (1024)", 16, False,
         "GnuTLS alone (measured once)", 11.1),
        ("CPU per client to join, certificates stored", g("clients.join_cpu_us"), "us CPU", None, False, None, None),
        ("traffic per idle client", g("clients.idle_bytes_per_min"), "B/min", None, False, None, None),
        ("handshakes, full", g("gnutls.full_handshakes_per_cpu_s"), "/s core", None, True,
         "openssl: sign, 2 verify, 2 X25519", full),
        ("handshakes, resumed", g("gnutls.second_handshakes_per_cpu_s"), "/s core", None, True,
         "openssl: 2 X25519", resumed),
        ("links of DTLS: handshakes, full", g("udp.dtls.full_handshakes_per_cpu_s"), "/s core", None, True,
         "TLS", g("gnutls.full_handshakes_per_cpu_s")),
        ("handshakes, resumed", g("udp.dtls.second_handshakes_per_cpu_s"), "/s core", None, True,
         "TLS", g("gnutls.second_handshakes_per_cpu_s")),
        ("frames received, acknowledged, echoed", g("udp.dtls.frames_per_cpu_s"), "/s core", None, True,
         "TLS", g("gnutls.frames_per_cpu_s")),
        (f"memory per idle link, {10000 if run.full else 1000:,} of them", g("udp.dtls.link_rss_bytes"), "bytes", None, False,
         "TLS", g("gnutls.link_rss_bytes")),
        ("the same without DTLS", g("udp.plain.link_rss_bytes"), "bytes", None, False, "without TLS", g("plain.link_rss_bytes")),
        ("REGISTER, with password", per_core(g("sip.register_cpu_us")), "/s core", None, True,
         "Kamailio, without", per_core(g("kamailio.register_cpu_us"))),
        ("SIP calls through two daemons", per_core(g("sip.call_cpu_us")), "/s core", None, True,
         "Kamailio: routing a call", per_core(calls)),
        ("put (Store), 50 supernodes", g("ring.put_ms"), "ms", g("opendht.put_ms"), False,
         "OpenDHT, unsigned", g("opendht.put_ms")),
        ("get (Fetch)", g("ring.get_ms"), "ms", g("opendht.get_ms"), False, "OpenDHT, unsigned", g("opendht.get_ms")),
        ("get while a third is killed, 95 %", g("ring.killed_p95_ms"), "ms", g("opendht.killed_p95_ms"), False,
         "OpenDHT, unsigned", g("opendht.killed_p95_ms")),
        ("the same, right answers", g("ring.killed_right_percent"), "%", g("opendht.killed_right_percent"), True,
         "OpenDHT, unsigned", g("opendht.killed_right_percent")),
        ("sent by an idle supernode", g("ring.idle_bytes_per_min"), "B/min", g("opendht.idle_bytes_per_min"), False,
         "OpenDHT, unsigned", g("opendht.idle_bytes_per_min")),
        ("memory per supernode of a ring of 50", kib(g("ring.rss_bytes")), "kB (1024)", kib(g("opendht.rss_bytes")), False,
         "OpenDHT, without TLS", kib(g("opendht.rss_bytes"))),
        ("relayed, single datagrams of 200 bytes", g("relay.ours.single.packets_per_cpu_s"), "/s core", limit(0.8, "relay.bare.single"), True,
         "bare recvmmsg/sendmmsg", g("relay.bare.single.packets_per_cpu_s")),
        ("", g("relay.ours.single.packets_per_cpu_s"), "/s core", None, True, "coturn", g("relay.coturn.single.packets_per_cpu_s")),
        ("relayed, bursts of 20 of one flow", g("relay.ours.burst.packets_per_cpu_s"), "/s core", limit(3, "relay.coturn.burst"), True,
         "coturn", g("relay.coturn.burst.packets_per_cpu_s")),
        ("delay there and back at half load, median", g("relay.ours.half.rtt_p50_us"), "us", None, False,
         "coturn", g("relay.coturn.half.rtt_p50_us")),
        ("the same, 99 %", g("relay.ours.half.rtt_p99_us"), "us", None, False, "coturn", g("relay.coturn.half.rtt_p99_us")),
        ("memory per allocation of the relay, from 1,000 to 8,000", g("relay.ours.hold.bytes_per_allocation"), "bytes", 2000, False,
         "coturn", g("relay.coturn.hold.bytes_per_allocation")),
        ("memory per ICE session, gathered", g("ice.open.bytes"), "bytes", g("nice.open.bytes"), False,
         "an agent of libnice", g("nice.open.bytes")),
        ("the same, connected", g("ice.connected.bytes"), "bytes", None, False, None, None),
        ("ICE, from opening to selected, one side", g("ice.connect.cpu_us"), "us CPU", g("nice.open.cpu_us"), False,
         "libnice: opening alone", g("nice.open.cpu_us")),
        ("ICE checks answered", g("ice.checks_answered_per_cpu_s"), "/s core", None, True, None, None),
        ("checks for nobody dropped", g("ice.strange_checks_per_cpu_s"), "/s core", None, True, None, None),
        ("media from phone to phone, 20 calls, median", g("media.anchored_p50_us"), "us", None, False,
         "without nodes", g("media.direct_p50_us")),
        ("the same, 99 %", g("media.anchored_p99_us"), "us", None, False, "without nodes", g("media.direct_p99_us")),
        ("CPU of both nodes for a packet", g("media.anchored_cpu_us_per_packet"), "us CPU", None, False,
         "a thread that only receives and sends", g("media.bare_cpu_us_per_packet")),
        ("CPU of a node for a second of a call", g("media.anchored_cpu_ms_per_call_second"), "ms CPU", None, False, None, None),
        ("CPU of both nodes to set up a call's media", g("media.setup_cpu_ms_per_call"), "ms CPU", None, False, None, None),
        ("a file over TLS, loopback", g("files.tcp.fetch_mb_per_s"), "MB/s", None, True, "curl from openssl s_server", g("files.tcp.tls_mb_per_s")),
        ("the same over ICE and DTLS", g("files.fetch_mb_per_s"), "MB/s", None, True, "curl from openssl s_server", g("files.tls_mb_per_s")),
        ("CPU of who gives it, TLS", g("files.tcp.give_cpu_ms_per_mb"), "ms/MB", None, False, "openssl s_server", g("files.tcp.tls_give_cpu_ms_per_mb")),
        ("CPU of who gets it, TLS", g("files.tcp.take_cpu_ms_per_mb"), "ms/MB", None, False, "curl", g("files.tcp.tls_take_cpu_ms_per_mb")),
        ("`ringfolk call` to ringing, 8 supernodes", g("call.first_ringing_ms"), "ms", 50, False,
         "starting the CLI alone", g("call.cli_start_ms")),
        ("the same, connection already there", g("call.again_ringing_ms"), "ms", None, False,
         "starting the CLI alone", g("call.cli_start_ms")),
    ]


def table(run):
    lines = [("what", "figure", "", "aim", "met", "beside", "its figure", "ratio")]
    for what, value, unit, aim, at_least, other, figure in rows(run):
        if value is None:
            continue
        met = "" if aim is None else "yes" if (value >= aim if at_least else value <= aim) else "NO"
        ratio = f"{value / figure:.2f}" if figure else "-"
        lines.append((what, number(value), unit, "" if aim is None else number(aim), met, other or "",
                      number(figure) if other else "", ratio if other else ""))
    widths = [max(len(line[i]) for line in lines) for i in range(8)]
    right = (1, 3, 6, 7)
    text = []
    for n, line in enumerate(lines):
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))]
        text.append("| " + " | ".join(cells) + " |")
        if n == 0:
            text.append("|" + "|".join("-" * (w + 1) + (":" if i in right else "-") for i, w in enumerate(widths)) + "|")
    return "\n".join(text)


def main():
    parts = ("forward", "requests", "clients", "links", "lookups", "ring", "sip", "relay", "ice", "media", "call", "files")
    options = argparse.ArgumentParser()
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--full", action="store_true")
    options.add_argument("--only", action="append", choices=parts)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    run = Run(options.build.resolve(), options.full)
    began, load = time.monotonic(), os.getloadavg()
    run.openssl()
    for part in options.only or parts:
        getattr(run, part)()
    print(table(run))
    print(f"\n{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {os.cpu_count()} cores, load before {load[0]:.1f}, "
          f"after {os.getloadavg()[0]:.1f}; took {time.monotonic() - began:.0f} s")
    failed = [n for n, v in run.figures.items() if n.endswith(("_failed", "_lost", "media.anchored_lost_percent")) and v > 0]
    run.problems += [f"{n}: {run.figures[n]:.0f}" for n in failed]
    for problem in run.problems:
        print(f"problem: {problem}")
    if options.json:
        options.json.write_text(json.dumps(run.figures, indent=1, sort_keys=True) + "\n")
    sys.exit(1 if run.problems else 0)


if __name__ == "__main__":
    main()
