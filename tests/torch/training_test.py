# SPDX-License-Identifier: Apache-2.0
"""What trains models: each way must end with the weights of the same training on one rank."""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
import warnings

import torch
import torch.distributed as dist
from ranks import run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import ringcoll.hooks

warnings.filterwarnings("ignore")


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def model():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4))


def batches(steps, size):
    """For each step what each rank sees."""
    generator = torch.Generator().manual_seed(5)
    return [[torch.randn(8, 20, generator=generator) for _ in range(size)] for _ in range(steps)]


def train(net, inputs, optimizer=None):
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=0.1)
    for batch in inputs:
        optimizer.zero_grad()
        net(batch).pow(2).mean().backward()
        optimizer.step()


def alone(size, steps=5):
    net = model()
    train(net, [torch.cat(parts) for parts in batches(steps, size)])
    return [p.detach() for p in net.parameters()]


def same(parameters, size, tolerance=1e-5):
    want = alone(size)
    parameters = [p.detach() for p in parameters]
    worst = max(float((a - b).abs().max()) for a, b in zip(parameters, want))
    check(len(parameters) == len(want) and worst < tolerance, f"the weights differ by {worst}")


def mine(rank, size):
    return [parts[rank] for parts in batches(5, size)]


def ddp(rank, size):
    net = DistributedDataParallel(model(), bucket_cap_mb=0.001)
    train(net, mine(rank, size))
    same(net.parameters(), size)


def ddp_hooks(rank, size):
    for hook, tolerance in ((ringcoll.hooks.fp16, 1e-3), (ringcoll.hooks.bf16, 1e-2)):
        net = DistributedDataParallel(model(), bucket_cap_mb=0.001)
        net.register_comm_hook(None, hook)
        train(net, mine(rank, size))
        same(net.parameters(), size, tolerance)


def power_sgd(rank, size):
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power

    net = DistributedDataParallel(model(), bucket_cap_mb=0.001)
    net.register_comm_hook(power.PowerSGDState(None, matrix_approximation_rank=4, start_powerSGD_iter=2,
                                               min_compression_rate=0.5), power.powerSGD_hook)
    train(net, mine(rank, size))
    weights = torch.cat([p.detach().flatten() for p in net.parameters()])
    others = [torch.empty_like(weights) for _ in range(size)]
    dist.all_gather(others, weights)
    check(all(bool((o == weights).all()) for o in others), "ranks end with different weights")


def zero(rank, size):
    from torch.distributed.optim import ZeroRedundancyOptimizer

    net = DistributedDataParallel(model())
    train(net, mine(rank, size), ZeroRedundancyOptimizer(net.parameters(), torch.optim.SGD, lr=0.1))
    same(net.parameters(), size)


def join(rank, size):
    net = DistributedDataParallel(model())
    with net.join():
        train(net, mine(rank, size)[: 3 + rank])
    weights = torch.cat([p.detach().flatten() for p in net.parameters()])
    others = [torch.empty_like(weights) for _ in range(size)]
    dist.all_gather(others, weights)
    check(all(bool((o == weights).all()) for o in others), "ranks end with different weights")


def fsdp1(rank, size):
    from torch.distributed.fsdp import FullyShardedDataParallel

    net = FullyShardedDataParallel(model(), device_id=torch.device("cpu"))
    train(net, mine(rank, size))
    with FullyShardedDataParallel.summon_full_params(net):
        same(net.parameters(), size) if len(list(net.parameters())) > 1 else check(
            float((torch.cat([p.flatten() for p in alone(size)])
                   - next(net.parameters()).detach()[: sum(p.numel() for p in alone(size))]).abs().max()) < 1e-5,
            "the flat weights differ")


def fsdp2(rank, size):
    from torch.distributed.fsdp import fully_shard

    net = model()
    mesh = dist.init_device_mesh("cpu", (size,))
    for layer in net:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(net, mesh=mesh)
    train(net, mine(rank, size))
    same([p.full_tensor() for p in net.parameters()], size)


def dtensor(rank, size):
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = dist.init_device_mesh("cpu", (size,))
    a, b = torch.arange(24.0).reshape(4, 6), torch.arange(30.0).reshape(6, 5)
    for left, right in ((Shard(0), Replicate()), (Shard(1), Shard(0)), (Replicate(), Shard(1))):
        product = distribute_tensor(a, mesh, [left]) @ distribute_tensor(b, mesh, [right])
        check(torch.equal(product.full_tensor(), a @ b), f"{left} @ {right}")
    moved = distribute_tensor(a, mesh, [Shard(0)]).redistribute(mesh, [Shard(1)])
    check(torch.equal(moved.full_tensor(), a), "from rows to columns")


def functional(rank, size):
    import torch.distributed._functional_collectives as funcol

    def step(x):
        y = funcol.all_reduce(x, "sum", dist.group.WORLD)
        z = funcol.all_gather_tensor(y * 2, 0, dist.group.WORLD)
        return funcol.reduce_scatter_tensor(z, "sum", 0, dist.group.WORLD) + 1

    x = torch.arange(6.0) + rank
    total = (torch.arange(6.0) * size + size * (size - 1) / 2) * 2 * size + 1
    check(torch.equal(torch.as_tensor(step(x)), total), "eager")
    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    check(torch.equal(torch.as_tensor(compiled(x)), total), "compiled")


def pipeline(rank, size):
    from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

    layers = model()
    cut = [layers[:2], layers[2:]][rank]
    stage = PipelineStage(cut, rank, size, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, n_microbatches=4, loss_fn=lambda out, target: (out - target).pow(2).mean())
    x, target = torch.randn(16, 20, generator=torch.Generator().manual_seed(1)), torch.zeros(16, 4)
    if rank == 0:
        schedule.step(x)
    else:
        schedule.step(target=target, losses=[])
    net = model()
    net(x).pow(2).mean().backward()
    want = [p.grad for p in [net[:2], net[2:]][rank].parameters()]
    got = [p.grad for p in cut.parameters()]
    worst = max(float((a - b).abs().max()) for a, b in zip(got, want))
    check(worst < 1e-5, f"gradients differ by {worst}")


def objects(rank, size):
    everything = [None] * size
    dist.all_gather_object(everything, {"rank": rank, "text": "x" * rank * 1000})
    check([e["rank"] for e in everything] == list(range(size)), "all_gather_object")
    box = [{"a": 1}] if rank == 0 else [None]
    dist.broadcast_object_list(box, 0)
    check(box == [{"a": 1}], "broadcast_object_list")


ELASTIC = """
import os, sys, torch, torch.distributed as dist
dist.init_process_group("ringcoll")
attempt, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), dist.get_rank()
data = torch.ones(1000)
dist.all_reduce(data)
if attempt == 0 and rank == 1:
    os.kill(os.getpid(), 9)
for _ in range(100 if attempt == 0 else 1):
    dist.all_reduce(data)
print(f"attempt {attempt} rank {rank} of {dist.get_world_size()} ends", flush=True)
dist.destroy_process_group()
"""


class Training(unittest.TestCase):
    def test_distributed_data_parallel(self):
        run(2, ddp)

    def test_communication_hooks(self):
        run(2, ddp_hooks)

    def test_power_sgd(self):
        run(2, power_sgd)

    def test_zero_redundancy_optimizer(self):
        run(2, zero)

    def test_join_with_uneven_inputs(self):
        run(2, join)

    def test_fully_sharded_data_parallel(self):
        run(2, fsdp1)

    def test_fully_shard(self):
        run(2, fsdp2)

    def test_distributed_tensors(self):
        run(2, dtensor)

    def test_functional_collectives_eager_and_compiled(self):
        run(2, functional)

    def test_pipeline_stages(self):
        run(2, pipeline)

    def test_python_objects(self):
        run(3, objects)

    def test_torchrun_restarts_after_a_killed_rank(self):
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "elastic.py")
            with open(script, "w") as file:
                file.write(textwrap.dedent(ELASTIC))
            process = subprocess.run(
                [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1",
                 "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--monitor-interval=0.1", script],
                capture_output=True, text=True, timeout=100, check=False,
            )
            said = process.stdout + process.stderr
            self.assertEqual(process.returncode, 0, said)
            for rank in range(2):
                self.assertIn(f"attempt 1 rank {rank} of 2 ends", said)


if __name__ == "__main__":
    unittest.main()
