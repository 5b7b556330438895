#!/usr/bin/env python3
"""test_flood.py - strangers with made-up addresses flood a supernode's port with STUN and with hellos of DTLS, while others' calls, over its relay too, and texts go on.

    RF_BUILD=DIR test_flood.py
"""
import json
import pathlib
import re
import socket
import subprocess
import sys
import unittest

import natlab
from network import free_port, wait_registered, wait_until

FLOOD = pathlib.Path(__file__).resolve().parent / "flood.py"
SECONDS, RATE = 12, 6000


def hello():
    """The first datagram of OpenSSL's DTLS client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
        client = subprocess.Popen(["openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{s.getsockname()[1]}"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return s.recv(2000).hex()
        finally:
            client.kill()
            client.communicate()


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


@natlab.required
class Flood(natlab.LabTest):
    sites = {"a": "open", "b": "port", "c": "open", "d": "open"}  # the strangers; alice; who may use the relay only; who is reached directly
    seconds = 100

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.super = cls.net.add_supernodes(1, port)[0]
        cls.lab.run("c", ["nft", "-f", "-"], input=natlab.ONLY_PUB)
        cls.alice = cls.net.add_client("alice", host="b")
        cls.echoes = [cls.net.add_client(name, host=host, service="echo") for name, host in (("narrow", "c"), ("near", "d"))]
        for node in (cls.alice, *cls.echoes):
            node.ready()
        wait_registered([cls.alice, *cls.echoes])
        wait_until("alice knows a relay", lambda: cls.alice.cli("relay", check_status=False), 15)
        cls.lab.run("pub", ["ip", "route", "add", "203.0.112.0/20", "via", cls.lab.address("a")])

    def counters(self):
        """Of what comes to the port of the supernode."""
        rooms = self.super.cli("counters")[0]
        return {f"{room}.{name}": value for room in ("ice", "link", "relay", "udp") for name, value in rooms[room].items()}

    def call(self, who, way):
        before = self.alice.cli("counters")[0]["sip"][f"media_{way}"]
        media = self.alice.cli("call", who, "--for", "3", seconds=40)[-1]["media"]
        self.assertGreater(media["received"], 120, f"{way}: {media}")
        self.assertLess(media["lost"], 15, f"{way}: {media}")
        self.assertEqual(self.alice.cli("counters")[0]["sip"][f"media_{way}"], before + 1)

    def test_others_do_not_notice(self):
        self.call("narrow", "relayed")
        before, rss = self.counters(), memory(self.super.daemon.p.pid)
        flood = self.lab.popen("a", [sys.executable, FLOOD, natlab.PUB[0], self.super.port, SECONDS, RATE, hello()], stdout=subprocess.PIPE, text=True)
        try:
            wait_until("the flood has begun", lambda: self.counters()["link.cookies_out"] > before["link.cookies_out"] + 100, 10)
            self.call("narrow", "relayed")
            self.call("near", "direct")
            self.assertEqual(len(self.alice.cli("whois", "narrow")[0]["devices"]), 1)
            self.assertIsNone(flood.poll(), "the flood has lasted as long as all that")
        finally:
            out, _ = flood.communicate(timeout=60)
        self.look_at(json.loads(out), {name: value - before[name] for name, value in self.counters().items()})
        self.assertLess(memory(self.super.daemon.p.pid) - rss, 8 << 20)
        self.call("narrow", "relayed")

    def look_at(self, flood, more):
        """Everything is counted; nothing is kept; one address gets few answers, and all of them together hardly more than was sent."""
        sent = flood["sent"]
        print(f"{flood}; counted: { {name: value for name, value in more.items() if value > 100} }")
        self.assertGreater(sum(sent.values()), SECONDS * RATE / 4)
        self.assertGreater(more["link.cookies_out"], sent["hello"] / 2)
        self.assertEqual(more["link.cookies_bad"], 0)
        self.assertGreater(more["relay.unauthenticated"] + more["relay.unauthenticated_dropped"], sent["allocate"] / 2)
        self.assertGreater(more["udp.unanswered"], (sent["binding_of_one"] - 200 * (SECONDS + 2)) / 2)
        self.assertLess(more["udp.bindings"], sent["binding"] + 200 * (SECONDS + 2) + 100)
        self.assertLess(more["relay.allocations"], 5, "only those of the calls")
        self.assertLess(more["link.accepted"], 5)
        self.assertLess(flood["in_bytes"], 1.5 * flood["out_bytes"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
