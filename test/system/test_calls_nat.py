#!/usr/bin/env python3
"""test_calls_nat.py - calls through a NAT of the laboratory, direct and over a relay: sound there and back, and what passes the gateway.

    RF_BUILD=DIR test_calls_nat.py
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
import natlab
from network import Failed, Net, Node, Process, check, wait_registered, wait_until

SERVER_PORT, SUPER_PORT = 8443, 6084


class LabNode(Node):
    """A home whose programs run on a host of the laboratory."""

    def __init__(self, net, host, name, role, port=0, service=None):
        super().__init__(net, name, name, role, port, service)
        self.host = host

    def enrol(self, *proof, stdin=None):
        address = self.net.lab.address(self.host) if self.port else "127.0.0.1"
        argv = self.net.lab.argv(self.host, [self.net.program("ringfolk"), "--home", self.home, "--json", "init", self.net.url, "--user",
                                             self.user, "--role", self.role, "--listen", f"{address}:{self.port}", "--ca", self.net.ca,
                                             *(["--service", self.service] if self.service else []), *proof])
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        check(done.returncode == 0, f"init of {self.name}: {done.stderr.strip()}")
        self.id = json.loads(done.stdout)["node"]

    def start(self, *more):
        self.daemon = Process(self.net.lab.argv(self.host, [self.net.program("ringfolkd"), "--home", self.home, *more]),
                              self.net.dir / f"{self.name}.log")


class LabNet(Net):
    """Enrolment server and supernode in the public net."""

    def __init__(self, build, directory, lab):
        super().__init__(build, directory)
        self.lab = lab

    def begin(self):
        self.enrol_cli("init", "example.org", "--listen", f"{natlab.PUB[0]}:{SERVER_PORT}", "--bootstrap", f"{natlab.PUB[0]}:{SUPER_PORT}")
        self.server = Process(self.lab.argv("pub", [self.program("ringfolk-enrol"), "--data", self.dir / "enrol", "serve"]),
                              self.dir / "enrol.log")
        self.url = self.server.wait_line(lambda l: l.startswith("ready "), 15).split()[1]
        return self.add_at("pub", "super1", "supernode", SUPER_PORT)

    def add_at(self, host, name, role, port=0, service=None):
        node = LabNode(self, host, name, role, port, service)
        self.nodes.append(node)
        self.enrol_cli("user", "add", name, "--password-stdin", stdin=f"secret-{name}\n")
        node.enrol("--password-stdin", stdin=f"secret-{name}\n")
        node.start()
        return node


# UDP is for the node's own port alone: its calls' media must go by TCP.
NO_UDP_FOR_MEDIA = """
table inet narrow {
  chain in { type filter hook input priority 0; iif != lo meta l4proto udp udp dport != 6084 drop; }
  chain out { type filter hook output priority 0; oif != lo meta l4proto udp udp sport != 6084 drop; }
}
"""
# One line for each UDP packet: addresses, ports, what tshark takes it for.
FIELDS = ["-T", "fields", "-e", "ip.src", "-e", "ip.dst", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "_ws.col.Protocol", "-e", "udp.payload"]


@natlab.required
class CallsThroughNats(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="rf-calls-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def logs(self):
        return "\n".join(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-12:])
                         for log in sorted(self.directory.rglob("*.log")))

    def test_behind_a_nat(self):
        with natlab.Lab(a="port", b="open", c="port", d="open", seconds=100) as lab:
            net = LabNet(harness.BUILD, self.directory, lab)
            try:
                self.calls(net, lab)
            except (Failed, AssertionError) as failure:
                raise AssertionError(f"{failure}\n{self.logs()}") from failure
            finally:
                net.end()

    def calls(self, net, lab):
        net.begin().ready()
        self.alice, self.echo = net.add_at("a", "alice", "client"), net.add_at("b", "echo", "client", 6084, "echo")
        for host, rules in (("c", NO_UDP_FOR_MEDIA), ("d", natlab.ONLY_PUB)):
            self.assertEqual(lab.run(host, ["nft", "-f", "-"], input=rules).returncode, 0)
        self.carol = net.add_at("c", "carol", "client", 6084)
        narrow = net.add_at("d", "narrow", "client", 6084, "echo")
        nodes = [self.alice, self.echo, self.carol, narrow]
        for node in nodes:
            node.ready()
        wait_registered(nodes)
        for node in (self.alice, self.carol):
            wait_until(f"{node.name} knows a relay", lambda n=node: n.cli("relay", check_status=False), 15)
        capture = net.dir / "gateway.pcap"
        process = lab.popen("a-gw", ["tshark", "-q", "-i", "any", "-f", "udp", "-w", capture], stderr=subprocess.DEVNULL)
        wait_until("tshark captures", capture.exists, 15)
        self.call(self.alice, "echo", "direct")
        self.call(self.alice, "narrow", "relayed")
        process.terminate()
        process.wait(20)
        self.look_at(capture, lab.public("b"))
        self.look_at(capture, natlab.PUB[0])
        self.call(self.carol, "echo", "relayed")

    def call(self, caller, callee, way):
        before = caller.cli("counters")[0]["sip"]
        media = caller.cli("call", callee, "--for", "1", seconds=40)[-1]["media"]
        after = caller.cli("counters")[0]["sip"]
        self.assertGreater(media["received"], 30, media)
        self.assertEqual(media["lost"], 0, media)
        for name, more in (("secured", 1), ("direct", way == "direct"), ("relayed", way == "relayed"), ("srtp_failed", 0), ("dtls_failed", 0)):
            self.assertEqual(after[f"media_{name}"] - before[f"media_{name}"], more, f"{way}: {name} {after}")

    def look_at(self, path, other):
        """An independent decoder sees DTLS, and no RTP that it could play: what looks like RTP is not what was said (silence)."""
        done = subprocess.run(["tshark", "-r", path, "-Y", f"udp && ip.addr == {other}", *FIELDS], capture_output=True, text=True, check=True)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertTrue(any("DTLS" in row[4] for row in rows), f"no DTLS towards {other}: {sorted({row[4] for row in rows})}")
        payloads = {bytes.fromhex(row[5]) for row in rows if row[5]}  # each is seen at several interfaces
        inner = [p[4:4 + int.from_bytes(p[2:4], "big")] if 64 <= p[0] < 80 else p for p in payloads]  # ChannelData
        rtp = [p for p in inner if len(p) > 12 and p[0] >> 6 == 2]
        self.assertGreater(len(rtp), 70)
        self.assertEqual(len({p[12:] for p in rtp}), len(rtp), "silence, if it were plain, would be alike in every packet")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
