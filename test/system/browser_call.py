#!/usr/bin/env python3
"""browser_call.py [--chromium PROGRAM] - Chromium offers a WebRTC call with audio, the streams of src/sip answer it and send the audio back.

    RF_BUILD=DIR browser_call.py        needs chromium; exit status 77 where there is none
"""
import argparse
import http.server
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

BUILD = pathlib.Path(os.environ.get("RF_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
SECONDS = 40
PAGE = """<!doctype html><script>
const post = (path, body) => fetch(path, {method: "POST", body}).then(r => r.text());
(async () => {
  const pc = new RTCPeerConnection(), begun = performance.now(), told = {};
  pc.onconnectionstatechange = () => { told[pc.connectionState] = Math.round(performance.now() - told.answered); };
  const media = await navigator.mediaDevices.getUserMedia({audio: true});
  media.getTracks().forEach(t => pc.addTrack(t, media));
  await pc.setLocalDescription(await pc.createOffer());
  await new Promise(done => { pc.onicegatheringstatechange = () => { if (pc.iceGatheringState == "complete") done(); }; });
  const answer = await post("/offer", pc.localDescription.sdp);
  told.answered = performance.now();
  await pc.setRemoteDescription({type: "answer", sdp: answer});
  await new Promise(done => setTimeout(done, 4000));
  const stats = [...(await pc.getStats()).values()];
  const pick = (type, ...keys) => stats.filter(s => s.type == type).map(s => Object.fromEntries(keys.map(k => [k, s[k]])));
  await post("/result", JSON.stringify({told, state: pc.connectionState,
    transport: pick("transport", "tlsVersion", "dtlsCipher", "srtpCipher", "dtlsRole", "dtlsState"),
    sent: pick("outbound-rtp", "packetsSent"), received: pick("inbound-rtp", "packetsReceived", "packetsLost", "jitter")}));
})().catch(e => post("/result", JSON.stringify({error: String(e)})));
</script>"""


class Answerer:
    """webrtc_answer, which lives as long as the call."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "test" / "webrtc_answer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self, offer):
        self.process.stdin.write(offer.replace("\r\n", "\n") + ".\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == ".\n":
                break
            lines.append(line)
        return "".join(lines)


def serve(answerer, results):
    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self, text):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self):
            self.reply(PAGE)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path == "/offer":
                self.reply(answerer.answer(body))
            else:
                self.reply("")
                results.put(json.loads(body))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    chromium = parser.parse_args().chromium
    if chromium is None:
        print("no chromium here")
        return 77
    answerer, results = Answerer(), queue.Queue()
    server = serve(answerer, results)
    with tempfile.TemporaryDirectory(prefix="rf-browser-", ignore_cleanup_errors=True) as home:
        browser = subprocess.Popen([chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={home}",
                                    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                                    "--autoplay-policy=no-user-gesture-required", f"http://localhost:{server.server_port}/"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            result = results.get(timeout=SECONDS)
        finally:
            browser.terminate()
            browser.wait(15)
            answerer.process.terminate()
            told = answerer.process.stdout.read()
    print(json.dumps(result, indent=1))
    print(told.strip())
    received = sum(r["packetsReceived"] for r in result.get("received", []))
    return 0 if result.get("state") == "connected" and received > 100 else 1


if __name__ == "__main__":
    sys.exit(main())
