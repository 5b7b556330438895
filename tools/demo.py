#!/usr/bin/env python3
"""demo.py - `make demo`: a whole network of real processes on loopback, told in plain words.

usage: tools/demo.py BUILD_DIR [--keep] [--supernodes N]

Every step is checked: the script says what it saw, and ends with status 0 only if all of it worked.
--keep leaves the network running and prints how to use it.
"""
import argparse
import json
import math
import os
import pathlib
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import wave

OVERLAY = "example.org"


class Failed(Exception):
    """A step that was not seen to work."""


def say(text):
    print(text, flush=True)


def step(text):
    print(f"\n== {text}", flush=True)


def check(condition, text):
    if not condition:
        raise Failed(text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A program of ours, its stdout as a queue of lines, its stderr in a file."""

    def __init__(self, argv, log):
        self.log = log
        self.err = open(log, "ab")
        self.p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.err, stdin=subprocess.DEVNULL,
                                  text=True, start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.p.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_line(self, want, seconds):
        """The first line for which want(line) is true."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"nothing came within {seconds} s; see {self.log}") from None
            if line is None:
                raise Failed(f"the program ended early; see {self.log}:\n{tail(self.log)}")
            if want(line):
                return line

    def kill(self, number=signal.SIGKILL):
        if self.p.poll() is None:
            self.p.send_signal(number)

    def end(self, seconds=8):
        self.kill(signal.SIGTERM)
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.err.close()


def tail(path, lines=5):
    try:
        return "\n".join(pathlib.Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


class Node:
    """One home and its daemon."""

    def __init__(self, net, name, user, role, port=0, service=None):
        self.net, self.name, self.user, self.role = net, name, user, role
        self.home = net.dir / name
        self.port, self.service = port, service
        self.daemon = None
        self.id = None

    def cli(self, *args, seconds=30, check_status=True):
        """Runs the CLI with --json; returns its lines as objects."""
        argv = [self.net.program("ringfolk"), "--home", str(self.home), "--json", *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
        if check_status and done.returncode != 0:
            raise Failed(f"{' '.join(args)} on {self.name}: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def enrol(self, *proof, stdin=None):
        argv = [self.net.program("ringfolk"), "--home", str(self.home), "--json", "init", self.net.url, "--user", self.user,
                "--role", self.role, "--listen", f"127.0.0.1:{self.port}", "--ca", str(self.net.ca), *proof]
        if self.service:
            argv += ["--service", self.service]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        check(done.returncode == 0, f"init of {self.name}: {done.stderr.strip()}")
        self.id = json.loads(done.stdout)["node"]

    def start(self):
        self.daemon = Process([self.net.program("ringfolkd"), "--home", str(self.home)], self.net.dir / f"{self.name}.log")

    def ready(self, seconds=30):
        line = self.daemon.wait_line(lambda l: l.startswith("ready "), seconds)
        check(line.split()[1] == self.id, f"{self.name} is another node than it enrolled as")

    def listen(self):
        p = Process([self.net.program("ringfolk"), "--home", str(self.home), "--json", "listen"],
                    self.net.dir / f"{self.name}-listen.log")
        self.net.extra.append(p)
        return p


class Net:
    def __init__(self, build, directory):
        self.build, self.dir = pathlib.Path(build).resolve(), pathlib.Path(directory)
        self.nodes, self.extra = [], []
        self.server = None
        self.url = None
        self.ca = self.dir / "enrol" / "ca.pem"

    def program(self, name):
        for place in (self.build / "bin" / name, self.build / name):
            if place.exists():
                return str(place)
        raise Failed(f"{name} is not built: run `make build`")

    def enrol_cli(self, *args, stdin=None):
        argv = [self.program("ringfolk-enrol"), "--data", str(self.dir / "enrol"), *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        check(done.returncode == 0, f"ringfolk-enrol {args[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def add(self, *args, **kw):
        node = Node(self, *args, **kw)
        self.nodes.append(node)
        return node

    def end(self):
        for p in self.extra:
            p.end(2)
        for node in self.nodes:
            if node.daemon:
                node.daemon.kill(signal.SIGTERM)
        for node in self.nodes:
            if node.daemon:
                node.daemon.end()
        if self.server:
            self.server.end()


# ---- audio ----

RATE = 8000


def write_tone(path, seconds=3):
    """A sweep: every moment of it differs from every other, so the echo can be found and compared."""
    n = RATE * seconds
    samples = [int(9000 * math.sin(2 * math.pi * (300 * i / RATE + 350 * (i / RATE) ** 2 / 2 * 2 / seconds))) for i in range(n)]
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(struct.pack(f"<{n}h", *samples))


def read_wav(path):
    with wave.open(str(path), "rb") as w:
        check(w.getframerate() == RATE and w.getnchannels() == 1 and w.getsampwidth() == 2, f"{path}: unexpected format")
        data = w.readframes(w.getnframes())
    return struct.unpack(f"<{len(data) // 2}h", data)


def correlation(a, b):
    n = min(len(a), len(b))
    ab = sum(x * y for x, y in zip(a[:n], b[:n]))
    aa, bb = sum(x * x for x in a[:n]), sum(y * y for y in b[:n])
    return ab / math.sqrt(aa * bb) if aa and bb else 0.0


def compare_audio(sent, got):
    """Delay in samples and share of the sent audio that came back alike (in blocks of 20 ms)."""
    probe = sent[RATE // 2:RATE // 2 + 400]
    best, delay = 0.0, 0
    for shift in range(0, max(1, min(len(got) - RATE // 2 - 400, 2 * RATE)), 8):  # coarse, then fine
        c = correlation(probe, got[RATE // 2 + shift:RATE // 2 + shift + 400])
        if c > best:
            best, delay = c, shift
    for shift in range(max(0, delay - 8), delay + 9):
        c = correlation(probe, got[RATE // 2 + shift:RATE // 2 + shift + 400])
        if c > best:
            best, delay = c, shift
    blocks = good = 0
    for at in range(0, len(sent) - 160, 160):
        blocks += 1
        good += correlation(sent[at:at + 160], got[at + delay:at + delay + 160]) > 0.95
    return delay, good / blocks, best


# ---- the steps ----

def start_enrolment(net, bootstrap_port):
    step("An administrator makes the overlay")
    net.enrol_cli("init", OVERLAY, "--listen", "127.0.0.1:0", "--bootstrap", f"127.0.0.1:{bootstrap_port}")
    net.server = Process([net.program("ringfolk-enrol"), "--data", str(net.dir / "enrol"), "serve"], net.dir / "enrol.log")
    net.url = net.server.wait_line(lambda l: l.startswith("ready "), 15).split()[1]
    say(f"The enrolment server of {OVERLAY} answers at {net.url}.")


def start_supernodes(net, count, first_port):
    step(f"{count} supernodes enrol and build the ring")
    begin = time.monotonic()
    supernodes = []
    for i in range(count):
        node = net.add(f"super{i + 1}", f"super{i + 1}", "supernode", first_port if i == 0 else free_port())
        net.enrol_cli("user", "add", node.user, "--password-stdin", stdin=f"secret-{i}\n")
        node.enrol("--password-stdin", stdin=f"secret-{i}\n")
        supernodes.append(node)
    supernodes[0].start()
    supernodes[0].ready()
    for node in supernodes[1:]:
        node.start()
    for node in supernodes[1:]:
        node.ready()
    say(f"All {count} joined after {time.monotonic() - begin:.1f} s: " + ", ".join(n.id[:6] for n in supernodes))
    return supernodes


def start_people(net):
    step("alice, bob (with two devices) and carol enrol with invitations, and an echo service")
    people = {}
    for name, user in (("alice", "alice"), ("bob1", "bob"), ("bob2", "bob"), ("carol", "carol")):
        node = people[name] = net.add(name, user, "client")
        if name == "bob2":
            node.enrol("--password-stdin", stdin="bobs-own-password\n")
        elif name == "bob1":
            net.enrol_cli("user", "add", "bob", "--password-stdin", stdin="bobs-own-password\n")
            node.enrol("--password-stdin", stdin="bobs-own-password\n")
        else:
            node.enrol("--invite", net.enrol_cli("invite").split()[-1])
        say(f"{user}@{OVERLAY} enrolled as device {node.id}")
    echo = people["echo"] = net.add("echo", "echo", "client", service="echo")
    net.enrol_cli("user", "add", "echo", "--password-stdin", stdin="echo-password\n")
    echo.enrol("--password-stdin", stdin="echo-password\n")
    for node in people.values():
        node.start()
    for node in people.values():
        node.ready()
    wait_registered(people.values())
    say("All are online and registered in the overlay.")
    return people


def wait_registered(nodes, seconds=30):
    end = time.monotonic() + seconds
    for node in nodes:
        while not node.cli("status")[0]["registered"]:
            check(time.monotonic() < end, f"{node.name} did not get registered")
            time.sleep(0.2)


def find_bob(net, alice, bobs):
    step("alice looks for bob")
    r = alice.cli("whois", "bob")[0]
    check({d["node"] for d in r["devices"]} == {b.id for b in bobs}, "not exactly bob's two devices were found")
    home = next((n for n in net.nodes if n.id == r["stored_at"]), None)
    check(home is not None and home.role == "supernode", "the registration is stored at no supernode of ours")
    say(f"bob's registration has Resource-ID {r['resource']}; {home.name} ({home.id[:6]}) keeps it.")
    say(f"It names his two devices; alice had the answer after {r['took_us'] / 1000:.1f} ms.")
    say("The path there, hop by hop:")
    hops = alice.cli("trace", "bob", "--resource")
    check(hops and hops[-1].get("responsible") and hops[-1]["node"] == home.id, "the trace does not end at the home")
    for h in hops:
        node = next((n.name for n in net.nodes if n.id == h["node"]), "?")
        say(f"  {h['hop']}  {h['node']}  {node:8}  {h['rtt_us'] / 1000:6.2f} ms" + ("  responsible" if h.get("responsible") else ""))
    return home


def texts(alice, carol):
    step("Texts, both ways")
    for a, b, text in ((alice, carol, "Good morning, carol!"), (carol, alice, "Hello alice, how is the ring?")):
        listener = b.listen()
        time.sleep(0.3)
        a.cli("message", b.user, text)

        def wanted(line, text=text, a=a):
            event = json.loads(line)
            return event.get("type") == "message" and event["text"] == text and event["from"].startswith(a.user)

        listener.wait_line(wanted, 10)
        say(f'{a.user} -> {b.user}: "{text}"')


def echo_call(net, alice):
    step("alice calls the echo service")
    sent, got = net.dir / "sent.wav", net.dir / "got.wav"
    write_tone(sent)
    r = alice.cli("call", "echo", "--play", str(sent), "--record", str(got), "--for", "4", seconds=40)[-1]
    media = r["media"]
    check(media["sent"] > 100 and media["received"] > 100, f"hardly any audio: {media}")
    delay, alike, best = compare_audio(read_wav(sent), read_wav(got))
    say(f"{media['sent']} packets sent, {media['received']} came back, {media['lost']} lost; "
        f"round trip of the sound {delay * 1000 / RATE:.0f} ms; {alike * 100:.1f} % of it came back alike.")
    check(best > 0.95 and alike > 0.9, "what came back is not what was sent")


def bob_call(alice, bobs):
    step("alice calls bob: both devices ring, the first to answer wins")
    listeners = [b.listen() for b in bobs]
    time.sleep(0.5)
    call = Process([alice.net.program("ringfolk"), "--home", str(alice.home), "--json", "call", "bob", "--for", "2"],
                   alice.net.dir / "call.log")
    alice.net.extra.append(call)

    def incoming(line):
        e = json.loads(line)
        return e.get("type") == "call" and e.get("direction") == "incoming" and e.get("state") in ("incoming", "ringing")

    events = [json.loads(listener.wait_line(incoming, 15)) for listener in listeners]
    say(f"Both ring: {', '.join(b.name for b in bobs)}.")
    answer = Process([bobs[0].net.program("ringfolk"), "--home", str(bobs[0].home), "--json", "answer", events[0]["call"]],
                     bobs[0].net.dir / "answer.log")
    bobs[0].net.extra.append(answer)
    call.wait_line(lambda l: json.loads(l).get("state") == "answered", 15)
    say(f"{bobs[0].name} answered.")

    def ended(line):
        e = json.loads(line)
        return e.get("type") == "call" and e.get("call") == events[1]["call"] and e.get("state") == "ended"

    listeners[1].wait_line(ended, 15)
    say(f"{bobs[1].name} stopped ringing.")
    call.wait_line(lambda l: "reason" in json.loads(l) and "media" in json.loads(l), 20)
    say("They talked, and hung up.")


def two_die(net, alice, bobs, home, supernodes):
    step("Two supernodes die at once, one of them the home of bob's registration")
    other = next(n for n in supernodes[1:] if n is not home)
    for node in (home, other):
        node.daemon.kill()
        say(f"{node.name} ({node.id[:6]}): kill -9")
    begin = time.monotonic()
    wanted = {b.id for b in bobs}
    while True:
        done = alice.cli("whois", "bob", check_status=False)
        if done and {d["node"] for d in done[0]["devices"]} == wanted and done[0]["stored_at"] != home.id:
            break
        check(time.monotonic() - begin < 30, "alice does not find bob any more")
        time.sleep(0.3)
    keeper = next((n.name for n in net.nodes if n.id == done[0]["stored_at"]), "?")
    say(f"alice finds bob again after {time.monotonic() - begin:.1f} s: {keeper} has the copy.")


def run(net, args):
    begin = time.monotonic()
    first_port = free_port()
    start_enrolment(net, first_port)
    supernodes = start_supernodes(net, args.supernodes, first_port)
    people = start_people(net)
    alice, carol, bobs = people["alice"], people["carol"], [people["bob1"], people["bob2"]]
    home = find_bob(net, alice, bobs)
    texts(alice, carol)
    echo_call(net, alice)
    bob_call(alice, bobs)
    two_die(net, alice, bobs, home, supernodes)
    say(f"\nEverything was seen to work, in {time.monotonic() - begin:.0f} s.")


def use_it(net):
    alice = next(n for n in net.nodes if n.name == "alice")
    program = net.program("ringfolk")
    say(f"""
The network stays up until you press Ctrl-C. In another terminal:

  {program} --home {alice.home} status
  {program} --home {alice.home} whois bob
  {program} --home {alice.home} trace bob
  {program} --home {net.dir / 'carol'} listen
  {program} --home {alice.home} message carol "hello"
  {program} --home {alice.home} call echo --for 5
""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("\nending")


def main():
    parser = argparse.ArgumentParser(description="a whole network on loopback")
    parser.add_argument("build")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--supernodes", type=int, default=8)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="rf-demo-")
    net = Net(args.build, directory)
    status = 1
    try:
        run(net, args)
        status = 0
        if args.keep:
            use_it(net)
    except (Failed, subprocess.TimeoutExpired, KeyError, ValueError, IndexError) as e:
        say(f"\nNOT WORKING: {e}")
        say(f"The logs are in {directory}")
    except KeyboardInterrupt:
        say("\ninterrupted")
    finally:
        net.end()
    if status == 0:
        shutil.rmtree(directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
