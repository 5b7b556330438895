#!/usr/bin/env python3
"""test_attach_ice.py - a supernode behind a NAT that nobody can dial: its links with those who were to dial it are DTLS over paths of ICE. tshark looks at the wire.

    RF_BUILD=DIR test_attach_ice.py
"""
import os
import shutil
import signal
import sys
import unittest

import natlab
from network import Process, free_port, wait_registered, wait_until

OTHERS = 3
PORT = 6084


@natlab.required
class AttachIce(natlab.LabTest):
    sites = {"house": "port"}
    seconds = 180

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.keys, cls.wire = cls.directory / "keys.log", cls.directory / "wire.pcap"
        cls.net.start_enrolment(port)
        cls.net.add_supernodes(OTHERS, port)
        cls.hidden = cls.net.add("hidden", "hidden", "supernode", PORT, host="house")
        cls.net.enrol_cli("user", "add", "hidden", "--password-stdin", stdin="secret-hidden\n")
        cls.hidden.enrol("--password-stdin", stdin="secret-hidden\n")
        cls.tshark = None
        if shutil.which("tshark"):
            argv = ["tshark", "-l", "-i", "any", "-f", "udp", "-w", str(cls.wire)]
            cls.tshark = Process(cls.lab.argv("house", argv), cls.directory / "tshark.log")
            cls.net.extra.append(cls.tshark)
            wait_until("tshark captures", cls.wire.exists)
        os.environ["SSLKEYLOGFILE"] = str(cls.keys)  # GnuTLS writes the keys there
        cls.hidden.start()
        del os.environ["SSLKEYLOGFILE"]
        cls.hidden.ready(60)
        wait_registered(cls.net.nodes, 60)

    def paths(self):
        """Of the hidden one's overlay links those over paths."""
        return [peer for peer in self.hidden.cli("peers") if peer.get("purpose") == "overlay" and peer.get("over") == "path"]

    def decoded(self, *options, whole=True):
        argv = ["tshark", "-r", str(self.wire), "-o", f"tls.keylog_file:{self.keys}", *options]
        return natlab.subprocess.run(argv, capture_output=True, text=True, timeout=60, check=whole).stdout

    def codes(self):
        """Of messages so far; the file's end may be half a packet."""
        return set(self.decoded("-Y", "reload && dtls", "-T", "fields", "-e", "reload.message.code", whole=False).replace(",", " ").split())

    def test_links(self):
        """It dials one of them, as every node that joins; the others would have to dial it, and cannot."""
        wait_until("links over paths", lambda: len(self.paths()) >= OTHERS - 1, 60)
        for node in self.net.nodes[:OTHERS]:
            self.assertEqual(self.hidden.cli("ping", node.user)[0]["node"], node.id)
            self.assertEqual(node.cli("ping", "hidden")[0]["node"], self.hidden.id)
        self.assertEqual(self.hidden.cli("status")[0]["state"], "joined")
        if self.tshark is None:
            self.skipTest("no tshark to look at the wire")
        # Updates, Pings and their answers; what was sent last is written only a moment later, and not at all when it ends before
        wait_until("tshark has seen them", lambda: {"19", "23", "24"} <= self.codes(), 20)
        self.tshark.kill(signal.SIGINT)
        self.tshark.end()
        self.assertTrue(self.decoded("-Y", "stun.att.type == 0x0025"))  # USE-CANDIDATE
        self.assertNotIn("Malformed", self.decoded("-Y", "reload && dtls", "-V"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
