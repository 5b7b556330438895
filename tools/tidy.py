#!/usr/bin/env python3
# tidy.py - holds the rules of style that a tool can hold.
# tidy.py [ROOT]           exit status 1 and one line per finding
# tidy.py --list [ROOT]    prints the C files it is about
#
# C files of src/ include/ test/ bench/: at most 800 lines, functions of at most 70 lines with their heads, the first line says what
# the file does, no tabs, formatted as .clang-format says. A test that no .cmake file names is never run. Every text file: no blanks at line ends, one newline at the end, no path
# of somebody's machine, no address of a package registry.
import os
import re
import subprocess
import sys

FILE_LINES = 800
FUNCTION_LINES = 70
C_FOLDERS = ("src/", "include/", "test/", "bench/")
TEXT = (".c", ".h", ".py", ".sh", ".cmake", ".md", ".txt", ".json", ".yml", ".yaml", ".ts", ".js", ".css", ".html", ".xml",
        ".rpl", ".service", ".conf")
TEXT_NAMES = ("Makefile", "Dockerfile", "run", "control", "rules")
SKIPPED_FOLDERS = {".git", "node_modules", "__pycache__", "demo-run"}
UNTOUCHED = ("test/vectors/", "LICENSE")  # byte for byte from elsewhere
CLANG_FORMAT = 14

# written in pieces, so that this file passes its own rules
MACHINE_PATH = re.compile(r"(?<![\w.~-])/" + r"(work/|home/[a-z]|root/|Users/|mnt/[a-z])")
REGISTRY = re.compile(r"(registry\." + r"npmjs|files\.python" + r"hosted|pypi\." + r"org|proxy\.gol" + r"ang|deb\.deb" + r"ian\.org"
                      r"|security\.deb" + r"ian\.org)")


def files_below(root):
    """Text files that are or will be under version control, sorted."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z", "."], capture_output=True)
    if listing.returncode == 0 and os.path.exists(os.path.join(root, ".git")):
        names = listing.stdout.decode().split("\0")
    else:
        names = []
        for directory, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("build")]
            names += [os.path.relpath(os.path.join(directory, file), root) for file in files]
    for name in sorted(set(names)):
        base = os.path.basename(name)
        if (name.endswith(TEXT) or base in TEXT_NAMES) and not name.startswith(UNTOUCHED) \
                and os.path.isfile(os.path.join(root, name)):
            yield name


def is_c(name):
    return name.endswith((".c", ".h")) and name.startswith(C_FOLDERS)


def check_text(name, lines):
    makefile = os.path.basename(name) in ("Makefile", "rules") or name.endswith(".mk")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if "\t" in line and not makefile and name.endswith((".c", ".h", ".py", ".cmake")):
            yield number, "a tab"
        if MACHINE_PATH.search(line):
            yield number, "a path of somebody's machine"
        if REGISTRY.search(line):
            yield number, "the address of a package registry"


def check_first_line(name, lines):
    base = re.escape(os.path.basename(name))
    words = "".join(lines[:2]) if lines[:1] == ["/*"] else "".join(lines[:1])
    if not re.match(r"/\* (\* )?" + base + r" - \S", words):
        yield 1, f"the first line must say what the file does: /* {os.path.basename(name)} - ... */"


def check_lengths(lines):
    if len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines, more than {FILE_LINES}"
    head = start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = head or number
        elif line == "}" and start is not None:
            if number - start + 1 > FUNCTION_LINES:
                yield start, f"a function of {number - start + 1} lines, more than {FUNCTION_LINES}"
            start = head = None
        elif start is None:  # a head begins at a line with a word at its margin, and lasts until its brace
            if re.match(r"[A-Za-z_]", line) and not line.endswith((";", ":")):
                head = head if head is not None and lines[number - 2].endswith((",", "(")) else number
            elif not line.startswith((" ", "\t")):
                head = None


def unbuilt_findings(root, names):
    """Tests and fuzz targets that stand in no .cmake file."""
    built = ""
    for name in names:
        if name.endswith(".cmake"):
            with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
                built += file.read()
    for name in names:
        match = re.fullmatch(r"test/(?:unit/(test_\w+)|fuzz/(fuzz_\w+))\.c", name)
        if match and not re.search(rf"\b{match.group(1) or match.group(2)}\b", built):
            yield f"{name}:1: no .cmake file builds it"


def format_findings(root, names):
    """One finding per file that clang-format would change."""
    try:
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        version = ""
    match = re.search(r"version (\d+)", version)
    if not match or int(match.group(1)) != CLANG_FORMAT:
        yield f"clang-format {CLANG_FORMAT} is needed, found: {version.strip() or 'none'}"
        return
    style = "--style=file:" + os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".clang-format")
    for first in range(0, len(names), 50):
        result = subprocess.run(["clang-format", style, "--dry-run", "-Werror"] + names[first:first + 50], cwd=root,
                                capture_output=True, text=True)
        seen = set()
        for line in result.stderr.splitlines():
            match = re.match(r"(.+?):(\d+):\d+: error: ", line)
            if match and match.group(1) not in seen:
                seen.add(match.group(1))
                yield f"{match.group(1)}:{match.group(2)}: not formatted (make format)"
        if result.returncode != 0 and not seen:
            yield f"clang-format failed: {result.stderr.strip()}"


def check(root):
    names = list(files_below(root))
    findings = []
    for name in names:
        with open(os.path.join(root, name), encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
        lines = text.split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        found = list(check_text(name, lines))
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            found.append((len(lines), "the file must end with one newline"))
        if is_c(name):
            found += check_first_line(name, lines)
            found += check_lengths(lines)
        findings += [f"{name}:{number}: {words}" for number, words in sorted(found)]
    if not any(is_c(name) for name in names):
        findings.append(f"{root}: no C file: nothing was looked at")
        return findings
    findings += unbuilt_findings(root, names)
    return findings + list(format_findings(root, [name for name in names if is_c(name)]))


def main():
    arguments = sys.argv[1:]
    listing = "--list" in arguments
    roots = [a for a in arguments if a != "--list"]
    root = roots[0] if roots else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if not os.path.isdir(root):
        sys.exit(f"tidy: {root} is no folder")
    if listing:
        for name in files_below(root):
            if is_c(name):
                print(os.path.normpath(os.path.join(root, name)))
        return
    findings = check(root)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
