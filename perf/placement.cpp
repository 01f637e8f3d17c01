// SPDX-License-Identifier: Apache-2.0
#include "placement.hpp"

#include <algorithm>
#include <numeric>

#include "inputs.hpp"

namespace perf {

using enum Collective;

Placement::Placement(const Buffers& buffers, const Problem& problem, std::size_t bytes, int rank, bool in_place,
                     int unalign, const ringcoll::Options& options)
    : buffers_(&buffers),
      shape_(shape_of(problem.collective, bytes, size_of(problem.type), problem.size)),
      rank_(rank),
      in_place_(in_place),
      element_bytes_(size_of(problem.type)),
      start_(static_cast<std::size_t>(unalign) * element_bytes_),
      bytes_(std::max(shape_.send, shape_.receive) * element_bytes_),
      pieces_(bytes_ == 0 ? 1 : std::max<std::size_t>(1, buffers.capacity() / bytes_)) {
  const std::size_t me = static_cast<std::size_t>(rank);
  const Collective id = problem.collective;
  first_.collective = id;
  first_.root = problem.root;
  first_.options = options;
  first_.scale = premul_scale(rank);
  first_.in_count = shape_.send;
  first_.out_count = shape_.receive;
  std::size_t in_offset = shape_.send_stride * me, out_offset = shape_.receive_stride * me;
  if (id == reduce_scatterv || id == allgatherv || id == alltoallv) {
    parts_ = uneven_parts(id, shape_.count, rank, problem.size);
    const std::size_t before = std::accumulate(parts_.begin(), parts_.begin() + rank, std::size_t{0});
    if (id == reduce_scatterv) out_offset = before, first_.out_count = parts_[me];
    if (id == allgatherv) in_offset = before, first_.in_count = parts_[me];
  }
  first_.copies_first = in_place && (id == alltoallv || id == sendrecv);
  const bool own_input = !in_place || first_.copies_first;
  first_.in = own_input ? buffers.send() + start_ : buffers.receive() + start_ + in_offset * element_bytes_;
  first_.out = buffers.receive() + start_ + (in_place ? out_offset * element_bytes_ : 0);
  last_out_ = first_.out + (pieces_ - 1) * bytes_;
}

Call Placement::call(long iteration) const {
  Call call = first_;
  call.in += offset(iteration);
  call.out += offset(iteration);
  call.in_counts = call.out_counts = parts_;
  return call;
}

bool Placement::has_input(const Problem& problem) const {
  return (problem.collective != broadcast && problem.collective != scatter) || rank_ == problem.root;
}

/// Where the user's data stands before the call.
std::span<std::byte> Placement::input_of(const Call& call) const {
  return {call.copies_first ? call.out : call.in, call.in_count * element_bytes_};
}

void Placement::fill(const Problem& problem, long iteration) const {
  const std::size_t at = offset(iteration);
  paint({buffers_->receive() + start_ + at - guard_bytes, bytes_ + 2 * guard_bytes});
  if (has_input(problem)) write_input(problem, rank_, input_of(call(iteration)));
}

Mismatch Placement::check(const Problem& problem, long iteration) const {
  const Call done = call(iteration);
  Mismatch result = check_output(problem, shape_.count, rank_, {done.out, done.out_count * element_bytes_});
  const auto add = [&](std::uint64_t count, const std::string& what) {
    if (result.count == 0) result.first = what;
    result.count += count;
  };

  std::byte* const whole = buffers_->receive() + start_ + offset(iteration);
  std::byte* begin = in_place_ ? whole : done.out;
  std::byte* end = in_place_ ? whole + bytes_ : done.out + done.out_count * element_bytes_;
  if (!in_place_ && expected_output(problem, shape_.count, rank_).empty()) end = begin;  // not this rank's output
  const std::size_t outside = unpainted({begin - guard_bytes, begin}) + unpainted({end, whole + bytes_ + guard_bytes});
  if (outside > 0)
    add((outside + element_bytes_ - 1) / element_bytes_,
        std::to_string(outside) + " bytes outside the output were written");

  if (!in_place_ && has_input(problem)) {
    const Mismatch input = check_input(problem, rank_, input_of(done));
    if (input.count > 0) add(input.count, "the input was changed: " + input.first);
  }
  return result;
}

void Placement::spoil(Inject how, long iteration) const {
  const Call done = call(iteration);
  if (how == Inject::wrong && done.out_count > 0) done.out[done.out_count * element_bytes_ / 2] ^= std::byte{0x40};
  if (how == Inject::outside) buffers_->receive()[start_ + offset(iteration) + bytes_] ^= std::byte{1};
  if (how == Inject::input && done.in_count > 0) *input_of(done).data() ^= std::byte{0x40};
}

void Placement::touch(long iteration) const { buffers_->touch(start_ + offset(iteration), bytes_); }

}  // namespace perf
