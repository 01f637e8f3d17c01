# SPDX-License-Identifier: Apache-2.0
"""send, recv, tags, and receives from anybody."""

import time
import unittest
from datetime import timedelta

import torch
import torch.distributed as dist
from ranks import outcomes, run


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def any_order_of_tags(rank, size):
    count = 200_000  # more than fits a link
    if rank == 0:
        works = [dist.isend(torch.full((count,), float(tag)), 1, tag=tag) for tag in range(6)]
        for work in works:
            work.wait()
    elif rank == 1:
        for tag in (5, 0, 3, 1, 4, 2):
            data = torch.empty(count)
            dist.recv(data, 0, tag=tag)
            check(bool((data == tag).all()), f"tag {tag}")


def same_tag_keeps_order(rank, size):
    peer = 1 - rank
    works = [dist.isend(torch.tensor([i]), peer, tag=7) for i in range(500)]
    for i in range(500):
        data = torch.empty(1, dtype=torch.int64)
        dist.recv(data, peer, tag=7)
        check(data.item() == i, f"message {i} is {data.item()}")
    for work in works:
        work.wait()


def from_anybody(rank, size):
    if rank != 0:
        for i in range(20):
            dist.send(torch.tensor([rank * 100 + i]), 0, tag=i % 3)
        return
    seen = {r: 0 for r in range(1, size)}
    for tag in range(3):
        for _ in range((size - 1) * len(range(tag, 20, 3))):
            data = torch.empty(1, dtype=torch.int64)
            source = dist.recv(data, tag=tag)
            check(data.item() // 100 == source, f"{data.item()} from {source}")
            check(data.item() % 100 % 3 == tag, "the tag's own")
            seen[source] += 1
    check(all(n == 20 for n in seen.values()), f"{seen}")


def pass_collectives(rank, size):
    """A receive under way does not hold up collectives, nor they it."""
    data = torch.empty(3)
    if rank == 0:
        receive = dist.irecv(data, 1)
        for _ in range(3):
            dist.all_reduce(torch.ones(4))
        receive.wait()
        check(bool((data == 5).all()), "received")
    else:
        for _ in range(3):
            dist.all_reduce(torch.ones(4))
        if rank == 1:
            dist.send(torch.full((3,), 5.0), 0)


def batch(rank, size):
    right, left = (rank + 1) % size, (rank - 1) % size
    out = torch.empty(100_000)
    works = dist.batch_isend_irecv(
        [
            dist.P2POp(dist.isend, torch.full((100_000,), float(rank)), right),
            dist.P2POp(dist.irecv, out, left),
        ]
    )
    for work in works:
        work.wait()
    check(bool((out == left).all()), "batch")


def strided_and_types(rank, size):
    for dtype in (torch.bool, torch.bfloat16, torch.complex64, torch.float8_e5m2, torch.float8_e4m3fnuz):
        data = torch.ones(4, 6).to(dtype)
        if rank == 0:
            dist.send(data[:, ::2], 1)
        else:
            room = torch.zeros(4, 6).to(dtype)
            dist.recv(room[:, 1::2], 0)
            check(bool((room.float().real[:, 1::2] == 1).all() and (room.float().real[:, ::2] == 0).all())
                  if not dtype.is_complex else bool((room[:, 1::2] == 1).all()), f"{dtype}")


def lengths_differ(rank, size):
    if rank == 0:
        dist.send(torch.ones(10), 1, tag=3)
    else:
        dist.recv(torch.empty(12), 0, tag=3)


def types_differ(rank, size):
    if rank == 0:
        dist.send(torch.ones(10), 1)
    else:
        dist.recv(torch.empty(10, dtype=torch.int32), 0)


def a_late_receive(rank, size):
    """A receive that times out fails alone: the group goes on."""
    text = ""
    if rank == 0:
        try:
            dist.recv(torch.empty(1), 1, tag=9)
        except dist.DistBackendError as error:
            text = str(error)
        data = torch.empty(1)
        dist.recv(data, 1, tag=8)
        check(data.item() == 4, "the next receive")
    else:
        time.sleep(1.5)
        dist.send(torch.full((1,), 4.0), 0, tag=8)
    dist.all_reduce(torch.ones(1))
    return text


class Messages(unittest.TestCase):
    def test_receives_may_ask_for_tags_in_any_order(self):
        run(2, any_order_of_tags)

    def test_messages_with_one_tag_keep_their_order(self):
        run(2, same_tag_keeps_order)

    def test_receives_from_anybody_tell_the_source(self):
        run(4, from_anybody)

    def test_messages_and_collectives_pass_each_other(self):
        run(3, pass_collectives)

    def test_a_batch_does_not_deadlock(self):
        run(3, batch)

    def test_strided_tensors_and_every_kind_of_type(self):
        run(2, strided_and_types)

    def test_lengths_that_differ_are_an_error_that_names_both(self):
        kind, text, _ = outcomes(2, lengths_differ)[1].raised
        self.assertEqual(kind, "DistBackendError")
        self.assertRegex(text, "rank 0 sent 10 float with tag 3, but rank 1 receives 12 float")

    def test_types_that_differ_are_an_error_that_names_both(self):
        kind, text, _ = outcomes(2, types_differ)[1].raised
        self.assertEqual(kind, "DistBackendError")
        self.assertRegex(text, "rank 0 sent 10 float with tag 0, but rank 1 receives 10 int32")

    def test_a_receive_that_times_out_fails_alone(self):
        text = run(2, a_late_receive, timeout=timedelta(seconds=1))[0]
        self.assertRegex(text, "Timed out waiting 1000ms: receive from rank 1 with tag 9: nothing has arrived")


if __name__ == "__main__":
    unittest.main()
