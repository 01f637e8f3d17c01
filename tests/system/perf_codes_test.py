# SPDX-License-Identifier: Apache-2.0
"""The exit codes of nccl-tests, when results are wrong, ranks die or hang, time runs out, or a signal comes."""
import signal
import subprocess
import time

from perf_common import COLLECTIVES, EXTRAS, PROGRAM, SMALL, check, check_code, environment, finish, rows, run


def check_checks():
    """The checks see what they are for, on the rank where it happens."""
    for fault in ("wrong", "outside", "input"):
        # In place, the parts of reduce_scatter's input that are not its output may hold anything afterwards.
        for name in ("allreduce", "alltoall", "allgatherv", "reduce_scatter")[:3 if fault == "input" else 4]:
            done = run(name, *SMALL, "--inject", fault)
            check_code(done, 7, name, fault)
            check("# Out of bounds values : 6 FAILED\n" in done.stdout, name, fault, done.stdout)
            check("rank 1: wrong result: " + name + " float" in done.stderr, name, fault, done.stderr)
            check(all(int(row[8]) > 0 and int(row[12]) > 0 for row in rows(done.stdout)), name, fault, rows(done.stdout))
            words = {"wrong": "expected", "outside": "outside the output", "input": ""}[fault]
            check(words in done.stderr, name, fault, done.stderr)
    check_code(run("barrier", "--ranks", "2", "--inject", "wrong"), 7, "barrier")
    for kind in "int8 uint64 half bfloat16 f8e4m3 f8e5m2 double".split():
        for op in "sum prod max min avg mulsum".split():
            done = run("allreduce", "--ranks", "3", "--sizes", "1K", "-n", "1", "-d", kind, "-o", op, "--inject", "wrong")
            check_code(done, 7, "a flipped bit in", kind, op)
    check_code(run("allreduce", *SMALL, "--inject", "wrong", "-c", "0"), 0, "unchecked")


def check_right_results():
    """Every collective with every type and op: the plain reference agrees, also at odd places and for odd counts."""
    for name in {**COLLECTIVES, **EXTRAS}:
        for ranks in ("2", "3", "5") if name != "hypercube" else ("2", "4"):
            done = run(name, "--ranks", ranks, "--sizes", "12,1000,30K", "-n", "1", "-d", "all", "-o", "all",
                       "-r", "4" if ranks == "5" else "all", "-u", "1")
            check_code(done, 0, name, ranks)
            check(rows(done.stdout) and all(row[8] == row[12] == "0" for row in rows(done.stdout)), name, ranks)


def check_bandwidth():
    for name in ("NCCL_TESTS_MIN_BW", "RINGCOLL_TESTS_MIN_BW"):
        slow = run("allreduce", *SMALL, env={name: "100000"})
        check_code(slow, 7, name)
        check(any(line.startswith("# Avg bus") and line.endswith(" FAILED") for line in slow.stdout.splitlines()), name)
        fast = run("allreduce", *SMALL, env={name: "1e-9"})
        check(fast.returncode == 0 and fast.stderr == "", name, fast.stderr)
        check(any(line.startswith("# Avg bus") and line.endswith(" OK") for line in fast.stdout.splitlines()), name)


def check_split():
    for rule, groups in (("MOD 2", [0, 1, 0, 1]), ("%2", [0, 1, 0, 1]), ("DIV 2", [0, 0, 1, 1]), ("AND 0x1", [0, 1, 0, 1]),
                         ("or 1", [1, 1, 3, 3]), ("& 0", [0, 0, 0, 0])):
        done = run("allreduce", *SMALL[2:], "--ranks", "4", env={"RINGCOLL_TESTS_SPLIT": rule})
        check_code(done, 0, rule)
        found = [int(line.split()[4]) for line in done.stdout.splitlines() if " Rank " in line]
        check(found == groups and done.stderr == "", rule, found, done.stderr)
    mask = run("allreduce", *SMALL[2:], "--ranks", "4", env={"NCCL_TESTS_SPLIT_MASK": "2"})
    check("Rank  3 Group  2" in mask.stdout, "mask", mask.stdout)


def check_broken_ranks():
    check_code(run("hypercube", "--ranks", "3"), 5, "hypercube on 3 ranks")
    error = run("allreduce", *SMALL, "--inject", "error")
    check_code(error, 3, "an error of ringcoll")
    check("rank 1: allreduce float sum, 4096 bytes" in error.stderr and "injected" in error.stderr, error.stderr)
    start = time.time()
    dead = run("allreduce", "--ranks", "3", *SMALL[2:], "--inject", "die")
    check_code(dead, 3, "a rank that dies")
    check("rank 2 (process " in dead.stderr and "signal 9" in dead.stderr, dead.stderr)
    check(dead.stderr.count("is gone") == 2 and time.time() - start < 5, "the survivors notice at once:", dead.stderr)
    start = time.time()
    hung = run("allreduce", *SMALL, "--inject", "hang", "-T", "1")
    check_code(hung, 4, "a rank that hangs")
    check("allreduce float sum, 4096 bytes" in hung.stderr and time.time() - start < 8, hung.stderr)
    long = run("allreduce", "--ranks", "2", "-b", "4M", "-e", "4M", "-n", "1000000", "-T", "1")
    check_code(long, 4, "too many iterations for -T")
    check("-T" in long.stderr and "timed" in long.stderr, long.stderr)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def check_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([PROGRAM, "allreduce", "--ranks", "3", "-b", "1K", "-e", "1K", "-N", "0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
        while not process.stdout.readline().strip()[:1].isdigit():
            pass  # until the first row
        ranks = children_of(process.pid)
        check(len(ranks) == 3, "ranks", ranks)
        process.send_signal(number)
        process.stdout.close()
        check(process.wait(timeout=20) == -number, "after", number, process.returncode)
        check(wait_for(lambda: not any(is_running(rank) for rank in ranks)), "ranks outlive", number, ranks)


check_checks()
check_right_results()
check_bandwidth()
check_split()
check_broken_ranks()
check_signals()
finish()
