#!/usr/bin/env python3
"""test_doctor.py - what `ringfolk doctor` says: all is well; behind a NAT; a clock, a certificate, an enrolment server, supernodes that are not as they should be.

    RF_BUILD=DIR test_doctor.py
"""
import os
import subprocess
import sys
import time
import unittest

import natlab
from harness import ROOT  # noqa: F401  (finds tools/network.py)
from network import free_port, wait_registered, wait_until


@natlab.required
class Doctor(natlab.LabTest):
    sites = {"here": "open", "home": "port", "wall": "open"}

    @classmethod
    def build_network(cls):
        port = free_port()
        cls.net.start_enrolment(port)
        cls.supers = cls.net.add_supernodes(2, port)
        cls.shift = str(natlab.BUILD / "test" / "libclock_shift.so")
        cls.lab.run("wall", ["nft", "add table ip w; add chain ip w in { type filter hook input priority 0; }; "
                             "add rule ip w in ct state new tcp dport 1024-65535 drop"])
        cls.open, cls.natted, cls.walled = (cls.net.add_client(name, host=host) for name, host in
                                            (("open", "here"), ("natted", "home"), ("walled", "wall")))
        cls.late = cls.net.add("late", "late", "client", host="here")
        cls.net.enrol_cli("user", "add", "late", "--password-stdin", stdin="pw-late-123\n")
        cls.late.enrol("--password-stdin", stdin="pw-late-123\n")
        os.environ.update(LD_PRELOAD=cls.shift, CLOCK_SHIFT_S="3600")
        cls.late.start()
        os.environ.pop("LD_PRELOAD"), os.environ.pop("CLOCK_SHIFT_S")
        for node in (cls.open, cls.natted, cls.walled, cls.late):
            node.ready()
        wait_registered([cls.open, cls.natted, cls.walled])
        time.sleep(12.5)  # until they have settled, and have no connection left over from their way in

    def ask(self, node):
        """(exit status, the result, findings by what they are about)."""
        argv = [self.net.program("ringfolk"), "--home", str(node.home)]
        said = node.cli("doctor", check_status=False)[0]  # first: a supernode dials back once in 10 s
        people = subprocess.run([*argv, "doctor"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(people.returncode, 0 if said["healthy"] else 1, people.stderr)
        findings = {f["about"]: f for f in said["findings"]}
        for about, finding in findings.items():
            self.assertRegex(people.stdout, rf"(?m)^(good|note|TROUBLE) +{about} ")
            self.assertTrue(finding["finding"] != "trouble" or finding["do"], finding)
        return said, findings

    def troubles(self, findings):
        return sorted(about for about, f in findings.items() if f["finding"] == "trouble")

    def test_1_all_is_well(self):
        said, findings = self.ask(self.open)
        self.assertEqual(self.troubles(findings), [], said)
        self.assertEqual((said["reachable"], said["nat"]), ("yes", False))
        self.assertEqual(said["seen"].split(":")[0], self.lab.public("here"))
        self.assertLess(abs(said["clock_ms"]), 5000)
        self.assertIn("of at most 20", findings["flows"]["text"])
        said, findings = self.ask(self.supers[0])
        self.assertEqual(self.troubles(findings), [], said)

    def test_2_nat(self):
        """Nothing is wrong with being behind one, and it is said. One connection in quiet times."""
        wait_until("it has one connection", lambda: self.natted.cli("status")[0]["flows"] == 1, 30)
        said, findings = self.ask(self.natted)
        self.assertEqual(self.troubles(findings), [], said)
        self.assertEqual((said["reachable"], said["nat"]), ("no", True))
        self.assertEqual(said["local"].split(":")[0], self.lab.address("home"))
        self.assertEqual(said["seen"].split(":")[0], self.lab.public("home"))
        self.assertIn("behind the NAT", findings["reachable"]["text"])
        self.assertIn("1 connection of", findings["flows"]["text"])
        self.assertIn("others reach it all the same", findings["reachable"]["do"])

    def test_3_firewall(self):
        said, findings = self.ask(self.walled)
        self.assertEqual((said["reachable"], said["nat"]), ("no", False))
        self.assertIn("firewall", findings["reachable"]["text"])

    def test_4_clock(self):
        said, findings = self.ask(self.late)
        self.assertIn("clock", self.troubles(findings))
        self.assertAlmostEqual(said["clock_ms"], -3600 * 1000, delta=5000)
        self.assertIn("ahead", findings["clock"]["text"])

    def test_5_no_enrolment_server(self):
        self.net.server.end()
        _, findings = self.ask(self.open)
        self.assertEqual(self.troubles(findings), ["enrolment"])
        self.assertIn("nobody answers there", findings["enrolment"]["text"])

    def test_6_no_supernode(self):
        for node in self.supers:
            node.daemon.kill()
        wait_until("the client has noticed", lambda: self.open.cli("status")[0]["state"] != "joined", 20)
        _, findings = self.ask(self.open)
        self.assertIn("supernode", self.troubles(findings))
        wait_until("somebody was tried", lambda: "the last one tried" in self.ask(self.open)[1]["supernode"]["text"], 20)

    def test_7_certificate(self):
        """Near its end, and not renewed, since the enrolment server is away."""
        self.open.daemon.end()
        ca, home = self.net.dir / "enrol", self.open.home
        work = self.directory / "ca"
        work.mkdir()
        (work / "index.txt").write_text("")
        (work / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\nnew_certs_dir={work}\nrand_serial=yes\n"
                                     "default_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=optional\n")
        for command in (f"openssl x509 -inform DER -in {home}/cert.der -x509toreq -signkey {home}/key.pem -copy_extensions copyall "
                        f"-out {work}/csr.pem",
                        f"openssl ca -batch -notext -config {work}/ca.cnf -cert {ca}/ca.pem -keyfile {ca}/ca.key -in {work}/csr.pem "
                        f"-startdate {self.date(-90)} -enddate {self.date(3)} -out {work}/cert.pem",
                        f"openssl x509 -in {work}/cert.pem -outform DER -out {home}/cert.der"):
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.open.start()
        wait_until("it runs", lambda: (self.open.home / "control.sock").exists(), 10)
        _, findings = self.ask(self.open)
        self.assertIn("certificate", self.troubles(findings))
        self.assertIn("should have been renewed", findings["certificate"]["text"])

    @staticmethod
    def date(days):
        return subprocess.run(["date", "-u", "-d", f"{days} days", "+%Y%m%d%H%M%SZ"], capture_output=True, text=True,
                              check=True).stdout.strip()


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2, warnings="ignore")
