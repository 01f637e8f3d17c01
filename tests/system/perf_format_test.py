# SPDX-License-Identifier: Apache-2.0
"""The table is the one that programs made for nccl-tests read: their rules, written anew, over every collective."""
import re

from perf_common import COLLECTIVES, EXTRAS, SMALL, check, check_code, finish, rows, run

HEADER = (
    "#                                                              out-of-place                       in-place          \n"
    "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong \n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)         \n")


def cloudai_rows(text):
    """A line that begins with a digit, of exactly 13 fields."""
    found = []
    for line in text.splitlines():
        if re.match(r"^\d", line.strip()):
            fields = re.split(r"\s+", line.strip())
            if len(fields) == 13:
                found.append(fields)
    return found


def cloudai_succeeded(text):
    return "# Out of bounds values" in text and "# Avg bus bandwidth" in text


def cloudai_devices(text):
    return [re.search(r"on\s+([\w\d\-.]+)\s+device\s+(\d+)", line) for line in text.splitlines() if " Rank " in line]


def superbench_best(text):
    """Rows begin four lines after the last line with out-of-place and end at the first short one."""
    lines = text.splitlines()
    first = max(i for i, line in enumerate(lines) if "out-of-place" in line) + 4
    last = next(i for i, line in enumerate(lines) if "Out of bounds values" in line)
    best = -1.0
    for line in lines[first:last]:
        fields = re.sub(" +", " ", line.strip(" ")).split(" ")
        if len(fields) <= 10:
            break
        best = max(best, float(fields[-6]))
    return best


def awk_average(text):
    """awk '/^# Avg bus bandwidth/{print $NF}'"""
    return [float(line.split()[-1]) for line in text.splitlines() if line.startswith("# Avg bus bandwidth")]


def body(text):
    """What stands between the header and the footer."""
    return text.split(HEADER, 1)[1].split("# Out of bounds values", 1)[0].splitlines()


FACTOR = {"allreduce": lambda n: 2 * (n - 1) / n, "broadcast": lambda n: 1, "reduce": lambda n: 1,
          "sendrecv": lambda n: 1, "hypercube": lambda n: 1}
NO_OP = ("none", "-1")


def check_collective(name, program, ranks):
    done = run(name, *SMALL[2:], "--ranks", str(ranks))
    what = (name, "with", ranks, "ranks")
    if not check_code(done, 0, *what):
        return
    text = done.stdout
    check(done.stderr == "", *what, "stderr:", done.stderr)
    check(text.startswith("# ringcoll_perf version "), *what, text.splitlines()[:1])
    check(f"# Collective test starting: {program}\n" in text, *what, "no starting line")
    check(text.endswith(f"#\n# Collective test concluded: {program}\n#\n\n"), *what, "footer:", text[-120:])
    check("# nThread 1 nGpus 1 minBytes 4096 maxBytes 16384 step: 2(factor) warmup iters: 1 iters: 3 agg iters: 1 "
          "validation: 1 graph: 0 unalign: 0\n#\n# Using devices\n" in text, *what, "settings line")
    if not check(HEADER in text, *what, "header"):
        return

    found = cloudai_rows(text)
    check(len(found) == (1 if name == "barrier" else 3), *what, "rows", found)
    check(found == rows(text), *what, "a line begins with a digit and is no row")
    check(len(body(text)) == len(found), *what, "something but rows under the header:", body(text))
    check(cloudai_succeeded(text), *what, "no footer")
    devices = cloudai_devices(text)
    check([int(d.group(2)) for d in devices] == list(range(ranks)), *what, "devices", devices)
    if name != "barrier":
        check(superbench_best(text) >= 0, *what, "superbench")
    check(len(awk_average(text)) == 1, *what, "awk")
    check("# Out of bounds values : 0 OK\n" in text, *what, "results are wrong")

    factor = FACTOR.get(name, lambda n: (n - 1) / n)(ranks)
    busbw = []
    for row in found:
        size, count, redop, root = int(row[0]), int(row[1]), row[3], row[4]
        reduces, rooted = name.startswith(("allreduce", "reduce")), name in ("broadcast", "reduce", "gather", "scatter")
        check((redop, root) == ("sum" if reduces else "none", "0" if rooted else "-1"), *what, "redop and root", row)
        for time, algbw, bus, wrong in (row[5:9], row[9:13]):
            check(wrong == "0", *what, "wrong results", row)
            amount = count * 4 * (ranks - 1) if name == "hypercube" else size
            if name.endswith("v") and name != "sendrecv":
                amount = count * 4 * ranks
            check(abs(float(algbw) - amount / float(time) * 1e-3) < 0.02 + 0.1 * float(algbw), *what, "algbw", row)
            check(abs(float(bus) - factor * float(algbw)) < 0.02, *what, "busbw", row)
            busbw.append(float(bus))
    if busbw and name != "barrier":
        check(abs(sum(busbw) / len(busbw) - awk_average(text)[0]) < 0.02, *what, "average")


def expected_size(name, size, ranks):
    """Bytes of the larger buffer, as nccl-tests counts: parts are whole multiples of 16 bytes."""
    if name in ("allreduce", "broadcast", "reduce", "sendrecv"):
        return size // 4 * 4, size // 4
    part = size // 4 // ranks // 4 * 4
    return part * ranks * 4, part


def check_sizes():
    for name in COLLECTIVES:
        for ranks in (2, 4):
            done = run(name, "--ranks", str(ranks), "--sizes", "0,8,100,1000", "-n", "1")
            check_code(done, 0, name, "sizes")
            for size, row in zip((0, 8, 100, 1000), rows(done.stdout)):
                check((int(row[0]), int(row[1])) == expected_size(name, size, ranks), name, "size", size, row)


def check_more_columns():
    timestamp = run("allreduce", *SMALL, "-S", "1").stdout
    row = [line for line in timestamp.splitlines() if line.strip()[:1].isdigit()][0]
    check(re.search(r" {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", row), "-S", row)
    check("#wrong           timestamp\n" in timestamp, "-S header")
    per_iteration = run("allreduce", *SMALL, "-I", "1").stdout
    check("#wrong    i_min    i_max    i_p99    i_cv%     time" in per_iteration, "-I header")
    check(all(len(row) == 21 for row in rows(per_iteration)), "-I rows", rows(per_iteration))
    percentiles = run("allreduce", *SMALL, "--percentiles", "50,99.9").stdout
    check(all(len(row) == 17 for row in rows(percentiles)), "--percentiles rows", rows(percentiles))
    cpu = run("allreduce", *SMALL, "-C", "1").stdout
    check("root  cputime   algbw" in cpu, "-C header")
    unchecked = run("allreduce", *SMALL, "-c", "0").stdout
    check(all(row[8] == row[12] == "N/A" for row in rows(unchecked)), "-c 0", rows(unchecked))
    memory = run("allreduce", *SMALL, "-M", "1").stdout
    check(re.search(r"# CPU memory usage     : Initialization .* \| User-Allocated .* \| Collective .* \| Total  ", memory),
          "-M", memory)
    cycles = run("allreduce", *SMALL, "-N", "2").stdout
    check([row[0] for row in rows(cycles)] == ["4096", "8192", "16384"] * 2, "-N 2", rows(cycles))


for collective, its_program in {**COLLECTIVES, **EXTRAS}.items():
    for count_of_ranks in (1, 2, 3):
        if collective != "hypercube" or count_of_ranks != 3:
            check_collective(collective, its_program, count_of_ranks)
check_sizes()
check_more_columns()
finish()
