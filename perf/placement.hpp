// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "call.hpp"
#include "config.hpp"
#include "memory.hpp"
#include "reference.hpp"

namespace perf {

/// Where one row's calls, in place or not, find their data in a rank's buffers.
///
/// As in nccl-tests, iterations go through the buffers piece by piece, so that small calls do not run in a hot cache
/// when larger sizes are measured as well.
class Placement {
 public:
  Placement(const Buffers& buffers, const Problem& problem, std::size_t bytes, int rank, bool in_place, int unalign,
            const ringcoll::Options& options);

  Call call(long iteration) const;
  /// Makes the next iteration's call out of one iteration's, in next to no time.
  void advance(Call& call) const {
    const bool last = call.out == last_out_;
    call.in = last ? first_.in : call.in + bytes_;
    call.out = last ? first_.out : call.out + bytes_;
  }
  std::size_t count() const { return shape_.count; }
  /// Of the larger buffer, as the table's first column has it.
  std::size_t bytes() const { return bytes_; }

  /// The memory of a call that is to be checked: painted, with the input in its place.
  void fill(const Problem& problem, long iteration) const;
  /// After the call. Adds what is outside the output and changed, and an input that changed.
  Mismatch check(const Problem& problem, long iteration) const;
  /// Spoils what the call left, as a broken one would.
  void spoil(Inject how, long iteration) const;
  void touch(long iteration) const;

 private:
  bool has_input(const Problem& problem) const;
  std::span<std::byte> input_of(const Call& call) const;
  std::size_t offset(long iteration) const { return static_cast<std::size_t>(iteration) % pieces_ * bytes_; }

  const Buffers* buffers_;
  Shape shape_;
  int rank_;
  bool in_place_;
  std::size_t element_bytes_, start_, bytes_, pieces_;
  Call first_;
  std::byte* last_out_;
  std::vector<std::size_t> parts_;
};

}  // namespace perf
