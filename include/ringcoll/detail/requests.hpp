// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/request.hpp>
#include <ringcoll/op.hpp>

// Shared by the collectives' headers: what most requests have in common.

namespace ringcoll::inline v0::detail {

template <class T>
std::size_t bytes_in(std::span<T> data) {
  return data.size() * sizeof(T);
}

/// A collective that moves elements of type T and does not look at them.
template <class T>
Request moving(Collective collective) {
  static_assert(Element<T>, "ringcoll: elements must be trivially copyable");
  return {.collective = collective, .type = data_type_of<T>, .element_bytes = sizeof(T), .kernel = copy_kernel<T>()};
}

/// A collective that combines elements of type T.
template <class T, class Op>
Request reducing(Collective collective, const Op& op) {
  Request request = moving<T>(collective);
  request.kernel = kernel<T, Op>();
  request.op = &op;
  request.op_id = op_id_of<Op>;
  request.reduces = true;
  request.commutative = is_commutative<Op>;
  return request;
}

/// Chunk r of `count` elements a rank.
inline Layout equal_parts(const void* base, std::size_t per_rank, int size) {
  return {.base = bytes_of(base), .count = per_rank * static_cast<std::size_t>(size), .per_chunk = per_rank};
}

/// Just rank `rank`'s part of `whole`, lying at `base`.
inline Layout only_part(const void* base, Layout whole, int rank) {
  whole.base = bytes_of(base);
  whole.only = rank;
  return whole;
}

/// One chunk, `count` elements: what broadcast, reduce, send and recv move. allreduce leaves the cutting to the
/// schedule.
inline Layout one_chunk(const void* base, std::size_t count) {
  return {.base = bytes_of(base), .count = count, .per_chunk = count};
}

}  // namespace ringcoll::inline v0::detail
