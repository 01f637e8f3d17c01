# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: each is a DistBackendError on every rank that it concerns, soon, and says what and who."""

import os
import signal
import threading
import time
import unittest
from datetime import timedelta

import torch
import torch.distributed as dist
from ranks import outcomes, run

import ringcoll

ERROR = "DistBackendError"


def killed_in(rank, size, what):
    dist.all_reduce(torch.ones(1))
    if rank == size - 1:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "collective":
        while True:
            dist.all_reduce(torch.ones(100))
    elif what == "async":
        work = dist.all_reduce(torch.ones(100), async_op=True)
        work.get_future().wait()
    elif what == "receive":
        dist.recv(torch.empty(1), size - 1)
    else:
        dist.recv(torch.empty(1))


def mismatched(rank, size, what):
    if what == "length":
        dist.all_reduce(torch.ones(10 + rank))
    elif what == "type":
        dist.all_reduce(torch.ones(10, dtype=torch.float32 if rank == 0 else torch.int32))
    elif what == "op":
        dist.all_reduce(torch.ones(10), dist.ReduceOp.MIN if rank == 0 else dist.ReduceOp.MAX)
    elif what == "collective":
        dist.all_reduce(torch.ones(10)) if rank == 0 else dist.broadcast(torch.ones(10), 0)
    elif what == "root":
        dist.broadcast(torch.ones(10), rank)
        dist.barrier()  # two roots wait for nobody, and hear of it in their next call


def left_alone(rank, size):
    """Rank 1 makes one call less."""
    dist.all_reduce(torch.ones(4))
    if rank == 0:
        dist.all_reduce(torch.ones(4))


def too_late(rank, size):
    dist.barrier()
    if rank == 1:
        time.sleep(3)
    else:
        dist.all_reduce(torch.ones(4))


def aborted(rank, size):
    dist.all_reduce(torch.ones(1))
    if rank == 0:
        threading.Timer(0.3, ringcoll.abort).start()
        dist.all_reduce(torch.ones(10)) if size == 1 else dist.recv(torch.empty(1), 1)
    else:
        dist.all_reduce(torch.ones(10))  # rank 0 does not come


def bad_arguments(rank, size):
    """The calls and what their errors must say. None of them harms the group."""
    world = dist.group.WORLD
    ones = torch.ones(4)
    reduce_max = dist.AllreduceOptions()
    reduce_max.reduceOp = dist.ReduceOp.BAND
    complex_max = dist.AllreduceOptions()
    complex_max.reduceOp = dist.ReduceOp.MAX
    root = dist.BroadcastOptions()
    root.rootRank = 7
    backend = world._get_backend(torch.device("cpu"))
    cases = [
        (lambda: backend.allreduce([torch.ones(2, device="meta")]), "tensor is on meta; .* on the cpu only"),
        (lambda: world.allreduce([ones, ones]), "all_reduce: tensors holds 2 tensors; it must be one"),
        (lambda: world.allreduce([ones], reduce_max), "ReduceOp.BAND is not defined for tensors of type Float"),
        (lambda: world.allreduce([torch.ones(2, dtype=torch.complex64)], complex_max), "MAX is not defined .* Complex"),
        (lambda: world.broadcast([ones], root), "root 7 is not a rank of the group; ranks are 0 … 1"),
        (lambda: backend.broadcast([ones.to_sparse()]), "tensor is sparse .*; only all_reduce takes sparse tensors"),
        (lambda: world.allgather([[ones]], [ones]), "tensor_list has 1 tensors; it needs one for each of the 2 ranks"),
        (lambda: world.allgather([[ones, ones.int()]], [ones]), r"tensor_list\[1\] has the type Int"),
        (lambda: world._allgather_base(torch.ones(7), ones), "output_tensor has 7 elements; it must have 8, 2 times"),
        (lambda: world._reduce_scatter_base(ones, torch.ones(7)), "input has 7 elements; it must have 8"),
        (lambda: world.alltoall_base(torch.ones(3), torch.ones(3), [], []), "3 rows, which 2 ranks cannot share"),
        (lambda: world.alltoall_base(torch.ones(4), torch.ones(4), [1, 2], [2, 2]), "add up to 3, but it has 4 rows"),
        (lambda: world.alltoall_base(torch.ones(4), torch.ones(4), [4], [2, 2]), "must be one for each of the 2 ranks"),
        (lambda: world.send([ones], 5, 0), "send to rank 5.*one of the ranks 0 … 1"),
        (lambda: world.recv([ones], rank, 0), f"receive from rank {rank}.*this is rank {rank}"),
    ]
    for call, pattern in cases:
        try:
            call()
        except (RuntimeError, NotImplementedError) as error:
            unittest.TestCase().assertRegex(str(error), pattern)
        else:
            raise AssertionError(f"no error, but expected: {pattern}")
    dist.all_reduce(ones)
    return ones[0].item()


def after_shutdown(rank, size):
    group = dist.group.WORLD
    backend = group._get_backend(torch.device("cpu"))
    dist.destroy_process_group()
    backend.allreduce([torch.ones(1)]).wait()


def missing_rank(rank, size):
    store = dist.HashStore()
    dist.init_process_group("ringcoll", store=store, rank=0, world_size=3, timeout=timedelta(seconds=1))


def dead_store(rank, size):
    port = int(os.environ["RINGCOLL_TEST_PORT"])
    store = dist.TCPStore("127.0.0.1", port, 2, rank == 0, timeout=timedelta(seconds=20))
    if rank == 0:
        time.sleep(1)
        os._exit(0)
    dist.init_process_group("ringcoll", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=20))


def wrong_options(rank, size):
    dist.new_group(backend="ringcoll", pg_options=dist.ProcessGroup)


def no_such_transport(rank, size):
    dist.new_group(backend="ringcoll", pg_options=ringcoll.Options(transport="pigeon"))


def the_monitor(rank, size, wait_all):
    ringcoll.monitored_barrier(timeout=timedelta(seconds=20))
    if rank not in (1, 2):
        ringcoll.monitored_barrier(timeout=timedelta(seconds=1), wait_all_ranks=wait_all)


class Failures(unittest.TestCase):
    def test_a_killed_rank_ends_the_others_within_two_seconds(self):
        for size, what in ((2, "collective"), (3, "collective"), (2, "async"), (2, "receive"), (3, "from anybody")):
            with self.subTest(what, ranks=size):
                results = outcomes(size, killed_in, what)
                self.assertTrue(results[-1].killed)
                for rank, result in enumerate(results[:-1]):
                    self.assertIsNotNone(result.raised, f"rank {rank} {result!r}")
                    self.assertEqual(result.raised[0], ERROR)
                    self.assertRegex(result.raised[1], f"rank {size - 1} .*(is gone|has that process exited)")
                    self.assertLess(result.when - results[-1].when, 2.0)

    def test_calls_that_differ_name_both_ranks(self):
        for what, text in (
            ("length", "allreduce #1 of 11 float .*, but rank 0 called allreduce #1 of 10 float|10 float.*11 float"),
            ("type", "int32.*float|float.*int32"),
            ("op", r"\(max\).*\(min\)|\(min\).*\(max\)"),
            ("collective", "allreduce.*broadcast|broadcast.*allreduce"),
            ("root", "broadcast #1 of 10 float with root [01], but rank [01] called"),
        ):
            with self.subTest(what):
                raised = [r.raised for r in outcomes(2, mismatched, what) if r.raised]
                self.assertTrue(raised, "no rank noticed")
                self.assertEqual(raised[0][0], ERROR)
                self.assertRegex(raised[0][1], text)

    def test_a_rank_that_leaves_early_is_named(self):
        kind, text, _ = outcomes(2, left_alone)[0].raised
        self.assertEqual(kind, ERROR)
        self.assertRegex(text, "rank 1 has left the communicator")

    def test_a_rank_that_does_not_come_is_named_at_the_deadline(self):
        kind, text, _ = outcomes(2, too_late, timeout=timedelta(seconds=1))[0].raised
        self.assertEqual(kind, ERROR)
        self.assertRegex(text, "Timed out waiting 1000ms: .*nothing has arrived from rank 1")

    def test_abort_ends_what_is_under_way_on_all_ranks(self):
        results = outcomes(2, aborted)
        for result in results:
            self.assertEqual(result.raised[0], ERROR)
            self.assertRegex(result.raised[1], r"rank 0 called abort\(\)")

    def test_bad_arguments_name_the_argument_and_harm_nothing(self):
        self.assertEqual(run(2, bad_arguments), [2.0, 2.0])

    def test_a_group_that_was_shut_down_says_so(self):
        for result in outcomes(2, after_shutdown):
            self.assertEqual(result.raised[0], ERROR)
            self.assertRegex(result.raised[1], "has been shut down")

    def test_a_rank_that_never_joins_is_named(self):
        kind, text, _ = outcomes(1, missing_rank, backend=None)[0].raised
        self.assertRegex(kind, "DistStoreError|DistBackendError")
        self.assertRegex(text, "rank 0 of 3 .*rank [12] has not come")

    def test_a_store_that_dies_is_an_error(self):
        with _free_port():
            result = outcomes(2, dead_store, backend=None)[1]
        self.assertRegex(result.raised[0], "DistStoreError|DistNetworkError")
        self.assertRegex(result.raised[1], "rank 1 of 2 could not .* in the store")

    def test_options_of_another_backend_are_refused(self):
        for result in outcomes(2, wrong_options):
            self.assertEqual(result.raised[0], "TypeError")

    def test_a_transport_that_does_not_exist_is_refused(self):
        for result in outcomes(2, no_such_transport):
            self.assertRegex(result.raised[1], "transport pigeon")

    def test_the_monitored_barrier_names_who_has_not_come(self):
        for wait_all, text in ((False, "Rank 1 failed"), (True, "Ranks 1, 2 failed")):
            with self.subTest(wait_all=wait_all):
                results = outcomes(4, the_monitor, wait_all)
                self.assertRegex(results[0].raised[1], text + " to pass monitoredBarrier in 1000 ms")
                self.assertRegex(results[3].raised[1], "Rank 3 successfully reached monitoredBarrier")


class _free_port:
    """Puts a port that nobody listens at into the environment of the ranks."""

    def __enter__(self):
        import socket

        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            os.environ["RINGCOLL_TEST_PORT"] = str(s.getsockname()[1])

    def __exit__(self, *_):
        del os.environ["RINGCOLL_TEST_PORT"]


if __name__ == "__main__":
    unittest.main()
