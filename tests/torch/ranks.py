# SPDX-License-Identifier: Apache-2.0
"""Ranks as forked processes, for tests: `run(3, body)` calls body(rank, size) on each, in a group of all of them."""

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from datetime import timedelta

import torch
import torch.distributed as dist

import ringcoll  # noqa: F401

context = multiprocessing.get_context("fork")


def _main(rank, size, body, args, path, backend, timeout, pipe):
    torch.set_num_threads(1)
    outcome = ("ended", None)
    try:
        if backend:
            store = dist.FileStore(path, size)
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
        outcome = ("returned", body(rank, size, *args))
        if backend and dist.is_initialized():
            dist.destroy_process_group()
    except BaseException as error:  # what the test asks for is the parent's to judge
        outcome = ("raised", (type(error).__name__, str(error), traceback.format_exc()))
    pipe.send(outcome + (time.time(),))
    pipe.close()
    os._exit(0)  # no destructors of a group that has failed


class Outcome:
    """How one rank ended: .returned, .raised (type name, text, traceback), .killed, and when."""

    def __init__(self, kind, value, when):
        self.returned = value if kind == "returned" else None
        self.raised = value if kind == "raised" else None
        self.killed = kind == "ended"
        self.when = when

    def __repr__(self):
        return "killed" if self.killed else f"raised {self.raised[2]}" if self.raised else f"returned {self.returned}"


def outcomes(size, body, *args, backend="ringcoll", timeout=timedelta(seconds=30), limit=90):
    """How each rank ended. One that has not ended after `limit` seconds fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        pipes, processes = [], []
        for rank in range(size):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_main, args=(rank, size, body, args, os.path.join(folder, "store"), backend, timeout, theirs)
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        end = time.time() + limit
        results = []
        stuck = []
        for rank, (pipe, process) in enumerate(zip(pipes, processes)):
            if not pipe.poll(max(0.0, end - time.time())):
                stuck.append(rank)
                os.kill(process.pid, signal.SIGKILL)
            try:
                results.append(Outcome(*pipe.recv()))
            except EOFError:
                results.append(Outcome("ended", None, time.time()))
            process.join()
        if stuck:
            raise AssertionError(f"ranks {stuck} of {size} were stuck after {limit} s")
        return results


def run(size, body, *args, **options):
    """What body returned on each rank; fails the test if a rank raised or died."""
    results = outcomes(size, body, *args, **options)
    for rank, result in enumerate(results):
        if result.raised or result.killed:
            raise AssertionError(f"rank {rank} of {size} {result!r}")
    return [result.returned for result in results]
