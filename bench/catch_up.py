#!/usr/bin/env python3
"""catch_up.py - how long a client that was away takes until it has all that was said meanwhile: real daemons, the client in a network namespace of its own.

    RF_BUILD=DIR catch_up.py [--conversations N] [--messages N] [--delay MS] [--rate MBIT] [--profile FILE]      as root

One conversation in five is a chat of two, the others are groups of ten (76: 15 and 61). The clock runs from the start of the daemon until its counters and then
`chat list` say that it has every entry. Bytes are those of its kernel at IP, both ways; ciphertext is what the homes' databases hold of these logs: the content of
every entry that the client did not have (MLS messages), without signatures. Delay is that of the way there and of the way back, each; rate that of each direction.
"""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "test" / "system"), str(HERE.parent / "tools")]

import natlab  # noqa: E402  (needs the path above)
from network import Failed, check, free_port, wait_registered, wait_until  # noqa: E402

LOG_KIND = 0xf0000012
GROUP = 10
OTHERS = 15
UNDER_WAY = 40  # commands of one control session
TICK = os.sysconf("SC_CLK_TCK")
TEXT = "message %d: what people write to each other is about as long as this sentence, now and then a bit longer"


class Session:
    """Commands at a control socket, many at once, answered in any order."""

    def __init__(self, node):
        self.node = node
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(str(node.home / "control.sock"))
        self.lines = self.socket.makefile(encoding="utf-8")

    def many(self, commands):
        """[(name, arguments)] -> [(items, result)]"""
        items, results, sent, done = [[] for _ in commands], [None] * len(commands), 0, 0
        while done < len(commands):
            while sent < len(commands) and sent - done < UNDER_WAY:
                name, args = commands[sent]
                self.socket.sendall(json.dumps({"id": sent, "cmd": name, "args": args}).encode() + b"\n")
                sent += 1
            said = json.loads(self.lines.readline() or "{}")
            if "item" in said:
                items[said["id"]].append(said["item"])
            elif "result" in said:
                results[said["id"]] = said["result"]
                done += 1
            else:
                raise Failed(f"{self.node.name}: {commands[said.get('id', 0)]}: {said}")
        return list(zip(items, results))

    def ask(self, name, /, **args):
        return self.many([(name, args)])[0]

    def chats(self):
        return {c["id"]: c for c in self.ask("chat list")[0]}

    def counters(self):
        rooms = self.ask("counters")[1]
        return {f"{room}.{name}": value for room, counters in rooms.items() if isinstance(counters, dict) for name, value in counters.items()}


def at_once(nodes, fn):
    """fn(node) for all, each in a thread of its own; the first failure is ours."""
    failed = []

    def run(node):
        try:
            fn(node)
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)
    threads = [threading.Thread(target=run, args=(node,)) for node in nodes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


# ---- the conversations ----

def plan(count):
    """For each conversation its members besides the reader, the creator first."""
    direct = min(count // 5, OTHERS)
    groups = [[(i + k) % OTHERS for k in range(GROUP - 1)] for i in range(count - direct)]
    return [[i % OTHERS] for i in range(direct)] + groups


def make_conversations(reader, others, members):
    """Their ids, in the order of the plan, when all are in."""
    ids = [None] * len(members)

    def create(node):
        mine = [i for i, m in enumerate(members) if others[m[0]] is node]
        commands = [("chat with", {"name": reader.user}) if len(members[i]) == 1 else
                    ("chat new", {"title": f"Group {i}", "names": [reader.user, *(others[m].user for m in members[i][1:])]}) for i in mine]
        session = Session(node)
        for i, (name, args) in zip(mine, commands):
            ids[i] = session.ask(name, **args)[1]["id"]
    at_once(others, create)
    want = {node: {ids[i] for i, m in enumerate(members) if node is reader or node in [others[k] for k in m]} for node in [reader, *others]}
    end = time.monotonic() + 600

    def join(node):
        session, asked = Session(node), set()
        while True:
            chats = session.chats()
            for chat in [i for i, c in chats.items() if c["state"] == "invited" and i not in asked]:
                with contextlib.suppress(Failed):
                    session.ask("chat accept", id=chat)
                asked.add(chat)
            if all(i in chats and chats[i]["state"] == "member" for i in want[node]):
                return
            check(time.monotonic() < end, f"{node.name} is not in all of its conversations: {sum(i in chats and chats[i]['state'] == 'member' for i in want[node])} of {len(want[node])}")
            time.sleep(0.5)
    at_once([reader, *others], join)
    sizes = [2 if len(m) == 1 else GROUP for m in members]

    def whole():
        seen = Session(reader).chats()
        return all(seen[i]["devices"] == size and seen[i]["behind"] == 0 for i, size in zip(ids, sizes))
    wait_until("every group is whole", whole, 300)
    return ids


def write(others, members, ids, count):
    """The messages, each conversation's members in turn; until all are in the logs."""
    def say(node):
        session = Session(node)
        mine = [n for n in range(count) if others[members[n % len(ids)][n // len(ids) % len(members[n % len(ids)])]] is node]
        session.many([("chat send", {"id": ids[n % len(ids)], "text": TEXT % n}) for n in mine])
        wait_until(f"{node.name} has nothing unsent", lambda: all(c["unsent"] == 0 and c["behind"] == 0 for c in session.chats().values()), 600, 0.5)
    at_once(others, say)


def settle(others):
    """The next index of each log, when it has not changed for a while (marks of what was delivered are entries as well)."""
    before, since, began = None, time.monotonic(), time.monotonic()
    while time.monotonic() - since < 6:
        now = {}
        for node in others:
            for i, c in Session(node).chats().items():
                now[i] = max(now.get(i, 0), c["next"] + c["behind"])
        if now != before:
            before, since = now, time.monotonic()
        check(time.monotonic() - began < 300, "the logs do not come to rest")
        time.sleep(1)
    return before


# ---- what is measured ----

def ciphertext(supers, had, has):
    """(entries, bytes of content, bytes as stored) of the logs between these indexes, from the databases of the ended supernodes."""
    found = {}
    for node in supers:
        with contextlib.closing(sqlite3.connect(f"file:{node.home / 'node.db'}?mode=ro", uri=True)) as db:
            for resource, slot, data in db.execute("SELECT resource, slot, data FROM value WHERE kind IN (?, ?)", (LOG_KIND, LOG_KIND - 2**32)):
                found[bytes(resource), bytes(slot)] = bytes(data)
    missed, content, stored = 0, 0, 0
    logs = {}
    for (resource, slot), data in found.items():
        logs.setdefault(resource, {})[int.from_bytes(slot, "big")] = data
    for i, end in has.items():
        log = logs[hashlib.sha1(bytes.fromhex(i)).digest()[:16]]  # the overlay's Resource-ID of it
        begin = had[i]
        for index in range(begin, end):
            data = log[index]  # StoredData: length, time, lifetime, index, exists, value v32, signature
            length = int.from_bytes(data[21:25], "big")
            check(data[25] == 1 and len(data) >= 25 + length, "an entry is not what it was thought to be")
            missed, content, stored = missed + 1, content + length - 14, stored + len(data)  # version, sequence, parcel: 14
    return missed, content, stored


def octets(lab, host):
    """(in, out) at IP, loopback left out: what eth0 counts, without its Ethernet headers."""
    row = [line.split(":")[1].split() for line in lab.run(host, ["cat", "/proc/net/dev"]).stdout.splitlines() if "eth0:" in line][0]
    return int(row[0]) - 14 * int(row[1]), int(row[8]) - 14 * int(row[9])


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def flows(lab, host):
    return len([line for line in lab.run(host, ["ss", "-Htn", "state", "established"]).stdout.splitlines() if "127.0.0.1" not in line])


def shape(lab, mbit):
    """Both directions of the reader's cable: its own end, and the end in the public net."""
    queue = ["root", "tbf", "rate", f"{mbit}mbit", "burst", "16kb", "latency", "300ms"]
    ports = json.loads(lab.run("pub", ["ip", "-j", "link", "show", "master", "br0"]).stdout)
    check(len(ports) == 1, "the reader's cable is not found")
    for host, port in (("reader", "eth0"), ("pub", ports[0]["ifname"])):
        done = lab.run(host, ["tc", "qdisc", "add", "dev", port, *queue])
        check(done.returncode == 0, f"tc: {done.stderr.strip()}")


def catch_up(lab, reader, supers, has, options):
    """Starts the reader, and prints what happened until it had everything."""
    before, load = octets(lab, "reader"), sum(cpu_s(s.daemon.p.pid) for s in supers)
    began = time.monotonic()
    reader.start()
    profile = None
    if options.profile:
        profile = subprocess.Popen(["perf", "record", "-q", "-g", "-o", options.profile, "-p", str(reader.daemon.p.pid)], stderr=subprocess.DEVNULL)
    reader.ready(60)
    ready = time.monotonic() - began
    session, most, first, half = Session(reader), 0, None, None
    total = sum(has.values())
    while True:
        counters = session.counters()
        read = counters.get("chat.entries_read", 0)
        now = time.monotonic() - began
        first = first if first is not None or read == 0 else now
        half = half if half is not None or read < options.messages / 2 else now
        most = max(most, flows(lab, "reader"))
        if read >= options.messages and all(i in c and c[i]["next"] >= n for c in [session.chats()] for i, n in has.items()):
            break
        check(now < 600, f"not within 600 s: {read} entries read, of {total}")
        time.sleep(0.02)
    took = time.monotonic() - began
    if profile:
        profile.terminate()
        profile.wait()
    after, used = octets(lab, "reader"), cpu_s(reader.daemon.p.pid)
    memory = [line.split()[1] for line in pathlib.Path(f"/proc/{reader.daemon.p.pid}/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")][0]
    counters = session.counters()
    got, sent = after[0] - before[0], after[1] - before[1]
    print(f"seconds {took:.2f}  ready_s {ready:.2f}  first_entry_s {first or took:.2f}  half_s {half or took:.2f}")
    print(f"flows {most}  connects {counters['flows.connects']}  accepted {counters['flows.accepted']}  reader_cpu_s {used:.2f}  supernodes_cpu_s {sum(cpu_s(s.daemon.p.pid) for s in supers) - load:.2f}  reader_peak_kb {memory}")
    for name in ("entries_read", "entries_undecryptable", "entries_missed", "entries_unverified", "entries_malformed", "entries_refused", "rejoins", "appends", "doubts"):
        print(f"{name} {counters['chat.' + name]}", end="  ")
    print()
    for line in sorted({line.split(" ", 2)[2] for line in reader.daemon.log.read_text(errors="replace").splitlines() if " warn " in line or " error " in line})[:20]:
        print(f"log: {line}")
    return got, sent


def measure(lab, net, options):
    port = free_port()
    net.start_enrolment(port)
    supers = net.add_supernodes(options.supernodes, port)
    reader = net.add_client("reader", host="reader")
    others = [net.add_client(f"other{i}") for i in range(OTHERS)]
    for node in [reader, *others]:
        node.ready(60)
    wait_registered([reader, *others])
    members = plan(options.conversations)
    began = time.monotonic()
    ids = make_conversations(reader, others, members)
    print(f"{len(ids)} conversations stand after {time.monotonic() - began:.0f} s", file=sys.stderr)
    settle(others)
    had = {i: c["next"] for i, c in Session(reader).chats().items()}
    reader.cli("shutdown", seconds=40)
    reader.daemon.p.wait(20)
    began = time.monotonic()
    write(others, members, ids, options.messages)
    print(f"{options.messages} messages are written after {time.monotonic() - began:.0f} s", file=sys.stderr)
    has = settle(others)
    if options.rate:
        shape(lab, options.rate)
    print(f"load_before {os.getloadavg()[0]:.1f}  conversations {len(ids)}  messages {options.messages}  delay_each_way_ms {options.delay}  rate_mbit {options.rate or 'none'}")
    got, sent = catch_up(lab, reader, supers, has, options)
    net.end()
    missed, content, stored = ciphertext(supers, had, has)
    print(f"entries_missed_while_away {missed}  ciphertext_bytes {content}  stored_bytes {stored}")
    print(f"bytes_in {got}  bytes_out {sent}  wire_to_ciphertext {(got + sent) / content:.2f}  wire_to_stored {(got + sent) / stored:.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, default=76)
    parser.add_argument("--messages", type=int, default=10000)
    parser.add_argument("--supernodes", type=int, default=4)
    parser.add_argument("--delay", type=int, default=0, help="ms, each way")
    parser.add_argument("--rate", type=int, default=0, help="Mbit/s, each direction")
    parser.add_argument("--profile", help="perf.data of the reader")
    parser.add_argument("--keep", action="store_true", help="the homes and logs")
    options = parser.parse_args()
    why = natlab.missing()
    if why:
        sys.exit(f"catch_up: {why}")
    directory = tempfile.mkdtemp(prefix="rf-catch-up-")
    try:
        with natlab.Lab(3600, reader="open" + (f",delay={options.delay}" if options.delay else "")) as lab:
            net = natlab.LabNet(lab, directory)
            try:
                measure(lab, net, options)
            finally:
                net.end()
    except Failed as e:
        sys.exit(f"catch_up: {e}")
    finally:
        if options.keep:
            print(directory, file=sys.stderr)
        else:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
