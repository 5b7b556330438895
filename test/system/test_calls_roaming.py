#!/usr/bin/env python3
"""test_calls_roaming.py - a client goes to another network, behind another NAT, or its gateway forgets it, while it talks: how long nothing is heard.

    RF_BUILD=DIR test_calls_roaming.py
"""
import concurrent.futures
import sys
import time
import unittest

import natlab
from network import free_port, wait_registered, wait_until

TALK = 9  # seconds
PER_SECOND = 50  # packets
MISSED = 6 * PER_SECOND  # generous: what is aimed at is 3 s


@natlab.required
class CallsRoam(natlab.LabTest):
    sites = {"home": "port", "cafe": "port", "friend": "port"}
    seconds = 240

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.net.add_supernodes(2, port)
        cls.mobile = cls.net.add_client("mobile", host="home", service="echo")
        cls.friend = cls.net.add_client("friend", host="friend", service="echo")
        for node in (cls.mobile, cls.friend):
            node.ready()
        wait_registered([cls.mobile, cls.friend])
        for node in (cls.mobile, cls.friend):
            wait_until(f"{node.name} knows a relay", lambda n=node: n.cli("relay", check_status=False), 15)

    def counter(self, node, name):
        return node.cli("counters")[0]["sip"][f"media_{name}"]

    def talk(self, what, caller, callee, happens):
        """The callee sends back what it hears: what is missing is what was not heard both ways."""
        names = ("secured", "moved", "restarts", "glare", "lost")
        before = [self.counter(caller, name) for name in names]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(caller.cli, "call", callee.user, "--for", str(TALK), seconds=60)
            wait_until("sound", lambda: self.counter(caller, "secured") > before[0], 20)
            time.sleep(1)
            happens()
            media = call.result()[-1]["media"]
        secured, moved, restarts, glare, lost = (self.counter(caller, name) - b for name, b in zip(names, before))
        missed = TALK * PER_SECOND - media["received"]
        print(f"{what}: {missed / PER_SECOND:.1f} s were not heard; {moved} ways, {restarts} restarts of the caller's, {glare} put off", flush=True)
        self.assertLess(missed, MISSED, media)
        self.assertEqual((secured, lost), (1, 0), "the keys stay, and so does the call")

    def test_another_network(self):
        for caller, callee in ((self.mobile, self.friend), (self.friend, self.mobile)):
            self.talk(f"{caller.name} calls, mobile goes to another network", caller, callee, lambda: self.lab.move("home", "cafe", 100))
            self.talk(f"{caller.name} calls, mobile comes back", caller, callee, lambda: self.lab.move("home", "home", 100))

    def test_gateway(self):
        for caller, callee in ((self.mobile, self.friend), (self.friend, self.mobile)):
            self.talk(f"{caller.name} calls, mobile's gateway forgets", caller, callee, lambda: self.lab.reset("home"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
