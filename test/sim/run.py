#!/usr/bin/env python3
# run.py - plays the runs of a list with some seeds, one after another, and says which checks failed.
# run.py PROGRAM LIST --out DIR [--seeds "1 2 3"] [--only NAME]
#
# For each run DIR/NAME-SEED/ holds result.json, index.html and output.txt. Exit status 1 when a verdict was fail or a run broke.
import argparse
import json
import os
import shlex
import subprocess
import sys
import time


def runs_of(path, only):
    with open(path) as file:
        for line in file:
            words = shlex.split(line, comments=True)
            if words and only in (None, words[0]):
                yield words[0], words[1:]


def play(program, name, arguments, seed, out):
    """The verdict of one run, and a line about it."""
    folder = os.path.join(out, f"{name}-{seed}")
    os.makedirs(folder, exist_ok=True)
    result = os.path.join(folder, "result.json")
    if os.path.exists(result):
        os.remove(result)
    command = [program, *arguments, "--seed", str(seed), "--json", result, "--report", folder]
    with open(os.path.join(folder, "output.txt"), "w") as output:
        status = subprocess.run(command, stdout=output).returncode
    if status not in (0, 1) or not os.path.exists(result):
        return "broken", f"exit {status}: {folder}/output.txt"
    with open(result) as file:
        values = json.load(file)
    machine = values["machine"]
    failed = [f"{c['name']} {c['value']} (must be {c['wanted']} {c['limit']})" for c in values["checks"] if not c["pass"]]
    figures = f"{values['figures']['events'] / 1e6:.1f} M events, {machine['peak_bytes'] / 1e6:.0f} MB"
    return values["verdict"], figures + "".join("\n      " + words for words in failed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("list")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--only")
    options = parser.parse_args()
    count = bad = 0
    for name, arguments in runs_of(options.list, options.only):
        for seed in " ".join(options.seeds).split():
            began = time.monotonic()
            verdict, words = play(options.program, name, arguments, seed, options.out)
            print(f"{verdict:6} {name} seed {seed}: {time.monotonic() - began:.0f} s, {words}", flush=True)
            count += 1
            bad += verdict != "pass"
    print(f"{count - bad} of {count} runs passed; reports are in {options.out}")
    sys.exit(1 if bad or count == 0 else 0)


if __name__ == "__main__":
    main()
