#!/usr/bin/env python3
"""test_role.py - role auto with real processes: a client becomes a supernode when it is needed, with a relay that others use, and a client again.

    RF_BUILD=DIR test_role.py
"""
import concurrent.futures
import signal
import socket
import subprocess
import time

from harness import NetworkTest, main
from network import Failed, free_port, wait_registered, wait_until
from test_relay import enrolled, over_tls, strays, uclient

AT_REST = "client: reachable, stable, not needed"


class RoleAuto(NetworkTest):
    """Two supernodes without a relay that have room for few clients, and a node that may become one, with a relay."""
    CROWD = 5

    @classmethod
    def build_network(cls):
        port = free_port()
        budgets = {"max_clients": 4, "auto_uptime_s": 1, "auto_interval_s": 1, "auto_idle_s": 2, "auto_min_ring": 2}
        cls.net.start_enrolment(port)
        cls.supers = [enrolled(cls.net, f"super{i + 1}", "supernode", port if i == 0 else free_port(), relay=False, **budgets)
                      for i in range(2)]
        for node in cls.supers:
            node.start()
            node.ready()
        cls.auto = enrolled(cls.net, "auto", "auto", free_port(), relay_private_peers=True, relay_tls=f"127.0.0.1:{free_port()}",
                            **budgets)
        cls.crowd = [enrolled(cls.net, f"client{i}", "client", 0) for i in range(cls.CROWD)]

    def wait(self, what, good, seconds=60):
        end = time.monotonic() + seconds
        while True:
            status = self.auto.cli("status")[0]
            if good(status):
                return status
            self.assertLess(time.monotonic(), end, f"{what}: {status['role_why']}, {status['state']}")
            time.sleep(0.2)

    def stands_in_ring_of(self, node):
        return any(e.get("node") == self.auto.id and e.get("relation") == "successor" for e in node.cli("ring"))

    def test_up_and_down(self):
        self.auto.start()
        self.auto.ready()
        self.wait("at rest", lambda s: s["role"] == "client" and s["role_auto"] and s["role_why"] == AT_REST)
        self.up()
        self.its_relay()
        for node in self.crowd:
            node.daemon.kill(signal.SIGKILL)
        self.down()

    def up(self):
        for node in self.crowd:
            node.start()
        for node in self.crowd:
            node.ready(60)
        wait_registered(self.crowd)
        status = self.wait("needed", lambda s: s["role"] == "supernode" and s["state"] == "joined")
        self.assertGreater(status["share_of_ring"], 0)
        wait_registered([self.auto])
        for name in ("auto", "client0", "client4"):
            found = self.crowd[2].cli("whois", name)[0]
            self.assertEqual(len(found["devices"]), 1, name)
        for node in self.supers:
            wait_until(f"the promoted node is in the ring of {node.name}", lambda n=node: self.stands_in_ring_of(n), 20)

    def its_relay(self):
        """The node's own port carries it by UDP, TLS has the node's own certificate."""
        asker = self.supers[1]
        self.assertIsNotNone(self.auto.cli("status")[0]["relay"])
        wait_until("the relay is advertised", lambda: [f["node"] for f in asker.cli("services")] == [self.auto.id], 40)
        given = asker.cli("relay")[0]
        self.assertEqual(given["node"], self.auto.id)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            tls = pool.submit(between_clients, given, 2, "-t", "-S")
            self.assertEqual(between_clients(given), (100, 100))
            over_tls(self, tls.result())

    def down(self):
        self.wait("not needed", lambda s: s["role"] == "client" and s["state"] == "joined", 120)
        self.assertIsNone(self.auto.cli("status")[0]["relay"])
        self.assertNotIn("relay", self.auto.cli("counters")[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect(("127.0.0.1", self.auto.port))
            s.send(bytes.fromhex("0003 0000 2112a442") + b"twelve bytes")  # Allocate
            with self.assertRaises(TimeoutError):
                s.recv(100)
        self.assertGreater(strays(self.auto), 0, "what was the relay's is nobody's now")
        wait_until("not advertised any more", lambda: self.supers[1].cli("services") == [], 40)
        with self.assertRaises(Failed):
            self.supers[1].cli("relay", "--fresh")
        self.wait("at rest again", lambda s: s["role_why"] == AT_REST)
        self.assertEqual(self.auto.cli("status")[0]["stored"]["values"], 0)
        self.assertEqual(len(self.supers[1].cli("whois", "auto")[0]["devices"]), 1)
        self.assertEqual(len(self.auto.cli("whois", "client0")[0]["devices"]), 1)
        text = subprocess.run([self.net.program("ringfolk"), "--home", str(self.auto.home), "status"], capture_output=True,
                              text=True, timeout=30, check=True).stdout
        self.assertIn(f"role auto    {AT_REST}", text)


def between_clients(given, server=0, *options):
    """Two of coturn's clients that talk with each other through a relay: (sent, received)."""
    host, port = given["servers"][server]["address"].rsplit(":", 1)
    return uclient(host, port, given["user"], given["password"], "-y", *options)


if __name__ == "__main__":
    main()
