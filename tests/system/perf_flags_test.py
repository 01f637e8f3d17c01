# SPDX-License-Identifier: Apache-2.0
"""Every flag of nccl-tests, short and long, is accepted; nonsense ends with code 6 and a sentence that says what is wrong."""
import os
import re

from perf_common import COLLECTIVES, EXTRAS, PROGRAM, SMALL, check, check_code, finish, folder, rows, run

# letter, long form, a value that changes nothing, one that says something
FLAGS = [("b", "minbytes", "4K", "4096"), ("e", "maxbytes", "16K", "16384"), ("i", "stepbytes", "1M", "2048"),
         ("f", "stepfactor", "2", "4"), ("n", "iters", "3", "5"), ("w", "warmup_iters", "1", "0"),
         ("m", "agg_iters", "1", "4"), ("N", "run_cycles", "1", "2"), ("p", "parallel_init", "0", "1"),
         ("c", "check", "1", "3"), ("o", "op", "sum", "max"), ("d", "datatype", "float", "double"),
         ("r", "root", "0", "1"), ("z", "blocking", "0", "3"), ("y", "stream_null", "0", "1"),
         ("T", "timeout", "0", "60"), ("G", "cudagraph", "0", "2"), ("C", "report_cputime", "0", "1"),
         ("S", "report_timestamps", "0", "1"), ("a", "average", "1", "3"), ("R", "local_register", "0", "2"),
         ("x", "cta_policy", "0", "1"), ("D", "device_implementation", "0", "1"), ("V", "device_cta_count", "16", "8"),
         ("M", "memory", "0", "1"), ("u", "unalign", "0", "1"), ("I", "per_iter_timing", "0", "1"),
         ("K", "per_iter_skip", "0", "1"), ("t", "nthreads", "1", "1"), ("g", "ngpus", "1", "1")]
IGNORED = "pyGRxDV"


def check_accepted():
    for letter, name, idle, value in FLAGS:
        for form in ([f"-{letter}", value], [f"-{letter}{value}"], [f"--{name}", value], [f"--{name}={value}"]):
            done = run("allreduce", *SMALL, *form)
            check_code(done, 0, form)
            said = "warning" in done.stderr and "-%s" % letter in done.stderr
            warns = letter in IGNORED or letter == "i"  # -i beside the -f of SMALL
            check(said == warns and done.stderr.count("\n") == (1 if warns else 0), form, "stderr:", done.stderr)
        if letter not in "ix":
            done = run("allreduce", *SMALL, f"-{letter}", idle)
            check(done.returncode == 0 and done.stderr == "", letter, idle, "stderr:", done.stderr)
    with folder() as place:
        for form in (["-J", f"{place}/a.json"], ["--output_file", f"{place}/b.json"], ["--json", f"{place}/c"],
                     ["--csv", f"{place}/d"]):
            check_code(run("allreduce", *SMALL, *form), 0, form)
            check(os.path.getsize(form[1]) > 100, form, "file")
    for form in (["--transport", "shm"], ["--transport", "tcp"], ["--pin"], ["--touch"], ["--duration", "20ms"],
                 ["--sizes", "1K,4K"], ["--format", "csv"], ["--percentiles", "50"]):
        check_code(run("allreduce", *SMALL, *form), 0, form)


def check_all_of_something():
    types = [row[2] for row in rows(run("broadcast", "--ranks", "2", "--sizes", "1K", "-n", "1", "-d", "all").stdout)]
    check(types == "int8 uint8 int32 uint32 int64 uint64 half float double bfloat16 f8e4m3 f8e5m2".split(), "-d all", types)
    ops = [row[3] for row in rows(run("allreduce", "--ranks", "2", "--sizes", "1K", "-n", "1", "-o", "all").stdout)]
    check(ops == "sum prod max min avg mulsum".split(), "-o all", ops)
    roots = [row[4] for row in rows(run("reduce", "--ranks", "3", "--sizes", "1K", "-n", "1", "-r", "all").stdout)]
    check(roots == ["0", "1", "2"], "-r all", roots)


def check_ranks_and_names():
    check("Rank  3" in run("allreduce", "-g", "4", "--sizes", "8", "-n", "1").stdout, "-g 4 runs four ranks")
    check("Rank  3" in run("allreduce", "-t", "2", "-g", "2", "--sizes", "8", "-n", "1").stdout, "-t 2 -g 2 as well")
    for name, program in {**COLLECTIVES, **EXTRAS}.items():
        for alias in (name, program, program[:-len("_perf")]):
            done = run(alias, "--sizes", "64", "-n", "1")
            check(done.returncode == 0 and f"starting: {program}" in done.stdout, "the name", alias)
    with folder() as place:
        for program in ("all_reduce_perf", "all_reduce_perf_rc", "alltoall_perf_mpi"):
            link = os.path.join(place, program)
            os.symlink(PROGRAM, link)
            done = run("--sizes", "64", "-n", "1", program=link)
            check("starting: " + program.split("_perf")[0] in done.stdout, "the link", program, done.stderr)
    done = run("--help")
    check(done.returncode == 0 and done.stderr == "", "--help")
    for letter, name, _, _ in FLAGS:
        check(f"-{letter},--{name} " in done.stdout, "--help has", name)
    check(done.stdout.find("as in nccl-tests") < done.stdout.find("--ranks"), "--help begins with the flags of nccl-tests")
    check(re.fullmatch(r"ringcoll_perf version \d+\.\d+\.\d+\n", run("--version").stdout), "--version")


NONSENSE = [  # the arguments, and what the sentence must have in it
    ([], "collective"), (["allredcue"], "allredcue"), (["all"], "--peers-csv"), (["allreduce", "extra"], "extra"),
    (["allreduce", "--bogus"], "--bogus"), (["allreduce", "-Z", "1"], "-Z"), (["allreduce", "-b"], "minbytes"),
    (["allreduce", "-b", "12Q"], "-b '12Q'"), (["allreduce", "-b", "-8"], "-b '-8'"), (["allreduce", "-e", ""], "-e ''"),
    (["allreduce", "-e", "1e999"], "-e '1e999'"), (["allreduce", "-b", "nan"], "-b 'nan'"),
    (["allreduce", "-b", "64M"], "-e"), (["allreduce", "-b", "2K", "-e", "1K"], "2048"),
    (["allreduce", "-e", "99999999T"], "1024T"),
    (["allreduce", "-n", "0"], "-n '0'"), (["allreduce", "-n", "-5"], "-n '-5'"), (["allreduce", "-n", "2.5"], "-n '2.5'"),
    (["allreduce", "-n", "99999999999999999999"], "-n '9999"), (["allreduce", "--iters=x"], "-n 'x'"),
    (["allreduce", "-w", "-1"], "-w '-1'"), (["allreduce", "-m", "0"], "-m '0'"), (["allreduce", "-f", "0"], "-f '0'"),
    (["allreduce", "-o", "mean"], "-o 'mean'"), (["allreduce", "-d", "float99"], "-d 'float99'"),
    (["reduce", "-r", "2", "--ranks", "2"], "-r 2"), (["reduce", "-r", "1"], "-r 1"), (["reduce", "-r", "-2"], "-r '-2'"),
    (["allreduce", "-z", "4"], "-z '4'"), (["allreduce", "-a", "4"], "-a '4'"), (["allreduce", "-R", "3"], "-R '3'"),
    (["allreduce", "-x", "3"], "-x '3'"), (["allreduce", "-V", "0"], "-V '0'"), (["allreduce", "-C", "2"], "-C '2'"),
    (["allreduce", "-u", "-1"], "-u '-1'"), (["allreduce", "-T", "soon"], "-T 'soon'"), (["allreduce", "-g", "0"], "-g '0'"),
    (["allreduce", "-I", "1", "-K", "20"], "-K 20"), (["allreduce", "-J", "a.txt"], "-J 'a.txt'"),
    (["allreduce", "-J", "/no/such/folder/a.json"], "/no/such/folder/a.json"),
    (["allreduce", "--ranks", "0"], "--ranks '0'"), (["allreduce", "--ranks", "5000"], "--ranks '5000'"),
    (["allreduce", "-t", "100", "-g", "100"], "-t 100 -g 100"), (["allreduce", "--transport", "rdma"], "'rdma'"),
    (["allreduce", "--percentiles", "50,101"], "'101'"), (["allreduce", "--percentiles", ""], "--percentiles ''"),
    (["allreduce", "--sizes", "1K,,2K"], "--sizes ''"), (["allreduce", "--duration", "0"], "--duration '0'"),
    (["allreduce", "--duration", "5 days"], "'5 days'"), (["allreduce", "--format", "xml"], "'xml'"),
    (["allreduce", "--pin=3"], "--pin '3'"), (["allreduce", "--peers-csv", "-"], "--ranks"),
    (["allreduce", "--inject", "mischief"], "'mischief'"),
]
VARIABLES = [("NCCL_TESTS_MIN_BW", "fast"), ("RINGCOLL_TESTS_MIN_BW", "-1"), ("NCCL_TESTS_SPLIT", "XOR 2"),
             ("RINGCOLL_TESTS_SPLIT", "MOD 0"), ("RINGCOLL_TESTS_SPLIT", "DIV"), ("NCCL_TESTS_SPLIT_MASK", "0xz")]


def check_refused(done, words, *what):
    check_code(done, 6, *what)
    check(done.stdout == "", *what, "stdout:", done.stdout)
    check(words in done.stderr, *what, "the sentence is", done.stderr)
    check(done.stderr.count("\n") == 1 and done.stderr.startswith("ringcoll_perf: "), *what, "one sentence:", done.stderr)


check_accepted()
check_all_of_something()
check_ranks_and_names()
for arguments, words_of_it in NONSENSE:
    check_refused(run(*arguments), words_of_it, arguments)
for variable, nonsense in VARIABLES:
    check_refused(run("allreduce", "--ranks", "2", env={variable: nonsense}), f"{variable} '", variable, nonsense)
finish()
