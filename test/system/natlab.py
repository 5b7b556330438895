"""natlab.py - natlab/natlab.sh for tests: a laboratory of NATs that is gone at the end, whatever happens to the test.

    with Lab(a="port", b="symmetric,hosts=2", c="open") as lab:
        lab.run("a", ["true"]); process = lab.popen("b.2", [...]); lab.flows("a")

Every laboratory has a prefix of its own. A guard beside the test removes it when the test has ended or after `seconds`.
"""
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))

from network import Net  # noqa: E402  (needs the path above)

SCRIPT = HERE / "natlab" / "natlab.sh"
BUILD = pathlib.Path(os.environ.get("RF_BUILD", HERE.parents[1] / "build" / "release"))
PUB = ("198.51.100.1", "198.51.100.2")
numbers = itertools.count(1)
# For a host's nft: UDP comes from and goes to the public net's first address only, so that a relay there is the only way for it.
ONLY_PUB = """
table inet narrow {
  chain in { type filter hook input priority 0; iif != lo meta l4proto udp ip saddr != 198.51.100.1 drop; }
  chain out { type filter hook output priority 0; oif != lo meta l4proto udp ip daddr != 198.51.100.1 drop; }
}
"""


def missing():
    """Why there can be no laboratory here; None if there can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("ip", "nft", "conntrack"):
        if shutil.which(program) is None:
            return f"needs {program}"
    name = f"nltry{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode != 0:
        return "no network namespaces here"
    rules = "table ip t { chain c { type nat hook postrouting priority srcnat; masquerade; }; }"
    works = subprocess.run(["ip", "netns", "exec", name, "nft", "-f", "-"], input=rules, text=True, capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return None if works.returncode == 0 else "no NAT in this kernel"


def required(test_class):
    """A decorator: these tests are skipped where there can be no laboratory."""
    why = missing()
    return unittest.skip(why)(test_class) if why else test_class


class Lab:
    """Sites as keywords: a="port,hosts=2". The public net is "pub"."""

    def __init__(self, seconds=300, **sites):
        self.sites, self.seconds = sites, seconds
        self.prefix = f"nl{os.getpid()}-{next(numbers)}-"
        self.env = dict(os.environ, NATLAB_PREFIX=self.prefix, NATLAB_WIRE=str(BUILD / "test" / "natlab_wire"))
        self.guard = None
        self.index = {name: i for i, name in enumerate(sites, 1)}

    def __enter__(self):
        self.guard = subprocess.Popen([SCRIPT, "guard", str(self.seconds)], stdin=subprocess.PIPE, env=self.env,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.script("up", *[f"{name}={what}" for name, what in self.sites.items()])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        self.guard.stdin.close()
        self.guard.wait(60)

    def script(self, *args, seconds=60):
        done = subprocess.run([SCRIPT, *args], env=self.env, capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"natlab {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    # ---- hosts ----

    def argv(self, host, argv):
        """The command that runs argv there; the process keeps its number."""
        return ["ip", "netns", "exec", self.prefix + host, *map(str, argv)]

    def run(self, host, argv, seconds=60, **kw):
        return subprocess.run(self.argv(host, argv), capture_output=True, text=True, timeout=seconds, check=False, **kw)

    def popen(self, host, argv, **kw):
        return subprocess.Popen(self.argv(host, argv), **kw)

    def address(self, host):
        """As its own interface has it."""
        if host == "pub":
            return PUB[0]
        site, _, number = host.partition(".")
        if self.sites[site].split(",")[0] == "open":
            return self.public(site)
        return f"10.{self.index[site]}.0.{9 + int(number or 1)}"

    def public(self, site):
        """The address that the Internet sees."""
        for option in self.sites[site].split(","):
            if option.startswith("behind="):
                return self.public(option[len("behind="):])
        return f"198.51.100.{10 + self.index[site]}"

    # ---- gateways ----

    def flows(self, site):
        return int(self.script("flows", site))

    def blocked(self, site):
        return self.script("blocked", site).split()

    def reset(self, site):
        self.script("reset", site)

    def renumber(self, site, last=100):
        self.script("renumber", site, f"198.51.100.{last}")

    def move(self, host, site, last=100):
        self.script("move", host, site, f"10.{self.index[site]}.0.{last}")


class LabNet(Net):
    """Real processes in a laboratory: enrolment server and supernodes in "pub", clients where `host=` says."""

    def __init__(self, lab, directory):
        super().__init__(BUILD, directory)
        self.lab = lab

    def within(self, host, argv):
        return self.lab.argv(host or "pub", argv)

    def address(self, host):
        return self.lab.address(host or "pub")


class LabTest(unittest.TestCase):
    """A laboratory and a network in it per class: `sites` and `build_network` are overridden. Logs are shown when a test failed."""

    sites = {}
    seconds = 120
    failed = False

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="rf-natlab-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.addClassCleanup(cls.show_logs)
        cls.lab = Lab(cls.seconds, **cls.sites)
        cls.lab.__enter__()
        cls.addClassCleanup(cls.lab.__exit__)
        cls.net = LabNet(cls.lab, cls.directory)
        cls.addClassCleanup(cls.net.end)
        cls.failed = True  # until it is built
        cls.build_network()
        cls.failed = False

    @classmethod
    def build_network(cls):
        """Overridden."""

    @classmethod
    def show_logs(cls):
        if not cls.failed:
            return
        for log in sorted(cls.directory.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-8:], sep="\n", file=sys.stderr)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        type(self).failed |= len(result.failures) + len(result.errors) > before
