# SPDX-License-Identifier: Apache-2.0
"""--peers-csv: the file that the peers' harness puts beside its own; and the program under launchers."""
import csv
import io
import os
import shutil
import socket
import subprocess

from perf_common import PROGRAM, SMALL, check, check_code, environment, finish, folder, rows, run

COLUMNS = "peer,transport,op,ranks,bytes,iters,p50_us,p99_us,min_us,algbw_GBs,busbw_GBs,wrong"
OPS = {"allreduce": 2, "allreduce_inplace": 2, "reduce_scatter": 1, "allgather": 1, "broadcast": None, "alltoall": 1,
       "barrier": 0}


def check_peers():
    for ranks in (2, 3):
        done = run("all", "--ranks", str(ranks), "--peers-csv", "-", "--sizes", "8,1K,96K", "--budget", "20ms")
        check_code(done, 0, "peers", ranks)
        check(done.stdout.splitlines()[:1] == [COLUMNS], "header", done.stdout[:200])
        lines = list(csv.DictReader(io.StringIO(done.stdout)))
        check({line["op"] for line in lines} == set(OPS), "ops", [line["op"] for line in lines])
        for line in lines:
            check(line["peer"] == "ringcoll" and line["transport"] == "shm" and line["wrong"] == "0", line)
            check(float(line["min_us"]) <= float(line["p50_us"]) <= float(line["p99_us"]), line)
            check(int(line["iters"]) >= 10, "iterations", line)
            if (factor := OPS[line["op"]]) is not None and line["op"] != "barrier":
                factor *= (ranks - 1) / ranks
                check(abs(float(line["busbw_GBs"]) - factor * float(line["algbw_GBs"])) < 2e-3, "busbw", line)
    with folder() as place:
        path = os.path.join(place, "ours.csv")
        check_code(run("alltoall", "--ranks", "2", "--transport", "tcp", "--peers-csv", path, "--sizes", "1K"), 0, "file")
        with open(path, encoding="ascii") as file:
            lines = list(csv.DictReader(file))
        check([(line["transport"], line["op"]) for line in lines] == [("tcp", "alltoall")], lines)
        check_code(run("alltoall", "--ranks", "2", "--peers-csv", path), 6, "an existing file")


def check_launchers():
    """RINGCOLL_* and torchrun's variables set by hand; Open MPI and MPICH where they are installed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with folder() as place:
        def sets(rank):
            ours = {"RINGCOLL_RANK": str(rank), "RINGCOLL_SIZE": "2"}
            torch = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            return ({**ours, "RINGCOLL_ADDRESS": "unix:" + os.path.basename(place)}, torch)
        for kind in (0, 1):
            ranks = [subprocess.Popen([PROGRAM, "allreduce", *SMALL[2:], "-c", "1"], stdout=subprocess.PIPE, text=True,
                                      stderr=subprocess.PIPE, env=environment(sets(rank)[kind])) for rank in (0, 1)]
            outputs = [rank.communicate(timeout=90) for rank in ranks]
            check([rank.returncode for rank in ranks] == [0, 0], "launcher", kind, outputs)
            check(len(rows(outputs[0][0])) == 3 and outputs[1][0] == "", "rank 0 alone prints:", outputs)
    started = {"RINGCOLL_RANK": "0", "RINGCOLL_SIZE": "2", "RINGCOLL_ADDRESS": "unix:nowhere"}
    for arguments in (["--ranks", "2"], ["-g", "2"]):
        twice = run("allreduce", *arguments, env=started)
        check_code(twice, 6, "forking under a launcher")
        check("2 ranks to fork" in twice.stderr and twice.stdout == "", arguments, twice.stderr)
    for nonsense in ({"RINGCOLL_RANK": "x", "RINGCOLL_SIZE": "2"}, {"RINGCOLL_RANK": "0"}, {"RINGCOLL_TRANSPORT": "smoke"}):
        check_code(run("allreduce", *SMALL, env=nonsense), 6, nonsense)
    check_code(run("all", "--ranks", "2", "--peers-csv", "-", env={"NCCL_TESTS_SPLIT": "MOD 2"}), 6, "peers in groups")
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    for launcher in ("mpirun.openmpi", "mpirun.mpich"):
        if not shutil.which(launcher):
            print("SKIP: no", launcher)
            continue
        more = ["--oversubscribe"] if launcher.endswith("openmpi") else []
        done = run("-n", "3", *more, PROGRAM, "allgather", *SMALL[2:], program=launcher, env=root)
        check_code(done, 0, launcher)
        check(len(rows(done.stdout)) == 3 and "Rank  2" in done.stdout, launcher, done.stdout)


check_peers()
check_launchers()
finish()
