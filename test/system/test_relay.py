#!/usr/bin/env python3
"""test_relay.py - the relay tried by coturn's client, which we did not write: channels, Send and Data, IPv6, budgets, wrong credentials; alone, and in
supernodes whose credentials are fetched over the overlay.

    RF_BUILD=DIR test_relay.py
"""
import concurrent.futures
import json
import os
import re
import socket
import subprocess
import unittest

from harness import NetworkTest
from network import free_port, wait_until

RELAY = os.path.join(os.environ["RF_BUILD"], "bench", "bench_relay")


class Relay:
    """bench_relay on loopback; stop() gives its counters."""

    def __init__(self, address="127.0.0.1:0", threads=2, bytes_per_s=0):
        self.process = subprocess.Popen([RELAY, address, str(threads), str(bytes_per_s)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.said = json.loads(self.process.stdout.readline())
        self.host, self.port = self.said["address"].rsplit(":", 1)
        self.host = self.host.strip("[]")

    def stop(self):
        with self.process:
            out, _ = self.process.communicate("", timeout=20)
        return json.loads(out)


class Peer:
    """coturn's echo."""

    def __init__(self, host):
        self.host, self.port = host, free_port()
        self.process = subprocess.Popen(["turnutils_peer", "-L", host, "-p", str(self.port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def uclient(host, port, user, password, *options):
    """turnutils_uclient with two clients of 50 datagrams each, no RTCP: (sent, received), or None when it gave up."""
    done = subprocess.run(["turnutils_uclient", "-c", "-n", "50", "-m", "2", "-z", "5", "-u", user, "-w", password,
                           "-p", str(port), *options, host], capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s*\n.*tot_send_bytes", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def client(relay, *options, password=None):
    port = relay.said["tcp"].rsplit(":", 1)[1] if "-t" in options else relay.port
    return uclient(relay.host, port, relay.said["user"], password or relay.said["password"], *options)


def through(host, *options):
    """Two clients of `host` and an echo behind the relay: (sent, received), counters."""
    relay, peer = Relay(f"[{host}]:0" if ":" in host else f"{host}:0"), Peer(host)
    try:
        result = client(relay, "-e", host, "-r", str(peer.port), *options)
    finally:
        peer.stop()
    return result, relay.stop()


def between(options, password=None, **relay_options):
    """Two clients, both behind the relay."""
    relay = Relay(**relay_options)
    return client(relay, "-y", *options, password=password), relay.stop()


RUNS = {
    "channels": lambda: through("127.0.0.1"),
    "send_indications": lambda: through("127.0.0.1", "-s"),
    "odd_lengths": lambda: through("127.0.0.1", "-s", "-l", "171"),
    "tcp": lambda: through("127.0.0.1", "-t"),
    "tcp_send": lambda: through("127.0.0.1", "-t", "-s", "-l", "171"),
    "ipv6": lambda: through("::1", "-x"),
    "client_to_client": lambda: between([]),
    "wrong_password": lambda: between([], password="wrong"),
    "budget": lambda: between(["-l", "200"], threads=1, bytes_per_s=4000),
}


class RelayTest(unittest.TestCase):
    """The client sleeps most of its time, so all runs go side by side."""

    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(len(RUNS)) as pool:
            cls.results = {name: pool.submit(run) for name, run in RUNS.items()}

    def all_came(self, name):
        result, counters = self.results[name].result()
        self.assertEqual(result, (100, 100))
        self.assertEqual(counters["to_peer"], 100)
        self.assertEqual(counters["to_client"], 100)
        self.assertEqual(counters["malformed"], 0)

    def test_channels(self):
        self.all_came("channels")

    def test_send_indications(self):
        self.all_came("send_indications")

    def test_odd_lengths(self):
        self.all_came("odd_lengths")

    def test_tcp(self):
        self.all_came("tcp")

    def test_tcp_send_indications(self):
        self.all_came("tcp_send")

    def test_ipv6(self):
        self.all_came("ipv6")

    def test_client_to_client(self):
        self.all_came("client_to_client")

    def test_wrong_password(self):
        result, counters = self.results["wrong_password"].result()
        self.assertIsNone(result)
        self.assertEqual(counters["allocations"], 0)
        self.assertGreater(counters["refused_credentials"], 0)

    def test_budget(self):
        """A user over his bandwidth loses datagrams, and the relay says so."""
        (sent, received), counters = self.results["budget"].result()
        self.assertLess(received, sent)
        self.assertGreater(counters["over_budget"], 0)
        self.assertGreater(counters["to_peer"], 10)


def enrolled(net, name, role, port, **settings):
    """A node with a password of its own and these keys in its config.json; not started."""
    node = net.add(name, name, role, port)
    net.enrol_cli("user", "add", name, "--password-stdin", stdin=f"pw-{name}-123\n")
    node.enrol("--password-stdin", stdin=f"pw-{name}-123\n")
    file = node.home / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return node


def s_client(port, *options):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], input="", capture_output=True,
                          text=True, timeout=20, check=False).stdout


def over_tls(test, result):
    """coturn's client loses one of two messages now and then that come at the same time, with coturn's server, too."""
    test.assertIsNotNone(result)
    test.assertEqual(result[0], 100)
    test.assertGreaterEqual(result[1], 90)


class InSupernodes(NetworkTest):
    """Two supernodes, of which the second has a relay, and clients of them."""

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.tcp_port, cls.tls_port = free_port(), free_port()
        certificate, key = cls.directory / "relay.pem", cls.directory / "relay.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=relay.example.org", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        cls.plain = enrolled(cls.net, "plain", "supernode", port, relay=False)
        cls.relay = enrolled(cls.net, "relay", "supernode", free_port(), relay_private_peers=True, relay_threads=2,
                             relay_user_allocations=20, relay_tcp=f"127.0.0.1:{cls.tcp_port}", relay_tls=f"127.0.0.1:{cls.tls_port}",
                             relay_tls_name="relay.example.org", relay_tls_cert=str(certificate), relay_tls_key=str(key))
        cls.alice, cls.bob = (enrolled(cls.net, name, "client", 0) for name in ("alice", "bob"))
        for node in (cls.plain, cls.relay, cls.alice, cls.bob):
            node.start()
            node.ready()
        wait_until("the relay is advertised", lambda: cls.alice.cli("services", "turn"), 40)

    def use(self, given, *options, **other):
        """coturn's client and an echo, with what somebody was given: (sent, received)."""
        host, port = given["servers"][other.get("server", 0)]["address"].rsplit(":", 1)
        peer = Peer("127.0.0.1")
        try:
            return uclient(host, port, given["user"], other.get("password", given["password"]), "-e", "127.0.0.1", "-r",
                           str(peer.port), *options)
        finally:
            peer.stop()

    def side_by_side(self, *uses):
        """Several uses at once, since each mostly sleeps: what `use` takes as a tuple and a dict for each."""
        with concurrent.futures.ThreadPoolExecutor(len(uses)) as pool:
            return list(pool.map(lambda args, named: self.use(*args, **named), uses[::2], uses[1::2]))

    def counter(self, name):
        return self.relay.cli("counters")[0]["relay"][name]

    def test_services(self):
        for node in (self.alice, self.plain):
            found = node.cli("services")
            self.assertIn((self.relay.id, f"127.0.0.1:{self.relay.port}", "relay@example.org", "turn"),
                          [(f["node"], f["address"], f["user"], f["type"]) for f in found])
            self.assertNotIn(self.plain.id, [f["node"] for f in found])

    def test_credentials_and_use(self):
        given = self.alice.cli("relay")[0]
        self.assertEqual(given["node"], self.relay.id)
        self.assertEqual(given["servers"][0], {"transport": "udp", "address": f"127.0.0.1:{self.relay.port}"})
        self.assertEqual(given["realm"], "example.org")
        self.assertTrue(3500 < given["expires_s"] <= 3600)
        self.assertEqual(self.alice.cli("relay")[0]["user"], given["user"], "what is at hand is used")
        before = self.counter("to_peer")
        self.assertEqual(self.use(given), (100, 100))
        self.assertGreaterEqual(self.counter("to_peer"), before + 100)
        status = self.relay.cli("status")[0]["relay"]
        self.assertEqual(status["servers"], [f"udp:127.0.0.1:{self.relay.port}", f"tcp:127.0.0.1:{self.relay.port}",
                                             f"tcp:127.0.0.1:{self.tcp_port}", f"tls:127.0.0.1:{self.tls_port}"])
        self.assertIsNone(self.plain.cli("status")[0]["relay"])

    def test_tcp_and_tls(self):
        given = self.alice.cli("relay")[0]
        self.assertEqual([s["transport"] for s in given["servers"]], ["udp", "tcp", "tcp", "tls"])
        self.assertEqual(given["servers"][3]["name"], "relay.example.org")
        before, relayed = self.counter("handshakes"), self.counter("to_client")
        own, tcp, tls, plain = self.side_by_side((given, "-t"), {"server": 1}, (given, "-t"), {"server": 2},
                                                 (given, "-t", "-S"), {"server": 3}, (given, "-t"), {"server": 3})
        self.assertEqual(own, (100, 100), "at the port of RELOAD")
        self.assertGreaterEqual(self.relay.cli("counters")[0]["flows"]["given_away"], 2)
        self.assertEqual(tcp, (100, 100))
        over_tls(self, tls)
        self.assertIsNone(plain, "plain TCP at the port of TLS")
        self.assertGreaterEqual(self.counter("handshakes"), before + 2)
        self.assertEqual(self.counter("to_client"), relayed + 300)

    def test_tls_as_openssl_sees_it(self):
        """The certificate that was configured; nothing older than TLS 1.2."""
        self.assertIn("TLSv1.3", s_client(self.tls_port, "-alpn", "stun.turn"))
        self.assertIn("ALPN protocol: stun.turn", s_client(self.tls_port, "-alpn", "stun.turn"))
        self.assertIn("TLSv1.2", s_client(self.tls_port, "-tls1_2"))
        self.assertIn("CN = relay.example.org", s_client(self.tls_port))
        self.assertNotIn("Cipher is TLS", s_client(self.tls_port, "-tls1_1"))

    def test_for_people(self):
        def said(node, *args):
            return subprocess.run([self.net.program("ringfolk"), "--home", str(node.home), *args], capture_output=True,
                                  text=True, timeout=30, check=True).stdout
        self.assertIn(f" udp:127.0.0.1:{self.relay.port} tcp:127.0.0.1:{self.relay.port} tcp:127.0.0.1:{self.tcp_port} tls:", said(self.relay, "status"))
        self.assertIn("relay        none: switched off", said(self.plain, "status"))
        self.assertNotIn("relay ", said(self.alice, "status"))
        self.assertIn(f"turn  {self.relay.id}  127.0.0.1:{self.relay.port} ", said(self.alice, "services"))
        self.assertRegex(said(self.alice, "relay"), rf"(?s)node      {self.relay.id}\nuser      \d+:\w+\n.*tls       127.0.0.1:\d+ relay")
        self.assertIn("[TYPE]", said(self.alice, "help", "services"))

    def test_wrong_settings(self):
        for settings in ({"relay": "yes"}, {"relay_threads": 17}, {"relay_threads": 0}, {"relay_kbit_s": -1}, {"relay_tcp": "here"},
                         {"relay_address": 7}, {"relay_tls_key": "k.pem"}, {"relay_tls_cert": "c.pem"}, {"relay_port_low": 70000},
                         {"relay_port_low": 5000}, {"relay_port_low": 5000, "relay_port_high": 4000}):
            node = self.net.add("wrong", "wrong", "supernode")
            node.home.mkdir(exist_ok=True)
            known = json.loads((self.plain.home / "config.json").read_text())
            del known["relay"]
            (node.home / "config.json").write_text(json.dumps({**known, **settings}))
            done = subprocess.run([self.net.program("ringfolkd"), "--home", str(node.home)], capture_output=True, text=True,
                                  timeout=20, check=False)
            self.net.nodes.remove(node)
            self.assertEqual(done.returncode, 1, settings)
            self.assertRegex(done.stderr, 'config.json: "relay[a-z_]*" is missing or wrong', settings)

    def test_extras_that_cannot_be(self):
        """TLS where it cannot be: the relay is there without it, and says so. Another address for the world outside."""
        node = enrolled(self.net, "poor", "supernode", free_port(), relay_tcp=f"127.0.0.1:{free_port()}", relay_private_peers=True,
                        relay_address="192.0.2.7", relay_tls=f"127.0.0.1:{self.tls_port}")  # which is another's
        node.start()
        node.ready()
        servers = node.cli("status")[0]["relay"]["servers"]
        self.assertEqual([s.split(":")[:2] for s in servers], [["udp", "192.0.2.7"], ["tcp", "192.0.2.7"], ["tcp", "192.0.2.7"]])
        self.assertIn(f"not at 127.0.0.1:{self.tls_port}: the port is in use", (self.directory / "poor.log").read_text())
        node.cli("shutdown")

    def test_one_port(self):
        """The node answers Binding requests at the port that the relay has, too, and what is nobody's is counted."""
        for node in (self.relay, self.plain):
            before, strays_before = node.cli("counters")[0]["udp"], strays(node)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.connect(("127.0.0.1", node.port))
                s.send(bytes.fromhex("0001 0000 2112a442") + b"twelve bytes")
                answer = s.recv(100)
                self.assertEqual(answer[:2].hex(), "0101")
                port = int.from_bytes(answer[26:28], "big") ^ 0x2112
                self.assertEqual(port, s.getsockname()[1])
                s.send(bytes.fromhex("16fefd000000000000000000000000"))  # the beginning of DTLS
                s.send(b"\xff\xff")
            wait_until("they are counted", lambda n=node, b=strays_before: strays(n) == b + 2)
            self.assertEqual(node.cli("counters")[0]["udp"]["bindings"], before["bindings"] + 1)
        done = subprocess.run(["turnutils_stunclient", "-p", str(self.relay.port), "127.0.0.1"], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertIn("UDP reflexive addr: 127.0.0.1", done.stdout)

    def test_strangers_are_refused(self):
        given = self.bob.cli("relay")[0]
        name = given["user"].split(":")[1]
        before, made = self.counter("refused_credentials"), self.counter("allocations")
        guessed, expiry, other = self.side_by_side(
            (given,), {"password": "guessed"}, ({**given, "user": f"1000000000:{name}"},), {},
            ({**given, "user": given["user"][:-1] + ("1" if given["user"][-1] == "0" else "0")},), {})
        self.assertIsNone(guessed)
        self.assertIsNone(expiry, "an expiry of one's own")
        self.assertIsNone(other, "another's name")
        self.assertGreater(self.counter("refused_credentials"), before)
        self.assertEqual(self.counter("allocations"), made)

    def test_one_name_per_user(self):
        """Another time, the same user: budgets go by him. Another user: not."""
        first, again = (self.alice.cli("relay", *more)[0]["user"].split(":")[1] for more in ([], ["--fresh"]))
        self.assertEqual(first, again)
        self.assertNotEqual(first, self.bob.cli("relay")[0]["user"].split(":")[1])


def strays(node):
    """Datagrams that came to its port and were for nothing there."""
    c = node.cli("counters")[0]
    ice = sum(c["ice"][name] for name in ("malformed", "stray_responses", "stray_indications", "stray_channels", "unknown_ufrag", "bad_requests"))
    return c["udp"]["nobodys"] + c["link"]["datagrams_unknown"] + ice


if __name__ == "__main__":
    unittest.main(verbosity=2)
