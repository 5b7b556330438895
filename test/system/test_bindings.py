#!/usr/bin/env python3
"""test_bindings.py - a client behind a NAT that forgets an idle connection after seven seconds learns that, uses it, is reached whenever somebody asks, and knows it after a restart.

    RF_BUILD=DIR test_bindings.py
"""
import time
import unittest

import natlab
from network import free_port, wait_registered, wait_until

TCP, UDP = 7, 5  # seconds that the NAT keeps what is idle
USUAL, MOST = 2, 16
PAUSES = (TCP + 1, TCP + 3)
SOON = 10  # seconds for an answer, on a busy machine; without a binding there is none


@natlab.required
class Bindings(natlab.LabTest):
    sites = {"home": f"port,tcp={TCP},timeout={UDP}", "friend": "open"}
    seconds = 240

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        for node in cls.net.add_supernodes(2, port):
            node.daemon.end()
            node.set(keepalive_s=USUAL)
            node.start()
            node.ready()
        cls.learner = cls.net.add_client("learner", host="home", settings={"keepalive_s": USUAL, "keepalive_max_s": MOST})
        cls.friend = cls.net.add_client("friend", host="friend")
        for node in (cls.learner, cls.friend):
            node.ready()
        wait_registered([cls.learner, cls.friend])

    def finding(self):
        return next(f["text"] for f in self.learner.cli("doctor")[0]["findings"] if f["about"] == "bindings")

    def counter(self, name):
        return self.learner.cli("counters")[0]["node"][name]

    def ask(self):
        begun = time.monotonic()
        self.friend.cli("ping", self.learner.id, seconds=60)
        return time.monotonic() - begun

    def test_1_learned(self):
        wait_until("a time is in use", lambda: "a sign of life every" in self.finding(), 60, 1)
        text = self.finding()
        self.assertRegex(text, r"^this network keeps an idle TCP connection for (at least|between) [46]\b")
        self.assertGreaterEqual(self.counter("bindings_tried"), 2)
        for pause in PAUSES:
            time.sleep(pause)
            self.assertLess(self.ask(), SOON)

    def test_2_known_after_a_restart(self):
        self.learner.daemon.end()
        self.learner.start()
        self.learner.ready()
        wait_until("the network is known again", lambda: "a sign of life every" in self.finding(), 60, 0.5)
        time.sleep(PAUSES[0])
        self.assertLess(self.ask(), SOON)

    def test_3_the_gateway_is_restarted(self):
        self.lab.reset("home")
        wait_until("it is reached again", lambda: self.ask() < SOON, 60, 0.5)
        time.sleep(PAUSES[0])
        self.assertLess(self.ask(), SOON)


if __name__ == "__main__":
    unittest.main()
