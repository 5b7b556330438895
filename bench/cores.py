"""cores.py - which core a process of a benchmark runs on."""
import os


def pinned(core, argv):
    """argv for that core; where the machine has one only, as it is."""
    return ["taskset", "-c", str(core), *argv] if (os.cpu_count() or 1) > 1 else argv
