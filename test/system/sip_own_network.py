#!/usr/bin/env python3
"""sip_own_network.py COMMAND... - runs a command in a network of its own with a loopback and one other interface (baresip refuses lo).

Where the system does not permit that, the command runs in the machine's network, whose interfaces have to do."""
import fcntl
import os
import socket
import struct
import subprocess
import sys

SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, TUNSETIFF = 0x8916, 0x891C, 0x8914, 0x400454CA
IFF_UP, IFF_TUN_NO_PI = 0x1, 0x1001


def address(name, ip):
    return struct.pack("16sH2s4s8s", name, socket.AF_INET, b"", socket.inet_aton(ip), b"")


def main():
    if os.environ.get("SIP_OWN_NETWORK") is None:
        os.environ["SIP_OWN_NETWORK"] = "1"
        unshare = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK) or subprocess.run([*unshare, "true"], check=False).returncode != 0:
            os.execvp(sys.argv[1], sys.argv[1:])
        os.execvp("unshare", [*unshare, sys.executable, *sys.argv])
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", IFF_UP, b""))
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sh14s", b"rf0", IFF_TUN_NO_PI, b""))
    fcntl.ioctl(s, SIOCSIFADDR, address(b"rf0", "10.77.0.1"))
    fcntl.ioctl(s, SIOCSIFNETMASK, address(b"rf0", "255.255.255.0"))
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14s", b"rf0", IFF_UP, b""))
    os.set_inheritable(tun, True)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
