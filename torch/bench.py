#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gloo and ringcoll through torch.distributed, beside each other: the same ranks, tensors and minutes.

    torch/bench.py [--ranks 2] [-b 1K] [-e 64M] [-f 4] [--seconds 0.15] [--only NAME]

For each collective and size the two backends take turns, so that what else the machine does hits both. Prints the
median time of a call on the slowest rank, in microseconds; the size is that of the larger of the two buffers.
"""

import argparse
import os
import statistics
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

import ringcoll  # noqa: F401


def buffers(name, count, size):
    """The larger buffer has `count` floats."""
    whole, part = torch.zeros(count), torch.zeros(max(1, count // size))
    return {
        "all_reduce": lambda group: dist.all_reduce(whole, group=group),
        "all_gather": lambda group: dist.all_gather_into_tensor(whole, part, group=group),
        "reduce_scatter": lambda group: dist.reduce_scatter_tensor(part, whole, group=group),
        "all_to_all": lambda group, out=torch.zeros(count): dist.all_to_all_single(out, whole, group=group),
    }[name]


NAMES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


def measure(call, group, calls):
    dist.barrier(group)
    times = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        call(group)
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


def rank_main(rank, options, port):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(options.ranks))
    dist.init_process_group("gloo")
    groups = {"gloo": dist.group.WORLD, "ringcoll": dist.new_group(backend="ringcoll")}
    if rank == 0:
        print(f"# torch {torch.__version__}, {options.ranks} ranks, {os.cpu_count()} cores, float32, "
              f"{time.strftime('%Y-%m-%d')}")
        print("| collective | bytes | gloo us | ringcoll us | gloo / ringcoll |\n|---|---:|---:|---:|---:|")
    for name in [options.only] if options.only else NAMES:
        size = options.begin
        while size <= options.end:
            call = buffers(name, size // 4, options.ranks)
            times = {backend: [] for backend in groups}
            for group in groups.values():  # connections, pages, and how long a call takes
                measure(call, group, 3)
            calls = torch.tensor([max(2, min(200, options.seconds / 10 * 1e6 /
                                             statistics.median(measure(call, groups["gloo"], 3))))])
            dist.all_reduce(calls, dist.ReduceOp.MIN)
            for _ in range(10):
                for backend, group in groups.items():
                    times[backend] += measure(call, group, int(calls.item()))
            medians = torch.tensor([statistics.median(times[backend]) for backend in groups])
            dist.all_reduce(medians, dist.ReduceOp.MAX)
            if rank == 0:
                gloo, ours = medians.tolist()
                print(f"| {name} | {size} | {gloo:.1f} | {ours:.1f} | {gloo / ours:.2f} |", flush=True)
            size *= options.factor
    dist.destroy_process_group()


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    unit = units.get(text[-1:].upper(), 1)
    digits = text[:-1] if unit > 1 else text
    if not digits.isdigit() or int(digits) * unit < 4:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size; expected bytes, 4 or more, such as 64K or 1M")
    return int(digits) * unit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("-b", dest="begin", type=parse_size, default="1K")
    parser.add_argument("-e", dest="end", type=parse_size, default="64M")
    parser.add_argument("-f", dest="factor", type=int, default=4, choices=range(2, 1025), metavar="N")
    parser.add_argument("--seconds", type=float, default=0.15, help="about how long each backend runs at each size")
    parser.add_argument("--only", choices=NAMES)
    options = parser.parse_args()
    if options.ranks < 2:
        parser.error("--ranks must be 2 or more: one rank has nobody to talk to")
    port = 20000 + os.getpid() % 20000
    multiprocessing.spawn(rank_main, (options, port), options.ranks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
