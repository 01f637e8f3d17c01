// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <ringcoll/communicator.hpp>
#include <ringcoll/op.hpp>
#include <ringcoll/types.hpp>
#include <ringcoll/work.hpp>

#include "collective.hpp"

namespace perf {

/// One rank's part in one call: everything but the element type and the op, which the functions below carry.
struct Call {
  Collective collective = Collective::barrier;
  int root = 0;
  double scale = 1;  ///< of mulsum
  ringcoll::Options options = {};
  std::byte* in = nullptr;
  std::byte* out = nullptr;
  std::size_t in_count = 0, out_count = 0;             ///< elements
  std::span<const std::size_t> in_counts, out_counts;  ///< of the uneven collectives
  /// The input stands in `out`, but the collective needs separate memory: `in` is a copy that the call makes first.
  bool copies_first = false;
};

using RunCall = void (*)(ringcoll::Communicator& comm, const Call& call);
/// Appends what is then under way.
using StartCall = void (*)(ringcoll::Communicator& comm, const Call& call, std::vector<ringcoll::Work>& works);

struct Operation {
  RunCall run;
  StartCall start;
};

/// `op` is `none` for a collective that does not reduce.
Operation find_operation(ringcoll::DataType type, ringcoll::OpId op);

/// find_operation for one type; each type is compiled in a file of its own, run_*.cpp.
template <class T>
Operation find_operation_of(ringcoll::OpId op);

}  // namespace perf
