#!/usr/bin/env python3
# sim_cli.py - ringfolk-sim as its users see it: exit status, what it prints, JSON, report, the same seed twice.
# sim_cli.py PROGRAM
import html.parser
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

PROGRAM = sys.argv[1]
TINY = """title  Six supernodes
supernodes = 6
clients = 2
duration = 90s
probe = 10s
option quick = 2s  how fast they start
at 0 start supernodes over=quick
at 10s start clients over=quick
at 40s work lookup all rate=2 as=lookups
at 60s kill supernodes count=1 pause=5s spare-bootstraps as=crash
check lookups_right lookup.right_share >= 90% from 40s to 60s
check nobody_lost killed_by_nobody <= 0
"""


def run(*arguments, status=0):
    result = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)
    if result.returncode != status:
        sys.exit(f"{arguments}: exit {result.returncode}, not {status}\n{result.stdout}{result.stderr}")
    return result


def expect(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def usage_errors(tiny):
    broken = os.path.join(os.path.dirname(tiny), "broken.scn")
    with open(broken, "w") as file:
        file.write("title Broken\n\nat 1m explode all\n")
    for arguments, piece in (([], "usage:"), (["nosuch-scenario"], "no such scenario"), ([tiny, "--nosuch", "1"], "--nosuch"),
                             ([tiny, "--seed"], "--seed"), ([tiny, "--seed", "x"], "--seed"), ([tiny, "--set", "x"], "--set"),
                             ([tiny, "--set", "nosuch=1"], "nosuch"), ([tiny, "--set", "supernodes=0"], "supernodes"),
                             ([tiny, "--shards", "99"], "--shards"), ([tiny, "twice"], "one scenario"),
                             (["show", "nosuch"], "no such scenario"), ([broken], "line 3: no such verb: explode")):
        result = run(*arguments, status=2)
        expect(piece in result.stderr, f"{arguments} says {piece}: {result.stderr}")
        expect(result.stdout == "", f"{arguments} prints nothing else")


def listing():
    names = [line.split()[0] for line in run("list").stdout.splitlines()]
    for name in ("grow", "churn", "durability", "december-2010", "storm", "partition", "smoke"):
        expect(name in names, f"{name} is listed")
    expect(all(len(line.split(None, 1)) == 2 for line in run("list").stdout.splitlines()), "every scenario has a title")
    for name in names:
        expect("title " in run("show", name).stdout, f"{name} can be shown")
    expect(any(line.split()[:2] == ["clients", "0"] for line in run("settings").stdout.splitlines()), "settings have defaults")
    expect("--seed" in run("--help").stdout, "help is there")


def json_of(tiny, *arguments, status=0):
    path = os.path.join(os.path.dirname(tiny), "out.json")
    result = run(tiny, "--json", path, "--quiet", *arguments, status=status)
    with open(path) as file:
        return json.load(file), result.stdout


def same_and_not_the_same(tiny):
    first, printed = json_of(tiny, "--seed", "7")
    for key, kind in (("scenario", str), ("seed", int), ("options", dict), ("verdict", str), ("trace_hash", str), ("checks", list),
                      ("figures", dict), ("metrics", dict), ("command", str)):
        expect(isinstance(first.get(key), kind), f"JSON has {key}")
    expect(first["scenario"] == "tiny" and first["seed"] == 7 and first["verdict"] == "pass", "what ran")
    expect(first["options"]["supernodes"] == 6 and first["options"]["quick"] == 2, "options have values")
    check = first["checks"][0]
    expect(check["name"] == "lookups_right" and check["pass"] is True and check["limit"] == 0.9 and 0.9 <= check["value"] <= 1,
           "checks have name, pass, value and limit")
    expect(first["metrics"]["lookup.ended"] > 10, "lookups were made")
    for piece in ("seed      7", first["trace_hash"], "verdict   pass", "quick=2s"):
        expect(piece in printed, f"{piece} is printed")
    for again in (("--seed", "7"), ("--seed", "7", "--shards", "2")):
        other, _ = json_of(tiny, *again)
        del other["machine"]
        expect(other == {key: value for key, value in first.items() if key != "machine"}, f"{again}: the same in every point")
    other, _ = json_of(tiny, "--seed", "8")
    expect(other["trace_hash"] != first["trace_hash"], "another seed is another run")


def failing_runs(tiny):
    values, printed = json_of(tiny, "--seed", "3", "--set", "check.lookups_right=200%", "--set", "crash.count=2", status=1)
    expect(values["verdict"] == "fail" and values["checks"][0]["pass"] is False, "the verdict is fail")
    repeat = [line for line in printed.splitlines() if line.startswith("repeat")]
    expect(len(repeat) == 1, "the command to repeat it is printed")
    command = shlex.split(repeat[0].split(None, 1)[1])
    expect(command[0] == "ringfolk-sim" and " ".join(command) == values["command"], "it is the one of the JSON")
    again = run(*command[1:], status=1)
    expect(values["trace_hash"] in again.stdout, "it repeats the run")
    result = run(tiny, "--quiet", "--json", os.path.join(tiny, "no-folder.json"), status=1)
    expect("no-folder.json" in result.stderr, "a file that cannot be written is named")


class Page(html.parser.HTMLParser):
    OPEN = {"meta"}  # without an end tag

    def __init__(self):
        super().__init__()
        self.stack, self.seen = [], {}

    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        expect(not any(name in ("src", "href") for name, _ in attrs), f"<{tag}> loads nothing")
        if tag not in self.OPEN:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag):
        expect(self.stack and self.stack.pop() == tag, f"</{tag}> ends what it should")


def report(tiny):
    folder = os.path.join(os.path.dirname(tiny), "report")
    run(tiny, "--quiet", "--report", folder, "--set", "check.lookups_right=200%", status=1)
    with open(os.path.join(folder, "index.html")) as file:
        text = file.read()
    page = Page()
    page.feed(text)
    expect(page.stack == ["html"] or page.stack == [], "the page is whole")
    expect(page.seen.get("svg", 0) >= 4 and page.seen.get("path", 0) >= 6, "there are plots")
    expect("script" not in page.seen and "http" not in text and not re.search(r"\bnan\b", text), "nothing comes from elsewhere")
    for piece in ("Six supernodes", "200%", "--set check.lookups_right=200%", "✗ fail", "kill supernodes count=1"):
        expect(piece in text, f"the page says {piece}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        tiny = os.path.join(folder, "tiny.scn")
        with open(tiny, "w") as file:
            file.write(TINY)
        listing()
        usage_errors(tiny)
        same_and_not_the_same(tiny)
        failing_runs(tiny)
        report(tiny)
        values, printed = json_of(tiny, "--real-crypto")
        expect(values["crypto"] == "openssl" and values["verdict"] == "pass", f"real crypto does as well: {printed}")
    print("ringfolk-sim does what it says")


if __name__ == "__main__":
    main()
