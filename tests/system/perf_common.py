# SPDX-License-Identifier: Apache-2.0
"""What the tests of ringcoll_perf share. Each test script takes the program's path as its first argument."""
import os
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "ringcoll_perf"
COLLECTIVES = {  # ringcoll's name: the name of nccl-tests' program
    "allreduce": "all_reduce_perf", "reduce_scatter": "reduce_scatter_perf", "allgather": "all_gather_perf",
    "broadcast": "broadcast_perf", "reduce": "reduce_perf", "gather": "gather_perf", "scatter": "scatter_perf",
    "alltoall": "alltoall_perf", "alltoallv": "alltoallv_perf", "sendrecv": "sendrecv_perf",
    "hypercube": "hypercube_perf"}
EXTRAS = {"reduce_scatterv": "reduce_scatterv_perf", "allgatherv": "all_gatherv_perf", "barrier": "barrier_perf"}
SMALL = ["--ranks", "2", "-b", "4K", "-e", "16K", "-f", "2", "-n", "3"]

LAUNCHERS = ("RINGCOLL_", "NCCL_", "OMPI_", "PMIX_", "PMI_", "SLURM_", "TORCHELASTIC_")
_failures = []


def environment(extra=None):
    """Without what a launcher around the tests may have set."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHERS) and k not in names}
    return {**clean, **(extra or {})}


def run(*arguments, env=None, program=PROGRAM, timeout=120, **options):
    """The finished process, with its output as text."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([program, *arguments], env=environment(env), text=True, timeout=timeout, **streams)


def check(condition, *what):
    """Notes a failure and goes on, so that one run shows all of them."""
    if not condition:
        _failures.append(what)
        print("FAILED:", *what, file=sys.stderr)
    return condition


def check_code(process, expected, *what):
    return check(process.returncode == expected, *what, "exit code", process.returncode, "expected", expected,
                 "stderr:", process.stderr)


def rows(stdout):
    return [line.split() for line in stdout.splitlines() if line.strip()[:1].isdigit()]


def folder():
    return tempfile.TemporaryDirectory(prefix="ringcoll_perf_")


def finish():
    if _failures:
        sys.exit("%d checks failed" % len(_failures))
    print("all checks passed")
