# SPDX-License-Identifier: Apache-2.0
"""ringcoll_sim: its table, JSON, chart, trace and calibration; nonsense ends with code 6 and a sentence."""
import json
import os
import subprocess
import xml.dom.minidom

from perf_common import PROGRAM, check, check_code, environment, finish, folder, rows

SHAPE = ["--nodes", "4", "--ranks-per-node", "2", "--link", "10Gbit", "--latency", "5us"]
ALGORITHMS = {"direct", "two_shot", "ring", "recursive_doubling", "tree"}


def run(*arguments, env=None):
    return subprocess.run([PROGRAM, *arguments], env=environment(env), text=True, timeout=120, capture_output=True)


def check_table():
    done = run("allreduce", *SHAPE, "-b", "1K", "-e", "16M", "-f", "16")
    check_code(done, 0, "table")
    table = rows(done.stdout)
    check({row[13] for row in table} >= ALGORITHMS, "algorithms", done.stdout)
    check([int(row[0]) for row in table] == sorted(int(row[0]) for row in table), "sizes in order")
    for row in table:
        size, count, time, algbw, busbw = int(row[0]), int(row[1]), *map(float, row[5:8])
        check(count == size // 4 and row[2:5] == ["float", "sum", "-1"] and row[8] == "N/A", "columns", row)
        check(abs(algbw - size / time / 1e3) <= 0.006 + 0.01 * algbw, "algbw", row)
        check(abs(busbw - algbw * 2 * 7 / 8) <= 0.02 + 0.01 * algbw, "busbw", row)
    check(run("allreduce", *SHAPE, "-b", "1K", "-e", "16M", "-f", "16").stdout == done.stdout, "not the same again")
    for collective in ("reduce_scatter", "allgather", "broadcast", "reduce", "gather", "scatter", "alltoall", "barrier"):
        done = run(collective, *SHAPE, "--sizes", "1M")
        check_code(done, 0, collective)
        check(len(rows(done.stdout)) >= 1, collective, done.stdout)


def predictions(*arguments):
    done = run("allreduce", *arguments, "--json", "-")
    check_code(done, 0, *arguments)
    return json.loads(done.stdout)["predictions"]


def time_of(*arguments):
    return predictions("--sizes", "8M", "--algo", "ring", *arguments)[0]["out_of_place"]["time_us"]


def check_machine():
    usual = time_of(*SHAPE)
    check(time_of(*SHAPE[:4], "--link", "1Gbit") > 5 * usual, "a tenth of the link")
    check(time_of(*SHAPE, "--straggler", "3:10") > usual, "a straggler")
    check(time_of(*SHAPE, "--oversubscription", "8", "--nodes-per-switch", "1") > 5 * usual, "oversubscription")
    check(time_of(*SHAPE, "--rails", "2") <= usual, "two rails")
    check(time_of(*SHAPE, "--intra", "100MB/s") > 5 * usual, "slow links within the node")


def check_files():
    with folder() as place:
        svg, trace, result = (os.path.join(place, name) for name in ("a.svg", "a.json", "b.json"))
        arguments = ["allreduce", *SHAPE, "--algo", "ring,tree", "--sizes", "1K,64K", "--svg", svg, "--trace", trace,
                     "--json", result]
        check_code(run(*arguments), 0, "files")
        check_code(run(*arguments), 6, "an existing file")
        check_code(run(*arguments, "--force"), 0, "--force")

        chart = xml.dom.minidom.parse(svg)
        lines = chart.getElementsByTagName("polyline")
        check(len(lines) == 4, "two lines in each of two panels", len(lines))
        check("prefers-color-scheme:dark" in chart.toxml(), "no dark theme")
        check("http" not in chart.toxml().replace("http://www.w3.org/2000/svg", ""), "the chart is not self-contained")

        with open(trace, encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        slices = [e for e in events if e["ph"] == "X"]
        check({e["tid"] for e in slices} == set(range(8)), "a row for each rank")
        check({(e["pid"], e["tid"]) for e in slices} == {(rank // 2, rank) for rank in range(8)}, "nodes")
        check(all(e["dur"] >= 0 and e["ts"] >= 0 for e in slices), "times")
        sent = sum(e["args"]["sent_bytes"] for e in slices)
        check(sent == 2 * 7 * 65536 == sum(e["args"]["received_bytes"] for e in slices), "a ring's bytes", sent)
        check(any(e["args"]["critical"] for e in slices), "no critical path")
        for rank in range(8):
            own = sorted((e["ts"], e["dur"]) for e in slices if e["tid"] == rank)
            check(all(a[0] + a[1] <= b[0] + 1e-6 for a, b in zip(own, own[1:])), "steps of a rank overlap", rank)
        with open(result, encoding="utf-8") as file:
            check(len(json.load(file)["predictions"]) == 4, "JSON in a file")


def check_calibration():
    """A model is found again from what it predicts itself."""
    with folder() as place:
        measured, tuning = os.path.join(place, "m.csv"), os.path.join(place, "m.tuning")
        shape = ["--nodes", "2", "--ranks-per-node", "1", "--model", "tcp"]
        with open(measured, "w", encoding="utf-8") as file:
            file.write("peer,op,ranks,bytes,p50_us,mean_us\n")
            for collective in ("reduce_scatter", "allgather", "reduce", "broadcast"):
                done = run(collective, *shape, "--latency", "50us", "--sizes", "1K,64K,4M", "--json", "-",
                           env={"RINGCOLL_ALGO": "auto"})
                check_code(done, 0, collective)
                best = {}
                for row in json.loads(done.stdout)["predictions"]:
                    if row["algorithm"] in ("direct", "tree"):
                        best.setdefault(row["bytes"], row["in_place"]["time_us"])
                for size, time in best.items():
                    file.write("ringcoll,%s_inplace,2,%d,%.3f,%.3f\n" % (collective, size, time, time))
        check_code(run(*shape, "--calibrate", measured, "--tuning", tuning,
                       env={"RINGCOLL_ALGO": "reduce_scatter:direct,allgather:direct,reduce:tree,broadcast:tree"}), 0,
                   "calibrate")
        with open(tuning, encoding="utf-8") as file:
            values = dict(line.split(" = ") for line in file.read().splitlines() if " = " in line)
        check(35e3 < float(values["inter.latency"]) < 65e3, "latency", values["inter.latency"])
        again = run("allreduce", *shape, "--model", tuning, "--sizes", "1K")
        check_code(again, 0, "the tuning file is read")

        for text, words in (("op\n1,2\n", "line 2: 2 columns, expected 1"),
                            ("op,ranks,bytes,p50_us,mean_us\nallreduce,2,8,0,0\n", "p50_us '0': expected"),
                            ("op,ranks,bytes,p50_us,mean_us\nallreduce,3,8,1,1\n", "measured with 3 ranks"),
                            ("op,ranks,bytes,p50_us,mean_us\nallreduce,2,8,1,1\n", "1 measurements; expected 4"),
                            ("op,ranks,bytes,p50_us,mean_us\nallsum,2,8,1,1\n", "op 'allsum'"),
                            ("op,ranks,bytes,p50_us,mean_us\nsendrecv,2,8,1,1\n", "cannot be predicted"),
                            ("", "no measurements")):
            with open(measured, "w", encoding="utf-8") as file:
                file.write(text)
            done = run(*shape, "--calibrate", measured)
            check_code(done, 6, text)
            check(words in done.stderr, words, "stderr:", done.stderr)


def check_refusals():
    cases = ((["allsum"], "collective 'allsum': expected one of allreduce"), ([], "expected one of allreduce"),
             (["allreduce", "--link", "25"], "--link '25': expected a bandwidth, such as 25Gbit"),
             (["allreduce", "--link", "0Gbit"], "--link '0Gbit'"), (["allreduce", "--link", "25Gbyte"], "--link '25Gbyte'"),
             (["allreduce", "--latency", "5"], "--latency '5': expected a time with its unit"),
             (["allreduce", "--latency", "-5us"], "--latency"), (["allreduce", "--nodes", "0"], "--nodes '0'"),
             (["allreduce", "--nodes", "1048576", "--ranks-per-node", "1048576"], "expected at most 1048576 ranks"),
             (["allreduce", "--ranks-per-node", "1"], "1 rank: expected 2 or more"),
             (["allreduce", "--straggler", "2:3"], "--straggler 2: expected a rank below 2"),
             (["allreduce", "--straggler", "1"], "--straggler '1': expected RANK:FACTOR"),
             (["allreduce", "--straggler", "1:x"], "--straggler 'x': expected a number"),
             (["allreduce", "--algo", "chain"], "--algo 'chain': expected some of tree, direct"),
             (["allreduce", "-b", "2K", "-e", "1K"], "-b 2048 is more than -e 1024"),
             (["allreduce", "-f", "1"], "-f '1'"), (["allreduce", "-r", "2"], "-r 2: expected a rank below 2"),
             (["allreduce", "--model", "/nowhere"], "--model '/nowhere': expected one of"),
             (["allreduce", "--model", __file__], "line 2: \'\"\"\"ringcoll_sim"), (["allreduce", "--wrong"], "unknown flag '--wrong'"),
             (["wrong"], "allreduce, reduce_scatter, allgather, broadcast, reduce, gather, scatter, alltoall, barrier"),
             (["allreduce", "twice"], "unexpected 'twice'"), (["allreduce", "--oversubscription", "0"], "--oversub"),
             (["allreduce", "--sizes", "1Q"], "--sizes '1Q': expected a size"),
             (["sendrecv"], "collective 'sendrecv'"), (["allreduce", "--calibrate", "/nowhere"], "--calibrate '/nowhere'"),
             (["allreduce", "--slots", "1", "--sizes", "1M"], "deadlock with 1 slots a link"))
    for arguments, words in cases:
        done = run(*arguments)
        check_code(done, 6, arguments)
        check(words in done.stderr, arguments, "stderr:", done.stderr)
        check(done.stderr.count("\n") == 1 and done.stderr.startswith("ringcoll_sim: "), arguments, "one sentence:",
              done.stderr)
    for flag in ("--help", "--version"):
        done = run(flag)
        check(done.returncode == 0 and "ringcoll_sim" in done.stdout, flag)


check_table()
check_machine()
check_files()
check_calibration()
check_refusals()
finish()
