#!/usr/bin/env python3
"""test_relay_tls.py - two clients behind firewalls that let nothing but TLS out reach each other: over a supernode's relay, which they speak with by TLS. natlab/natlab.sh: tlsonly.

    RF_BUILD=DIR test_relay_tls.py
"""
import subprocess
import time
import unittest

import natlab
from network import free_port, wait_registered, wait_until


@natlab.required
class RelayByTls(natlab.LabTest):
    sites = {"alice": "tlsonly", "bob": "tlsonly"}
    seconds = 180

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.supernodes = cls.net.add_supernodes(3, port)
        for node in cls.supernodes:  # TLS where the port is open
            node.daemon.end()
            node.set(relay_tls=f"{cls.net.address(None)}:{free_port()}")
            node.start()
        for node in cls.supernodes:
            node.ready(60)
        cls.alice, cls.bob = (cls.net.add_client(name, host=name) for name in ("alice", "bob"))
        for node in (cls.alice, cls.bob):
            node.ready()
        wait_registered([cls.alice, cls.bob])
        cls.bob.listen()

    def counter(self, node, room, name):
        return next(line[room][name] for line in node.cli("counters") if room in line)

    def test_text(self):
        argv = [self.net.program("ringfolk"), "--home", str(self.alice.home), "message", "bob", "hello"]
        begun = time.monotonic()
        wait_until("a text arrives", lambda: subprocess.run(argv, capture_output=True, check=False).returncode == 0, 60)
        print(f"a text: {time.monotonic() - begun:.1f} s", flush=True)
        begun = time.monotonic()
        self.assertEqual(subprocess.run(argv, capture_output=True, check=False).returncode, 0)
        print(f"another: {time.monotonic() - begun:.1f} s", flush=True)
        self.assertGreaterEqual(sum(self.counter(node, "relay", "handshakes") for node in self.supernodes), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
