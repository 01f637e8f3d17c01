# SPDX-License-Identifier: Apache-2.0
"""JSON as its schema says, CSV with the peers' columns, files that are never half written, and a clean standard output."""
import csv
import io
import json
import os
import pty
import socket
import subprocess
import threading

from perf_common import PROGRAM, SMALL, check, check_code, environment, finish, folder, rows, run

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../perf/results.schema.json")
PEERS = "peer,transport,op,ranks,bytes,iters,p50_us,p99_us,min_us,algbw_GBs,busbw_GBs,wrong".split(",")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def validate(value, schema, root, at="$"):
    """The part of JSON Schema that ours uses."""
    if "$ref" in schema:
        return validate(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, at)
    if "const" in schema:
        return check(value == schema["const"], at, value)
    if "enum" in schema:
        return check(value in schema["enum"], at, value)
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not check(any(is_type(value, name) for name in names), at, value, "is none of", names):
        return False
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for key in schema.get("required", []):
            check(key in value, at, "has no", key)
        for key, inner in value.items():
            if key in properties:
                validate(inner, properties[key], root, f"{at}.{key}")
            elif check(more is not False, at, "has an unknown", key) and isinstance(more, dict):
                validate(inner, more, root, f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, inner in enumerate(value):
            validate(inner, schema["items"], root, f"{at}[{i}]")
    return True


def check_json():
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    private = {"SOME_TOKEN": "hush-1", "RINGCOLL_SECRET": "hush-2" * 8, "RINGCOLL_TIMEOUT": "77"}
    for more in ([], ["-M", "1", "--percentiles", "50,99.9", "-c", "0"], ["--sizes", "1K", "--duration", "10ms"]):
        for name in ("allreduce", "broadcast"):
            done = run(name, *SMALL, *more, "--format", "json", env=private)
            check_code(done, 0, "json", more)
            result = json.loads(done.stdout, parse_constant=lambda text: check(False, "not JSON:", text))
            validate(result, schema, schema)
            check("hush" not in done.stdout, "a secret is in the JSON")
            check(result["environment"] == {"RINGCOLL_TIMEOUT": "77"}, "environment", result["environment"])
            check(result["ok"] is True and result["failed_checks"] == 0, "ok")
            check(len(result["devices"]) == result["ranks"] == 2, "devices")
            for row in result["results"]:
                for side in (row["out_of_place"], row["in_place"]):
                    s = side["samples"]
                    check(0 < s["min_us"] <= s["p50_us"] <= s["p95_us"] <= s["p99_us"] <= s["max_us"], "samples", s)
                    check(s["count"] == side["iterations"] > 0, "iterations", side)
                    check((side["wrong_elements"] is None) == ("-c" in more), "wrong_elements", side)
                    check(side["slowest_rank"] in (0, 1), "slowest_rank", side)


def check_csv():
    done = run("allreduce", *SMALL, "-d", "all", "--csv", "-")
    check_code(done, 0, "csv")
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    check(done.stdout.splitlines()[0].split(",")[:12] == PEERS, "csv header", done.stdout.splitlines()[0])
    check(len(lines) == 3 * 12 * 2, "csv lines", len(lines))
    for line in lines:
        check(None not in line and all(value is not None for value in line.values()), "csv fields", line)
        check(line["peer"] == "ringcoll" and line["ranks"] == "2" and line["wrong"] == "0", "csv", line)
        algbw = float(line["bytes"]) / float(line["p50_us"]) * 1e-3
        check(abs(float(line["algbw_GBs"]) - algbw) < 0.01 * algbw + 1e-3, "algbw of the median", line)
    check({line["op"] for line in lines} == {"allreduce", "allreduce_inplace"}, "ops")


def check_files():
    with folder() as place:
        table, numbers = f"{place}/a.csv", f"{place}/a.json"
        done = run("alltoall", *SMALL, "--csv", table, "-J", numbers)
        check(done.returncode == 0 and len(rows(done.stdout)) == 3, "the text comes as well")
        before = open(numbers, encoding="utf-8").read()
        again = run("alltoall", *SMALL, "-J", numbers)
        check_code(again, 6, "an existing file")
        check(numbers in again.stderr and "--force" in again.stderr and again.stdout == "", "its sentence", again.stderr)
        check(open(numbers, encoding="utf-8").read() == before, "the file was touched")
        check_code(run("alltoall", *SMALL, "-J", numbers, "--force"), 0, "--force")
        check(open(numbers, encoding="utf-8").read() != before, "the file was not replaced")
        failed = run("alltoall", *SMALL, "--csv", f"{place}/b.csv", "-J", f"{place}/b.json", "--inject", "error")
        check_code(failed, 3, "a run that fails")
        check(sorted(os.listdir(place)) == ["a.csv", "a.json"], "traces of a failed run", os.listdir(place))


def check_lost_output():
    for name, redirect in (("a closed descriptor", ">&-"), ("a full disk", ">/dev/full"), ("a closed pipe", "| true")):
        for form in ("text", "json", "csv"):
            command = 'set -o pipefail; "$0" "$@" ' + redirect
            done = run("-c", command, PROGRAM, "allreduce", *SMALL, "-n", "2000", "--format", form, program="bash")
            if redirect == "| true" and done.returncode == 0:
                continue  # all of it fitted the pipe before the reader was gone
            check_code(done, 1, name, form)
            check("cannot write to standard output" in done.stderr and done.stderr.count("\n") == 1, name, form, done.stderr)
    # Whatever is opened instead of a closed descriptor must not receive output.
    done = run("-c", '"$0" "$@" 2>&- <&-', PROGRAM, "allreduce", *SMALL, "--transport", "tcp", program="bash")
    check(done.returncode == 0 and len(rows(done.stdout)) == 3, "closed standard error and input", done.returncode)


def run_at_terminal(*arguments):
    """Standard error is a terminal, standard output is not."""
    ours, its = pty.openpty()
    seen = []

    def read():
        try:
            while data := os.read(ours, 65536):
                seen.append(data)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=its, env=environment(), timeout=120)
    os.close(its)
    reader.join()
    os.close(ours)
    return done, b"".join(seen).decode()


def check_progress():
    arguments = ("allreduce", "--ranks", "2", "-b", "1M", "-e", "8M", "-f", "2", "-n", "40")
    done, terminal = run_at_terminal(*arguments)
    text = done.stdout.decode()
    check(done.returncode == 0 and len(rows(text)) == 4, "at a terminal", done.returncode)
    check("\r" not in text and "\033" not in text, "progress on standard output")
    check("\r\033[K" in terminal and "allreduce float sum, 1048576 bytes" in terminal, "no progress:", repr(terminal[:300]))
    check(terminal.endswith("\r\033[K"), "the last line of progress was left:", repr(terminal[-80:]))
    check("\n" not in terminal, "progress is one line")
    check(run(*arguments).stderr == "", "progress without a terminal")


def check_explain():
    for ranks, transport in (("3", "shm"), ("2", "tcp")):
        done = run("allreduce", "--ranks", ranks, "--transport", transport, "--explain", "--sizes", "1K,256K")
        check_code(done, 0, "--explain")
        lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
        names = {(line.split()[1] if line[:12].strip() else line.split()[0]) for line in lines}
        check({"direct", "two_shot", "ring", "recursive_doubling", "tree"} <= names, "schedules", names)
        check(len([line for line in lines if line.endswith("<- chosen")]) == 2, "one choice for each size", done.stdout)
        for line in lines:
            predicted, measured = line.replace("<- chosen", "").split()[-2:]
            check(float(predicted) > 0 and float(measured) > 0, "times", line)
    done = run("broadcast", "--ranks", "2", "--explain", "--sizes", "1K", env={"RINGCOLL_TUNING": "off"})
    check_code(done, 0, "--explain without a model")
    check(all(line.split()[-2] == "-" or line.split()[-4] == "-" for line in done.stdout.splitlines()[2:]), done.stdout)
    check_code(run("sendrecv", "--ranks", "2", "--explain"), 6, "--explain of what has no choice")
    check_code(run("allreduce", "--ranks", "2", "--explain", env={"RINGCOLL_TUNING": "/no/such/file"}), 6, "no file")
    check_code(run("allreduce", "--ranks", "2", "--explain", env={"RINGCOLL_TUNING": "/"}), 6, "a folder")


def check_tuning():
    """Ranks of several nodes do as rank 0's RINGCOLL_TUNING says, whatever theirs say."""
    for settings in (("off", None), (None, "off"), (None, "/no/such/file"), (None, None)):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        ranks = []
        for rank, tuning in enumerate(settings):
            env = {"RINGCOLL_RANK": str(rank), "RINGCOLL_SIZE": "2", "RINGCOLL_ADDRESS": "127.0.0.1:%d" % port,
                   "RINGCOLL_CONNECT_TIMEOUT": "20", **({"RINGCOLL_TUNING": tuning} if tuning else {})}
            command = [PROGRAM, "allreduce", "--transport", "tcp", "-b", "1K", "-e", "1M", "-f", "32", "-n", "2"]
            ranks.append(subprocess.Popen(command, env=environment(env), stdout=subprocess.DEVNULL))
        check([rank.wait(60) for rank in ranks] == [0, 0], "RINGCOLL_TUNING of ranks 0 and 1:", settings)


check_json()
check_explain()
check_tuning()
check_csv()
check_files()
check_lost_output()
check_progress()
finish()
