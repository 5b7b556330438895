"""test_chat.py - conversations between real daemons: everything said while somebody was away, whoever dies meanwhile. One class per CTest entry."""
import ctypes
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

from harness import NetworkTest, main
from network import Failed, wait_registered, wait_until

LOG = "0xf0000012"
CLONE_NEWNS = 0x20000
SHIFT = str(pathlib.Path(os.environ.get("RF_BUILD", "build/release")) / "test" / "libclock_shift.so")


def request(node, cmd, **args):
    """One command at the control socket: its items and its result. The CLI leaves the result out where there are items."""
    items = []
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(node.home / "control.sock"))
        s.sendall(json.dumps({"id": 1, "cmd": cmd, "args": args}).encode() + b"\n")
        with s.makefile(encoding="utf-8") as lines:
            for line in lines:
                said = json.loads(line)
                if "item" in said:
                    items.append(said["item"])
                elif "result" in said:
                    return items, said["result"]
                else:
                    raise Failed(f"{cmd} on {node.name}: {said}")
    raise Failed(f"{cmd} on {node.name}: no answer")


class ChatTest(NetworkTest):
    @staticmethod
    def texts(node, chat):
        return [m["text"] for m in node.cli("chat", "history", chat) if m["index"] is not None]

    @staticmethod
    def unsent(node, chat):
        return next(c["unsent"] for c in node.cli("chat", "list") if c["id"] == chat)

    def new_chat(self, creator, *others, title="Team"):
        """A conversation that all have joined."""
        chat = creator.cli("chat", "new", title, *sorted({n.user for n in others}), "--wait", "60", seconds=70)[0]["id"]
        for node in others:
            self.joined(node, chat)
        return chat

    def joined(self, node, chat):
        def is_invited():
            return any(c["id"] == chat for c in node.cli("chat", "list"))
        wait_until(f"{node.name} is invited", is_invited, 60)
        if next(c["state"] for c in node.cli("chat", "list") if c["id"] == chat) == "invited":
            node.cli("chat", "join", chat[:8], "--wait", "60", seconds=70)
        wait_until(f"{node.name} is a member",
                   lambda: next(c["state"] for c in node.cli("chat", "list") if c["id"] == chat) == "member", 60)

    def has(self, node, chat, expected, seconds=60):
        """Exactly these, in this order."""
        wait_until(f"{node.name} has {len(expected)} messages", lambda: len(self.texts(node, chat)) >= len(expected), seconds)
        self.assertEqual(self.texts(node, chat), expected)

    @staticmethod
    def stop(*nodes):
        for node in nodes:
            node.cli("shutdown", seconds=40)

    @staticmethod
    def killed(node):
        node.daemon.kill(signal.SIGKILL)
        node.daemon.p.wait(10)

    @staticmethod
    def back(*nodes):
        for node in nodes:
            node.start()
        for node in nodes:
            node.ready()


class Away(ChatTest):
    """Nobody is online but the writer, then nobody at all, then the others come one by one."""
    others = ("bob", "carol", "dave", "erin", "frank", "grace", "heidi")

    @classmethod
    def build_network(cls):
        cls.overlay_of(8, "alice", *cls.others)

    def test_everything_said_meanwhile(self):
        others = [getattr(self, name) for name in self.others]
        chat = self.new_chat(self.alice, *others)
        self.stop(*others)
        said = [f"number {i} of those said while all were away, ümlaut 🙂\nand a second line" for i in range(20)]
        indexes = [self.alice.cli("chat", "send", chat, text)[0]["index"] for text in said]
        self.assertEqual(indexes, sorted(set(indexes)))
        self.stop(self.alice)
        for node in others:
            self.back(node)
            self.has(node, chat, said)
            self.assertEqual([m["from"] for m in node.cli("chat", "history", chat)], ["alice@example.org"] * 20)
            self.assertEqual([m["index"] for m in node.cli("chat", "history", chat)], indexes)
            self.stop(node)
        # the one who was there answers, and finds, and keeps
        self.back(self.bob)
        found = self.bob.cli("chat", "search", "NUMBER", "7", "umlaut")
        self.assertEqual([m["text"] for m in found], [said[7]])
        self.assertEqual(len(self.bob.cli("chat", "read", chat)), 20)
        self.assertEqual(self.bob.cli("chat", "read", chat), [])
        path = self.directory / "history.jsonl"
        self.assertEqual(self.bob.cli("chat", "export", chat, str(path))[0]["entries"] >= 20, True)
        kept = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.assertEqual([m["text"] for m in kept if m["kind"] == "text"], said)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with self.assertRaisesRegex(Failed, "there already"):
            self.bob.cli("chat", "export", chat, str(path))
        # nothing of it stands readable on the disk
        for name in ("chat.db", "chat.db-wal"):
            if (self.bob.home / name).exists():
                self.assertNotIn(b"said while all were away", (self.bob.home / name).read_bytes())


class Group(ChatTest):
    """What people do with a conversation, from inviting to leaving; three of them on three supernodes."""

    @classmethod
    def build_network(cls):
        cls.overlay_of(3, "alice", "bob", "carol")

    def one(self, node, chat, index):
        return next(m for m in node.cli("chat", "history", chat) if m["index"] == index)

    def test_contacts_and_presence(self):
        heard = self.bob.listen()
        wait_until("bob listens", lambda: self.alice.cli("message", "bob", "x", check_status=False) and not heard.lines.empty())
        self.alice.cli("contact", "add", "bob", "--note", "it is me")
        event = json.loads(heard.wait_line(lambda l: '"contact"' in l, 30))
        self.assertEqual((event["name"], event["state"], event["text"]), ("alice@example.org", "asking", "it is me"))
        with self.assertRaisesRegex(Failed, "only contacts"):
            self.bob.cli("presence", "alice")
        self.bob.cli("contact", "accept", "alice")
        wait_until("alice has a contact", lambda: self.alice.cli("contact", "list")[0]["state"] == "accepted")
        self.alice.cli("presence", "away", "lunch")
        wait_until("bob sees it", lambda: self.bob.cli("presence", "alice")[0]["text"] == "lunch")
        self.assertEqual(self.bob.cli("presence", "alice")[0]["state"], "away")
        self.alice.cli("presence", "invisible")
        wait_until("bob sees nothing", lambda: self.bob.cli("presence", "alice")[0]["state"] == "offline")
        self.assertEqual(self.alice.cli("presence")[0]["state"], "invisible")

    def test_what_people_do(self):
        chat = self.new_chat(self.alice, self.bob)
        short = next(c["short"] for c in self.alice.cli("chat", "list") if c["id"] == chat)
        first = self.alice.cli("chat", "send", short, "frist")[0]
        self.has(self.bob, chat, ["frist"])
        self.alice.cli("chat", "edit", short, str(first["index"]), "first")
        wait_until("bob sees the edit", lambda: self.one(self.bob, chat, first["index"])["text"] == "first")
        self.assertIn("edited", self.one(self.bob, chat, first["index"]))
        self.bob.cli("chat", "react", short, str(first["index"]), "+1")
        wait_until("alice sees the reaction", lambda: "reactions" in self.one(self.alice, chat, first["index"]))
        answer = self.bob.cli("chat", "send", short, "an answer", "--reply", str(first["index"]), "--mention", "alice")[0]
        wait_until("alice has it", lambda: len(self.texts(self.alice, chat)) == 2)
        seen = self.one(self.alice, chat, answer["index"])
        self.assertEqual((seen["reply_to"], seen["mentioned"]), (first["message"], True))
        # bob is no admin
        for words in (("kick", short, "alice"), ("rename", short, "Mine"), ("invite", short, "carol")):
            with self.assertRaisesRegex(Failed, "only an admin"):
                self.bob.cli("chat", *words)
        self.alice.cli("chat", "rename", short, "Choir")
        self.alice.cli("chat", "invite", short, "carol")
        self.joined(self.carol, chat)
        self.assertEqual(next(c["title"] for c in self.carol.cli("chat", "list") if c["id"] == chat), "Choir")
        self.assertEqual(sorted(m["name"] for m in self.carol.cli("chat", "members", short)),
                         ["alice@example.org", "bob@example.org", "carol@example.org"])
        self.alice.cli("chat", "send", short, "welcome")
        wait_until("carol reads", lambda: "welcome" in self.texts(self.carol, chat))
        self.alice.cli("chat", "kick", short, "bob")
        wait_until("bob is out", lambda: next(c["state"] for c in self.bob.cli("chat", "list") if c["id"] == chat) == "ended")
        self.alice.cli("chat", "send", short, "without bob")
        wait_until("carol reads", lambda: "without bob" in self.texts(self.carol, chat))
        self.assertNotIn("without bob", self.texts(self.bob, chat))
        with self.assertRaisesRegex(Failed, "ended"):
            self.bob.cli("chat", "send", short, "let me in")
        self.alice.cli("chat", "delete", short, str(first["index"]))
        wait_until("it is gone", lambda: self.one(self.carol, chat, first["index"])["text"] == ""
                   if any(m["index"] == first["index"] for m in self.carol.cli("chat", "history", chat)) else True)
        self.bob.cli("chat", "forget", short)
        self.assertNotIn(chat, [c["id"] for c in self.bob.cli("chat", "list")])

    def test_refused(self):
        chat = self.alice.cli("chat", "new", "Nobody", "carol", "--note", "please", seconds=70)[0]["id"]
        wait_until("carol is invited", lambda: any(c["id"] == chat for c in self.carol.cli("chat", "list")), 60)
        invitation = next(c for c in self.carol.cli("chat", "list") if c["id"] == chat)
        self.assertEqual((invitation["state"], invitation["inviter"], invitation["note"]), ("invited", "alice@example.org", "please"))
        with self.assertRaisesRegex(Failed, "invited"):
            self.carol.cli("chat", "send", chat, "x")
        self.carol.cli("chat", "refuse", chat)
        wait_until("alice is alone", lambda: len(self.alice.cli("chat", "members", chat)) == 1, 60)
        with self.assertRaisesRegex(Failed, "nobody|no device|not found|key packages"):
            self.alice.cli("chat", "invite", chat, "nosuch", "--wait", "60", seconds=70)


class Killed(ChatTest):
    """kill -9 of the log's home, and of the writer, in the middle of it: nothing lost, nothing doubled, one order."""

    @classmethod
    def build_network(cls):
        cls.overlay_of(6, "alice", "bob")

    def home_of(self, chat):
        """Which supernode keeps the log: H(conversation id), the first 16 bytes of its SHA-1."""
        place = hashlib.sha1(bytes.fromhex(chat)).digest()[:16].hex()
        _, result = request(self.alice, "fetch", kind=LOG, name=place, resource=True)
        self.assertGreater(result["count"], 0)
        return next(s for s in self.supers if s.id == result["stored_at"])

    @staticmethod
    def leases_held(home):
        """Waits until its replicas have been given what leases it has: it gives them within half a second, and one that is younger dies with it."""
        seen = []

        def is_quiet():
            seen.append(home.cli("counters")[0]["store"]["leases_given"])
            return len(seen) > 8 and len(set(seen[-8:])) == 1
        wait_until("leases are with the replicas", is_quiet, 30)

    def test_home(self):
        chat = self.new_chat(self.alice, self.bob, title="Home")
        said = [f"message {i}" for i in range(30)]
        home = self.home_of(chat)
        self.leases_held(home)
        for i, text in enumerate(said):
            if i == 10:
                home.daemon.kill(signal.SIGSTOP)  # takes what comes, and answers nothing
            if i == 15:
                self.killed(home)
            self.alice.cli("chat", "send", chat, text, "--no-wait")
        wait_until("all is sent", lambda: self.unsent(self.alice, chat) == 0, 120)
        self.has(self.alice, chat, said)
        self.has(self.bob, chat, said, 120)
        self.assertNotEqual(self.home_of(chat).id, home.id)

    def test_writer(self):
        chat = self.new_chat(self.alice, self.bob, title="Writer")
        said = []
        for i in range(30):
            said.append(f"message {i}")
            self.alice.cli("chat", "send", chat, said[-1], "--no-wait")
            if i % 10 == 9:
                self.killed(self.alice)
                self.back(self.alice)
        wait_until("all is sent", lambda: self.unsent(self.alice, chat) == 0, 120)
        self.has(self.alice, chat, said)
        self.has(self.bob, chat, said, 120)
        # a reader dies while it reads
        for i in range(30, 40):
            said.append(f"message {i}")
            self.alice.cli("chat", "send", chat, said[-1], "--no-wait")
        self.killed(self.bob)
        self.back(self.bob)
        self.has(self.bob, chat, said, 120)


class Devices(ChatTest):
    """Two devices of bob, and one of alice whose clock is wrong by as much as is still taken."""

    @classmethod
    def build_network(cls):
        cls.overlay_of(3, "bob")
        cls.bob2 = cls.net.add_client("bob2", "bob")
        if pathlib.Path(SHIFT).exists():
            os.environ.update(LD_PRELOAD=SHIFT, CLOCK_SHIFT_S="40")
        cls.alice = cls.net.add_client("alice")
        os.environ.pop("LD_PRELOAD", None), os.environ.pop("CLOCK_SHIFT_S", None)
        for node in (cls.bob2, cls.alice):
            node.ready()
        wait_registered([cls.bob2, cls.alice])

    def test_devices(self):
        chat = self.new_chat(self.alice, self.bob)
        self.joined(self.bob2, chat)
        self.alice.cli("chat", "send", chat, "to bob")
        self.bob.cli("chat", "send", chat, "from one device")
        self.bob2.cli("chat", "send", chat, "from the other")
        for node in (self.alice, self.bob, self.bob2):
            wait_until(f"{node.name} has them", lambda n=node: len(self.texts(n, chat)) == 3, 60)
        order = self.texts(self.alice, chat)
        self.assertEqual(sorted(order), ["from one device", "from the other", "to bob"])
        self.assertEqual((self.texts(self.bob, chat), self.texts(self.bob2, chat)), (order, order))
        self.assertEqual([m["own"] for m in self.bob2.cli("chat", "history", chat)], [t != "to bob" for t in order])
        self.assertEqual(len(self.alice.cli("chat", "members", chat)), 2)


class Keys(ChatTest):
    """What stands in a home: a key that is missing, known to others or another one is said; a lost database is no end."""

    @classmethod
    def build_network(cls):
        cls.overlay_of(3, "alice", "bob")

    def told(self, *words):
        done = subprocess.run([self.net.program("ringfolkd"), "--home", str(self.bob.home)], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_keys(self):
        chat = self.new_chat(self.alice, self.bob)
        self.alice.cli("chat", "send", chat, "one")
        self.has(self.bob, chat, ["one"])
        self.stop(self.bob)
        key = self.bob.home / "chat.key"
        good = key.read_bytes()
        self.assertEqual((len(good), key.stat().st_mode & 0o777), (64, 0o600))
        key.unlink()
        self.told("chat.key: it is missing", "backup")
        self.assertFalse(key.exists())  # none was made in its place
        for content, words in ((good[:63], "64 bytes"), (bytes(64), "not the key")):
            key.write_bytes(content)
            key.chmod(0o600)
            self.told(words)
        key.write_bytes(good)
        key.chmod(0o644)
        self.told("others than its owner")
        key.chmod(0o600)
        self.back(self.bob)
        self.has(self.bob, chat, ["one"])
        self.stop(self.bob)
        for file in self.bob.home.glob("chat.db*"):
            file.unlink()
        self.back(self.bob)
        self.joined(self.bob, chat)
        self.alice.cli("chat", "send", chat, "two")
        wait_until("bob reads again", lambda: "two" in self.texts(self.bob, chat), 60)
        self.bob.cli("chat", "send", chat, "three")
        self.has(self.alice, chat, ["one", "two", "three"])


class Full(ChatTest):
    """A client whose disk is full says so, loses nothing, and goes on when there is room. Needs root, for a small disk of its own."""

    @classmethod
    def build_network(cls):
        if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
            print("no mount namespaces here")
            sys.exit(77)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        cls.overlay_of(3, "alice")
        cls.small = cls.directory / "bob"
        cls.small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(cls.small)], check=True)
        bob = cls.net.add("bob", "bob", "client")
        cls.net.enrol_cli("user", "add", "bob", "--password-stdin", stdin="pw-bob-123\n")
        bob.home = cls.small / "home"
        bob.enrol("--password-stdin", stdin="pw-bob-123\n")
        bob.start()
        bob.ready()
        cls.bob = bob
        wait_registered([bob])

    @classmethod
    def tearDownClass(cls):
        if getattr(cls, "small", None):
            cls.net.end()
            subprocess.run(["umount", "-l", str(cls.small)], check=False)
        super().tearDownClass()

    def test_full(self):
        chat = self.new_chat(self.alice, self.bob)
        self.alice.cli("chat", "send", chat, "before")
        self.has(self.bob, chat, ["before"])
        filler = self.small / "filler"
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        heard = self.bob.listen()
        sent = ["before"]
        for i in range(40):  # more than its log has room for
            sent.append(f"{i} " + "x" * 4000)
            self.alice.cli("chat", "send", chat, sent[-1])
        event = json.loads(heard.wait_line(lambda l: '"chat_disk"' in l, 60))
        self.assertEqual(event["error"], "RF_EDATABASE")
        log = (self.net.dir / "bob.log").read_text(errors="replace")
        self.assertIn("chat.db takes nothing", log)
        self.assertEqual(self.bob.cli("status")[0]["state"], "joined")
        filler.unlink()
        self.has(self.bob, chat, sent, 60)
        self.bob.cli("chat", "send", chat, "after", "--wait", "60", seconds=70)
        self.has(self.alice, chat, [*sent, "after"])


if __name__ == "__main__":
    main()
