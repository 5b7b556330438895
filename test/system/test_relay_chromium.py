#!/usr/bin/env python3
"""test_relay_chromium.py - Chromium's WebRTC, which may use relays only, through a supernode's relay: by UDP, by TCP at the node's own port, by TLS.

    RF_BUILD=DIR test_relay_chromium.py
"""
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import NetworkTest
from network import free_port, wait_until
from test_relay import enrolled

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PAGE = """<script>
// Two ends of a connection, each with a relayed address only; what arrives at the second.
async function through(url, login) {
  const config = {iceTransportPolicy: 'relay', iceServers: [{urls: url, username: login.user, credential: login.password}]};
  const a = new RTCPeerConnection(config), b = new RTCPeerConnection(config), errors = [];
  a.onicecandidateerror = e => errors.push(e.errorCode + ' ' + e.errorText);
  a.onicecandidate = e => e.candidate && b.addIceCandidate(e.candidate);
  b.onicecandidate = e => e.candidate && a.addIceCandidate(e.candidate);
  const channel = a.createDataChannel('test');
  const message = new Promise(got => {
    b.ondatachannel = e => { e.channel.onmessage = m => got(m.data); };
    setTimeout(() => got(null), 30000);
  });
  channel.onopen = () => channel.send('hello');
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription);
  const got = await message;
  a.close();
  b.close();
  return {url, got, errors};
}
(async () => {
  const login = await (await fetch('/login')).json();
  const results = await Promise.all(login.urls.map(url => through(url, login)));
  await fetch('/results', {method: 'POST', body: JSON.stringify(results)});
})();
</script>"""


class Server(http.server.ThreadingHTTPServer):
    """Gives the page and the credentials, waits for the results."""

    def __init__(self, login):
        super().__init__(("127.0.0.1", 0), Handler)
        self.login, self.results, self.done = login, None, threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/login":
            self.answer("application/json", json.dumps(self.server.login).encode())
        else:
            self.answer("text/html", PAGE.encode())

    def do_POST(self):
        self.server.results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer("text/plain", b"")
        self.server.done.set()


@unittest.skipIf(CHROMIUM is None, "needs Chromium")
class Chromium(NetworkTest):
    @classmethod
    def build_network(cls):
        port, cls.tls_port = free_port(), free_port()
        cls.net.start_enrolment(port)
        cls.relay = enrolled(cls.net, "relay", "supernode", port, relay_private_peers=True, relay_user_allocations=20,
                             relay_tls=f"127.0.0.1:{cls.tls_port}")
        cls.alice = enrolled(cls.net, "alice", "client", 0)
        for node in (cls.relay, cls.alice):
            node.start()
            node.ready()

    def browse(self, login):
        server = Server(login)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = subprocess.Popen(
                [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--ignore-certificate-errors",
                 "--allow-loopback-in-peer-connection", f"--user-data-dir={profile}", f"http://127.0.0.1:{server.server_port}/"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_until("the browser has tried", server.done.is_set, 90)
            finally:
                browser.terminate()
                try:
                    browser.wait(15)
                except subprocess.TimeoutExpired:
                    browser.kill()
                    browser.wait()
                server.shutdown()
                server.server_close()
        return server.results

    def test_webrtc(self):
        given = self.alice.cli("relay")[0]
        at = f"127.0.0.1:{self.relay.port}"
        urls = [f"turn:{at}?transport=udp", f"turn:{at}?transport=tcp", f"turns:127.0.0.1:{self.tls_port}?transport=tcp"]
        results = self.browse({"user": given["user"], "password": given["password"], "urls": urls})
        self.assertEqual([(r["url"], r["got"], r["errors"]) for r in results], [(url, "hello", []) for url in urls])
        counters = self.relay.cli("counters")[0]["relay"]
        self.assertGreaterEqual(counters["allocations"], 6)
        self.assertGreaterEqual(counters["streams"], 4)
        self.assertGreaterEqual(counters["handshakes"], 2)
        self.assertEqual(counters["malformed"], 0)


if __name__ == "__main__":
    harness.main()
