# SPDX-License-Identifier: Apache-2.0
"""Every collective, against the plainest way to compute the same from all ranks' inputs."""

import random
import unittest

import torch
import torch.distributed as dist
from ranks import run
from torch.distributed import ReduceOp

INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
FP8 = [torch.float8_e4m3fn, torch.float8_e5m2]
COMPLEX = [torch.complex64, torch.complex128]
ALL = INTEGERS + FLOATS + FP8 + COMPLEX + [torch.bool]


def numbers(dtype, count, seed):
    """Small whole numbers: every type holds them and their sums exactly."""
    values = torch.randint(0, 4, (count,), generator=torch.Generator().manual_seed(seed))
    if dtype.is_complex:
        return torch.complex(values.double(), values.flip(0).double()).to(dtype)
    return (values % 2 if dtype == torch.bool else values).to(dtype)


def wide(tensor):
    """In a type that computes exactly."""
    if tensor.dtype.is_complex:
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.dtype.is_floating_point else tensor.to(torch.int64)


def same(a, b):
    return a.shape == b.shape and bool((wide(a) == wide(b)).all())


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def reference(op, tensors):
    values = [wide(t) for t in tensors]
    stacked = torch.stack(values)
    if op == ReduceOp.SUM:
        return sum(values[1:], values[0].clone())
    if op == ReduceOp.PRODUCT:
        result = values[0].clone()
        for value in values[1:]:
            result = result * value
        return result
    if op == ReduceOp.MIN:
        return stacked.amin(0)
    if op == ReduceOp.MAX:
        return stacked.amax(0)
    if op == ReduceOp.AVG:
        total = sum(values[1:], values[0].clone())
        return total / len(values) if total.is_floating_point() or total.is_complex() else total // len(values)
    result = values[0].clone()
    for value in values[1:]:
        result = result & value if op == ReduceOp.BAND else result | value if op == ReduceOp.BOR else result ^ value
    return result


def ops_of(dtype):
    if dtype.is_complex:
        return [ReduceOp.SUM, ReduceOp.AVG]
    if dtype == torch.bool:
        return [ReduceOp.SUM, ReduceOp.PRODUCT, ReduceOp.MIN, ReduceOp.MAX, ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR]
    both = [ReduceOp.SUM, ReduceOp.PRODUCT, ReduceOp.MIN, ReduceOp.MAX, ReduceOp.AVG]
    return both if dtype.is_floating_point else both + [ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR]


def expected(op, tensors):
    dtype = tensors[0].dtype
    result = reference(op, tensors)
    if dtype == torch.bool and op in (ReduceOp.SUM, ReduceOp.PRODUCT):
        return result.to(torch.bool)
    return result.to(dtype)


def close(a, b):
    """The averages of small floats are rounded; everything else is exact."""
    if same(a, b):
        return True
    tolerance = {torch.float8_e4m3fn: 0.13, torch.float8_e5m2: 0.26}.get(a.dtype, 0.01)
    return a.shape == b.shape and bool(((wide(a) - wide(b)).abs() <= tolerance * wide(b).abs()).all())


def every_type_and_op(rank, size):
    for dtype in ALL:
        for op in ops_of(dtype):
            inputs = [numbers(dtype, 37, 10 * r) for r in range(size)]
            want = expected(op, inputs)
            mine = inputs[rank].clone()
            # Python refuses some types (fp8); the backend itself is asked.
            opts = dist.AllreduceOptions()
            opts.reduceOp = op
            dist.group.WORLD.allreduce([mine], opts).wait()
            check(close(mine, want), f"all_reduce {dtype} {op}: {mine} instead of {want}")

            parts = [numbers(dtype, 5 * size, 10 * r) for r in range(size)]
            out = torch.zeros(5, dtype=torch.int64).to(dtype)
            opts = dist.ReduceScatterOptions()
            opts.reduceOp = op
            dist.group.WORLD._reduce_scatter_base(out, parts[rank], opts).wait()
            want = expected(op, [p[5 * rank : 5 * rank + 5] for p in parts])
            check(close(out, want), f"reduce_scatter {dtype} {op}: {out} instead of {want}")


def premul_sum(rank, size):
    for dtype in FLOATS + [torch.int32]:
        for factor in (2.0, torch.tensor([2.0])):
            mine = torch.full((9,), rank + 1).to(dtype)
            dist.all_reduce(mine, dist._make_nccl_premul_sum(factor))
            check(same(mine, torch.full((9,), size * (size + 1)).to(dtype)), f"PREMUL_SUM {dtype} {factor}")


def strided(tensor, way):
    """The same numbers, lying otherwise in memory."""
    if way == "dense":
        return tensor.clone()
    if way == "every second":
        room = torch.zeros(*tensor.shape[:-1], tensor.shape[-1] * 2, dtype=torch.int64).to(tensor.dtype)
        view = room[..., ::2]
    else:
        view = torch.zeros(*reversed(tensor.shape), dtype=torch.int64).to(tensor.dtype).permute(
            *reversed(range(tensor.dim()))
        )
    view.copy_(tensor)
    return view


def movers(rank, size):
    draw = random.Random(size)
    for dtype in ALL + [torch.float8_e4m3fnuz]:
        for way in ("dense", "every second", "transposed"):
            rows, columns, root = draw.randint(1, 5), draw.randint(0, 7), draw.randrange(size)
            shape = (rows, columns)
            every = [numbers(dtype, rows * columns, r).reshape(shape) for r in range(size)]
            mine = strided(every[rank], way)
            raw = lambda t: torch.empty(t.shape, dtype=t.dtype).copy_(t).view(torch.uint8)  # noqa: E731
            alike = lambda a, b: bool((raw(a) == raw(b)).all())  # noqa: E731
            empty = lambda: strided(torch.zeros(shape, dtype=torch.int64).to(dtype), way)  # noqa: E731
            world = dist.group.WORLD

            data = mine if rank == root else empty()
            opts = dist.BroadcastOptions()
            opts.rootRank = root
            world.broadcast([data], opts).wait()
            check(alike(data, every[root]), f"broadcast {dtype} {way}")

            outs = [empty() for _ in range(size)]
            world.allgather([outs], [mine]).wait()
            check(all(alike(a, b) for a, b in zip(outs, every)), f"all_gather {dtype} {way}")

            out = strided(torch.zeros((rows * size, columns), dtype=torch.int64).to(dtype), way)
            world._allgather_base(out, mine).wait()
            check(bool((raw(out) == torch.cat([raw(e) for e in every])).all()), f"all_gather_into_tensor {dtype} {way}")

            opts = dist.GatherOptions()
            opts.rootRank = root
            outs = [empty() for _ in range(size)] if rank == root else []
            world.gather([outs] if rank == root else [], [mine], opts).wait()
            check(all(alike(a, b) for a, b in zip(outs, every)), f"gather {dtype} {way}")

            opts = dist.ScatterOptions()
            opts.rootRank = root
            out = empty()
            world.scatter([out], [[strided(e, way) for e in every]] if rank == root else [], opts).wait()
            check(alike(out, every[rank]), f"scatter {dtype} {way}")

            outs = [empty() for _ in range(size)]
            world.alltoall(outs, [strided(every[(rank + r) % size], way) for r in range(size)]).wait()
            check(all(alike(outs[r], every[(r + rank) % size]) for r in range(size)), f"all_to_all {dtype} {way}")


def uneven(rank, size):
    draw = random.Random(7)
    for _ in range(20):
        counts = [[draw.randint(0, 6) for _ in range(size)] for _ in range(size)]  # [from][to]
        mine = torch.arange(sum(counts[rank]) * 3).reshape(-1, 3) + 1000 * rank
        received = [counts[r][rank] for r in range(size)]
        out = torch.empty(sum(received), 3, dtype=torch.int64)
        dist.all_to_all_single(out, mine, received, counts[rank])
        want = []
        for r in range(size):
            at = sum(counts[r][:rank])
            want.append(torch.arange(sum(counts[r]) * 3).reshape(-1, 3)[at : at + counts[r][rank]] + 1000 * r)
        check(same(out, torch.cat(want)), "all_to_all_single with split sizes")

        lengths = counts[0]
        outs = [torch.empty(n) for n in lengths]
        dist.all_gather(outs, torch.full((lengths[rank],), float(rank)))
        check(all(same(o, torch.full((n,), float(r))) for r, (o, n) in enumerate(zip(outs, lengths))),
              "all_gather of different lengths")

        out = torch.empty(lengths[rank])
        dist.reduce_scatter(out, [torch.full((n,), float(rank + 1)) for n in lengths])
        check(same(out, torch.full((lengths[rank],), size * (size + 1) / 2)), "reduce_scatter of different lengths")


def reduce_to_root(rank, size):
    for root in range(size):
        mine = torch.arange(1000.0) + rank
        dist.reduce(mine, root)
        total = torch.arange(1000.0) * size + size * (size - 1) / 2
        check(same(mine, total if rank == root else torch.arange(1000.0) + rank), f"reduce to {root}")


def in_place(rank, size):
    whole = torch.zeros(size * 100)
    part = whole[100 * rank : 100 * rank + 100]
    part.fill_(rank + 1)
    dist.all_gather_into_tensor(whole, part)
    check(same(whole, torch.arange(1.0, size + 1).repeat_interleave(100)), "all_gather in place")
    dist.reduce_scatter_tensor(part, whole)
    check(same(part, torch.full((100,), float(size * (rank + 1)))), "reduce_scatter in place")
    # Overlapping otherwise: as if the input had been copied first.
    whole = torch.arange(float(size * 10))
    dist.all_gather_into_tensor(whole, whole[5:15] if size * 10 >= 15 else whole[:10])
    check(same(whole, torch.arange(5.0, 15.0).repeat(size)), "all_gather of an overlapping input")


def lists_in_one_memory(rank, size):
    room = torch.zeros(size, 8)
    dist.all_gather(list(room.unbind(0)), torch.full((8,), float(rank)))
    check(same(room, torch.arange(float(size)).unsqueeze(1).expand(size, 8)), "all_gather into views of one tensor")
    out = torch.zeros(8)
    dist.reduce_scatter(out, list(room.unbind(0)))
    check(same(out, torch.full((8,), float(rank * size))), "reduce_scatter from views of one tensor")


def coalesced(rank, size):
    a, b, c = torch.ones(3), torch.ones(5, 2), torch.ones(4, dtype=torch.float64)
    opts = dist.AllreduceCoalescedOptions()
    opts.reduceOp = ReduceOp.SUM
    dist.group.WORLD.allreduce_coalesced([a, b, c], opts).wait()
    check(all(same(t, torch.full(t.shape, float(size)).to(t.dtype)) for t in (a, b, c)), "all_reduce_coalesced")

    with dist._coalescing_manager(device=torch.device("cpu"), async_ops=True) as manager:
        outs = []
        for i in range(4):
            out = torch.empty(size * 2)
            dist.all_gather_into_tensor(out, torch.full((2,), float(rank + i)))
            outs.append(out)
    manager.wait()
    for i, out in enumerate(outs):
        check(same(out, torch.arange(float(size)).repeat_interleave(2) + i), "a coalesced all_gather")

    lists = [[torch.empty(2), torch.empty(3)] for _ in range(size)]
    dist.all_gather_coalesced(lists, [torch.full((2,), float(rank)), torch.full((3,), float(rank))])
    for r, (two, three) in enumerate(lists):
        check(same(two, torch.full((2,), float(r))) and same(three, torch.full((3,), float(r))), "all_gather_coalesced")


def sparse(rank, size):
    for dtype in (torch.float32, torch.complex64, torch.int64):
        indices = torch.tensor([[rank, rank + 1], [0, 1]])
        values = torch.tensor([1, 2]).to(dtype)
        mine = torch.sparse_coo_tensor(indices, values, (size + 2, 3))
        want = sum(
            (torch.sparse_coo_tensor(torch.tensor([[r, r + 1], [0, 1]]), values, (size + 2, 3)).to_dense()
             for r in range(size)),
            torch.zeros(size + 2, 3, dtype=dtype),
        )
        dist.group.WORLD.allreduce([mine]).wait()  # Python would take complex numbers apart
        check(same(mine.to_dense(), want), f"sparse all_reduce of {dtype}")


def large(rank, size):
    for count in (1 << 16, (1 << 20) + 3, 5_000_011):
        mine = torch.full((count,), float(rank + 1))
        dist.all_reduce(mine)
        check(bool((mine == size * (size + 1) / 2).all()), f"all_reduce of {count}")


class Collectives(unittest.TestCase):
    def on(self, body, sizes=(1, 2, 3)):
        for size in sizes:
            with self.subTest(ranks=size):
                run(size, body)

    def test_every_type_and_op_is_right(self):
        self.on(every_type_and_op)

    def test_premul_sum_multiplies_first(self):
        self.on(premul_sum)

    def test_data_movers_keep_every_bit_of_every_type_however_it_lies(self):
        self.on(movers)

    def test_parts_may_differ_in_length(self):
        self.on(uneven)

    def test_reduce_changes_the_root_only(self):
        self.on(reduce_to_root)

    def test_in_place_and_overlapping(self):
        self.on(in_place, (2, 3))

    def test_lists_that_are_views_of_one_tensor(self):
        self.on(lists_in_one_memory)

    def test_coalesced_calls(self):
        self.on(coalesced)

    def test_sparse_tensors_are_summed(self):
        self.on(sparse)

    def test_large_tensors(self):
        self.on(large, (2,))


if __name__ == "__main__":
    unittest.main()
