#!/usr/bin/env python3
"""nat_matrix.py - real daemons behind every kind of NAT: who reaches whom, by whois, text and call, and how long it takes. `make natlab`.

    RF_BUILD=DIR nat_matrix.py [--no-ice] [--delay MS] [--markdown FILE] [KIND...]

Each kind has two sites, so that the pairs of one kind are tried as well. Exit status 1 when a cell is not as expected: expected() says what is, so that
work on the ways turns its answer and nothing else here. --no-ice: an overlay without ICE. --delay: so long from each site to the public net and back.
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import natlab
from network import Failed, free_port, wait_registered

KINDS = {"open": "open", "cone": "cone", "restricted": "restricted", "port": "port", "symmetric": "symmetric", "hotel": "hotel",
         "tcponly": "tcponly", "double": "port,behind=bport"}
SUPERNODES = 3


def expected(caller, callee, ice):
    """Is a text, or a call, from one to the other to arrive? Without ICE there are TCP connections only: one end must be open."""
    return ice or "open" in (caller, callee)


class Matrix:
    def __init__(self, lab, directory, kinds, ice):
        self.lab, self.net, self.kinds, self.ice = lab, natlab.LabNet(lab, directory), kinds, ice
        self.cells = {}
        self.locks = {kind: threading.Lock() for kind in kinds}

    def build(self):
        port = free_port()
        self.net.start_enrolment(port)
        if not self.ice:
            self.net.enrol_cli("config", "set", "no-ice", "true")
        self.net.add_supernodes(SUPERNODES, port)
        self.nodes = {}
        for kind in self.kinds:
            for side in "ab":
                self.nodes[side + kind] = self.net.add_client(side + kind, host=(side + kind)[:8], service="echo" if side == "b" else None,
                                                              settings={"mode": "hotel"} if kind == "hotel" else None)
        begun = time.monotonic()
        for node in self.nodes.values():
            node.ready(60)
        wait_registered(self.nodes.values(), 60)
        self.settle_s = time.monotonic() - begun
        self.listeners = [node.listen() for node in self.nodes.values() if node.name[0] == "b"]

    def act(self, caller, callee, *args):
        """(did it work, seconds). In a call the tone must have come back from the echo service."""
        begun = time.monotonic()
        argv = [self.net.program("ringfolk"), "--home", str(self.nodes["a" + caller].home), "--json", args[0], "b" + callee, *args[1:]]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
        good = done.returncode == 0
        if good and args[0] == "call":
            good = json.loads(done.stdout.splitlines()[-1])["media"]["received"] >= 10  # of 50 in a second
        return good, time.monotonic() - begun

    def row(self, caller):
        begin = self.kinds.index(caller)
        for callee in self.kinds[begin:] + self.kinds[:begin]:
            with self.locks[callee]:
                if callee == "hotel":
                    time.sleep(3)  # who has few connections refuses others while a call goes on, and for a moment after it
                self.cells[caller, callee] = {"whois": self.act(caller, callee, "whois"),
                                              "text": self.act(caller, callee, "message", "hello"),
                                              "again": self.act(caller, callee, "message", "hello again"),
                                              "call": self.act(caller, callee, "call", "--for", "1")}

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(self.row, self.kinds))

    def wrong(self):
        """What is not as expected, one line each."""
        for (caller, callee), cell in sorted(self.cells.items()):
            want = expected(caller, callee, self.ice)
            for what, (good, seconds) in cell.items():
                if good != (True if what == "whois" else want):
                    yield f"{caller} to {callee}: {what} {'arrived' if good else 'did not arrive'} after {seconds:.1f} s"

    def table(self):
        yield "| from \\ to | " + " | ".join(self.kinds) + " |"
        yield "|---" * (len(self.kinds) + 1) + "|"
        for caller in self.kinds:
            yield f"| {caller} | " + " | ".join(self.cell(caller, callee) for callee in self.kinds) + " |"

    def cell(self, caller, callee):
        cell = self.cells[caller, callee]
        texts = " / ".join(f"{1000 * seconds:.0f}" if good else "-" for good, seconds in (cell["text"], cell["again"]))
        return f"{texts}{', call' if cell['call'][0] else ''}" if cell["text"][0] or cell["call"][0] else "no"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-ice", action="store_true")
    parser.add_argument("--delay", type=int, metavar="MS")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    why = natlab.missing()
    if why:
        print(f"nat_matrix: {why}")
        sys.exit(77)  # CTest: skipped
    sites = {(side + kind)[:8]: KINDS[kind] for kind in options.kinds for side in "ab"}
    if "double" in options.kinds and "port" not in options.kinds:
        sites = {"bport": "port", **sites}
    if options.delay:  # the wire's is one way; who is behind another site has that one's, too
        sites = {site: f"{kind},delay={options.delay / 2:g}" for site, kind in sites.items()}
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rf-matrix-"))
    with natlab.Lab(900, **sites) as lab:
        matrix = Matrix(lab, directory, options.kinds, not options.no_ice)
        try:
            matrix.build()
            quiet = {kind: lab.flows(("a" + kind)[:8]) for kind in options.kinds if kind != "open"}
            matrix.run()
        except Failed as failure:
            sys.exit(f"nat_matrix: {failure}; logs in {directory}")
        finally:
            matrix.net.end()
    table = list(matrix.table())
    print(*table, f"all {2 * len(options.kinds)} clients registered after {matrix.settle_s:.1f} s; flows at the gateways then: {quiet}", sep="\n")
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n")
    wrong = list(matrix.wrong())
    print(*wrong, f"{len(matrix.cells)} pairs, {len(wrong)} not as expected", sep="\n")
    if not wrong:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
