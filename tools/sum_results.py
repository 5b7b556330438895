#!/usr/bin/env python3
# sum_results.py - reads a JUnit file of ctest; prints "PASSED FAILED SKIPPED NAME-OF-FAILED...".
# sum_results.py FILE CTEST-EXIT-STATUS
import sys
import xml.etree.ElementTree as ElementTree


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    passed, failed, skipped = 0, [], 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        skip = case.find("skipped")
        if case.get("status") == "run":
            passed += 1
        elif case.get("status") == "disabled" or (skip is not None and skip.get("message", "").startswith("SKIP_")):
            skipped += 1
        else:  # failed, timed out, crashed, or its program is not there
            failed.append(case.get("name"))
    if status != 0 and not failed:
        failed.append(f"ctest ended with status {status}")
    print(passed, len(failed), skipped, " ".join(failed))


if __name__ == "__main__":
    main()
