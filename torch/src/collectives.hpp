// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include <ringcoll/communicator.hpp>

#include "reduction.hpp"

// ringcoll's collectives, for elements whose type is known at run time only. Blocking; errors as the typed ones.
// Lengths are the caller's to check: it knows the names of its arguments.

namespace ringcoll_torch {

/// `count` elements, one behind the other.
struct Elements {
  void* data = nullptr;
  std::size_t count = 0;
  ringcoll::DataType type = ringcoll::DataType::uint8;
  std::size_t element_bytes = 1;

  std::size_t bytes() const { return count * element_bytes; }
};

/// Elements of each rank; none: equal parts.
using Counts = std::span<const std::size_t>;

void allreduce(const ringcoll::Communicator& comm, const Elements& inout, const Reduction& reduction,
               const ringcoll::Options& options);
/// Elsewhere than at the root `inout` keeps its contents.
void reduce(const ringcoll::Communicator& comm, const Elements& inout, int root, const Reduction& reduction,
            const ringcoll::Options& options);
/// `counts` are the parts of `in`.
void reduce_scatter(const ringcoll::Communicator& comm, const Elements& in, const Elements& out, Counts counts,
                    const Reduction& reduction, const ringcoll::Options& options);
void broadcast(const ringcoll::Communicator& comm, const Elements& data, int root, const ringcoll::Options& options);
/// `counts` are the parts of `out`.
void allgather(const ringcoll::Communicator& comm, const Elements& in, const Elements& out, Counts counts,
               const ringcoll::Options& options);
/// `out` matters at the root only, and has equal parts.
void gather(const ringcoll::Communicator& comm, const Elements& in, const Elements& out, int root,
            const ringcoll::Options& options);
/// `in` matters at the root only, and has equal parts.
void scatter(const ringcoll::Communicator& comm, const Elements& in, const Elements& out, int root,
             const ringcoll::Options& options);
void alltoall(const ringcoll::Communicator& comm, const Elements& in, Counts in_counts, const Elements& out,
              Counts out_counts, const ringcoll::Options& options);
void barrier(const ringcoll::Communicator& comm, const ringcoll::Options& options);

}  // namespace ringcoll_torch
