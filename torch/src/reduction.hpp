// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/fold.hpp>

namespace ringcoll_torch {

/// How elements of a type that is known at run time are combined.
struct Reduction {
  ringcoll::OpId id = ringcoll::OpId::absent;
  ringcoll::detail::Kernel kernel = nullptr;
  const void* op = nullptr;  ///< what the kernel calls; for premul_sum the caller puts its own here

  /// False: this type has no such op.
  explicit operator bool() const { return kernel != nullptr; }
};

/// For the types of one group; each group is compiled in a file of its own.
Reduction find_float_reduction(ringcoll::DataType type, ringcoll::OpId id);
Reduction find_small_float_reduction(ringcoll::DataType type, ringcoll::OpId id);
Reduction find_signed_reduction(ringcoll::DataType type, ringcoll::OpId id);
Reduction find_unsigned_reduction(ringcoll::DataType type, ringcoll::OpId id);

inline Reduction find_reduction(ringcoll::DataType type, ringcoll::OpId id) {
  for (const auto find :
       {find_float_reduction, find_small_float_reduction, find_signed_reduction, find_unsigned_reduction})
    if (const Reduction found = find(type, id)) return found;
  return {};
}

}  // namespace ringcoll_torch
