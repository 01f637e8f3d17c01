# SPDX-License-Identifier: Apache-2.0
"""ringcoll as a backend of torch.distributed.

    import torch.distributed as dist
    dist.init_process_group("ringcoll")

Importing this package registers the backend; PyTorch does it by itself where the package is installed (the entry point
`torch.backends`). Communication hooks for DistributedDataParallel are in `ringcoll.hooks`.
"""

from datetime import timedelta

import torch
import torch.distributed as dist

from . import _C
from ._C import Options

__all__ = ["Options", "abort", "monitored_barrier"]


def _create(group, options):
    """What torch.distributed calls for each new group."""
    timeout = group.timeout
    transport = options.transport if isinstance(options, Options) else ""
    if options is not None and not isinstance(options, Options):
        raise TypeError(
            f"pg_options is a {type(options).__name__}; the backend ringcoll takes ringcoll.Options"
        )
    return _C.create(group.store, group.group_rank, group.group_size, timeout, transport)


def _backend_of(group):
    group = group if group is not None else dist.group.WORLD
    if group is None:
        raise ValueError("there is no process group; call torch.distributed.init_process_group first")
    return group._get_backend(torch.device("cpu"))


def abort(group=None):
    """Ends what is under way in a group (default: all ranks), here at once and on the other ranks when they next wait
    for this one. For any thread."""
    _backend_of(group).abort()


def monitored_barrier(group=None, timeout=timedelta(minutes=30), wait_all_ranks=False):
    """torch.distributed.monitored_barrier, which PyTorch refuses to any backend but Gloo: rank 0 says which ranks have
    not come within `timeout`, the first one or all of them."""
    group = group if group is not None else dist.group.WORLD
    group.monitored_barrier(timeout, wait_all_ranks)


if dist.is_available() and "RINGCOLL" not in dist.Backend._plugins:
    dist.Backend.register_backend("ringcoll", _create, extended_api=True, devices=["cpu"])
