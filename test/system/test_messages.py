#!/usr/bin/env python3
"""test_messages.py - what people are told when something is wrong: the sentence, what to do, the stream and the exit status."""
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time

from harness import NetworkTest, main
from network import Failed, Process, free_port, tail, wait_until

NOBODY = 65534


def run(argv, stdin="", seconds=30, **more):
    return subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, timeout=seconds,
                          check=False, **more)


class MessageTest(NetworkTest):
    def cli(self, home, *args, **more):
        return run([self.net.program("ringfolk"), "--home", home, *args], **more)

    def enrol(self, *args, **more):
        return run([self.net.program("ringfolk-enrol"), "--data", self.net.dir / "enrol", *args], **more)

    def daemon(self, home, *args, **more):
        return run([self.net.program("ringfolkd"), "--home", home, *args], **more)

    def init(self, home, *args, url=None, ca=None, **more):
        return self.cli(home, "init", url or self.net.url, "--ca", ca or self.net.ca, *args, **more)

    def told(self, done, status, *sentences):
        """Failed with that status, said so on stderr in our form, and nothing on stdout."""
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, r"\Aringfolk(d|-enrol)?: .+\n")
        self.assertEqual(done.stdout, "")
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)

    def invite(self):
        return self.net.enrol_cli("invite")


class Usage(MessageTest):
    """No network: words, options, help, standard output."""

    def test_wrong_words(self):
        nothing = self.directory / "nothing"
        for args, said in ((["frobnicate"], "no such command"), (["-x"], "no such option"), (["status", "--bad"], "no option --bad"),
                           (["status", "x"], "x is one word too many"), (["whois"], "NAME is missing"),
                           (["message", "bob"], "TEXT is missing"), (["call", "bob", "--for", "0"], "1 to 86400"),
                           (["call", "bob", "--for"], "lacks its value"), (["call", "a", "b"], "one word too many"),
                           (["fetch", "X"], "is missing"), (["trace", "a", "--resource=1"], "takes no value"),
                           (["init", "https://x"], "--user NAME"), (["init", "--user", "a"], "URL is missing"),
                           (["init", "https://x", "--user", "a", "--listen", "0.0.0.0:1"], "not 0.0.0.0"),
                           (["init", "https://x", "--user", "a", "--role", "supernode"], "needs --listen"),
                           (["init", "https://x", "--user", "a", "--invite", "c", "--password-stdin"], "do not go together")):
            done = self.cli(nothing, *args)
            self.told(done, 2, said)
            self.assertRegex(done.stderr, "usage: ringfolk |see: ringfolk help", args)
        self.told(run([self.net.program("ringfolk"), "status", "--home"]), 2, "--home lacks its value")
        for args, said in ((["--nonsense"], "no option --nonsense"), (["word"], "options only"), (["--capture"], "lacks its value")):
            self.told(run([self.net.program("ringfolkd"), *args]), 2, said, "usage: ringfolkd")
        for args, said in ((["frob"], "no command frob"), (["init"], "name one overlay"), (["init", "a_b"], "no name for an overlay"),
                           (["init", "example.org", "--frob"], "no option --frob"), (["init", "example.org", "x"], "one word too many"),
                           (["user", "add"], "name one user"), (["user", "list", "bob"], "takes no name"),
                           (["user", "list", "--revoke"], "does not go with"), (["user", "password", "bob"], "--password-stdin"),
                           (["invite", "--uses", "0"], "1 to 1000000"), (["invite", "--expires", "soon"], "e.g. 7d"),
                           (["revoke", "xyz"], "32 hexadecimal digits"), (["bootstrap", "add", "nowhere"], "an IP address")):
            self.told(self.enrol(*args), 2, said, "usage: ringfolk-enrol")

    def test_help(self):
        """Every command tells its words, options and exit statuses, on stdout, without a home or a server."""
        for name in ("ringfolk", "ringfolk-enrol"):
            program = self.net.program(name)
            listing = run([program, "help"]).stdout
            commands = [line.split()[0] for line in listing.splitlines() if line.startswith("  ") and line[2].islower()]
            self.assertGreaterEqual(len(commands), 8, listing)
            for command in commands:
                done = run([program, command, "--help"])
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
                self.assertIn("Exit status: 0 good, 1 failed", done.stdout)
                usage, rest = done.stdout.split("\n", 1)
                for option in {w.strip("[]|") for w in usage.split() if w.strip("[]|").startswith("--")} - {"--home", "--json", "--data"}:
                    self.assertIn(f"  {option}", rest, command)
                self.assertEqual(run([program, "help", command]).stdout, done.stdout)
        self.assertIn("RINGFOLK_LOG", run([self.net.program("ringfolkd"), "--help"]).stdout)

    def test_output_that_cannot_be_written(self):
        for argv in ((self.net.program("ringfolk"), "help"), (self.net.program("ringfolkd"), "--help"),
                     (self.net.program("ringfolk-enrol"), "help")):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=10, check=False)
            self.assertEqual(done.returncode, 1, argv)
            self.assertIn("written", done.stderr)

    def test_no_home(self):
        environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "RINGFOLK_HOME")}
        for argv in ((self.net.program("ringfolk"), "status"), (self.net.program("ringfolkd"),)):
            self.told(run(argv, env=environment), 1, "$HOME is set", "--home DIR")
        self.told(self.cli(self.directory / "nothing", "status"), 1, "there is no node in this home", "init URL")
        self.told(self.daemon(self.directory / "nothing"), 1, "no configuration there", "init URL")
        self.told(self.cli("/" + "x" * 200, "status"), 1, "too long")
        self.told(self.enrol("user", "list"), 1, "made with init")


class Enrolling(MessageTest):
    @classmethod
    def build_network(cls):
        cls.net.start_enrolment(free_port())
        cls.home = cls.directory / "somebody"

    def refused(self, *args, said, **more):
        self.told(self.init(self.home, *args, **more), 1, *said)
        self.assertFalse((self.home / "config.json").exists())

    def test_refusals(self):
        self.net.enrol_cli("user", "add", "taken", "--password-stdin", stdin="pw-taken-123\n")
        code = self.invite()
        self.refused("--user", "taken", "--invite", code, said=["taken@example.org is taken"])
        self.refused("--user", "echo", "--invite", code, said=["kept for a service"])
        self.refused("--user", "a b", "--invite", code, said=["not a user name"])
        self.refused("--user", "zoe", "--invite", "nonsense", said=["this invite is not known"])
        self.refused("--user", "zoe", said=["did not accept", "--invite CODE"])
        self.refused("--user", "taken", "--password-stdin", stdin="wrong\n", said=["did not accept"])
        self.refused("--user", "taken", "--password-stdin", said=["no password on standard input"])

    def test_wrong_server(self):
        code = self.invite()
        port = free_port()
        self.refused("--user", "zoe", "--invite", code, url=f"https://127.0.0.1:{port}", said=["nobody answers there"])
        self.refused("--user", "zoe", "--invite", code, url="http://127.0.0.1", said=["https://HOST:PORT"])
        self.refused("--user", "zoe", "--invite", code, url="https://nobody.invalid", said=["nobody.invalid"])
        self.refused("--user", "zoe", "--invite", code, ca="/nonexistent", said=["/nonexistent cannot be read"])
        other = self.directory / "other"
        run([self.net.program("ringfolk-enrol"), "--data", other, "init", "other.example", "--listen", "127.0.0.1:0"])
        self.refused("--user", "zoe", "--invite", code, ca=other / "ca.pem", said=["not trusted", "the right CA file"])
        self.told(self.cli(self.home, "init", self.net.url, "--user", "zoe", "--invite", code), 1, "not trusted")

    def test_home_that_is_there(self):
        self.assertEqual(self.init(self.directory / "twice", "--user", "twice", "--invite", self.invite()).returncode, 0)
        self.told(self.init(self.directory / "twice", "--user", "twice", "--invite", self.invite()), 1,
                  "a node in this home already", "choose another --home")
        blocked = self.directory / "file"
        blocked.write_text("")
        self.told(self.init(blocked, "--user", "zoe", "--invite", "x"), 1, "another --home")

    def test_operator_asks_for_nobody(self):
        self.told(self.enrol("device", "list", "nobody"), 1, "no such user")
        self.told(self.enrol("user", "disable", "nobody"), 1, "no such user")
        self.told(self.enrol("revoke", "0" * 32), 1, "no device has this Node-ID")
        self.told(self.enrol("bootstrap", "remove", "192.0.2.9:1"), 1, "no bootstrap node")
        self.told(self.enrol("config", "set", "nonsense", "1"), 1, "no such value", "initial-ttl")
        self.told(self.enrol("init", "example.org"), 1, "made here already")
        self.assertEqual(self.net.enrol_cli("user", "add", "lonely").splitlines()[0], "lonely@example.org")
        done = self.enrol("device", "list", "lonely")
        self.assertEqual((done.returncode, done.stdout), (0, "no device has enrolled yet\n"))
        self.assertEqual(self.enrol("--json", "device", "list", "lonely").stdout, "")

    def test_second_server(self):
        self.told(self.enrol("serve"), 1, "the port is in use")


@NetworkTest.root_only
class Disk(MessageTest):
    """Homes that are read-only, full or another's; needs root for mounting and for being somebody else."""

    @classmethod
    def build_network(cls):
        cls.net.start_enrolment(free_port())
        cls.directory.chmod(0o755)
        cls.good = cls.directory / "good"
        done = run([cls.net.program("ringfolk"), "--home", cls.good, "init", cls.net.url, "--ca", cls.net.ca, "--user", "good",
                    "--invite", cls.net.enrol_cli("invite")])
        if done.returncode != 0:
            raise Failed(done.stderr)

    def mounted(self, options, argv, content=None):
        """Runs argv where `at` is a small file system of its own, gone with the process; {} in argv is its path."""
        if run(["unshare", "-m", "true"]).returncode != 0:
            self.skipTest("no mount namespaces here")
        at = self.directory / "mounted"
        at.mkdir(exist_ok=True)
        fill = f"cp -a {content}/. {at}/ &&" if content else ""
        script = f'mount -t tmpfs -o size=64k tmpfs {at} && {fill} {options.format(at=at)} exec "$@"'
        return run(["unshare", "-m", "sh", "-c", script, "sh", *[str(a).format(at=at) for a in argv]])

    def init_argv(self):
        return [self.net.program("ringfolk"), "--home", "{at}/home", "init", self.net.url, "--ca", self.net.ca, "--user", "zoe",
                "--invite", self.invite()]

    def test_read_only(self):
        read_only = "mount -o remount,ro {at} &&"
        self.told(self.mounted(read_only, self.init_argv()), 1, "Read-only file system")
        self.told(self.mounted(read_only, [self.net.program("ringfolkd"), "--home", "{at}"], self.good), 1, "Read-only file system")

    def test_full(self):
        full = "{{ cat /dev/zero > {at}/filler 2>/dev/null; true; }} &&"
        self.told(self.mounted(full, self.init_argv()), 1, "No space left on device")
        self.told(self.mounted(full, [self.net.program("ringfolkd"), "--home", "{at}"], self.good), 1, "No space left on device")

    def test_another_owner(self):
        programs = self.directory / "bin"  # where the build lies may be closed to others
        programs.mkdir()
        for name in ("ringfolk", "ringfolkd", "ringfolk-enrol"):
            shutil.copy(self.net.program(name), programs)
        for argv in ((programs / "ringfolk", "--home", self.good, "status"), (programs / "ringfolkd", "--home", self.good),
                     (programs / "ringfolk-enrol", "--data", self.net.dir / "enrol", "user", "list")):
            self.told(run(argv, user=NOBODY, group=NOBODY), 1, "ermission denied")
        self.told(run([programs / "ringfolk", "--home", self.directory / "new", "init", self.net.url, "--ca",
                       self.net.ca, "--user", "zoe", "--invite", "x"], user=NOBODY, group=NOBODY), 1, "ermission denied")


class Running(MessageTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(1, "alice")
        cls.port = cls.supers[0].port

    def test_second_daemon(self):
        self.told(self.daemon(self.alice.home), 1, "runs on this home already", f"process {self.alice.daemon.p.pid}", "shutdown")

    def test_shutdown_waits(self):
        """When `shutdown` is back, the process has ended and the next daemon may start on this home at once."""
        bob = self.net.add_client("bob")
        bob.ready()
        for _ in range(3):
            self.assertEqual(bob.cli("shutdown"), [{}])
            self.assertFalse(pathlib.Path(f"/proc/{bob.daemon.p.pid}/fd/0").exists())
            self.assertEqual(bob.daemon.p.wait(1), 0)
            self.told(self.cli(bob.home, "shutdown"), 1, "no ringfolkd runs on this home", "start it with")
            bob.start()
            bob.ready()

    def test_stale_socket(self):
        carol = self.net.add_client("carol")
        carol.ready()
        carol.daemon.kill(signal.SIGKILL)
        carol.daemon.p.wait(5)
        self.assertTrue(stat.S_ISSOCK((carol.home / "control.sock").stat().st_mode))
        self.told(self.cli(carol.home, "status"), 1, "left from one that ended", "ringfolkd --home")
        carol.start()
        carol.ready()
        self.assertEqual(carol.cli("status")[0]["state"], "joined")

    def test_sockets_in_use(self):
        dave = self.net.add("dave", "dave", "client")
        self.assertEqual(self.init(dave.home, "--user", "dave", "--invite", self.invite()).returncode, 0)
        config = json.loads((dave.home / "config.json").read_text())
        for key, value, said in (("listen", f"127.0.0.1:{self.port}", "the port is in use"),
                                 ("listen", "192.0.2.77:6084", "no such address"), ("listen", "nowhere", '"listen" is missing or wrong'),
                                 ("sip", f"127.0.0.1:{self.port}", "is in use"), ("role", "king", '"role" is missing or wrong'),
                                 ("max_clients", 0, '"max_clients" is missing or wrong'),
                                 ("auto_idle_s", "soon", '"auto_idle_s" is missing or wrong'),
                                 ("requests_per_s", -1, '"requests_per_s" is missing or wrong'),
                                 ("handshakes_per_s", "many", '"handshakes_per_s" is missing or wrong')):
            (dave.home / "config.json").write_text(json.dumps({**config, key: value}))
            self.told(self.daemon(dave.home), 1, said, "config.json")
        (dave.home / "config.json").write_text("{")
        self.told(self.daemon(dave.home), 1, "config.json, line 1")

    def test_nobody_reachable(self):
        """The first try is told with its reason, the next ones once a minute; it goes on trying, and gets there."""
        erin = self.net.add("erin", "erin", "client")
        self.assertEqual(self.init(erin.home, "--user", "erin", "--invite", self.invite()).returncode, 0)
        xml = (erin.home / "overlay.xml").read_bytes()
        self.assertIn(str(self.port).encode(), xml)
        try:
            self.supers[0].daemon.kill(signal.SIGKILL)
            self.supers[0].daemon.p.wait(5)
            erin.start()
            wait_until("it says so", lambda: "no supernode reachable" in tail(self.directory / "erin.log", 20))
            asked = [subprocess.Popen([self.net.program("ringfolk"), "--home", erin.home, *args], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
                     for args in (["whois", "alice"], ["ping", "alice"], ["message", "alice", "hello"])]
            for program in asked:
                said = program.communicate(timeout=40)[1]
                self.assertEqual(program.returncode, 1)
                self.assertIn("this node is not in the overlay at the moment\n  it goes on trying", said)
            self.assertEqual(tail(self.directory / "erin.log", 50).count("no supernode reachable"), 1)
        finally:
            self.supers[0].start()
            self.supers[0].ready()
        erin.id = json.loads(self.cli(erin.home, "--json", "status").stdout)["node"]
        erin.ready(60)
        wait_until("alice is back", lambda: self.alice.cli("status")[0]["state"] == "joined", 60)

    def test_asking_for_what_is_not_there(self):
        for args, said in ((["whois", "nobody"], "nobody of that name"), (["whois", "a@b@c"], "no user name"),
                           (["fetch", "no-kind", "alice"], "no such Kind"), (["hangup", "c99"], "no such call"),
                           (["answer", "c99"], "no such call"), (["call", "alice", "--play", "/nonexistent.wav"], "no such file"),
                           (["trace", "1" * 32], "no node has this Node-ID")):
            done = self.cli(self.alice.home, *args)
            self.assertEqual(done.returncode, 1, args)
            self.assertRegex(done.stderr, r"\Aringfolk: \w+: ")
            self.assertIn(said, done.stderr)

    def test_people_and_scripts(self):
        """Empty lists say so to people and nothing to scripts; --json is JSON on every line of every command."""
        self.assertEqual(self.cli(self.alice.home, "calls").stdout, "no call is under way\n")
        self.assertEqual(self.cli(self.alice.home, "phones").stdout, "no phone is registered here\n")
        self.assertEqual(self.cli(self.alice.home, "--json", "calls").stdout, "")
        self.assertIn("asking the enrolment server", self.cli(self.alice.home, "refresh").stdout)
        for args in (["status"], ["peers"], ["ring"], ["whois", "alice"], ["ping", "alice"], ["trace", "alice"],
                     ["fetch", "sip-registration", "alice"], ["fetch", "certificate-by-user", "alice"],
                     ["fetch", "16", "alice"], ["counters"], ["refresh"]):
            done = self.cli(self.alice.home, "--json", *args)
            self.assertEqual((done.returncode, done.stderr), (0, ""), args)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertGreaterEqual(len(lines), 1, args)
            self.assertTrue(all(isinstance(line, dict) for line in lines))
        counters = self.alice.cli("counters")[0]
        self.assertEqual(counters["flows"]["listener_rests"], 0)
        self.assertGreaterEqual(counters["control"]["accepted"], 1)

    def test_full_output(self):
        for args in (["status"], ["counters"], ["--json", "peers"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([self.net.program("ringfolk"), "--home", self.alice.home, *args], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=10, check=False)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn("could not be written", done.stderr)

    def test_listen_ends(self):
        """Ctrl-C ends listen well; so does the end of whoever reads its output, without waiting for an event."""
        listener = self.alice.listen()
        time.sleep(0.5)
        listener.kill(signal.SIGINT)
        self.assertEqual(listener.p.wait(5), 0)
        with subprocess.Popen([self.net.program("ringfolk"), "--home", self.alice.home, "listen"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as listener:
            time.sleep(0.3)
            self.assertIsNone(listener.poll())
            listener.stdout.close()
            self.assertEqual(listener.wait(5), 0)


class Dates(MessageTest):
    """Certificates whose time has passed or has not come; the overlay's own CA signs them anew with other dates."""

    @classmethod
    def build_network(cls):
        cls.net.start_enrolment(free_port())
        cls.home = cls.directory / "alice"
        done = run([cls.net.program("ringfolk"), "--home", cls.home, "init", cls.net.url, "--ca", cls.net.ca, "--user", "alice",
                    "--invite", cls.net.enrol_cli("invite")])
        if done.returncode != 0:
            raise Failed(done.stderr)
        cls.good = (cls.home / "cert.der").read_bytes()

    def certify(self, begin, end):
        """The home's certificate with other dates (YYYYMMDDHHMMSSZ)."""
        ca, work = self.net.dir / "enrol", self.directory / "ca"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        (work / "index.txt").write_text("")
        (work / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\nnew_certs_dir={work}\nrand_serial=yes\n"
                                     "default_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=optional\n")
        for command in (f"openssl x509 -inform DER -in {self.home}/cert.der -x509toreq -signkey {self.home}/key.pem "
                        f"-copy_extensions copyall -out {work}/csr.pem",
                        f"openssl ca -batch -notext -config {work}/ca.cnf -cert {ca}/ca.pem -keyfile {ca}/ca.key -in {work}/csr.pem "
                        f"-startdate {begin} -enddate {end} -out {work}/cert.pem",
                        f"openssl x509 -in {work}/cert.pem -outform DER -out {self.home}/cert.der"):
            done = run(command.split())
            self.assertEqual(done.returncode, 0, done.stderr)

    def tearDown(self):
        (self.home / "cert.der").write_bytes(self.good)

    def test_expired_and_no_server(self):
        self.certify("20200101000000Z", "20200401000000Z")
        self.net.server.end()
        try:
            done = self.daemon(self.home)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("nobody answers there", done.stderr)
            self.assertIn("the certificate has expired and could not be renewed\n  enrol again with a new home", done.stderr)
        finally:
            self.net.serve()

    def test_not_valid_yet(self):
        self.certify("20900101000000Z", "20910101000000Z")
        self.told(self.daemon(self.home), 1, "clock is probably wrong", "set it and start again")


class Claims(MessageTest):
    """A self-signed overlay, where names are claims."""

    @classmethod
    def build_network(cls):
        cls.port = free_port()
        cls.net.start_enrolment(cls.port, "--self-signed")
        cls.supers = []
        for i in range(2):
            node = cls.net.add(f"super{i + 1}", f"super{i + 1}", "supernode", cls.port if i == 0 else free_port())
            node.enrol()
            node.start()
            node.ready()
            cls.supers.append(node)

    def test_name_that_is_claimed(self):
        first, second = (self.net.add(name, "alice", "client") for name in ("first", "second"))
        first.enrol()
        first.start()
        first.ready()
        self.assertEqual(first.cli("status")[0]["name_claimed_by"], [])
        wait_until("its certificate is stored", lambda: first.cli("fetch", "CERTIFICATE_BY_USER", "alice"))
        second.enrol()
        second.start()
        second.ready()
        wait_until("it says so", lambda: "claimed by another key" in tail(self.directory / "second.log", 20))
        said = tail(self.directory / "second.log", 20)
        self.assertIn(f"ringfolkd: alice@example.org: this name is claimed by another key, too: node {first.id}", said)
        self.assertIn("take another name", said)
        self.assertEqual(second.cli("status")[0]["name_claimed_by"], [first.id])
        self.assertIn(f"claimed by another key, too: node {first.id}", self.cli(second.home, "status").stdout)
        wait_until("the first one hears of it, too", lambda: first.cli("status")[0]["name_claimed_by"] == [second.id], 60)
        self.assertNotIn("claimed", tail(self.directory / "super2.log", 20))

    def test_nobody_needs_an_invite(self):
        self.told(self.enrol("invite"), 1, "nobody needs one")


class Resistance(MessageTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(1, "alice")

    def connect(self, node):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(True)
        s.connect(str(node.home / "control.sock"))
        s.settimeout(10)
        return s

    def prompt(self, node):
        """The CLI is answered, and not only when those who do not read have gone."""
        begin = time.monotonic()
        self.assertEqual(node.cli("status")[0]["state"], "joined")
        self.assertLess(time.monotonic() - begin, 10)

    def test_programs_that_do_not_read(self):
        """They ask all the time and read nothing: they are not read either, or cut off; others do not notice."""
        many = []
        for _ in range(20):
            s = self.connect(self.alice)
            s.sendall(b'{"cmd":"listen"}\n')
            s.setblocking(False)
            many.append(s)
        line = b'{"cmd":"counters"}\n' * 50
        sent = 0
        for _ in range(30):
            for s in many:
                try:
                    sent += s.send(line)
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    pass
            self.prompt(self.alice)
        self.assertLess(sent, 40_000_000)
        kib = int(next(line.split()[1] for line in open(f"/proc/{self.alice.daemon.p.pid}/status", encoding="ascii")
                       if line.startswith("VmRSS")))
        self.assertLess(kib, 200_000)
        for s in many:
            s.close()
        self.prompt(self.alice)

    def test_programs_that_send_slowly(self):
        slow = [self.connect(self.alice) for _ in range(20)]
        for i in range(10):
            for s in slow:
                s.sendall(b'{"cmd":"st'[i:i + 1])
            self.prompt(self.alice)
        for s in slow:
            s.sendall(b'atus"}\n')
            self.assertIn(b'"result"', s.recv(65536))
            s.close()

    def test_too_many_programs(self):
        many = [self.connect(self.alice) for _ in range(140)]
        time.sleep(0.3)
        done = self.cli(self.alice.home, "status")
        self.told(done, 1, "too many programs are connected")
        for s in many:
            s.close()
        wait_until("there is room again", lambda: self.cli(self.alice.home, "status").returncode == 0)
        self.assertGreaterEqual(self.alice.cli("counters")[0]["control"]["refused"], 10)

    def test_descriptors_run_out(self):
        """With few descriptors and many connections the daemon neither spins nor dies, says it once, and goes on afterwards."""
        node = self.net.add("tight", "tight", "supernode", free_port())
        self.assertEqual(self.init(node.home, "--user", "tight", "--role", "supernode", "--listen", f"127.0.0.1:{node.port}",
                                   "--invite", self.invite()).returncode, 0)
        node.id = None
        node.daemon = Process(["prlimit", "--nofile=80:80", self.net.program("ringfolkd"), "--home", str(node.home)],
                              self.directory / "tight.log")
        node.daemon.wait_line(lambda line: line.startswith("ready "), 30)
        pid = node.daemon.p.pid
        self.prompt(node)
        hostile = []
        for _ in range(100):  # more than there is: the rest waits in the backlog
            hostile.append(self.connect(node))
        links = [socket.create_connection(("127.0.0.1", node.port), timeout=5) for _ in range(60)]

        def ticks():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        time.sleep(0.5)
        before = ticks()
        time.sleep(2)
        self.assertLess((ticks() - before) / os.sysconf("SC_CLK_TCK"), 0.3, "it spins")
        for s in hostile + links:
            s.close()
        wait_until("it answers again", lambda: self.cli(node.home, "status").returncode == 0)
        counters = node.cli("counters")[0]
        self.assertGreater(counters["control"]["listener_rests"], 0)
        self.assertEqual(tail(self.directory / "tight.log", 50).count("control: no descriptors"), 1)
        self.prompt(node)


if __name__ == "__main__":
    main()
