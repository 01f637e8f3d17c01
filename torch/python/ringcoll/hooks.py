# SPDX-License-Identifier: Apache-2.0
"""Communication hooks for DistributedDataParallel: model.register_comm_hook(state, hook).

`state` is the process group to use, or None for all ranks. Both halve the bytes on the wire, and are lossy: gradients
are rounded to 16 bits before they are added up.
"""

import torch
import torch.distributed as dist

from . import _C

__all__ = ["bf16", "fp16"]


def _average_as(dtype, group, bucket):
    group = group if group is not None else dist.group.WORLD
    buffer = bucket.buffer()
    # Divided first: the sum of many halves could be too large for one.
    narrow = buffer.to(dtype).div_(group.size())
    work = dist.all_reduce(narrow, group=group, async_op=True)
    result = torch.futures.Future()

    def widen(error):
        if error is None:
            result.set_result(buffer.copy_(narrow))
        else:
            result.set_exception(dist.DistBackendError(error))

    _C.when_done(work, widen)
    return result


def fp16(state, bucket):
    """Averages gradients as IEEE halves: 11 bits of precision, numbers up to 65504."""
    return _average_as(torch.float16, state, bucket)


def bf16(state, bucket):
    """Averages gradients as bfloat16: 8 bits of precision, the range of a float."""
    return _average_as(torch.bfloat16, state, bucket)
