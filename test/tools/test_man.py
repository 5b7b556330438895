#!/usr/bin/env python3
"""test_man.py - every command and option of the programs' --help stands in their man pages, which mandoc reads without a complaint. test_man.py BUILD_DIR"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
COMMANDS = {"ringfolk": ("init", "whois", "call", "doctor", "shutdown", "chat", "contact", "presence"), "ringfolk-enrol": ("init", "serve", "revoke")}  # must be among them


def text_of(page):
    """As it is shown on a terminal, without overstriking, in lines as long as they need."""
    shown = subprocess.run(["mandoc", "-Tascii", "-Owidth=1000", page], capture_output=True, text=True, check=True).stdout
    return re.sub(".\b", "", shown)


class Man(unittest.TestCase):
    def test_mandoc_has_no_complaint(self):
        pages = sorted((BUILD / "man").glob("*.1"))
        self.assertEqual([p.name for p in pages], ["ringfolk-enrol.1", "ringfolk-sim.1", "ringfolk.1", "ringfolkd.1"])
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_every_command_and_option(self):
        for program, known in COMMANDS.items():
            shown = text_of(BUILD / "man" / f"{program}.1")
            help_text = subprocess.run([BUILD / "bin" / program, "--help"], capture_output=True, text=True, check=True).stdout
            names = set(re.findall(r"(?m)^  ([a-z]+)\b", help_text))
            self.assertTrue(names.issuperset(known), names)
            for name in names:
                self.assertRegex(shown, rf"(?m)^   {name}$")
                of_command = subprocess.run([BUILD / "bin" / program, name, "--help"], capture_output=True, text=True, check=True).stdout
                below = re.findall(rf"(?m)^  ({name} [a-z]+)\b", of_command) if "COMMAND ..." in of_command else []
                self.assertEqual(bool(below), name in ("chat", "contact"))
                for words in below:
                    self.assertRegex(shown, rf"(?m)^   {words}$")
                    of_command += subprocess.run([BUILD / "bin" / program, *words.split(), "--help"], capture_output=True, text=True, check=True).stdout
                for option in re.findall(r"(?m)^  (--[a-z-]+)", of_command):
                    self.assertIn(option, shown)

    def test_installed(self):
        with tempfile.TemporaryDirectory(prefix="rf-install-") as prefix:
            subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, check=True)
            said = subprocess.run([f"{prefix}/bin/ringfolk", "--version"], capture_output=True, text=True, check=True).stdout
            self.assertTrue(said.startswith("ringfolk "), said)
            self.assertTrue((pathlib.Path(prefix) / "share" / "man" / "man1" / "ringfolkd.1").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
