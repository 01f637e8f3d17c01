// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reduction.hpp"

namespace ringcoll_torch {

template <class T, class Op>
Reduction reduction() {
  if constexpr (ringcoll::ReductionOf<Op, T>) {
    static constexpr Op op{};
    return {ringcoll::op_id_of<Op>, ringcoll::detail::kernel<T, Op>(), &op};
  } else {
    return {};
  }
}

/// The op of that name for elements of type T, if there is one.
template <class T>
Reduction reduction_of(ringcoll::OpId id) {
  using ringcoll::OpId;
  switch (id) {
    case OpId::sum: return reduction<T, ringcoll::sum>();
    case OpId::prod: return reduction<T, ringcoll::prod>();
    case OpId::min: return reduction<T, ringcoll::min>();
    case OpId::max: return reduction<T, ringcoll::max>();
    case OpId::avg: return reduction<T, ringcoll::avg>();
    case OpId::premul_sum: return reduction<T, ringcoll::premul_sum>();
    case OpId::bit_and: return reduction<T, ringcoll::bit_and>();
    case OpId::bit_or: return reduction<T, ringcoll::bit_or>();
    case OpId::bit_xor: return reduction<T, ringcoll::bit_xor>();
    default: return {};
  }
}

}  // namespace ringcoll_torch
