"""
enrol_https.py - the enrolment server as a process, with curl and openssl as witnesses.

    enrol_https.py BIN-DIRECTORY

With RF_TEST_DB in the environment (enrol_postgres.sh sets it) the server works on that database instead of SQLite.
"""
import calendar
import concurrent.futures
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

BIN = pathlib.Path(sys.argv[1])
ENROL = str(BIN / "ringfolk-enrol")
RINGFOLK = BIN / "ringfolk"
DB = os.environ.get("RF_TEST_DB")
PASSWORD = "correct horse battery"
SECRETS = [PASSWORD, "wrong battery", "argon2", "carols own"]


def run(*command, stdin=None, status=0):
    """Runs to its end; the exit status must be as said. Returns stdout, or stderr when it was to fail."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    if done.returncode != status:
        raise AssertionError(f"{command}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done.stdout if status == 0 else done.stderr


class Server:
    """A data directory and the process that serves it."""

    def __init__(self, directory, overlay="example.org", *options, db=DB):
        self.data = directory
        self.log = open(str(directory) + ".log", "a+", encoding="utf-8", errors="replace")
        self.process = None
        where = ["--db", db] if db else []
        run(ENROL, "--data", str(directory), *where, "init", overlay, "--listen", "127.0.0.1:0", *options)
        self.ca = str(directory / "ca.pem")
        self.start()

    def cli(self, *command, **options):
        return run(ENROL, "--data", str(self.data), *command, **options)

    def ask(self, *command):
        """The command's result with --json: a list of objects."""
        return [json.loads(line) for line in self.cli("--json", *command).splitlines()]

    def start(self):
        self.process = subprocess.Popen([ENROL, "--data", str(self.data), "serve"], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        word, self.url = self.process.stdout.readline().split()
        assert word == "ready", word

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.log.close()

    def curl(self, path, *options, source="127.0.0.1"):
        """One request; returns (status, headers in lower case, body bytes)."""
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", self.ca, "--interface", source, "-D", d + "/head",
                            "-o", d + "/body", *options, self.url + path], check=True, capture_output=True, text=True,
                           timeout=30)
            head = pathlib.Path(d, "head").read_bytes().decode().split("\r\n\r\n")[-2].splitlines()
            headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:])}
            body = pathlib.Path(d, "body")
            return int(head[0].split()[1]), headers, body.read_bytes() if body.exists() else b""

    def enrol(self, device, *fields, source="127.0.0.1", tls=()):
        options = [x for field in fields for x in ("-F", field)]
        if device:
            options += ["-F", f"csr=@{device.csr};type=application/pkcs10"]
        status, headers, body = self.curl("/enrol", *tls, *options, "-H", "Accept: application/pkix-cert", source=source)
        if status == 200 and device:
            device.take(body)
        return status, headers, body


class Device:
    """A key and a certificate request made by openssl, and the certificate that comes back."""

    count = 0

    def __init__(self, directory, email=None, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        Device.count += 1
        base = directory / f"device{Device.count}-{os.getpid()}"
        self.key, self.csr, self.pem, self.der = (f"{base}.{x}" for x in ("key", "p10", "pem", "der"))
        names = ["-addext", f"subjectAltName=email:{email}"] if email else []
        run("openssl", "req", "-new", "-newkey", *key, "-nodes", "-keyout", self.key, "-subj", "/", *names, "-outform",
            "DER", "-out", self.csr)

    def take(self, der):
        pathlib.Path(self.der).write_bytes(der)
        run("openssl", "x509", "-inform", "DER", "-in", self.der, "-out", self.pem)

    def text(self):
        return run("openssl", "x509", "-in", self.pem, "-noout", "-text")

    def node_id(self):
        return re.search(r"URI:reload://0110([0-9a-f]{32})@example.org/", self.text()).group(1)


class Enrolment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="rf-enrol-"))
        cls.server = Server(cls.tmp / "main", "Example.ORG", "--bootstrap", "127.0.0.1:7001", "--bootstrap", "[::1]:7002")
        cls.server.cli("user", "add", "alice", "--password-stdin", stdin=PASSWORD + "\n")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        shutil.rmtree(cls.tmp, ignore_errors=True)

    def device(self, *args, **options):
        return Device(self.tmp, *args, **options)

    def check_refused(self, answer, status, body, reason):
        self.assertEqual(answer[0], status, answer)
        if body:
            self.assertEqual(answer[2], body)
        self.assertIn(reason, answer[1]["ringfolk-reason"])

    # ---- the directory and the document ----

    def test_directory(self):
        data = self.server.data
        self.assertEqual(data.stat().st_mode & 0o777, 0o700)
        for name in ("ca.key", "signer.key", "tls.key", "enrol.json"):
            self.assertEqual((data / name).stat().st_mode & 0o777, 0o600, name)
        self.assertIn("already", run(ENROL, "--data", str(data), "init", "example.org", status=1))
        text = run("openssl", "x509", "-in", str(data / "tls.pem"), "-noout", "-text")
        for name in ("DNS:localhost", "DNS:example.org", "IP Address:127.0.0.1"):
            self.assertIn(name, text)
        strict = ("openssl", "verify", "-x509_strict", "-CAfile", self.server.ca)
        run(*strict, "-purpose", "sslserver", str(data / "tls.pem"))
        run(*strict, str(data / "signer.pem"))
        run(*strict, self.server.ca)
        (data / "signer.key").chmod(0o640)
        self.assertIn("chmod 600", self.server.cli("revoke", "0" * 32, status=1))
        (data / "signer.key").chmod(0o600)
        self.assertNotIn("chmod 600", self.server.cli("revoke", "0" * 32, status=1))
        self.assertIn("CA:TRUE", run("openssl", "x509", "-in", self.server.ca, "-noout", "-text"))

    def test_document(self):
        status, headers, body = self.server.curl("/.well-known/reload-config")
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "application/p2p-overlay+xml")
        self.assertEqual(body.decode(), self.server.cli("config", "show"))
        for piece in ('instance-name="example.org"', "<no-ice>false</no-ice>", self.server.url + "/enrol",
                      'address="127.0.0.1" port="7001"', 'address="::1" port="7002"', "SIP-REGISTRATION",
                      "CERTIFICATE_BY_NODE", "CERTIFICATE_BY_USER"):
            self.assertIn(piece, body.decode())
        etag = headers["etag"]
        self.assertEqual(self.server.curl("/.well-known/reload-config", "-H", f"If-None-Match: {etag}")[0::2], (304, b""))
        self.assertEqual(self.server.curl("/.well-known/reload-config", "-H", 'If-None-Match: "x"')[0], 200)
        status, head, body = self.server.curl("/.well-known/reload-config", "--head")
        self.assertEqual((status, head["etag"]), (200, etag))

    def test_document_changes(self):
        before = self.server.ask("config", "show")[0]
        self.server.cli("config", "set", "max-message-size", "6000")
        self.server.cli("bootstrap", "add", "127.0.0.9:7009")
        self.assertIn("already", self.server.cli("bootstrap", "add", "127.0.0.9:7009", status=1))
        after = self.server.ask("config", "show")[0]
        self.assertEqual(after["sequence"], before["sequence"] + 2)
        self.assertEqual(after["max_message_size"], 6000)
        self.assertIn("127.0.0.9:7009", after["bootstrap"])
        self.assertIn(b"<max-message-size>6000<", self.server.curl("/.well-known/reload-config")[2])
        self.server.cli("bootstrap", "remove", "127.0.0.9:7009")
        self.assertNotIn("127.0.0.9:7009", self.server.cli("bootstrap", "list"))
        self.assertIn("there are", self.server.cli("config", "set", "colour", "red", status=1))
        self.assertIn("range", self.server.cli("config", "set", "max-message-size", "1", status=1))

    # ---- enrolment ----

    def test_enrol(self):
        device = self.device("alice@example.org")
        status, headers, _ = self.server.enrol(device, "username=alice", "password=" + PASSWORD)
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "application/pkix-cert")
        run("openssl", "verify", "-x509_strict", "-CAfile", self.server.ca, device.pem)
        text = device.text()
        self.assertRegex(text, r"Subject: *\n")
        self.assertRegex(text, r"Subject Alternative Name: critical")
        self.assertIn("email:alice@example.org", text)
        self.assertEqual(text.count("URI:"), 1)
        run("openssl", "x509", "-in", device.pem, "-noout", "-checkend", str(89 * 86400))
        run("openssl", "x509", "-in", device.pem, "-noout", "-checkend", str(91 * 86400), status=1)
        again = self.device()
        self.assertEqual(self.server.enrol(again, "username=Alice@Example.org", "password=" + PASSWORD)[0], 200)
        self.assertNotEqual(device.node_id(), again.node_id())
        listed = {d["node_id"]: d["user"] for d in self.server.ask("device", "list", "alice")}
        self.assertEqual({listed[device.node_id()], listed[again.node_id()]}, {"alice@example.org"})

    def test_key_types(self):
        for key in (("rsa:2048",), ("ed25519",)):
            device = self.device(key=key)
            self.assertEqual(self.server.enrol(device, "username=alice", "password=" + PASSWORD)[0], 200, key)
            run("openssl", "verify", "-CAfile", self.server.ca, device.pem)
        for key in (("ec", "-pkeyopt", "ec_paramgen_curve:P-384"), ("rsa:1024",)):
            self.check_refused(self.server.enrol(self.device(key=key), "username=alice", "password=" + PASSWORD), 403,
                               b"bad_CSR", "P-256")

    def test_refusals(self):
        device, other = self.device(), self.device("bob@example.org")
        user, good, bad = "username=alice", "password=" + PASSWORD, "password=wrong battery"
        junk = self.tmp / "junk"
        junk.write_bytes(random.Random(1).randbytes(500))
        long = self.tmp / "long"
        long.write_bytes(b"x" * 5000)
        table = [
            (device, (user, bad), 403, b"failed_authentication", "wrong user name or password"),
            (device, ("username=nobody", bad), 403, b"failed_authentication", "wrong user name or password"),
            (device, (user,), 403, b"failed_authentication", "give a password"),
            (device, ("username=carol", "invite=abcdefghjkmnpqrstvwxyz0123"), 403, b"failed_authentication", "not known"),
            (device, ("username=alice@example.com", good), 403, b"username_not_available", "@example.org"),
            (other, (user, good), 403, b"bad_CSR", "somebody else"),
            (device, (user, good, "nodeids=3"), 403, b"Node-IDs_not_available", "one Node-ID"),
            (device, (user, good, "nodeids=many"), 400, None, "decimal"),
            (device, (user, user, good), 400, None, "twice"),
            (None, (user, good), 403, b"bad_CSR", "no certificate request"),
            (None, (user, good, f"csr=@{junk}"), 403, b"bad_CSR", "PKCS#10"),
            (None, (user, good, f"csr=@{long}"), 403, b"bad_CSR", "4096"),
        ]
        for i, (which, fields, status, body, reason) in enumerate(table):
            answer = self.server.enrol(which, *fields, source=f"127.0.1.{i + 1}")
            self.check_refused(answer, status, body, reason)
            self.assertIn("text/plain", answer[1]["content-type"])

    def test_http(self):
        """Requests that do not even get to a form."""
        form = "Content-Type: multipart/form-data; boundary=B"
        table = [
            ("/", (), 404), ("/enrol/x", (), 404), ("/enrol", (), 405),
            ("/.well-known/reload-config", ("-X", "POST", "-d", "x"), 405), ("/enrol", ("-d", "a=b"), 415),
            ("/enrol", ("-H", form, "-d", "--B"), 400),
            ("/enrol", ("-H", form, "--data-binary", "@" + str(self.blob(100_000))), 413),
            ("/enrol", ("-H", form, "-H", "Transfer-Encoding: chunked", "--data-binary", "@" + str(self.blob(100_000))), 413),
            ("/enrol", ("-H", form, "-H", "Expect: 100-continue", "--data-binary", "@" + str(self.blob(3_000_000))), 413),
        ]
        for path, options, status in table:
            got, headers, body = self.server.curl(path, *options)
            self.assertEqual(got, status, (path, options))
            self.assertTrue(headers["ringfolk-reason"] and body, (path, options))
            if status == 405:
                self.assertIn("allow", headers)
        try:  # who sends megabytes without asking may see the connection closed before the answer
            got = self.server.curl("/enrol", "-H", form, "-H", "Expect:", "--data-binary", "@" + str(self.blob(3_000_000)))[0]
            self.assertEqual(got, 413)
        except subprocess.CalledProcessError:
            pass
        self.assertEqual(self.server.curl("/.well-known/reload-config")[0], 200)

    def test_paths(self):
        """Paths are compared after decoding, and as they are: no dots, no case; headers have a bound."""
        table = [
            ("/.well-known/reload%2dconfig", 200), ("/%65nrol", 405), ("/.well-known/reload-config?x=/enrol", 200),
            ("/x/../enrol", 404), ("/enrol/", 404), ("//enrol", 404), ("/ENROL", 404), ("/enrol%2f", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404),
            ("/enrol;x", 404), ("/%c3%a9%ff", 404), ("/" + "a" * 4000, 404),
        ]
        for path, status in table:
            self.assertEqual(self.server.curl(path, "--path-as-is")[0], status, path)
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECTED", "get"):
            self.assertEqual(self.server.curl("/enrol", "-X", method)[0], 405, method)
        self.assertEqual(self.server.curl("/enrol", "-H", "X: " + "a" * 60_000)[0], 431)
        self.assertEqual(self.server.curl("/enrol", *(x for i in range(3000) for x in ("-H", f"X{i}: a")))[0], 431)

    def test_hostile_names(self):
        """What would mean something to SQL, to a shell, to a log or to the eye is no name; passwords may hold anything that is UTF-8."""
        names = ["x' OR '1'='1", "alice'--", "alice\";DROP TABLE enrol_user", "al%00ice", "%", "_", "alice\n", "$(id)", "../alice",
                 "\u0430lice", "\uff41lice", "ali\u200bce", "alic\u00e9", "alice\u202e", "alice.", "a..b", "\U0001f600"]
        for i, name in enumerate(names):
            answer = self.server.enrol(self.device(), "password=x", tls=("--form-string", "username=" + name), source=f"127.0.5.{i + 1}")
            self.check_refused(answer, 403, b"username_not_available", "letter or digit")
        wild = "'; DROP TABLE enrol_user;-- \u0430\U0001f600 %s\\"
        SECRETS.append(wild)
        self.server.cli("user", "add", "wilma", "--password-stdin", stdin=wild + "\n")
        self.assertEqual(self.server.enrol(self.device(), "username=wilma", tls=("--form-string", "password=" + wild))[0], 200)
        self.assertIn("alice@example.org", [u["name"] for u in self.server.ask("user", "list")])

    def blob(self, size):
        path = self.tmp / f"blob{size}"
        path.write_bytes(b"x" * size)
        return path

    def test_invites(self):
        code = self.server.ask("invite", "--uses", "2")[0]["code"]
        SECRETS.append(code)
        carol, erin, frank = self.device(), self.device(), self.device()
        typed = "-".join(code[i:i + 6] for i in range(0, len(code), 6)).upper()
        self.assertEqual(self.server.enrol(carol, "username=carol", "invite=" + typed, "password=carols own")[0], 200)
        self.assertEqual(self.server.enrol(self.device(), "username=carol", "password=carols own")[0], 200)
        self.check_refused(self.server.enrol(erin, "username=alice", "invite=" + code), 403, b"username_not_available", "taken")
        self.check_refused(self.server.enrol(erin, "username=echo", "invite=" + code), 403, b"username_not_available", "service")
        self.check_refused(self.server.enrol(carol, "username=erin", "invite=" + code), 403, b"bad_CSR", "another user")
        self.assertEqual(self.server.enrol(erin, "username=erin", "invite=" + code)[0], 200)
        self.check_refused(self.server.enrol(frank, "username=frank", "invite=" + code), 403, b"failed_authentication", "used")
        self.assertEqual(self.server.enrol(erin, "username=erin", "invite=" + code)[0], 200)  # its answer may have been lost
        short = self.server.ask("invite", "--expires", "1s")[0]["code"]
        added = self.server.ask("user", "add", "gina")[0]
        time.sleep(1.1)
        self.check_refused(self.server.enrol(frank, "username=frank", "invite=" + short), 403, b"failed_authentication", "expired")
        self.check_refused(self.server.enrol(frank, "username=frank", "invite=" + added["invite"]), 403,
                           b"failed_authentication", "another name")
        self.assertEqual(self.server.enrol(frank, "username=gina", "invite=" + added["invite"])[0], 200)

    def test_renewal(self):
        device, stranger = self.device(), self.device()
        self.server.cli("user", "add", "renata", "--password-stdin", stdin=PASSWORD + "\n")
        self.assertEqual(self.server.enrol(device, "username=renata", "password=" + PASSWORD)[0], 200)
        node_id, serial = device.node_id(), run("openssl", "x509", "-in", device.pem, "-noout", "-serial")
        own = ("--cert", device.pem, "--key", device.key)
        self.assertEqual(self.server.enrol(device, tls=own)[0], 200)
        self.assertEqual(device.node_id(), node_id)
        self.assertNotEqual(run("openssl", "x509", "-in", device.pem, "-noout", "-serial"), serial)
        self.assertEqual(self.server.enrol(device, f"certificate=@{device.der}")[0], 200)
        self.assertEqual(device.node_id(), node_id)
        self.check_refused(self.server.enrol(stranger, f"certificate=@{device.der}"), 403, b"bad_CSR", "another key")
        self.check_refused(self.server.enrol(stranger, tls=own), 403, b"bad_CSR", "another key")
        self.server.cli("user", "disable", "renata")
        self.check_refused(self.server.enrol(device, f"certificate=@{device.der}"), 403, b"failed_authentication", "disabled")
        self.server.cli("user", "enable", "renata")
        self.assertEqual(self.server.enrol(device, f"certificate=@{device.der}")[0], 200)

    def test_revoke(self):
        device, second = self.device(), self.device()
        self.server.cli("user", "add", "rita", "--password-stdin", stdin=PASSWORD + "\n")
        for d in (device, second):
            self.assertEqual(self.server.enrol(d, "username=rita", "password=" + PASSWORD)[0], 200)
        before = self.server.ask("config", "show")[0]["sequence"]
        self.assertEqual(self.server.ask("revoke", device.node_id())[0], {"revoked": device.node_id(), "sequence": before + 1})
        body = self.server.curl("/.well-known/reload-config")[2].decode()  # the server was not told
        self.assertIn(f'sequence="{before + 1}"', body)
        self.assertIn(f"<bad-node>{device.node_id()}</bad-node>", body)
        self.assertIn("before", self.server.cli("revoke", device.node_id()))
        self.check_refused(self.server.enrol(device, f"certificate=@{device.der}"), 403, b"failed_authentication", "revoked")
        self.check_refused(self.server.enrol(device, "username=rita", "password=" + PASSWORD), 403, b"bad_CSR", "revoked")
        self.assertEqual(self.server.enrol(second, f"certificate=@{second.der}")[0], 200)
        self.assertIn("1 devices are revoked", self.server.cli("user", "disable", "rita", "--revoke"))
        self.assertIn(second.node_id(), self.server.curl("/.well-known/reload-config")[2].decode())
        self.assertIn("no device", self.server.cli("revoke", "0" * 32, status=1))
        signer = self.server.ask("config", "show")[0]["configuration_signers"][0]
        self.assertIn("signer", self.server.cli("revoke", signer, status=1))
        self.server.cli("revoke", "xyz", status=2)

    def test_name_limit(self):
        device = self.device()
        self.server.cli("user", "add", "lina", "--password-stdin", stdin=PASSWORD + "\n")
        for _ in range(10):
            answer = self.server.enrol(device, "username=lina", "password=wrong battery", source="127.0.2.1")
            self.check_refused(answer, 403, b"failed_authentication", "wrong")
        answer = self.server.enrol(device, "username=lina", "password=" + PASSWORD, source="127.0.2.1")
        self.check_refused(answer, 429, None, "this name")
        self.assertEqual(self.server.enrol(device, "username=lina", "password=" + PASSWORD, source="127.0.2.99")[0], 200)
        self.assertTrue(1 <= int(answer[1]["retry-after"]) <= 31)

    def test_address_limit(self):
        junk = self.blob(10)
        seen = set()
        for _ in range(45):
            status, headers, _body = self.server.enrol(None, "username=alice", f"csr=@{junk}", source="127.0.3.1")
            seen.add(status)
            if status == 429:
                self.assertIn("retry-after", headers)
                self.assertIn("your address", headers["ringfolk-reason"])
                break
        self.assertEqual(seen, {403, 429})
        self.assertEqual(self.server.enrol(None, "username=alice", f"csr=@{junk}", source="127.0.3.2")[0], 403)

    # ---- more than one at a time ----

    def test_at_once(self):
        """Enrolments in parallel while the operator's commands write to the same database."""
        code = self.server.ask("invite", "--uses", "8")[0]["code"]
        devices = [self.device() for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            enrolled = [pool.submit(self.server.enrol, d, f"username=many{i}", "invite=" + code, "password=carols own")
                        for i, d in enumerate(devices)]
            added = [pool.submit(self.server.cli, "user", "add", f"added{i}") for i in range(4)]
            self.assertEqual([f.result()[0] for f in enrolled], [200] * 8)
            for f in added:
                f.result()
        self.assertEqual(len({d.node_id() for d in devices}), 8)
        self.check_refused(self.server.enrol(self.device(), "username=many99", "invite=" + code), 403, b"failed_authentication", "used")

    def test_one_place_for_many(self):
        """One use of an invite, and five who want it at the same moment."""
        code = self.server.ask("invite")[0]["code"]
        devices = [self.device() for _ in range(5)]
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda p: self.server.enrol(p[1], f"username=race{p[0]}", "invite=" + code, "password=carols own",
                                                                source=f"127.0.4.{p[0] + 1}"), enumerate(devices)))
        self.assertEqual(sorted(a[0] for a in answers), [200] + [403] * 4)

    # ---- hostile and broken clients ----

    def test_broken_clients(self):
        host, port = self.server.url[len("https://"):].split(":")
        held = []
        for first in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + os.urandom(400), os.urandom(100)):
            s = socket.create_connection((host, int(port)))
            s.sendall(first)
            held.append(s)
        context = ssl.create_default_context(cafile=self.server.ca)
        for text in (b"POST /enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc", b"GET /" + b"a" * 100_000,
                     b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"POST /enrol HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                     b"POST /enrol HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", os.urandom(2000)):
            s = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)
            try:
                s.sendall(text)
            except OSError:
                pass
            held.append(s)
        self.assertEqual(self.server.curl("/.well-known/reload-config")[0], 200)  # nobody waits for them
        for s in held:
            s.close()
        self.assertEqual(self.server.enrol(self.device(), "username=alice", "password=" + PASSWORD)[0], 200)

    def test_tls(self):
        host, port = self.server.url[len("https://"):].split(":")
        for version, good in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", version, "-CAfile", self.server.ca,
                                   "-verify_return_error", "-cipher", "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode == 0 and "Cipher is (NONE)" not in done.stdout, good, version)
        other = self.tmp / "other-ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-keyout",
            "/dev/null", "-out", str(other))
        failed = subprocess.run(["curl", "-sS", "--cacert", str(other), self.server.url], capture_output=True, text=True)
        self.assertEqual(failed.returncode, 60)  # nobody trusts it without its own CA file

    # ---- operator ----

    def test_usage(self):
        for words in ((), ("fly",), ("user",), ("user", "add"), ("user", "list", "x"), ("invite", "--uses", "0"),
                      ("invite", "--expires", "soon"), ("config",), ("config", "set", "x"), ("bootstrap", "add", "here"),
                      ("revoke",), ("init",), ("init", "a b"), ("init", "x.org", "--listen", "nowhere"), ("serve", "now")):
            self.assertIn("usage", self.server.cli(*words, status=2))
        run(ENROL, "user", "list", status=2)
        self.assertIn("init", run(ENROL, "--data", str(self.tmp / "nothing"), "user", "list", status=1))
        self.assertIn("already", self.server.cli("user", "add", "alice", status=1))
        self.assertIn("no such user", self.server.cli("user", "disable", "nobody", status=1))
        self.server.cli("user", "add", "no spaces", status=1)

    def test_password_typed(self):
        """At a terminal nothing is shown of a password, and the terminal is as before."""
        terminal, line = pty.openpty()
        process = subprocess.Popen([ENROL, "--data", str(self.server.data), "user", "add", "tina", "--password-stdin"], stdin=line,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(process.stderr.read(10), "password: ")
        deadline = time.monotonic() + 10
        while termios.tcgetattr(line)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(terminal, b"tinas own secret\n")
        out, _ = process.communicate(timeout=20)
        self.assertIn("tina@example.org", out)
        self.assertTrue(termios.tcgetattr(line)[3] & termios.ECHO)
        os.set_blocking(terminal, False)
        self.assertRaises(BlockingIOError, os.read, terminal, 100)
        os.close(terminal)
        os.close(line)
        self.assertEqual(self.server.enrol(self.device(), "username=tina", "password=tinas own secret")[0], 200)

    def test_port_in_use(self):
        self.assertIn("in use", self.server.cli("serve", status=1))

    def test_users(self):
        self.server.cli("user", "add", "ulla")
        self.server.cli("user", "password", "ulla", "--password-stdin", stdin=PASSWORD + "\n")
        self.assertEqual(self.server.enrol(self.device(), "username=ulla", "password=" + PASSWORD)[0], 200)
        row = [u for u in self.server.ask("user", "list") if u["name"] == "ulla@example.org"][0]
        self.assertEqual((row["devices"], row["password"], row["disabled"]), (1, True, False))

    def test_ringfolk_init(self):
        """The other side of the same protocol, where it is built."""
        if not RINGFOLK.exists():
            self.skipTest("ringfolk is not built")
        home = self.tmp / "home"
        run(str(RINGFOLK), "--home", str(home), "init", self.server.url, "--user", "alice", "--password-stdin", "--ca",
            self.server.ca, stdin=PASSWORD + "\n")
        pem = run("openssl", "x509", "-inform", "DER", "-in", str(home / "cert.der"))
        run("openssl", "verify", "-CAfile", self.server.ca, stdin=pem)
        said = run(str(RINGFOLK), "--home", str(self.tmp / "home2"), "init", self.server.url, "--user", "alice",
                   "--password-stdin", "--ca", self.server.ca, stdin="wrong battery\n", status=1)
        self.assertIn("password", said)


class Restart(unittest.TestCase):
    """A server of its own, which dies in every way."""

    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="rf-enrol-"))

    def tearDown(self):
        shutil.rmtree(self.tmp, ignore_errors=True)

    @unittest.skipIf(DB, "the database is the other class's")
    def test_killed(self):
        """kill -9 at a random moment: every certificate that was answered is on record, and the server starts again."""
        server = Server(self.tmp / "main")
        self.addCleanup(server.close)
        code = server.ask("invite", "--uses", "1000")[0]["code"]
        devices = [Device(self.tmp) for _ in range(18)]
        got, rng = [], random.Random(5)
        for round_ in range(3):
            killer = threading.Timer(rng.uniform(0.05, 0.4), server.process.kill)
            killer.start()
            for i in range(6):
                device = devices[round_ * 6 + i]
                try:
                    if server.enrol(device, f"username=kill{round_}x{i}", "invite=" + code)[0] == 200:
                        got.append(device)
                except subprocess.CalledProcessError:
                    break
            killer.join()
            server.process.wait()
            server.process.stdout.close()
            server.start()
        listed = {d["node_id"] for d in server.ask("device", "list")}
        self.assertTrue(got)
        self.assertTrue({d.node_id() for d in got} <= listed)
        for device in got[:3]:
            self.assertEqual(server.enrol(device, f"certificate=@{device.der}")[0], 200)
        self.assertEqual(server.stop(), 0)

    @unittest.skipIf(DB, "the same on every database")
    def test_self_signed(self):
        server = Server(self.tmp / "self", "self.example", "--self-signed")
        self.addCleanup(server.close)
        body = server.curl("/.well-known/reload-config")[2].decode()
        self.assertIn('<self-signed-permitted digest="sha256">true<', body)
        self.assertNotIn("<root-cert>", body)
        self.assertNotIn("<enrollment-server>", body)
        status, headers, _ = server.enrol(None, "username=alice")
        self.assertEqual(status, 404)
        self.assertIn("self-signed", headers["ringfolk-reason"])
        node_id = "00112233445566778899aabbccddeeff"
        server.cli("revoke", node_id)
        self.assertIn(node_id, server.curl("/.well-known/reload-config")[2].decode())
        self.assertEqual(server.stop(signal.SIGINT), 0)

    @unittest.skipIf(DB or not RINGFOLK.exists(), "the same on every database, and only where ringfolk is built")
    def test_overlay_name(self):
        """The enrolment server is met at an address that its TLS certificate does not name: the overlay's name will do (D25)."""
        server = Server(self.tmp / "name", "example.org", "--listen", "0.0.0.0:0", "--name", "localhost")
        self.addCleanup(server.close)
        invite = server.ask("user", "add", "alice")[0]["invite"]
        server.cli("config", "set", "enrollment-server", server.url.replace("localhost", "127.0.0.2") + "/enrol")
        command = (str(RINGFOLK), "--home", str(self.tmp / "home"), "init", server.url, "--ca", server.ca, "--user", "alice")
        run(*command, "--invite", invite)
        stranger = Server(self.tmp / "stranger", "example.com")  # another overlay's certificate, whatever signs it, will not
        self.addCleanup(stranger.close)
        for name in ("tls.pem", "tls.key"):
            shutil.copy(stranger.data / name, server.data / name)
        server.stop()
        server.start()
        said = run(*command[:2], str(self.tmp / "home2"), *command[3:], "--password-stdin", stdin="x\n", status=1)
        self.assertIn("not trusted", said)

    @unittest.skipIf(DB, "the same on every database")
    def test_expiration(self):
        server = Server(self.tmp / "expires")
        self.addCleanup(server.close)
        expires = lambda: calendar.timegm(time.strptime(server.ask("config", "show")[0]["expires"], "%Y-%m-%dT%H:%M:%SZ"))
        self.assertAlmostEqual(expires() - time.time(), 30 * 86400, delta=60)
        self.assertIn(b' expiration="', server.curl("/.well-known/reload-config")[2])
        server.cli("config", "set", "expiration-days", "2")
        self.assertAlmostEqual(expires() - time.time(), 2 * 86400, delta=60)
        server.cli("config", "set", "initial-ttl", "50")  # what changes for another reason lives as long again
        self.assertAlmostEqual(expires() - time.time(), 2 * 86400, delta=60)
        # made to look old: a server that starts signs it anew
        before = server.ask("config", "show")[0]["sequence"]
        server.stop()
        db = sqlite3.connect(server.data / "enrol.db")
        db.execute("UPDATE enrol_document SET created_ms = created_ms - 3 * 86400000")
        db.commit()
        db.close()
        server.start()
        deadline = time.monotonic() + 10
        while server.ask("config", "show")[0]["sequence"] == before and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(server.ask("config", "show")[0]["sequence"], before + 1)
        self.assertAlmostEqual(expires() - time.time(), 5 * 86400, delta=60)
        server.cli("config", "set", "expiration-days", "0")
        self.assertNotIn("expires", server.ask("config", "show")[0])
        self.assertIn("range", server.cli("config", "set", "expiration-days", "-1", status=1))

    @unittest.skipIf(DB, "the same on every database")
    def test_certificate_days(self):
        server = Server(self.tmp / "days", "example.org", "--certificate-days", "2")
        self.addCleanup(server.close)
        device = Device(self.tmp)
        for days in (2, 5):
            added = server.ask("user", "add", f"u{days}")[0]
            self.assertEqual(server.enrol(device, f"username=u{days}", "invite=" + added["invite"])[0], 200)
            run("openssl", "x509", "-in", device.pem, "-noout", "-checkend", str(days * 86400 - 600))
            run("openssl", "x509", "-in", device.pem, "-noout", "-checkend", str(days * 86400 + 600), status=1)
            server.cli("config", "set", "certificate-days", "5")
            server.stop()
            server.start()
            device = Device(self.tmp)


class Database(unittest.TestCase):
    """What only PostgreSQL can do to us: the connection breaks, and comes back."""

    CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfolk-enrol'"

    @unittest.skipUnless(DB, "only on PostgreSQL")
    def test_connection_lost(self):
        server = Enrolment.server
        for _ in range(2):
            self.assertIn("(1 row)", run("psql", DB, "-c", self.CUT))
            self.assertEqual(server.curl("/.well-known/reload-config")[0], 200)
            run("psql", DB, "-c", self.CUT)
            device = Device(Enrolment.tmp)
            self.assertEqual(server.enrol(device, "username=alice", "password=" + PASSWORD)[0], 200)

    @unittest.skipUnless(DB, "only on PostgreSQL")
    def test_database_away(self):
        """Nobody can connect for a while: old news is better than none, a certificate has to wait, and the server comes back by itself."""
        server, device = Enrolment.server, Device(Enrolment.tmp)
        enrol = lambda: server.enrol(device, "username=alice", "password=" + PASSWORD)
        self.assertEqual(server.curl("/.well-known/reload-config")[0], 200)
        where = pathlib.Path(DB.split("host=")[1])
        away = where / "away"
        away.mkdir()
        (where / ".s.PGSQL.5432").rename(away / ".s.PGSQL.5432")
        run("psql", f"postgresql://ringfolk@/postgres?host={away}", "-c", self.CUT)
        self.assertEqual(server.curl("/.well-known/reload-config")[0], 200)
        status, headers, _ = enrol()
        self.assertEqual(status, 503)
        self.assertIn("database", headers["ringfolk-reason"])
        self.assertTrue(int(headers["retry-after"]) > 0)
        self.assertIn("database", server.cli("user", "list", status=1))
        (away / ".s.PGSQL.5432").rename(where / ".s.PGSQL.5432")
        deadline = time.monotonic() + 20
        while enrol()[0] != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)
        self.assertIn("it works again", pathlib.Path(server.log.name).read_text(errors="replace"))

    @unittest.skipUnless(DB, "only on PostgreSQL")
    def test_database_silent(self):
        """The connection stands, but no answer comes: after a while it counts as lost."""
        server = Enrolment.server
        self.assertEqual(server.curl("/.well-known/reload-config")[0], 200)
        rows = run("psql", DB, "-At", "-c", "SELECT pid FROM pg_stat_activity WHERE application_name = 'ringfolk-enrol'").split()
        self.assertEqual(len(rows), 1)
        os.kill(int(rows[0]), signal.SIGSTOP)
        try:
            self.assertEqual(server.curl("/.well-known/reload-config")[0], 200)
            self.assertEqual(server.enrol(Device(Enrolment.tmp), "username=alice", "password=" + PASSWORD)[0], 200)
        finally:
            os.kill(int(rows[0]), signal.SIGCONT)

    def test_nothing_secret_logged(self):
        Enrolment.server.log.flush()
        text = pathlib.Path(str(Enrolment.server.data) + ".log").read_text(errors="replace")
        self.assertIn("POST /enrol 200", text)
        for secret in SECRETS:
            self.assertNotIn(secret, text)


def main():
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for case in (Enrolment, Database):
        suite.addTests(loader.loadTestsFromTestCase(case))
    # the server of Enrolment lives until Database is through
    end, Enrolment.tearDownClass = Enrolment.tearDownClass, classmethod(lambda cls: None)
    try:
        good = unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()
        good &= unittest.TextTestRunner(verbosity=2).run(loader.loadTestsFromTestCase(Restart)).wasSuccessful()
    finally:
        if hasattr(Enrolment, "server"):
            status = Enrolment.server.stop() if Enrolment.server.process.poll() is None else "gone early"
            if status != 0:
                print(f"the server ended with {status}", file=sys.stderr)
                good = False
            if not good:
                log = pathlib.Path(str(Enrolment.server.data) + ".log").read_text(errors="replace").splitlines()
                print("--- the server's log:", *log[-15:], sep="\n", file=sys.stderr)
            Enrolment.server.log.close()
        shutil.rmtree(Enrolment.tmp, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
