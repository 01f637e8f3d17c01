#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the distributed tests that PyTorch's own wheel ships against ringcoll. No file of PyTorch's is changed.

    run_suite.py [--backend ringcoll|gloo] [--ranks N] [--as gloo|mpi] [-k PATTERN]... [-v]

Says one line for each test that did not pass, then `N passed, N failed, N skipped`. A failure that EXPECTED names
counts as skipped; one that passes although EXPECTED names it is a failure of this list.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import unittest

# What PyTorch refuses to any backend that is not its own, by the rank counts that reach the refusal.
NOT_GLOO = "dist.monitored_barrier refuses every name but gloo; ringcoll.monitored_barrier is tested by ours"
EXPECTED = {
    "test_monitored_barrier_gloo": (NOT_GLOO, range(2, 99)),
    "test_monitored_barrier_gloo_subgroup": (NOT_GLOO, range(2, 99)),
    "test_monitored_barrier_gloo_rank_0_timeout": (NOT_GLOO, range(2, 99)),
    "test_monitored_barrier_failure_order": (NOT_GLOO, range(3, 99)),
    "test_monitored_barrier_wait_all_ranks": (NOT_GLOO, range(3, 99)),
    "test_ddp_logging_data_cpu": ("DDP reports the backend of a third party as 'custom'", range(2, 99)),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="ringcoll", choices=("ringcoll", "gloo"))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument(
        "--as", dest="twin", default="gloo", choices=("gloo", "mpi"),
        help="whose tests apply: PyTorch runs the all_to_all tests for CPU tensors with mpi only",
    )
    parser.add_argument("-k", dest="patterns", action="append", default=[])
    parser.add_argument("-v", dest="verbose", action="store_true")
    return parser.parse_args()


class Twin(str):
    """A backend's name that is also equal to another's: so that one's tests apply to this backend."""

    twin = "gloo"

    def __eq__(self, other):
        return str.__eq__(self, other) is True or (type(other) is str and other == self.twin)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(self.twin)


def load_tests_of_pytorch(options):
    """PyTorch's test classes, told by environment variables what to test."""
    scratch = tempfile.mkdtemp(prefix="ringcoll-suite-")
    for name in ("barrier", "test_dir", "init_dir"):
        os.mkdir(os.path.join(scratch, name))
    os.environ.update(
        BACKEND=options.backend,
        WORLD_SIZE=str(options.ranks),
        INIT_METHOD="file://" + os.path.join(scratch, "init_dir", "store"),
        TEMP_DIR=scratch,
        OMP_NUM_THREADS="1",
    )
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29555")
    import torch.testing._internal.common_distributed as common

    if options.backend == "gloo":
        import torch.testing._internal.distributed.distributed_test as tests

        return tests
    import ringcoll  # noqa: F401

    for feature in ("ddp", "subgroup", "plugin"):
        common.DistTestCases.backend_feature[feature].add(options.backend)
    Twin.twin = options.twin
    get = os._Environ.__getitem__
    os._Environ.__getitem__ = lambda env, key: Twin(get(env, key)) if key == "BACKEND" else get(env, key)
    import torch.testing._internal.distributed.distributed_test as tests

    os._Environ.__getitem__ = get
    tests.PROFILING_SUPPORTED_BACKENDS.append(options.backend)
    tests.SEND_RECV_PROFILING_SUPPORTED_BACKENDS.append(options.backend)
    return tests


class Result(unittest.TestResult):
    """Counts, and says what did not pass as it happens."""

    def __init__(self, options):
        super().__init__()
        self.options = options
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def settle(self, test, outcome, why=""):
        name = test.id().rsplit(".", 1)[-1]
        ranks = self.options.ranks
        excuse, applies = EXPECTED.get(name, ("", ()))
        if self.options.backend != "gloo" and ranks in applies:
            if outcome == "failed":
                outcome, why = "skipped", "expected: " + excuse
            elif outcome == "passed":
                outcome, why = "failed", "passes; take it out of EXPECTED in run_suite.py"
        self.counts[outcome] += 1
        if outcome == "failed" or self.options.verbose:
            print(f"{outcome}: {name} {why}", flush=True)

    def addSuccess(self, test):
        self.settle(test, "passed")

    def addSkip(self, test, reason):
        self.settle(test, "skipped", reason)

    def addFailure(self, test, err):
        self.settle(test, "failed", "\n" + self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.addFailure(test, err)

    def addExpectedFailure(self, test, err):
        self.settle(test, "passed")

    def addUnexpectedSuccess(self, test):
        self.settle(test, "failed", "was expected to fail")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)


def main():
    options = arguments()
    tests = load_tests_of_pytorch(options)

    class Suite(tests.TestDistBackend, tests.DistributedTest._DistTestBase):
        def setUp(self):
            super().setUp()
            # By fork a test takes 0.2 s, by spawn 3 s: no thread runs here yet.
            self._start_processes(multiprocessing.get_context("fork").Process)

    loader = unittest.TestLoader()
    loader.testNamePatterns = [p if "*" in p else f"*{p}*" for p in options.patterns] or None
    result = Result(options)
    loader.loadTestsFromTestCase(Suite).run(result)
    counts = result.counts
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
