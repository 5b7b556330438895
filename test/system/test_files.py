#!/usr/bin/env python3
"""test_files.py - files between real daemons: shared, fetched, gone on with after kill -9 of either side, changed under us, onto a full disk."""
import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import time

from harness import NetworkTest, main
from network import check, wait_registered, wait_until

MB = 1 << 20


class Control:
    """One command on a daemon's control socket."""

    def __init__(self, node, cmd, **args):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(str(node.home / "control.sock"))
        self.socket.sendall(json.dumps({"id": 1, "cmd": cmd, "args": args}).encode() + b"\n")
        self.lines = self.socket.makefile()
        self.items = []

    def next(self):
        """The next item, result or error; None: the daemon is gone."""
        try:
            line = self.lines.readline()
        except ConnectionError:
            return None
        return json.loads(line) if line else None

    def wait(self, want):
        """Reads on until an item for which want(item) is true; the result or error otherwise."""
        while True:
            line = self.next()
            if line is None or "item" not in line:
                return line
            self.items.append(line["item"])
            if want(line["item"]):
                return line

    def result(self):
        line = self.wait(lambda item: False)
        check(line is not None and "result" in line, f"no result: {line}")
        self.close()
        return line["result"]

    def close(self):
        self.lines.close()
        self.socket.close()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_counter(node, name):
    return node.cli("counters")[0]["files"][name]


class Files(NetworkTest):
    @classmethod
    def build_network(cls):
        cls.overlay_of(2, "alice", "bob", "carol")
        cls.made = 0

    def make(self, size, name=None):
        type(self).made += 1
        path = self.directory / (name or f"file {self.made}.bin")
        block = os.urandom(MB)
        with open(path, "wb") as file:
            for i in range(0, size, MB):
                file.write(i.to_bytes(8, "big") + block[8:min(MB, size - i)] if size - i >= 8 else block[:size - i])
        return path

    def downloads(self, node):
        path = self.directory / f"downloads-{node.name}-{self.made}"
        path.mkdir(exist_ok=True)
        return path

    def share(self, node, path, **args):
        return Control(node, "file-share", path=str(path), **args).result()

    def again(self, node):
        """Starts a daemon that was killed."""
        node.daemon.p.wait(10)
        node.start()
        node.ready()
        wait_registered([node])

    def test_fetch(self):
        path = self.make(5 * MB + 12345)
        shared = self.share(self.alice, path, type="application/octet-stream")
        self.assertEqual((shared["size"], shared["name"]), (5 * MB + 12345, path.name))
        to = self.downloads(self.bob)
        fetch = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice", "carol"]})
        got = fetch.result()
        self.assertEqual(got["path"], str(to / path.name))
        self.assertEqual(digest(got["path"]), digest(path))
        # a second time: it is here; carol gets it from bob alone, who has it now
        got = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]}).result()
        self.assertEqual(got["path"], str(to / path.name))
        got = Control(self.carol, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.carol)),
                      **{"from": ["bob@example.org"]}).result()
        self.assertEqual(digest(got["path"]), digest(path))
        self.assertGreaterEqual(files_counter(self.bob, "bytes_out"), 5 * MB)
        listed = {f["id"]: f for f in [i for c in [Control(self.bob, "files")] for i in (c.result(), c.items)[1]]}
        self.assertTrue(listed[shared["id"]]["fetched"])
        self.assertEqual(listed[shared["id"]]["bytes"], 5 * MB + 12345)
        # forgotten: not given any more
        Control(self.bob, "file-forget", id=shared["id"]).result()
        self.assertTrue((to / path.name).exists())
        refused = Control(self.bob, "file-forget", id=shared["id"]).wait(lambda item: False)
        self.assertEqual(refused["error"]["code"], "RF_ENOTFOUND")

    def test_small(self):
        path = self.make(1000, "note.txt")
        shared = self.share(self.alice, path)
        self.assertGreater(len(base64.b64decode(shared["reference"])), 1000)
        to = self.downloads(self.bob)
        for name in ("note.txt", "note (2).txt"):
            got = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": []}).result()
            self.assertEqual(got["path"], str(to / name))
            self.assertEqual(digest(got["path"]), digest(path))
        shared = self.share(self.alice, path, apart=True)
        self.assertLess(len(base64.b64decode(shared["reference"])), 120)

    def test_who_may_not(self):
        """The id alone, without the secret, is good for nothing."""
        path = self.make(MB)
        shared = self.share(self.alice, path)
        reference = bytearray(base64.b64decode(shared["reference"]))
        reference[-1] ^= 1
        before = files_counter(self.alice, "asked_wrong")
        fetch = Control(self.bob, "file-fetch", reference=base64.b64encode(reference).decode(), to=str(self.downloads(self.bob)),
                        **{"from": ["alice"]})
        line = fetch.wait(lambda item: item["state"] == "no-source")
        self.assertEqual(line["item"]["bytes"], 0)
        self.assertGreater(files_counter(self.alice, "asked_wrong"), before)
        Control(self.bob, "file-cancel", id=shared["id"]).result()
        self.assertEqual(fetch.next()["error"]["code"], "RF_ECANCELLED")
        fetch.close()
        Control(self.bob, "file-forget", id=shared["id"]).result()
        wait_until("the part is gone", lambda: not list(self.downloads(self.bob).iterdir()))

    def test_wrong_reference_first(self):
        """The right reference is not spoilt by a wrong one of the same id that came before."""
        path = self.make(MB)
        shared = self.share(self.alice, path)
        reference = bytearray(base64.b64decode(shared["reference"]))
        reference[-1] ^= 1
        to = self.downloads(self.bob)
        wrong = Control(self.bob, "file-fetch", reference=base64.b64encode(reference).decode(), to=str(to), **{"from": ["alice"]})
        wrong.wait(lambda item: item["state"] == "no-source")
        got = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]}).result()
        self.assertEqual(digest(got["path"]), digest(path))
        wrong.close()
        Control(self.bob, "file-forget", id=shared["id"]).result()

    def test_errors(self):
        for cmd, args, code in (("file-share", {"path": "relative"}, "RF_EINVAL"),
                                ("file-share", {"path": "/nonexistent/x"}, "RF_ENOTFOUND"),
                                ("file-share", {"path": "/tmp"}, "RF_EINVAL"),
                                ("file-fetch", {"reference": "AAAA", "from": [], "to": "/tmp"}, "RF_EVERSION"),
                                ("file-fetch", {"reference": "!", "from": [], "to": "/tmp"}, "RF_EFORMAT"),
                                ("file-cancel", {"id": "00"}, "RF_EFORMAT")):
            line = Control(self.alice, cmd, **args).wait(lambda item: False)
            self.assertEqual(line["error"]["code"], code, (cmd, args, line))

    def test_receiver_killed(self):
        path = self.make(400 * MB)
        shared = self.share(self.alice, path)
        to = self.downloads(self.bob)
        fetch = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]})
        fetch.wait(lambda item: item["bytes"] > 200 * MB)
        self.bob.daemon.kill(signal.SIGKILL)
        fetch.close()
        self.assertFalse((to / path.name).exists())
        self.again(self.bob)
        known = Control(self.bob, "files")
        known.result()
        had = [i for i in known.items if i["id"] == shared["id"]][0]["bytes"]
        self.assertGreater(had, 64 * MB)
        got = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]}).result()
        self.assertEqual(digest(got["path"]), digest(path))
        self.assertEqual(files_counter(self.bob, "bytes_in"), 400 * MB - had)
        self.assertEqual([p.name for p in to.iterdir()], [path.name])
        path.unlink()
        os.unlink(got["path"])

    def test_sender_killed(self):
        path = self.make(400 * MB)
        shared = self.share(self.alice, path)
        first = Control(self.carol, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.carol)),
                        **{"from": ["alice"]}).result()
        fetch = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.bob)),
                        **{"from": ["alice", "carol"]})
        fetch.wait(lambda item: item["bytes"] > 100 * MB)
        self.alice.daemon.kill(signal.SIGKILL)
        got = fetch.result()
        self.assertEqual(digest(got["path"]), digest(path))
        self.assertGreater(files_counter(self.carol, "bytes_out"), 0)
        self.again(self.alice)
        for name in (path, first["path"], got["path"]):
            os.unlink(name)

    def test_changed(self):
        """What was changed after it was shared is not given; who has it as it was gives it."""
        path = self.make(20 * MB)
        shared = self.share(self.alice, path)
        before = digest(path)
        Control(self.carol, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.carol)),
                **{"from": ["alice"]}).result()
        with open(path, "ab") as file:
            file.write(b"more")
        fetch = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.bob)),
                        **{"from": ["alice"]})
        fetch.wait(lambda item: item["state"] == "no-source")
        fetch.close()
        self.assertIn("changed since it was shared", (self.directory / "alice.log").read_text())
        got = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(self.downloads(self.bob)),
                      **{"from": ["alice", "carol"]}).result()
        self.assertEqual(digest(got["path"]), before)

    @NetworkTest.root_only
    def test_disk_full(self):
        path = self.make(40 * MB)
        shared = self.share(self.alice, path)
        to = self.downloads(self.bob)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(to)], check=False).returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        try:
            fetch = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]})
            line = fetch.wait(lambda item: item["state"] == "stalled")
            self.assertIn("No space left on device", line["item"]["why"])
            self.assertTrue(self.bob.cli("status")[0]["registered"])
            subprocess.run(["mount", "-o", "remount,size=64m", str(to)], check=True)
            begin = time.monotonic()
            more = Control(self.bob, "file-fetch", reference=shared["reference"], to=str(to), **{"from": ["alice"]})
            got = more.result()
            self.assertLess(time.monotonic() - begin, 25)  # now, and not when it would have been tried again by itself
            self.assertEqual(digest(got["path"]), digest(path))
            self.assertEqual(fetch.wait(lambda item: False)["error"]["code"], "RF_ECANCELLED")
            fetch.close()
        finally:
            Control(self.bob, "file-forget", id=shared["id"]).result()
            wait_until("it is closed", lambda: subprocess.run(["umount", str(to)], stderr=subprocess.DEVNULL, check=False).returncode == 0)


if __name__ == "__main__":
    main()
