#!/usr/bin/env python3
"""test_natlab.py - is the laboratory of NATs what it says? coturn's discovery looks at the types, plain sockets at the rest.

    RF_BUILD=DIR test_natlab.py
"""
import concurrent.futures
import re
import subprocess
import sys
import unittest

import natlab
from network import wait_until

INDEPENDENT, ADDRESS, PORT = "Endpoint Independent", "Address Dependent", "Address and Port Dependent"
TYPES = {  # what coturn finds: mapping, filtering
    "open": (INDEPENDENT, INDEPENDENT),
    "cone": (INDEPENDENT, INDEPENDENT),
    "restricted": (INDEPENDENT, ADDRESS),
    "port": (INDEPENDENT, PORT),
    "symmetric": (PORT, PORT),
    "hotel": (PORT, PORT),
    "tcponly": (None, None),
    "double": (INDEPENDENT, PORT),  # a cone behind a home router
}
SITES = {"open": "open", "cone": "cone", "restrict": "restricted", "port": "port", "symmetri": "symmetric", "hotel": "hotel", "inn": "hotel,limit=20,block=3",
         "tcponly": "tcponly,hosts=2", "double": "cone,behind=port", "slow": "port,delay=10,v6", "six": "port,v6"}

# Connects, from a port of its own choice if one is given, and says how long that and one byte there and back took, in ms.
ECHO = """
import socket, sys, time
host, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
begun = time.monotonic()
s = socket.create_connection((host, port), 2, ("", own) if own else None)
connected = time.monotonic()
s.sendall(b"x"), s.recv(1)
print(1000 * (connected - begun), 1000 * (time.monotonic() - connected))
"""
# Answers every byte, on both kinds of addresses.
SERVER = """
import socket, threading
def answer(s):
    while data := s.recv(100):
        s.sendall(data)
server = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
print("ready", flush=True)
while True:
    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
"""
# Opens that many UDP flows.
FLOWS = """
import socket, sys
for i in range(int(sys.argv[1])):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.1", 20000 + i))
"""


@natlab.required
class Laboratory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = natlab.Lab(seconds=90, **SITES)
        cls.lab.__enter__()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.turn = cls.lab.popen("pub", ["turnserver", "-S", "-n", "-L", natlab.PUB[0], "-L", natlab.PUB[1], "--no-tls", "--no-dtls", "--no-cli",
                                         "-l", "/dev/null"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.turn.wait)
        cls.addClassCleanup(cls.turn.kill)
        cls.echo = cls.lab.popen("pub", [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.echo.communicate)
        cls.addClassCleanup(cls.echo.kill)
        cls.echo.stdout.readline()
        wait_until("coturn listens", lambda: ":3478" in cls.lab.run("pub", ["ss", "-Hlun"]).stdout, 10)
        pool = concurrent.futures.ThreadPoolExecutor(len(TYPES))  # it mostly waits for what does not come
        cls.found = {name: pool.submit(cls.discover, name) for name in TYPES}

    def connect(self, host, to=natlab.PUB[0], own=0):
        """(ms to connect, ms there and back), or None."""
        done = self.lab.run(host, [sys.executable, "-c", ECHO, to, "7000", str(own)])
        return tuple(map(float, done.stdout.split())) if done.returncode == 0 else None

    @classmethod
    def discover(cls, name):
        out = cls.lab.run(name[:8], ["turnutils_natdiscovery", "-m", "-f", natlab.PUB[0]]).stdout
        found = [re.search(rf"NAT with (.*) {what}!", out) for what in ("Mapping", "Filtering")]
        return tuple(match and match[1] for match in found)

    def test_types(self):
        self.assertEqual({name: found.result() for name, found in self.found.items()}, TYPES)

    def test_tcp(self):
        """Everybody gets out by TCP, and nobody in."""
        for name in SITES:
            self.assertIsNotNone(self.connect(name), name)
        server = self.lab.popen("port", [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        self.assertIsNotNone(self.connect("port", self.lab.address("port")))
        self.assertIsNone(self.connect("open", self.lab.public("port")))
        self.assertIsNotNone(self.connect("double", self.lab.address("port")), "from behind the outer NAT to its inside")
        server.kill()
        server.communicate()

    def test_delay_and_ipv6(self):
        def fastest(host, to):
            """Of some times there and back: a busy machine adds to each."""
            return min(self.connect(host, to)[1] for _ in range(8))

        for to in (natlab.PUB[0], "2001:db8::1"):
            delayed = fastest("slow", to)
            self.assertGreaterEqual(delayed, 20)
            self.assertLess(delayed, 60)
        self.assertLess(fastest("six", "2001:db8::1"), 20)

    def test_hotel(self):
        """The guest who has one flow too many is cut off for a while, flows that stand included."""
        self.lab.run("inn", [sys.executable, "-c", FLOWS, "15"])
        self.assertGreaterEqual(self.lab.flows("inn"), 15)
        self.assertEqual(self.lab.blocked("inn"), [])
        self.lab.run("inn", [sys.executable, "-c", FLOWS, "15"])
        self.assertEqual(self.lab.blocked("inn"), [self.lab.address("inn")])
        self.assertIsNone(self.connect("inn"))
        wait_until("the hotel forgives", lambda: self.lab.blocked("inn") == [], 10)
        self.lab.reset("inn")
        self.assertIsNotNone(self.connect("inn"))

    def test_addresses_change(self):
        lab = self.lab
        lab.renumber("six", 77)
        self.assertIsNotNone(self.connect("six"))
        lab.move("tcponly.2", "port")
        self.assertIsNotNone(self.connect("tcponly.2"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
