#!/usr/bin/env python3
"""test_dtls.py - our links of datagrams at OpenSSL's DTLS, over real UDP on loopback, and tshark looking on.

    RF_TOOLS=DIR test_dtls.py        DIR holds dtls_shell
"""
import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from network import free_port  # noqa: E402

TOOLS = os.environ["RF_TOOLS"]
PING = bytes.fromhex((ROOT / "test/vectors/ping_req.hex").read_text())[8:]  # a RELOAD message that tshark knows, without its frame


def frame(number, message):
    return bytes([128]) + number.to_bytes(4, "big") + len(message).to_bytes(3, "big") + message


def pem(path, name="CERTIFICATE"):
    text = base64.encodebytes(path.read_bytes()).decode()
    out = path.with_suffix(".pem")
    out.write_text(f"-----BEGIN {name}-----\n{text}-----END {name}-----\n")
    return str(out)


class Shell:
    """Our side."""

    def __init__(self, *args):
        self.directory = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.directory.name)
        self.keys = self.path / "keys.log"
        self.process = subprocess.Popen([os.path.join(TOOLS, "dtls_shell"), str(self.path), *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, "SSLKEYLOGFILE": str(self.keys)})
        self.first = self.process.stdout.readline().split()

    def credentials(self):
        return ["-cert", pem(self.path / "peer.der"), "-key", str(self.path / "peer.key"), "-CAfile", pem(self.path / "ca.der")]

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        out, _ = self.process.communicate(timeout=30)
        return out

    def close(self):
        self.directory.cleanup()

    def decoded(self, *options):
        argv = ["tshark", "-r", str(self.path / "capture.pcap"), "-o", f"tls.keylog_file:{self.keys}", "-d", "udp.port==6084,dtls",
                *options]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


class OpenSSL:
    """The witness. stdin and stdout are the bytes of records."""

    def __init__(self, *args):
        self.process = subprocess.Popen(["openssl", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.got = b""

    def until(self, wanted, seconds=10):
        end = time.monotonic() + seconds
        while wanted not in self.got and time.monotonic() < end:
            self.got += self.process.stdout.read() or b""
            time.sleep(0.02)
        return wanted in self.got

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Witness(unittest.TestCase):
    def shell(self, *args):
        shell = Shell(*args)
        self.addCleanup(shell.close)
        return shell

    def client(self, shell, *more):
        return OpenSSL("s_client", "-dtls1_2", "-quiet", "-connect", f"127.0.0.1:{shell.first[1]}", *more)

    def test_openssl_dials_us(self):
        """Cookie, both certificates, a frame there, its acknowledgement and another frame back; tshark decodes all of it."""
        shell = self.shell("listen")
        client = self.client(shell, *shell.credentials(), "-alpn", "reload")
        try:
            self.assertRegex(shell.line(), r"^up [0-9a-f]{32} resumed=0$")
            client.write(frame(0, PING))
            self.assertEqual(shell.line(), "message " + PING.hex())
            ack = bytes([129, 0, 0, 0, 0, 0, 0, 0, 0])
            self.assertTrue(client.until(ack))
            self.assertTrue(client.until(frame(0, PING)))
            client.write(bytes([129, 0, 0, 0, 0, 0, 0, 0, 0]))
        finally:
            client.end()
            shell.end()
        seen = shell.decoded()
        for step in ("Client Hello", "Hello Verify Request", "Server Hello", "Certificate Verify"):
            self.assertIn(step, seen)
        fields = shell.decoded("-V")
        self.assertTrue("REsource LOcation And Discovery" in fields)
        self.assertFalse("Malformed" in fields)
        rows = shell.decoded("-Y", "reload", "-T", "fields", "-e", "reload.message.code")
        self.assertGreaterEqual(rows.count("23"), 2)  # ping_req, there and back

    def test_no_certificate(self):
        """OpenSSL without a certificate does not get in."""
        shell = self.shell("listen")
        client = self.client(shell)
        try:
            client.until(b"alert", 3)
            self.assertTrue(b"alert" in client.got or client.process.poll() is not None, client.got)
        finally:
            client.end()
            out = shell.end()
        self.assertNotIn("up ", out)

    def test_resumed(self):
        """A session of OpenSSL's is resumed by its ID."""
        shell = self.shell("listen")
        saved = str(shell.path / "session")
        for number in range(2):
            client = self.client(shell, "-no_ign_eof", *shell.credentials(), "-sess_in" if number else "-sess_out", saved)
            try:
                self.assertRegex(shell.line(), rf"^up [0-9a-f]{{32}} resumed={number}$")
                time.sleep(0.3)
                client.process.stdin.close()  # says good-bye
                self.assertRegex(shell.line(), r"^down ")
            finally:
                client.end()
        shell.end()

    def test_we_dial_openssl(self):
        """Ours is the client: OpenSSL asks for a cookie, verifies our certificate and reads our frame."""
        port = free_port()
        shell = self.shell("dial", str(port), PING.hex())
        server = OpenSSL("s_server", "-dtls1_2", "-quiet", "-listen", "-accept", f"127.0.0.1:{port}", "-Verify", "2", "-verify_return_error",
                         "-cert_chain", pem(shell.path / "ca.der"), *shell.credentials())
        try:
            time.sleep(0.5)
            shell.process.stdin.write("go\n")
            shell.process.stdin.flush()
            self.assertRegex(shell.line(), r"^up [0-9a-f]{32} resumed=0$")
            self.assertTrue(server.until(frame(0, PING)))
            self.assertTrue(server.until(frame(1, PING)))  # not acknowledged: sent again, with the next number
            server.write(bytes([129, 0, 0, 0, 1, 0, 0, 0, 0]))
            time.sleep(1.5)
            server.until(frame(3, PING), 0.1)
            self.assertNotIn(frame(3, PING), server.got)
        finally:
            server.end()
            shell.end()
        self.assertIn("Hello Verify Request", shell.decoded())


if __name__ == "__main__":
    unittest.main()
