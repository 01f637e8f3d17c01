// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <ringcoll/placement.hpp>
#include <ringcoll/signature.hpp>

namespace ringcoll::inline v0 {

/// What the choice of a schedule depends on: the same on all ranks, or they would choose differently.
struct Question {
  Collective collective = Collective::barrier;
  int size = 1;
  int root = 0;
  std::size_t bytes = 0;          ///< of the whole: what allreduce sums, what allgather ends with
  std::size_t element_bytes = 1;  ///< of one element
  bool commutative = true;        ///< the op's operands may change places
  bool reproducible = false;      ///< sums must have the bits that every reproducible schedule gives for this size
  const Placement* placement = nullptr;  ///< which ranks share a node, and outlives the answer; null: all of them
  std::size_t frame_bytes = 0;           ///< the transport's longest message
  int slots = 2;                         ///< the transport's messages under way on one link

  int nodes() const { return placement ? placement->nodes() : 1; }
};

}  // namespace ringcoll::inline v0
