#!/usr/bin/env python3
"""sip_phones.py - standard phones that we did not write (SIPp, baresip) at real daemons: register, call, text, refuse, give up."""
import array
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import wave

from harness import NetworkTest, main
from network import Failed, Process, check, free_port, wait_registered, wait_until

SCENARIOS = pathlib.Path(__file__).resolve().parent / "sipp"
DOMAIN = "example.org"


def settings(node):
    return json.loads((node.home / "config.json").read_text())


def add_phone_user(net, name, user=None):
    node = net.add_client(name, user, sip=f"127.0.0.1:{free_port()}")
    node.sip_port = int(node.sip.split(":")[1])
    node.password = settings(node)["sip_password"]
    return node


class Sipp:
    """One phone: SIPp runs its scenarios one after the other on the same port."""

    def __init__(self, directory, node, peer, tcp=False, password=None):
        self.directory, self.node, self.peer, self.tcp = directory, node, peer, tcp
        self.port = free_port()
        self.password = password or node.password

    def start(self, scenario, calls=1, at_once=1, rate=50, seconds=20):
        log = self.directory / f"sipp-{self.node.name}-{scenario}-{self.port}.log"
        argv = ["sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(self.port), "-m", str(calls),
                "-l", str(at_once), "-r", str(rate), "-nostdin", "-t", "t1" if self.tcp else "u1", "-timeout", str(seconds),
                "-timeout_error", "-recv_timeout", str(seconds * 1000), "-trace_err", "-error_file", str(log),
                "-key", "user", self.node.user, "-key", "peer", self.peer, "-key", "domain", DOMAIN,
                "-au", self.node.user, "-ap", self.password, f"127.0.0.1:{self.node.sip_port}"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.directory)
        process.error_log = log
        return process

    def finish(self, process, seconds=70):
        """The screens that SIPp printed; fails when a call failed."""
        out, _ = process.communicate(timeout=seconds)
        errors = process.error_log.read_text(errors="replace")[-1500:] if process.error_log.exists() else ""
        check(process.returncode == 0, f"{' '.join(process.args[1:3])} of {self.node.name}: {out[-600:]}\n{errors}")
        return out

    def run(self, scenario, **kw):
        return self.finish(self.start(scenario, **kw))

    def register(self):
        self.run("register")
        return self

    def unregister(self):
        self.run("unregister")


def control(node, cmd, **args):
    """One command over the control socket, as a program of one's own would send it."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(node.home / "control.sock"))
        s.sendall(json.dumps({"id": 1, "cmd": cmd, "args": args}).encode() + b"\n")
        return json.loads(s.makefile().readline())["result"]


class Phones(NetworkTest):
    @classmethod
    def build_network(cls):
        net = cls.net
        port = free_port()
        net.start_enrolment(port)
        net.add_supernodes(2, port)
        cls.alice = add_phone_user(net, "alice")
        cls.bob = add_phone_user(net, "bob")
        cls.bob2 = add_phone_user(net, "bob2", "bob")
        cls.carol = net.add_client("carol")
        for node in (cls.alice, cls.bob, cls.bob2, cls.carol):
            node.ready()
        wait_registered([cls.alice, cls.bob, cls.bob2, cls.carol])

    def phone(self, node, peer, **kw):
        phone = Sipp(self.directory, node, peer, **kw).register()
        self.addCleanup(phone.unregister)
        return phone

    def both(self, caller, caller_scenario, callee, callee_scenario, **kw):
        waiting = callee.start(callee_scenario, **kw)
        time.sleep(0.3)  # SIPp opens its port
        caller.run(caller_scenario, **kw)
        callee.finish(waiting)

    # ---- one by one ----

    def test_passwords(self):
        Sipp(self.directory, self.alice, "bob", password="wrong").run("wrong_password")
        phone = self.phone(self.alice, "bob")
        self.assertIn(f"sip:alice@127.0.0.1:{phone.port};transport=UDP", [p["contact"] for p in self.alice.cli("phones")
                                                                          if "contact" in p])
        tcp = self.phone(self.alice, "bob", tcp=True)
        self.assertTrue(any(str(tcp.port) in p.get("contact", "") for p in self.alice.cli("phones")))

    def test_calls_in_both_directions(self):
        alice, bob = self.phone(self.alice, "bob"), self.phone(self.bob, "alice")
        self.both(alice, "call", bob, "answer")
        self.both(bob, "call", alice, "answer")
        self.both(alice, "call_until_bye", bob, "answer_hangup")
        self.both(bob, "call_until_bye", alice, "answer_hangup")

    def test_busy_declined_cancelled(self):
        alice, bob = self.phone(self.alice, "bob"), self.phone(self.bob, "alice")
        self.both(alice, "call_busy", bob, "answer_busy")
        self.both(alice, "call_declined", bob, "answer_decline")
        self.both(alice, "call_cancel", bob, "answer_cancelled")
        self.both(bob, "call_cancel", alice, "answer_cancelled")

    def test_nobody_there(self):
        self.phone(self.alice, "nobody").run("call_unknown")
        self.phone(self.alice, "carol").run("call_offline")  # a daemon, but no phone and no listener

    def test_texts(self):
        alice, bob = self.phone(self.alice, "bob"), self.phone(self.bob, "alice")
        self.both(alice, "message", bob, "message_taken")
        self.both(bob, "message", alice, "message_taken")
        listener = self.carol.listen()
        time.sleep(0.3)
        self.phone(self.alice, "carol").run("message")
        line = listener.wait_line(lambda l: json.loads(l).get("type") == "message", 10)
        self.assertEqual(json.loads(line)["text"].strip(), "a text from sipp")
        waiting = bob.start("message_taken")
        time.sleep(0.3)
        self.assertGreaterEqual(self.carol.cli("message", "bob", "from the command line")[0]["delivered"], 1)
        bob.finish(waiting)

    # ---- many ----

    def test_fifty_in_a_row(self):
        alice, bob = self.phone(self.alice, "bob"), self.phone(self.bob, "alice")
        self.both(alice, "call", bob, "answer", calls=50, at_once=1, seconds=60)

    def test_twenty_at_once(self):
        alice, bob = self.phone(self.alice, "bob"), self.phone(self.bob, "alice")
        self.both(alice, "call", bob, "answer", calls=20, at_once=20, rate=200, seconds=60)

    # ---- the daemon's own side ----

    def test_forwarded(self):
        """carol, who has no phone, sends her callers on to bob until she does not any more."""
        alice, bob = self.phone(self.alice, "carol"), self.phone(self.bob, "alice")
        self.assertEqual(control(self.carol, "forward", name="bob"), {"forward": f"bob@{DOMAIN}"})
        wait_until("carol's registration forwards",
                   lambda: any(d["user"] == f"bob@{DOMAIN}" for d in self.alice.cli("whois", "carol")[0]["devices"]), 10)
        self.both(alice, "call", bob, "answer")
        self.assertEqual(control(self.carol, "forward", name=""), {"forward": None})
        wait_until("carol's registration is her own",
                   lambda: [d["node"] for d in self.alice.cli("whois", "carol")[0]["devices"]] == [self.carol.id], 10)

    def test_shutdown_hangs_up(self):
        """A daemon ends in the middle of a call: phones on both sides hear BYE at once."""
        dave = add_phone_user(self.net, "dave")
        dave.ready()
        wait_registered([dave])
        caller, callee = self.phone(self.alice, "dave"), Sipp(self.directory, dave, "alice").register()
        waiting = callee.start("answer")
        time.sleep(0.3)
        calling = caller.start("call_until_bye")
        wait_until("the call is up", lambda: "answered" in [c.get("state") for c in self.alice.cli("calls")], 10)
        self.assertGreaterEqual(self.alice.cli("counters")[0]["sip"]["calls_answered"], 1)
        began = time.monotonic()
        dave.cli("shutdown")
        caller.finish(calling)
        callee.finish(waiting)
        self.assertLess(time.monotonic() - began, 15)  # and not when the calls would have ended by themselves
        self.assertEqual(dave.daemon.p.wait(15), 0)

    def test_command_calls_a_phone(self):
        bob = self.phone(self.bob, "alice")
        waiting = bob.start("answer", seconds=30)
        time.sleep(0.3)
        lines = self.carol.cli("call", "bob", "--for", "1")
        self.assertEqual([l["state"] for l in lines if "state" in l][-1], "answered")
        self.assertEqual(lines[-1]["reason"], "time is up")
        self.assertGreater(lines[-1]["media"]["sent"], 30)
        bob.finish(waiting)

    def test_noise_at_the_port(self):
        noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(300):
            noise.sendto(os.urandom(i % 1400 + 5), ("127.0.0.1", self.alice.sip_port))
            if i % 20 == 0:
                time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", self.alice.sip_port)) as s:
            s.sendall(b"INVITE " + b"a" * 200000)
        self.phone(self.alice, "bob")
        self.assertIsNone(self.alice.daemon.p.poll())


class Baresip:
    """A baresip with its own configuration; commands and events over its ctrl_tcp module."""

    def __init__(self, net, node, answer):
        self.dir = net.dir / f"baresip-{node.name}"
        self.dir.mkdir()
        self.control = free_port()
        sip_port = free_port()
        (self.dir / "config").write_text(
            f"sip_listen 127.0.0.1:{sip_port}\naudio_source ausine,440\naudio_player aubridge,x\naudio_alert aubridge,y\n"
            f"ausrc_srate 48000\nausrc_channels 2\nauplay_srate 8000\nauplay_channels 1\nrtp_ports 20000-29998\nctrl_tcp_listen 127.0.0.1:{self.control}\n"
            "module_path /usr/lib/baresip/modules\nmodule account.so\nmodule opus.so\nmodule g711.so\nmodule ausine.so\nmodule aubridge.so\n"
            "module uuid.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n")
        (self.dir / "accounts").write_text(
            f'<sip:{node.user}@{DOMAIN}>;auth_user={node.user};auth_pass={node.password};outbound="sip:127.0.0.1:{node.sip_port}";'
            f"regint=600;answermode={'auto' if answer else 'manual'}\n")
        (self.dir / "contacts").write_text("")
        self.process = Process(["sh", "-c", f"exec baresip -f {self.dir} >&2"], net.dir / f"baresip-{node.name}.log")
        net.extra.append(self.process)
        self.events, self.buffer = [], b""
        wait_until("baresip's control port", self._connect, 15)
        threading.Thread(target=self._read, daemon=True).start()

    def _connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.control))
        except OSError:
            return False
        return True

    def _read(self):
        while True:
            try:
                part = self.socket.recv(65536)
            except OSError:
                return
            if not part:
                return
            self.buffer += part
            while (m := re.match(rb"(\d+):", self.buffer)) and len(self.buffer) > m.end() + int(m[1]):
                self.events.append(json.loads(self.buffer[m.end():m.end() + int(m[1])]))
                self.buffer = self.buffer[m.end() + int(m[1]) + 1:]

    def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params, "token": "t"}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))

    def wait(self, event, seconds=15, **fields):
        def there():
            return any(e.get("type") == event and all(v in str(e.get(k)) for k, v in fields.items()) for e in self.events)
        try:
            wait_until(f"{event} {fields}", there, seconds)
        except Failed as failure:
            raise Failed(f"{failure}; baresip told {self.events}") from None
        self.events = []


class RealPhones(NetworkTest):
    """Two baresip that talk to each other through two daemons, with sound."""

    @classmethod
    def build_network(cls):
        net = cls.net
        port = free_port()
        net.start_enrolment(port)
        net.add_supernodes(1, port)
        cls.nodes = [add_phone_user(net, "alice"), add_phone_user(net, "bob")]
        for node in cls.nodes:
            node.ready()
        wait_registered(cls.nodes)

    def test_baresip_calls_baresip(self):
        alice, bob = Baresip(self.net, self.nodes[0], False), Baresip(self.net, self.nodes[1], True)
        for node in self.nodes:
            wait_until(f"the baresip of {node.name} registers", lambda n=node: any("contact" in p for p in n.cli("phones")), 15)
        alice.command("dial", f"sip:bob@{DOMAIN}")
        bob.wait("CALL_ESTABLISHED", peeruri=f"sip:alice@{DOMAIN}")
        alice.wait("CALL_ESTABLISHED", peeruri=f"sip:bob@{DOMAIN}")
        for node in self.nodes:  # the phones' sound goes through both nodes, sealed between them, both ways
            def sip(n=node):
                return n.cli("counters")[0]["sip"]
            wait_until(f"sound both ways through {node.name}", lambda: min(sip()["media_rtp_in"], sip()["media_rtp_out"]) > 60, 15)
            self.assertEqual((sip()["media_secured"], sip()["media_srtp_failed"]), (1, 0))
        alice.command("hangup")
        bob.wait("CALL_CLOSED")
        # and the daemon calls a real phone: sound both ways, and what is heard is its tone
        heard = self.directory / "heard.wav"
        lines = self.nodes[0].cli("call", "bob", "--for", "4", "--record", str(heard))
        with wave.open(str(heard)) as wav:
            samples = array.array("h", wav.readframes(wav.getnframes()))
        rises = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))
        self.assertTrue(0.85 < rises / (len(samples) / 8000) / 440 < 1.15, f"{rises} waves in {len(samples)} samples")
        media = lines[-1]["media"]
        self.assertGreater(media["sent"], 60)
        self.assertGreater(media["received"], 60)
        bob.wait("CALL_CLOSED")


if __name__ == "__main__":
    sys.argv[0] = "sip_phones.py"
    main()
