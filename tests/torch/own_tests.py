#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs our own tests of the backend: every *_test.py beside this file. Ends with `N passed, N failed, N skipped`."""

import sys
import unittest
from pathlib import Path


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    folder = Path(__file__).parent
    sys.path.insert(0, str(folder))
    patterns = sys.argv[1:] or ["*_test.py"]
    suite = unittest.TestSuite(unittest.TestLoader().discover(str(folder), pattern) for pattern in patterns)
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors)  # a failed subtest is one each
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
