#!/usr/bin/env python3
"""demo.py - `make demo`: a whole network of real processes on loopback, told in plain words.

usage: tools/demo.py BUILD_DIR [--keep] [--supernodes N]

Every step is checked: the script says what it saw, and ends with status 0 only if all of it worked.
--keep leaves the network running and prints how to use it.
"""
import argparse
import json
import math
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import wave

from network import OVERLAY, Failed, Net, Process, check, free_port, wait_registered


def say(text):
    print(text, flush=True)


def step(text):
    print(f"\n== {text}", flush=True)


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
    shift = delay
    for at in range(0, len(sent) - 160, 160):
        blocks += 1
        shift = realign(sent[at:at + 160], got, at, shift)
        good += correlation(sent[at:at + 160], got[at + shift:at + shift + 160]) > 0.95
    return delay, good / blocks, best


def realign(block, got, at, shift):
    """Where this block is: as the one before, unless the machine was so busy that the player inserted or left out a moment there."""
    def alike(s):
        return correlation(block, got[at + s:at + s + 160]) if at + s >= 0 else 0.0
    if alike(shift) > 0.95:
        return shift
    best = max(range(shift - 800, shift + 801, 4), key=alike)
    best = max(range(best - 4, best + 5), key=alike)
    return best if alike(best) > 0.95 else shift


# ---- the steps ----

def start_enrolment(net, bootstrap_port):
    step("An administrator makes the overlay")
    net.start_enrolment(bootstrap_port)
    say(f"The enrolment server of {OVERLAY} answers at {net.url}.")


def start_supernodes(net, count, first_port):
    step(f"{count} supernodes enrol and build the ring")
    begin = time.monotonic()
    supernodes = net.add_supernodes(count, first_port)
    say(f"All {count} joined after {time.monotonic() - begin:.1f} s: " + ", ".join(n.id[:6] for n in supernodes))
    return supernodes


def start_people(net):
    step("alice, bob (with two devices) and carol enrol, and an echo service")
    people = {}
    for name, user in (("alice", "alice"), ("bob1", "bob"), ("bob2", "bob")):
        people[name] = net.add_client(name, user)
    carol = people["carol"] = net.add("carol", "carol", "client")
    carol.enrol("--invite", net.enrol_cli("invite").split()[-1])
    carol.start()
    people["echo"] = net.add_client("echo", service="echo")
    for node in people.values():
        node.ready()
        how = "with an invitation" if node is carol else "with a password"
        say(f"{node.user}@{OVERLAY} enrolled {how} as device {node.id}")
    wait_registered(people.values())
    say("All are online and registered in the overlay.")
    return people


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
    _, alike, best = compare_audio(read_wav(sent), read_wav(got))
    say(f"{media['sent']} packets sent, {media['received']} came back, {media['lost']} lost; "
        f"round trip {(media.get('rtt_us') or 0) / 1000:.1f} ms; {alike * 100:.1f} % of it came back alike.")
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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the network, too
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
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # ending is short, and must be whole
        net.end()
    if status == 0:
        shutil.rmtree(directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
