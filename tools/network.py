#!/usr/bin/env python3
"""network.py - a network of real processes on loopback: enrolment server, daemons, their CLI. For the demo and the system tests."""
import json
import pathlib
import queue
import random
import signal
import socket
import subprocess
import threading
import time

OVERLAY = "example.org"


class Failed(Exception):
    """A step that was not seen to work."""


def check(condition, text):
    if not condition:
        raise Failed(text)


PORTS_GIVEN = set()


def free_port():
    """A port that nobody listens at, TCP or UDP, outside the range from which the system takes ports for outgoing connections: such a
    connection would take it before our program does."""
    try:
        low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except OSError:
        low = 32768
    for _ in range(1000):
        port = random.randrange(10000, max(low, 20000))
        if port in PORTS_GIVEN:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
        except OSError:
            continue
        PORTS_GIVEN.add(port)
        return port
    raise Failed("no free port on loopback")


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

    def __init__(self, net, name, user, role, port=0, service=None, sip=None, host=None):
        self.net, self.name, self.user, self.role = net, name, user, role
        self.host = host  # where it runs, as the Net understands it
        self.home = net.dir / name
        self.port, self.service, self.sip = port, service, sip
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
                "--role", self.role, "--listen", f"{self.net.address(self.host)}:{self.port}", "--ca", str(self.net.ca), *proof]
        if self.service:
            argv += ["--service", self.service]
        if self.sip:
            argv += ["--sip", self.sip]
        done = subprocess.run(self.net.within(self.host, argv), input=stdin, capture_output=True, text=True, timeout=30, check=False)
        check(done.returncode == 0, f"init of {self.name}: {done.stderr.strip()}")
        self.id = json.loads(done.stdout)["node"]

    def set(self, **settings):
        """Changes its config.json, for the next start."""
        path = self.home / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))

    def start(self, *more):
        argv = [self.net.program("ringfolkd"), "--home", str(self.home), *more]
        self.daemon = Process(self.net.within(self.host, argv), self.net.dir / f"{self.name}.log")

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

    # Where things run: overridden by networks of several machines.

    def within(self, host, argv):
        """The command that runs argv on that host; the process keeps its number."""
        return argv

    def address(self, host):
        return "127.0.0.1"

    def program(self, name):
        for place in (self.build / "bin" / name, self.build / name):
            if place.exists():
                return str(place)
        raise Failed(f"{name} is not built: run `make build`")

    def enrol_cli(self, *args, stdin=None):
        argv = [self.program("ringfolk-enrol"), "--data", str(self.dir / "enrol"), *args]
        done = subprocess.run(self.within(None, argv), input=stdin, capture_output=True, text=True, timeout=30, check=False)
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

    # ---- the usual beginnings ----

    def start_enrolment(self, bootstrap_port, *more):
        here = self.address(None)
        self.enrol_cli("init", OVERLAY, "--listen", f"{here}:0", "--bootstrap", f"{here}:{bootstrap_port}", *more)
        self.serve()

    def serve(self):
        argv = [self.program("ringfolk-enrol"), "--data", str(self.dir / "enrol"), "serve"]
        self.server = Process(self.within(None, argv), self.dir / "enrol.log")
        self.url = self.server.wait_line(lambda l: l.startswith("ready "), 15).split()[1]

    def add_supernodes(self, count, first_port):
        """Enrols and starts them; the first one first, since it is the bootstrap node."""
        supernodes = []
        for i in range(count):
            node = self.add(f"super{i + 1}", f"super{i + 1}", "supernode", first_port if i == 0 else free_port())
            self.enrol_cli("user", "add", node.user, "--password-stdin", stdin=f"secret-{i}\n")
            node.enrol("--password-stdin", stdin=f"secret-{i}\n")
            supernodes.append(node)
        supernodes[0].start()
        supernodes[0].ready()
        for node in supernodes[1:]:
            node.start()
        for node in supernodes[1:]:
            node.ready()
        return supernodes

    def add_client(self, name, user=None, service=None, sip=None, host=None, settings=None):
        """Enrols with an own password and starts; not ready yet. settings: for its config.json."""
        node = self.add(name, user or name, "client", service=service, sip=sip, host=host)
        if not any(n.user == node.user and n is not node for n in self.nodes):
            self.enrol_cli("user", "add", node.user, "--password-stdin", stdin=f"pw-{node.user}-123\n")
        node.enrol("--password-stdin", stdin=f"pw-{node.user}-123\n")
        if settings:
            node.set(**settings)
        node.start()
        return node


def wait_registered(nodes, seconds=30):
    end = time.monotonic() + seconds
    for node in nodes:
        while not node.cli("status")[0]["registered"]:
            check(time.monotonic() < end, f"{node.name} did not get registered")
            time.sleep(0.2)


def wait_until(what, fn, seconds=30, pause=0.2):
    """Asks until fn() is true; a system test may wait for other processes."""
    end = time.monotonic() + seconds
    while not fn():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(pause)
