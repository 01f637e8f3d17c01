#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a network on the 60,000 images of Fashion-MNIST, data-parallel, and tests it on the other 10,000.

    torchrun --nproc-per-node=2 torch/examples/fashion_mnist.py --backend ringcoll
    torchrun --nproc-per-node=2 torch/examples/fashion_mnist.py --backend gloo

Rank 0 prints one table row. The images are Debian's: apt-get install dataset-fashion-mnist.
"""

import argparse
import gzip
import statistics
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

DATA = "/usr/share/datasets/fashion-mnist"


def read_idx(path, what):
    """An idx file: a magic number that ends in the number of dimensions, their sizes, bytes."""
    if not path.exists():
        sys.exit(f"{path} does not exist; apt-get install dataset-fashion-mnist, or say --data FOLDER")
    with gzip.open(path) as file:
        raw = file.read()
    dimensions = raw[3] if len(raw) >= 4 else 0
    shape = numpy.frombuffer(raw[4 : 4 + 4 * dimensions], ">u4")
    data = numpy.frombuffer(raw[4 + 4 * dimensions :], numpy.uint8)
    if raw[:3] != b"\0\0\x08" or data.size != shape.prod(dtype=numpy.int64):
        sys.exit(f"{path} is no idx file of bytes, though it should hold {what}")
    return torch.from_numpy(data.reshape(shape.tolist()).copy())


def load(folder, part):
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz", "images")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz", "labels")
    return (images.float() / 255 - 0.2860).unsqueeze(1) / 0.3530, labels.long()


def network(name):
    torch.manual_seed(1)
    if name == "mlp":  # 5.8 million parameters
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU(),
                             nn.Linear(2048, 10))
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 10),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="ringcoll", choices=("ringcoll", "gloo"))
    parser.add_argument("--model", default="mlp", choices=("mlp", "convnet"))
    parser.add_argument("--hook", default="none", choices=("none", "fp16", "bf16"))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="images a rank and step")
    parser.add_argument("--steps", type=int, default=0, help="stop each epoch after so many steps (0: at its end)")
    parser.add_argument("--data", type=Path, default=Path(DATA))
    options = parser.parse_args()

    torch.set_num_threads(1)
    dist.init_process_group(options.backend)
    rank, size = dist.get_rank(), dist.get_world_size()
    images, labels = load(options.data, "train")
    test_images, test_labels = load(options.data, "t10k")

    net = DistributedDataParallel(network(options.model))
    if options.hook != "none":
        if options.backend == "ringcoll":
            import ringcoll.hooks as hooks

            net.register_comm_hook(None, getattr(hooks, options.hook))
        else:
            from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

            net.register_comm_hook(None, getattr(default_hooks, options.hook + "_compress_hook"))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    step_ms, begin = [], time.perf_counter()
    for epoch in range(options.epochs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        steps = len(images) // (options.batch * size)
        for step in range(min(steps, options.steps) if options.steps else steps):
            start = time.perf_counter()
            at = (step * size + rank) * options.batch
            mine = order[at : at + options.batch]
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[mine]), labels[mine]).backward()
            optimizer.step()
            step_ms.append((time.perf_counter() - start) * 1000)
    seconds = time.perf_counter() - begin

    net.eval()
    with torch.no_grad():
        parts = zip(test_images[rank::size].split(500), test_labels[rank::size].split(500))
        right = torch.tensor([sum(int((net.module(x).argmax(1) == y).sum()) for x, y in parts)])
    dist.all_reduce(right)
    parameters = sum(p.numel() for p in net.parameters())
    megabytes = parameters * (4 if options.hook == "none" else 2) * len(step_ms) / 1e6
    if rank == 0:
        precision = options.hook.replace("none", "fp32")
        print(f"| {options.model} | {options.backend} {precision} | {size} | "
              f"{100 * right.item() / len(test_images):.2f} % | {seconds:.1f} s | "
              f"{statistics.median(step_ms):.1f} ms | {megabytes:.0f} MB |", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
