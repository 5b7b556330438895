#!/usr/bin/env python3
"""man.py - writes the man pages: docs/man/PROGRAM.1.in with what the programs say of themselves in --help.

    tools/man.py BIN_DIR OUT_DIR

A line `@COMMANDS@` stands for every command of the program with its options, also those of two words, `@USAGE@` for its usage lines, `@OPTIONS@` for the options of a program without commands.
So a page cannot forget a command, nor say other words than --help.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def said(program, *words):
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0 or not done.stdout.startswith(("usage: ", program.name)):
        sys.exit(f"man: {program.name} {' '.join(words)} --help said: {done.stdout}{done.stderr}")
    return done.stdout.rstrip("\n").split("\n")


def roff(text):
    """As it is, also dashes that somebody copies, and a dot at the beginning of a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\\&" + text if text[:1] in (".", "'") else text


def usage_of(lines):
    """The usage lines without `usage:`, those that go on joined; and what comes after them."""
    usage, rest = [], list(lines)
    while rest and rest[0].strip():
        line = rest[0]
        if usage and line.startswith("  ") and not line.startswith("     "):
            break
        line = line.removeprefix("usage:").strip()
        if line.startswith("ringfolk") or not usage:
            usage.append(re.split("  +", line)[0])  # what some say behind it stands in the page itself
        else:
            usage[-1] += " " + line
        rest.pop(0)
    return usage, rest


def rows_of(lines):
    """`  WORD  meaning` rows; a meaning may go on in the next line."""
    rows = []
    for line in lines:
        row = re.fullmatch(r"  (\S.*?)(?:  +(\S.*))?", line)
        if row:
            rows.append([row[1], row[2] or ""])
        elif rows and line.startswith("   ") and line.strip():
            rows[-1][1] += " " + line.strip()
    return rows


def options(lines):
    for word, meaning in rows_of(lines):
        yield from (".TP", f"\\fB{roff(word)}\\fR", roff(meaning) or "\\&")


def names(program):
    """The commands in the order of --help: a row that begins with a small word."""
    found = []
    for line in said(program):
        row = re.match(r"  ([a-z]+)\b", line)
        if row and row[1] not in found:
            found.append(row[1])
    return found


def command(program, name):
    usage, rest = usage_of(said(program, *name.split()))
    about = rest.pop(0).strip() if rest and rest[0].startswith("  ") else ""
    yield f".SS {roff(name)}"
    yield f"\\fB{roff(usage[0])}\\fR"
    yield ".PP"
    yield roff(about[:1].upper() + about[1:] + "." if about else "\\&")
    below = [row[1] for row in (re.match(rf"  ({name} [a-z]+)\b", line) for line in rest) if row and usage[0].endswith("COMMAND ...")]
    for words in below:  # a word that has commands of its own
        yield from command(program, words)
    if not below:
        yield from options(rest)
    failed = next((line for line in rest if line.startswith("Exit status: ") and "1 failed:" in line), None)
    if failed:
        yield ".PP"
        yield roff(failed)


def page(source, bin_dir):
    program = bin_dir / source.name.removesuffix(".1.in")
    lines = said(program)
    for line in source.read_text(encoding="utf-8").splitlines():
        if line == "@COMMANDS@":
            for name in names(program):
                yield from command(program, name)
        elif line == "@USAGE@":
            start = next(i for i, text in enumerate(lines) if text.startswith("usage:"))
            yield "\n.br\n".join(f"\\fB{roff(usage)}\\fR" for usage in usage_of(lines[start:])[0])
        elif line == "@OPTIONS@":
            yield from options([text for text in lines if text.startswith("  -") or text.startswith("     ")])
        else:
            yield line


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: man.py BIN_DIR OUT_DIR")
    bin_dir, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for source in sorted((ROOT / "docs" / "man").glob("*.1.in")):
        (out / source.name.removesuffix(".in")).write_text("\n".join(page(source, bin_dir)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
