#!/usr/bin/env python3
# check_layers.py - holds the layering table: a folder of src/ includes only what stands in its row.
# check_layers.py [ROOT]     exit status 1 and one line per finding when a file breaks the table
#
# A row grants "room" (the headers directly in src/room), "room/sub" (those in src/room/sub) or one header "room/x.h".
# Every folder sees itself. test/ and bench/ may include anything and are not read.
import os
import re
import sys

ALL_BELOW_NODE = ["base", "crypto", "wire", "stun", "ice", "ident", "conf", "link", "overlay", "overlay/chord", "usage", "mls", "chat", "files"]
SIM = ["base", "wire", "ice", "node", "turn", "enrol", "crypto", "crypto/fake"]  # wire: its engine counts the frames that pass

LAYERS = {
    "base": [],
    "crypto": ["base"],
    "wire": ["base"],
    "stun": ["base", "crypto"],
    "ident": ["base", "crypto", "wire"],
    "conf": ["base", "wire", "ident"],
    "link": ["base", "crypto", "wire", "stun", "ident"],
    "overlay": ["base", "wire", "ident", "conf"],
    "overlay/chord": ["base", "overlay/topology.h"],
    "usage": ["base", "wire", "ident", "overlay/usage.h"],
    "mls": ["base", "crypto"],
    "files": ["base", "crypto"],  # files between members; connections and the disk come from the shell
    # wire and overlay/usage.h: it writes the values that usage/ and the storage look at, and reads what they give back
    "chat": ["base", "crypto", "wire", "ident", "conf", "mls", "usage", "overlay/usage.h"],
    "node": ALL_BELOW_NODE,
    "turn": ["base", "crypto", "stun"],
    "ice": ["base", "crypto", "stun"],
    "enrol": ["base", "crypto", "ident", "conf"],
    "control": ["base", "node/node.h", "chat/chat.h"],  # its commands ask the engine that the node runs
    "sip": ["base", "crypto", "stun", "ice", "node/node.h", "control"],
    "io": ["base", "crypto", "ice", "turn", "files"],  # crypto and files: chunks are encrypted, hashed and checked where they are read and written
    "db": ["base", "crypto", "enrol/store.h", "node/store.h", "chat/keep.h", "chat/keep_words.h"],  # crypto: histories are sealed
    "sim": SIM,
    "apps": ALL_BELOW_NODE + ["crypto/openssl", "node", "turn", "enrol", "control", "sip", "io", "db"],
}
SIMULATOR_MAIN = ALL_BELOW_NODE + ["node", "turn", "enrol", "crypto/fake", "crypto/openssl", "sim"]  # a file of apps/ that sees sim/

# C headers that bring no system: what rooms without I/O may include
PURE = set("""ctype.h errno.h float.h inttypes.h limits.h math.h regex.h stdalign.h stdarg.h stdbool.h stddef.h
    stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h""".split())
# den.c: wide instructions where the processor has them
PURE_EXTRA = {"base": {"arpa/inet.h", "sanitizer/asan_interface.h"}, "sim": {"immintrin.h", "sanitizer/asan_interface.h"}}
SYSTEM_ROOMS = {"io", "sip", "apps", "db"}  # db: files of its own; check_pure.py does not cover it

# library -> (pattern of its headers, folders that may include them, files per folder: None for any number)
LIBRARIES = {
    "libre": (r"(re|rem)(/|\.h)", ["sip"], None),
    "SQLite": (r"sqlite3\.h", ["db"], None),
    "PostgreSQL": (r"(libpq-fe|postgresql/.*|libpq/.*)", ["db"], None),
    "OpenSSL": (r"openssl/", ["crypto/openssl", "link"], {"link": 1}),
    # io: the HTTPS server, whose library hands out the GnuTLS session of a connection (client certificates); and TURN over TLS
    # sip: the DTLS handshake of calls' media, and SRTP's AES-GCM; link/ and its engines stand below node/, which is all that sip/ sees of them
    "GnuTLS": (r"gnutls/", ["crypto/gnutls", "link", "io", "sip"], {"link": 4, "io": 2, "sip": 2}),
    "libsrtp": (r"srtp2/", ["sip"], {"sip": 2}),  # seal_gcm.c: a cipher of GnuTLS for libsrtp
    "libxml2": (r"libxml/", ["conf"], {"conf": 1}),
    "jansson": (r"jansson", ["control", "io", "apps", "sim"], None),
    "argon2": (r"argon2\.h", ["enrol", "crypto"], {"enrol": 1, "crypto": 1}),
    "libmicrohttpd": (r"microhttpd\.h", ["io"], None),
    "libcurl": (r"curl/", ["io"], None),
    "libuv": (r"uv\.h", ["io"], None),
    "cmocka": (r"cmocka\.h", [], None),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def room_of(folder):
    """The row that a folder of src/ belongs to: the longest one that is a prefix."""
    parts = folder.split("/")
    while parts:
        if "/".join(parts) in LAYERS:
            return "/".join(parts)
        parts.pop()
    return None


def includes_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def library_of(name):
    for library, (pattern, _, _) in LIBRARIES.items():
        if re.match(pattern, name):
            return library
    return None


class Checker:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.read = 0  # files
        self.users = {}  # (library, folder) -> files that include it

    def find(self, path, number, text):
        self.findings.append(f"{path}:{number}: {text}")

    def check_ours(self, path, folder, row, grants, number, name):
        target = os.path.dirname(name)
        if name.startswith("ringfolk/"):
            if not os.path.exists(os.path.join(self.root, "include", name)):
                self.find(path, number, f'"{name}" does not exist')
            return
        if ".." in name.split("/") or not os.path.exists(os.path.join(self.root, "src", name)):
            self.find(path, number, f'"{name}" is not written from src/, or does not exist')
        elif target == folder or target in grants or name in grants:
            return
        elif room_of(target) == row and not target.startswith("crypto/"):
            return  # a part of the same room; but a backend of crypto is seen by mains only
        else:
            self.find(path, number, f'{row}/ must not include "{name}": its row is: {" ".join(grants) or "nothing of ours"}')

    def check_foreign(self, path, folder, row, number, name):
        library = library_of(name)
        if library is not None:
            _, folders, _ = LIBRARIES[library]
            if folder in folders or row in folders:
                self.users.setdefault((library, row), set()).add(path)
            else:
                self.find(path, number, f"<{name}>: only {', '.join(folders) or 'test/'} may see {library}")
        elif row not in SYSTEM_ROOMS and name not in PURE and name not in PURE_EXTRA.get(row, ()):
            self.find(path, number, f"<{name}>: {row}/ is a room without system headers")

    def check_file(self, path, folder):
        row = room_of(folder)
        if row is None:
            self.find(path, 1, f"src/{folder} has no row in the layering table")
            return
        includes = list(includes_of(os.path.join(self.root, path)))
        grants = LAYERS[row]
        if row == "apps" and any(ours and name.startswith(("sim/", "crypto/fake/")) for _, ours, name in includes):
            grants = SIMULATOR_MAIN
        for number, ours, name in includes:
            if ours:
                self.check_ours(path, folder, row, grants, number, name)
            else:
                self.check_foreign(path, folder, row, number, name)

    def check_public(self, path):
        for number, ours, name in includes_of(os.path.join(self.root, path)):
            if (ours and not name.startswith("ringfolk/")) or (not ours and name not in PURE):
                self.find(path, number, f"a public header must not include {name}")

    def run(self):
        for base, check in (("src", self.check_file), ("include", None)):
            for directory, folders, files in os.walk(os.path.join(self.root, base)):
                folders.sort()
                for file in sorted(files):
                    if not file.endswith((".c", ".h")):
                        continue
                    path = os.path.relpath(os.path.join(directory, file), self.root)
                    self.read += 1
                    if check is None:
                        self.check_public(path)
                    else:
                        check(path, os.path.relpath(directory, os.path.join(self.root, base)))
        for (library, row), files in sorted(self.users.items()):
            most = (LIBRARIES[library][2] or {}).get(row)
            if most is not None and len(files) > most:
                self.find(sorted(files)[-1], 1, f"only {most} file{'s' if most > 1 else ''} of {row}/ may see {library}, not {' '.join(sorted(files))}")
        return self.findings


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if not os.path.isdir(os.path.join(root, "src")):
        sys.exit(f"check_layers: {root} has no src/")
    checker = Checker(root)
    findings = checker.run()
    if checker.read == 0:
        sys.exit(f"check_layers: {root}/src has no C file")
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
