#!/usr/bin/env python3
"""test_overlay.py - real processes: captures that tshark decodes, kill -9, bad input at the doors, clear messages."""
import json
import os
import random
import signal
import socket
import subprocess
import time

from harness import NetworkTest, main
from network import free_port, tail, wait_registered, wait_until


def daemon_alive(node):
    return node.daemon.p.poll() is None


class Overlay(NetworkTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(4, "alice", "bob")
        cls.capture = cls.directory / "frames.pcap"

    # ---- looking ----

    def test_status_and_lists(self):
        status = self.supers[0].cli("status")[0]
        self.assertEqual(status["role"], "supernode")
        self.assertEqual(status["state"], "joined")
        shares = [s.cli("status")[0]["share_of_ring"] for s in self.supers]
        self.assertAlmostEqual(sum(shares), 1.0, places=6)
        self.assertGreaterEqual(len(self.supers[0].cli("peers")), 3)
        ring = self.supers[0].cli("ring")
        self.assertEqual({e["node"] for e in ring if e["relation"] in ("successor", "predecessor")},
                         {s.id for s in self.supers[1:]})

    def test_ping_trace_fetch(self):
        self.assertGreater(self.alice.cli("ping", self.bob.id)[0]["rtt_us"], 0)
        self.assertGreater(self.alice.cli("ping", "bob")[0]["rtt_us"], 0)
        hops = self.alice.cli("trace", "bob", "--resource")
        self.assertTrue(hops[-1]["responsible"])
        values = self.alice.cli("fetch", "CERTIFICATE_BY_USER", "bob")
        self.assertEqual([v["signer"] for v in values], ["bob@example.org"])

    def test_unknown_people(self):
        for args, said in ((("whois", "nobody"), "nobody of that name"), (("whois", "a b"), "no user name"),
                           (("fetch", "NO-KIND", "bob"), "no such Kind"), (("ping", "nobody"), "nobody of that name")):
            argv = [self.net.program("ringfolk"), "--home", str(self.alice.home), *args]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 1, args)
            self.assertTrue(done.stderr.startswith("ringfolk: "), done.stderr)
            self.assertIn(said, done.stderr)

    # ---- witnesses ----

    def test_capture_decodes(self):
        """tshark, which we did not write, finds no malformed item in a session's frames."""
        carol = self.net.add("carol", "carol", "supernode", free_port())  # joins the ring, and leaves it again
        self.net.enrol_cli("user", "add", "carol", "--password-stdin", stdin="pw-carol-123\n")
        carol.enrol("--password-stdin", stdin="pw-carol-123\n")
        carol.start("--capture", str(self.capture))
        carol.ready()
        wait_registered([carol])
        carol.cli("whois", "bob")
        carol.cli("ping", "bob")
        carol.cli("trace", "bob", "--resource")
        carol.cli("shutdown")
        carol.daemon.p.wait(10)
        out = subprocess.run(["tshark", "-r", str(self.capture), "-V"], capture_output=True, text=True, timeout=60,
                             check=True).stdout
        codes = subprocess.run(["tshark", "-r", str(self.capture), "-T", "fields", "-e", "reload.message.code"],
                               capture_output=True, text=True, timeout=60, check=True).stdout.split()
        self.assertGreater(len(codes), 12)
        self.assertNotIn("Malformed Packet", out)
        seen = {int(c, 0) for c in codes}
        for code, name in ((3, "attach_req"), (4, "attach_ans"), (15, "join_req"), (19, "update_req"), (7, "store_req"), (8, "store_ans"), (9, "fetch_req"), (10, "fetch_ans"),
                           (23, "ping_req"), (24, "ping_ans")):
            self.assertIn(code, seen, name)

    def test_tls_listener(self):
        """An independent TLS client sees TLS 1.3, is asked for a certificate, and is refused without one."""
        port = self.supers[1].port
        out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3"], input="", text=True,
                             capture_output=True, timeout=20, check=False).stdout
        self.assertIn("TLSv1.3", out)
        old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"], input="", text=True,
                             capture_output=True, timeout=20, check=False)
        self.assertNotEqual(old.returncode, 0)
        self.assertTrue(daemon_alive(self.supers[1]))

    # ---- bad input ----

    def test_garbage_at_the_link(self):
        rng = random.Random(1)
        victim = self.supers[1]
        for round_number in range(60):
            with socket.create_connection(("127.0.0.1", victim.port), timeout=5) as s:
                junk = rng.randbytes(rng.randrange(1, 3000))
                if round_number % 3 == 0:
                    junk = b"\x16\x03\x01" + junk
                s.sendall(junk)
        self.assertTrue(daemon_alive(victim))
        wait_until("the overlay answers", lambda: self.alice.cli("whois", "bob", check_status=False))
        counters = victim.cli("counters")[0]["link"]
        self.assertGreater(counters["handshake_failed"], 0)

    def test_garbage_at_the_control_socket(self):
        rng = random.Random(2)
        path = str(self.alice.home / "control.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        bad = [b"\n", b"{}\n", b"[1]\n", b'{"cmd": 5}\n', b'{"cmd": "ping"}\n', b'{"cmd": "ping", "args": {"target": 1}}\n',
               b'{"cmd": "nothing"}\n', b'{"cmd": "status", "args": {"x": "y"}}\n', b"\xff\xfe\n", b"{" * 5000 + b"\n"]
        bad += [rng.randbytes(rng.randrange(1, 400)) + b"\n" for _ in range(50)]
        for line in bad:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(path)
                s.sendall(line + b'{"id": 9, "cmd": "status"}\n')
                got = b""
                while b'"id":9' not in got:
                    piece = s.recv(65536)
                    self.assertTrue(piece, line)
                    got += piece
        with socket.socket(socket.AF_UNIX) as s:  # a line that never ends
            s.settimeout(10)
            s.connect(path)
            s.sendall(b"x" * (1024 * 1024 + 10))
            self.assertIn(b"RF_ELIMIT", s.recv(65536))

    # ---- what people are told ----

    def start_and_read(self, home, *more):
        argv = [self.net.program("ringfolkd"), "--home", str(home), *more]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stderr

    def test_messages_of_the_daemon(self):
        status, text = self.start_and_read(self.directory / "nothing")
        self.assertEqual(status, 1)
        self.assertIn("no configuration there", text)
        status, text = self.start_and_read(self.alice.home)
        self.assertEqual(status, 1)
        self.assertIn("runs on this home already", text)
        status, text = self.start_and_read(self.alice.home, "--nonsense")
        self.assertEqual(status, 2)

    def test_broken_home(self):
        dave = self.net.add("dave", "dave", "client")
        self.net.enrol_cli("user", "add", "dave", "--password-stdin", stdin="pw-dave-123\n")
        dave.enrol("--password-stdin", stdin="pw-dave-123\n")
        config = json.loads((dave.home / "config.json").read_text())
        good = {name: (dave.home / name).read_bytes() for name in ("config.json", "overlay.xml", "cert.der", "key.pem")}
        config["listen"] = f"127.0.0.1:{self.supers[0].port}"
        (dave.home / "config.json").write_text(json.dumps(config))
        status, text = self.start_and_read(dave.home)
        self.assertEqual(status, 1)
        self.assertIn("the port is in use", text)
        for name, content in good.items():
            (dave.home / "config.json").write_bytes(good["config.json"])
            for broken in (b"", content[: len(content) // 2], b"\x00" * 100, b"A" * 2_000_000):
                (dave.home / name).write_bytes(broken)
                status, text = self.start_and_read(dave.home)
                self.assertEqual(status, 1, (name, len(broken), text))
                self.assertTrue(text.startswith("ringfolkd: "), text)
            (dave.home / name).write_bytes(content)

    def test_init_refusals(self):
        argv = [self.net.program("ringfolk"), "--home", str(self.directory / "x"), "init", self.net.url, "--ca",
                str(self.net.ca)]
        for more, stdin, status, said in (
                (["--user", "alice", "--password-stdin"], "wrong\n", 1, ""),
                (["--user", "a b", "--password-stdin"], "x\n", 1, ""),
                (["--password-stdin"], "x\n", 2, "--user"),
                (["--user", "zoe", "--role", "king"], "", 2, "--role")):
            done = subprocess.run(argv + more, input=stdin, capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(said, done.stderr)
        closed = free_port()
        argv[4] = f"https://127.0.0.1:{closed}"
        done = subprocess.run(argv + ["--user", "zoe"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertFalse((self.directory / "x" / "config.json").exists())

    # ---- kill -9 ----

    def test_killed_supernode_comes_back(self):
        victim = self.supers[2]
        victim.daemon.kill(signal.SIGKILL)
        victim.daemon.p.wait(5)
        begin = time.monotonic()
        wait_until("alice finds bob without it",
                   lambda: [d["node"] for r in self.alice.cli("whois", "bob", check_status=False) for d in r["devices"]]
                   == [self.bob.id])
        self.assertLess(time.monotonic() - begin, 30)
        victim.start()
        victim.ready()
        self.assertEqual(self.alice.cli("whois", "bob")[0]["devices"][0]["node"], self.bob.id)

    def test_killed_client_comes_back(self):
        self.bob.daemon.kill(signal.SIGKILL)
        self.bob.daemon.p.wait(5)
        self.bob.start()
        self.bob.ready()
        wait_registered([self.bob])
        self.assertGreater(self.alice.cli("ping", "bob", seconds=60)[0]["rtt_us"], 0)


class Documents(NetworkTest):
    """Documents that change while a node is away, and one that it cannot meet."""

    @classmethod
    def build_network(cls):
        cls.overlay_of(1, "alice")

    def sequence(self):
        lines = self.alice.cli("status", check_status=False)  # none while the daemon starts
        return lines[0]["configuration_sequence"] if lines else None

    def test_missed_documents_come_over_https(self):
        before = self.alice.cli("status")[0]["configuration_sequence"]
        for node in (self.alice, self.supers[0]):
            node.daemon.kill(signal.SIGKILL)
            node.daemon.p.wait(5)
        for seconds in ("700", "800", "900"):
            self.net.enrol_cli("config", "set", "chord-update-interval", seconds)
        self.alice.start()
        wait_until("the newest document is there", lambda: self.sequence() == before + 3, 40)
        self.assertIn("900", (self.alice.home / "overlay.xml").read_text())
        self.supers[0].start()
        self.supers[0].ready()
        wait_until("both are in the overlay", lambda: self.alice.cli("status")[0]["state"] == "joined", 60)

    def test_unmet_document_ends_the_daemon(self):
        self.net.enrol_cli("config", "set", "clients-permitted", "false")
        self.alice.cli("refresh")
        wait_until("alice's daemon ends", lambda: not daemon_alive(self.alice), 30)
        self.assertEqual(self.alice.daemon.p.returncode, 1)
        self.assertIn("leaves the overlay", tail(self.directory / "alice.log", 10))
        self.net.enrol_cli("config", "set", "clients-permitted", "true")  # and all is well again
        self.alice.start()
        self.alice.ready()


class Revoked(NetworkTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(3, "mallory")

    def test_revoked_node_is_out(self):
        self.net.enrol_cli("revoke", self.mallory.id)
        self.supers[1].cli("refresh")
        wait_until("mallory's daemon ends", lambda: not daemon_alive(self.mallory), 60)
        self.assertEqual(self.mallory.daemon.p.returncode, 1)
        self.assertIn("revoked", tail(self.directory / "mallory.log", 10))
        done = subprocess.run([self.net.program("ringfolkd"), "--home", str(self.mallory.home)], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        for node in self.supers:
            wait_until("the document is everywhere",
                       lambda node=node: node.cli("status")[0]["configuration_sequence"] == 2, 60)


class AllPowerOff(NetworkTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(4, "alice", "bob")

    def test_everything_killed_at_once(self):
        for node in [*self.supers, self.alice, self.bob]:
            node.daemon.kill(signal.SIGKILL)
        for node in [*self.supers, self.alice, self.bob]:
            node.daemon.p.wait(5)
        for node in [*self.supers, self.alice]:
            node.start()
        for node in [*self.supers, self.alice]:
            node.ready(60)
        # bob is away: his acknowledged registration is on their disks
        wait_until("bob's registration is found",
                   lambda: [d["node"] for r in self.alice.cli("whois", "bob", check_status=False) for d in r["devices"]]
                   == [self.bob.id], 60)


if __name__ == "__main__":
    main()
