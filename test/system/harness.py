"""harness.py - what the system tests share: a build, a directory, a network that is ended whatever happens."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from network import Net, free_port, wait_registered  # noqa: E402  (needs the path above)

BUILD = os.environ.get("RF_BUILD", str(ROOT / "build" / "release"))


class NetworkTest(unittest.TestCase):
    """One network per class; logs are kept when a test failed."""

    net = None
    failed = False
    root_only = staticmethod(unittest.skipIf(os.geteuid() != 0, "needs root"))

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="rf-system-"))
        cls.net = Net(BUILD, cls.directory)
        try:
            cls.build_network()
        except BaseException:
            cls.failed = True
            cls.tearDownClass()
            raise

    @classmethod
    def build_network(cls):
        """Overridden: what every test of the class needs."""

    @classmethod
    def overlay_of(cls, supernodes, *people):
        """An enrolment server, that many supernodes, and a client for each name, all registered: cls.supers, cls.NAME."""
        port = free_port()
        cls.net.start_enrolment(port)
        cls.supers = cls.net.add_supernodes(supernodes, port)
        nodes = [cls.net.add_client(name) for name in people]
        for node in nodes:
            node.ready()
            setattr(cls, node.name, node)
        wait_registered(nodes)

    @classmethod
    def tearDownClass(cls):
        cls.net.end()
        if cls.failed:
            for log in sorted(cls.directory.glob("*.log")):
                text = log.read_text(errors="replace").splitlines()[-8:]
                if text:
                    print(f"--- {log.name}", *text, sep="\n", file=sys.stderr)
        shutil.rmtree(cls.directory, ignore_errors=True)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True


def main():
    """Prints a closing line that CTest and people can read."""
    unittest.main(module="__main__", verbosity=2, warnings="ignore")
