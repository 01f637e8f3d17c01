# SPDX-License-Identifier: Apache-2.0
"""ringcoll_info: its report, its files, its exit codes, and what it says of bad input."""
import json
import os
import resource
import socket
import tempfile
import xml.etree.ElementTree

from perf_common import check, check_code, finish, run

SOURCE = os.environ.get("TEST_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MACHINES = os.path.join(SOURCE, "tests", "topology", "machines")
FAT_TREE = os.path.join(MACHINES, "fat_tree_64.topo")


def machine_files():
    return sorted(os.path.join(MACHINES, name) for name in os.listdir(MACHINES) if name.endswith(".topo"))


def check_report():
    done = run()
    check_code(done, 0, "report")
    check(done.stderr == "", "stderr of the report", done.stderr)
    for part in ("ringcoll_info ", "\nbuilt\n", "\nfound\n", "\nusable\n", "\nto change\n", "components", "shared memory"):
        check(part in done.stdout, "report lacks", part, done.stdout)
    done = run("--json")
    check_code(done, 0, "--json")
    report = json.loads(done.stdout)
    check(report["schema_version"] == 1 and report["found"]["cpus"] == os.sysconf("SC_NPROCESSORS_ONLN"), "JSON", report["found"])
    check(report["layout"]["shape"]["nodes"] == 1, "shape", report["layout"]["shape"])
    for finding in report["findings"]:
        check(finding["weight"] in ("problem", "slow", "note") and finding["what"] and finding["hint"], "finding", finding)


def findings(*arguments, env=None, **options):
    done = run("--json", *arguments, env=env, **options)
    check_code(done, 0, "findings", arguments)
    return {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}


def check_findings():
    """What is wrong is found, with a command that mends it."""
    def limit_files():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    found = findings(preexec_fn=limit_files)
    check("nofile" in found and "256 files" in found["nofile"]["what"], "nofile", found)
    found = findings(env={"RINGCOLL_TIMOUT": "5"})
    check(found.get("environment", {}).get("weight") == "problem", "a typing error", found)
    check("RINGCOLL_TIMEOUT" in found["environment"]["what"], "the nearest name", found)
    found = findings(env={"RINGCOLL_IFNAME": "=nosuch0"})
    check(found.get("interfaces", {}).get("weight") == "problem" and "nosuch0" in found["interfaces"]["what"], found)
    found = findings(env={"RINGCOLL_IFNAME": "=lo"})
    check("loopback" in found["interfaces"]["what"], "loopback alone", found)
    if len(os.sched_getaffinity(0)) > 1:
        one = min(os.sched_getaffinity(0))
        found = findings(preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        check("may run on 1 of" in found["affinity"]["what"], "affinity", found)


def check_environment():
    done = run("--env", env={"RINGCOLL_SECRET": "hush", "RINGCOLL_TIMEOUT": "7"})
    check_code(done, 0, "--env")
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("RINGCOLL_")}
    with open(os.path.join(SOURCE, "include", "ringcoll", "environment.hpp"), encoding="utf-8") as file:
        table = file.read()
    for name in rows:
        check('{"' + name + '"' in table, name, "is not in environment.hpp")
    check(len(rows) == table.count('    {"RINGCOLL_'), "all variables", len(rows))
    check(" 7 " in rows["RINGCOLL_TIMEOUT"], rows["RINGCOLL_TIMEOUT"])
    check("hush" not in done.stdout and "not shown" in rows["RINGCOLL_SECRET"], "the secret is shown")
    variables = json.loads(run("--env", "--json", env={"RINGCOLL_TIMEOUT": "7"}).stdout)["variables"]
    values = {variable["name"]: variable["value"] for variable in variables}
    check(values["RINGCOLL_TIMEOUT"] == "7" and values["RINGCOLL_RANK"] is None, values)


def check_pictures():
    with tempfile.TemporaryDirectory(prefix="ringcoll_info_") as folder:
        for machine in machine_files() + [None]:
            name = os.path.basename(machine or "here.topo")[:-5]
            paths = [os.path.join(folder, name + end) for end in (".svg", ".txt", ".json")]
            load = ["--load", machine] if machine else []
            done = run(*load, "--topo", paths[0], "--topo", paths[1], "--topo", paths[2])
            check_code(done, 0, "--topo", name)
            with open(paths[0], encoding="utf-8") as file:
                svg = file.read()
            root = xml.etree.ElementTree.fromstring(svg)
            check(root.tag == "{http://www.w3.org/2000/svg}svg", "not an SVG", name)
            check(svg.count("http") == 1, name, "refers to something outside")
            check("prefers-color-scheme: dark" in svg and "<script" not in svg, name)
            check("nan" not in svg.split("</style>")[1] and "inf" not in svg.split("</style>")[1], name, "has no place for something")
            words = "".join(root.itertext())
            check("Ring" in words and "Tree" in words, name, "lacks rings or trees")
            with open(paths[2], encoding="utf-8") as file:
                document = json.load(file)
            ranks = len(document["layout"]["ranks"])
            for ring in document["layout"]["rings"]:
                check(sorted(ring["ranks"]) == list(range(ranks)), name, "a ring misses a rank")
            again = run("--load", paths[1], "--choices")
            check(again.stdout == run(*load, "--choices").stdout, name, "the text says something else")
        exists = run("--topo", paths[0])
        check_code(exists, 6, "an existing file")
        check("--force" in exists.stderr, exists.stderr)
        check_code(run("--topo", paths[0], "--force"), 0, "--force")


def check_choices():
    for machine in machine_files():
        with open(machine[:-5] + ".choices", encoding="utf-8") as file:
            check(run("--load", machine, "--choices").stdout == file.read(), machine, "run tests/topology/update_choices")
    done = run("--load", FAT_TREE, "--choices", "--ranks-per-node", "4", "--rings", "2")
    check("ranks 256, 4 to 4 a node" in done.stdout and "ring 1:" in done.stdout and "ring 2:" not in done.stdout,
          done.stdout[:300])


def check_bad_input():
    with tempfile.TemporaryDirectory(prefix="ringcoll_info_") as folder:
        path = os.path.join(folder, "bad.topo")

        def refused(text, *expected, code=3):
            with open(path, "wb") as file:
                file.write(text)
            done = run("--load", path)
            check_code(done, code, text[:60])
            check(done.stdout == "", "stdout", done.stdout[:100])
            for part in expected:
                check(part in done.stderr, part, "is not in", done.stderr)

        refused(b"", "is empty; expected 'topology 1'")
        refused(b"topology 1\nnode n\ncore c in d\n", path + ": line 3: 'd' is not there; expected")
        refused(b"topology 1\nnode n\ngpu g[0-99999999] in n\n", "line 3: ")
        refused(b"\0\xff\xfe" * 1000, "line 1: ")
        if "hwloc_xml" in run().stdout:
            refused(b"<topology>\n<object type='Machine'>\n", "line ")
            refused(b"<?xml version='1.0'?>\n<svg/>\n", "no element <topology>")
            refused(b"<topology><object type='Machine'>" + b"<object type='Group'>" * 100000, "levels")
        check_code(run("--load", os.path.join(folder, "none")), 6, "no file")
        check_code(run("--load", folder), 6, "a folder")
        check_code(run("--sysfs", folder), 6, "no sys in it")
        os.makedirs(os.path.join(folder, "sys", "class"))
        check_code(run("--sysfs", folder, "--choices"), 0, "a sys that says nothing")
    for arguments in (["--nonsense"], ["extra"], ["--topo", "x.png"], ["--load", "a", "--sysfs", "b"], ["--rings", "0"],
                      ["--check", "nowhere"], ["--check", "a:1", "--env"], ["--source", "guess"]):
        done = run(*arguments)
        check_code(done, 6, arguments)
        check(done.stderr.startswith("ringcoll_info: ") and done.stdout == "", arguments, done.stderr)
    for help_flag in ("--help", "--version"):
        check_code(run(help_flag), 0, help_flag)
    with open("/dev/full", "w", encoding="ascii") as full:
        check_code(run(stdout=full), 1, "a full disk")


def check_reach():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = run("--check", "127.0.0.1:%d" % port)
        check_code(done, 0, "a listener")
        check("can be reached" in done.stdout and "from 127.0.0.1: answered after" in done.stdout, done.stdout)
    done = run("--check", "127.0.0.1:%d" % port)
    check_code(done, 3, "nobody listens")
    check("Connection refused (errno 111)" in done.stdout and "nobody listens at port" in done.stdout, done.stdout)
    done = run("--check", "no-such-name.invalid:4100")
    check_code(done, 3, "no such name")
    check("has no address here" in done.stdout and "$ getent hosts" in done.stdout, done.stdout)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # and nobody accepts: when the queue is full, the kernel answers no more
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        done = run("--json", "--check", "127.0.0.1:%d" % full.getsockname()[1], "--timeout", "0.3")
        for one in waiting:
            one.close()
    check_code(done, 3, "nobody answers")
    result = json.loads(done.stdout)
    check(not result["reached"] and "no answer within 0.3 s" in result["attempts"][0]["what"], result)
    check("firewall" in result["next_step"] and result["command"] == "ip route get 127.0.0.1", result)


check_report()
check_findings()
check_environment()
check_pictures()
check_choices()
check_bad_input()
check_reach()
finish()
