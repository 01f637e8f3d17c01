# SPDX-License-Identifier: Apache-2.0
"""Groups that come and go, asynchronous calls, and that nothing is left behind."""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from datetime import timedelta

import torch
import torch.distributed as dist
from ranks import run

import ringcoll


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def held():
    """Descriptors, threads, and resident bytes of this process."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), pages * os.sysconf("SC_PAGESIZE")


def come_and_go(rank, size, path):
    store = dist.FileStore(path, size)

    def once():
        dist.init_process_group("ringcoll", store=store, rank=rank, world_size=size)
        work = dist.all_reduce(torch.ones(1000), async_op=True)
        other = dist.isend(torch.ones(10), 1) if rank == 0 else dist.irecv(torch.empty(10), 0)
        work.wait()
        other.wait()
        dist.destroy_process_group()

    for _ in range(10):
        once()
    before = held()
    for _ in range(100):
        once()
    after = held()
    check(after[0] <= before[0], f"{after[0] - before[0]} descriptors are left")
    check(after[1] <= before[1], f"{after[1] - before[1]} threads are left")
    check(after[2] - before[2] < 16 << 20, f"{after[2] - before[2]} bytes are left")


def many_calls(rank, size):
    data, part = torch.ones(256), torch.ones(128)

    def some(calls):
        works = []
        for i in range(calls):
            if i % 2:
                dist.all_reduce(data)
            else:
                works.append(dist.all_gather_into_tensor(data, part, async_op=True))
            if len(works) == 50:
                for work in works:
                    work.get_future().wait()
                works.clear()
        for work in works:
            work.wait()

    some(1000)
    before = held()
    some(10_000)
    after = held()
    check(after[:2] == before[:2], f"descriptors and threads: {before[:2]} before, {after[:2]} after")
    check(after[2] - before[2] < 4 << 20, f"{after[2] - before[2]} bytes are left")


def subgroups(rank, size):
    even, odd = list(range(0, size, 2)), list(range(1, size, 2))
    groups = [dist.new_group(even), dist.new_group(odd)]
    mine = groups[rank % 2]
    data = torch.tensor([float(rank)])
    dist.all_reduce(data, group=mine)
    check(data.item() == sum(odd if rank % 2 else even), "all_reduce in a subgroup")
    dist.destroy_process_group(mine)
    dist.all_reduce(data)


def split(rank, size):
    world = dist.group.WORLD
    ranks = [0, 2] if rank in (0, 2) else [1]
    part = world.split_group(ranks, group_name=f"part{ranks}")
    check(part.size() == len(ranks) and part.rank() == ranks.index(rank), "the split group's ranks")
    data = torch.tensor([float(rank)])
    part.allreduce([data]).wait()
    check(data.item() == sum(ranks), "all_reduce in a split group")
    part.shutdown()


def futures_in_order(rank, size):
    """Calls complete in their order and on one thread, whatever their lengths."""
    seen, threads = [], set()
    works = []
    for i in range(60):
        work = dist.all_reduce(torch.ones(1 << (i * 7 % 18)), async_op=True)

        def note(error, i=i):
            seen.append(i)
            threads.add(threading.get_native_id())

        ringcoll._C.when_done(work, note)
        works.append(work)
    for work in works:
        work.wait()
    # What is complete when it is asked is told at once, in the caller's thread.
    check(len(threads - {threading.get_native_id()}) <= 1, f"{threads}")
    check(seen == list(range(60)), f"{seen}")


def calls_from_callbacks(rank, size):
    """What a callback starts comes at the same place on all ranks, and it may wait for it."""
    inner = []

    def again(future):
        data = future.value()[0][:4].clone()
        later = dist.all_reduce(data, async_op=True)
        dist.all_reduce(torch.ones(1))
        later.wait()
        inner.append(data)
        return future.value()

    for i in range(50):
        time.sleep(random.random() / 1000)  # ranks are differently fast
        data = torch.full((1 << (i % 12),), 1.0)
        dist.all_reduce(data, async_op=True).get_future().then(again)
    check(len(inner) == 50 and all(bool((data == size * size).all()) for data in inner), f"{inner}")


def results(rank, size):
    a, b = torch.ones(3), torch.ones(2)
    work = dist.all_reduce(a, async_op=True)
    work.wait()
    check(work.is_completed() and work.is_success(), "complete")
    check(work.result()[0] is a or bool((work.result()[0] == a).all()), "result()")
    value = work.get_future().value()
    check(isinstance(value, list) and bool((value[0] == size).all()), "a future's value is a list of tensors")
    backend = dist.group.WORLD._get_backend(torch.device("cpu"))
    before = backend._get_sequence_number_for_group()
    dist.broadcast(b, 0)
    check(backend._get_sequence_number_for_group() == before + 1, "sequence numbers count the calls")
    grad = torch.nn.Parameter(torch.ones(2, 2).t())
    dist.broadcast(grad, 0)  # a leaf that requires grad, and is not contiguous
    try:
        dist.all_reduce(torch.ones(1 << 22), async_op=True).wait(timedelta(microseconds=1000))
    except RuntimeError as error:
        check("Timed out after 1 ms in wait(); the call goes on" in str(error), str(error))
    dist.all_reduce(a)
    check(bool((a == size * size).all()), "the group goes on")


def any_thread(rank, size):
    """Groups are independent: each thread its own."""
    groups = [dist.new_group() for _ in range(4)]
    failed = []

    def use(i):
        draw = random.Random(i)
        for _ in range(50):
            data = torch.full((draw.choice((1, 1000, 100_000)),), float(rank + i))
            dist.all_reduce(data, group=groups[i])
            if not bool((data == size * (size - 1) / 2 + i * size).all()):
                failed.append(i)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failed, f"{failed}")


def over_tcp(rank, size):
    group = dist.new_group(pg_options=ringcoll.Options(transport="tcp"))
    check(group._get_backend(torch.device("cpu")).options.transport == "tcp", "options are kept")
    for count in (0, 1, 1_000_003):
        data = torch.full((count,), float(rank))
        dist.all_reduce(data, group=group)
        check(bool((data == size * (size - 1) / 2).all()), "all_reduce over TCP")


def ends_with_work_under_way(rank, size):
    """destroy_process_group lets what was started come to its end, as the other ranks need it."""
    data = torch.ones(1 << 20)
    if rank == 0:
        dist.all_reduce(data, async_op=True)
        dist.isend(torch.ones(1000), 1)
        dist.irecv(torch.empty(1), 1)  # nobody sends
    else:
        dist.all_reduce(data)
        dist.recv(torch.empty(1000), 0)


def python(text, *arguments, env=None):
    process = subprocess.run(
        [sys.executable, *arguments, "-c", text], capture_output=True, text=True, timeout=60,
        env={**os.environ, **(env or {})}, check=False,
    )
    return process.returncode, process.stdout + process.stderr


class Lifecycle(unittest.TestCase):
    def test_a_hundred_groups_leave_nothing_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            run(2, come_and_go, os.path.join(folder, "again"), backend=None)

    def test_ten_thousand_calls_leave_nothing_behind(self):
        run(2, many_calls)

    def test_subgroups(self):
        run(4, subgroups)

    def test_split_groups(self):
        run(3, split)

    def test_a_group_of_one(self):
        run(1, results)

    def test_completions_come_in_order_on_one_thread(self):
        run(2, futures_in_order)

    def test_callbacks_may_call_and_wait(self):
        run(2, calls_from_callbacks)

    def test_works_futures_and_sequence_numbers(self):
        run(2, results)

    def test_each_thread_may_have_a_group(self):
        run(2, any_thread)

    def test_transports_by_option(self):
        run(2, over_tcp)

    def test_a_group_that_is_destroyed_finishes_its_work(self):
        run(2, ends_with_work_under_way)

    def test_the_backend_is_there_without_importing_it(self):
        code, said = python("import torch.distributed as d; print(d.is_backend_available('ringcoll'))")
        self.assertEqual((code, said.strip()), (0, "True"), said)

    def test_either_import_may_come_first(self):
        for text in ("import ringcoll, torch", "import torch, ringcoll", "import ringcoll.hooks"):
            code, said = python(text + "; import torch.distributed as d; print(d.Backend.RINGCOLL)")
            self.assertEqual((code, said.strip()), (0, "ringcoll"), said)

    def test_importing_starts_no_thread(self):
        code, said = python("import os, torch, ringcoll; print(len(os.listdir('/proc/self/task')))",
                            env={"OMP_NUM_THREADS": "1"})
        self.assertEqual((code, said.strip()), (0, "1"), said)

    def test_debug_mode_wraps_it(self):
        os.environ["TORCH_DISTRIBUTED_DEBUG"] = "DETAIL"
        try:
            run(2, results_in_debug_mode)
        finally:
            del os.environ["TORCH_DISTRIBUTED_DEBUG"]


def results_in_debug_mode(rank, size):
    dist.set_debug_level_from_env()
    group = dist.new_group()
    data = torch.ones(4)
    dist.all_reduce(data, group=group)
    check(bool((data == size).all()), "all_reduce in debug mode")


if __name__ == "__main__":
    unittest.main()
