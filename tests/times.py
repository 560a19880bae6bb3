"""Where the suite's time goes: `pytest --junit-xml=times.xml`, then `python tests/times.py times.xml`."""

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree


def main(path):
    """Print a Markdown table: a row for each file, the longest first, and its longest test."""
    suite = ElementTree.parse(path).getroot().find("testsuite")
    files = defaultdict(list)
    for case in suite.iter("testcase"):
        parts = case.get("classname").split(".")
        files["/".join(parts[1:])].append((float(case.get("time")), case.get("name").split("@")[0]))
    print("| file | tests | seconds | longest test |\n|---|---|---|---|")
    for name, tests in sorted(files.items(), key=lambda item: -sum(seconds for seconds, _ in item[1])):
        seconds, longest = max(tests)
        total = sum(seconds for seconds, _ in tests)
        print(f"| {name} | {len(tests)} | {total:.0f} | {longest[:70]} ({seconds:.0f} s) |")
    tests = [test for found in files.values() for test in found]
    print(f"| all, of two workers | {len(tests)} | {sum(seconds for seconds, _ in tests):.0f} | |")
    print(f"\nFrom start to end: {float(suite.get('time')):.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
