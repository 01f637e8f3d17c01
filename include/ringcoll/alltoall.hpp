// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request alltoall_request(const Communicator& comm, std::span<const T> in, std::span<T> out) {
  constexpr auto self = Collective::alltoall;
  const auto size = static_cast<std::size_t>(comm.size());
  check_same(self, in.size(), out.size());
  if (in.size() % size != 0)
    throw_invalid(self, "in has " + std::to_string(in.size()) + " elements, which " + std::to_string(size) +
                            " ranks cannot share evenly; use alltoallv");
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data());
  Request request = moving<T>(self);
  request.count = in.size();
  request.bytes = bytes_in(in);
  request.in = equal_parts(in.data(), in.size() / size, comm.size());
  request.out = equal_parts(out.data(), in.size() / size, comm.size());
  return request;
}

/// The offsets are filled in, and must live as long as the call.
template <class T>
Request alltoallv_request(const Communicator& comm, std::span<const T> in, std::span<const std::size_t> in_counts,
                          std::span<T> out, std::span<const std::size_t> out_counts,
                          std::vector<std::size_t>& in_offsets, std::vector<std::size_t>& out_offsets) {
  constexpr auto self = Collective::alltoall;
  in_offsets = offsets_of(self, "in_counts", in_counts, comm.size());
  out_offsets = offsets_of(self, "out_counts", out_counts, comm.size());
  check_total(self, "in_counts", in_offsets.back(), "in", in.size());
  check_total(self, "out_counts", out_offsets.back(), "out", out.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  check_total(self, "in_counts[rank]", in_counts[rank], "out_counts[rank]", out_counts[rank]);
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), nullptr);
  Request request = moving<T>(self);
  request.in = {.base = bytes_of(in.data()), .count = in.size(), .offsets = in_offsets.data()};
  request.out = {.base = bytes_of(out.data()), .count = out.size(), .offsets = out_offsets.data()};
  return request;
}

}  // namespace detail

/// Part r of this rank's `in` goes to rank r; part r of `out` comes from rank r.
///
/// in, out: size() equal parts; the same memory or separate. Errors as allreduce.
template <Buffer In, OutBuffer Out>
void alltoall(const Communicator& comm, const In& in, Out&& out, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::alltoall_request<T>(comm, std::span<const T>(in), std::span<T>(out)), options);
}

template <Buffer In, OutBuffer Out>
Work start_alltoall(const Communicator& comm, const In& in, Out&& out, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  return detail::start_background(comm, detail::alltoall_request<T>(comm, std::span<const T>(in), std::span<T>(out)),
                                  options, std::make_shared<detail::Operation>());
}

/// Parts of different lengths: in_counts[r] elements go to rank r, out_counts[r] come from it; what one rank sends
/// another must expect. Parts lie one behind the other; in and out are separate memory.
template <Buffer In, OutBuffer Out>
void alltoallv(const Communicator& comm, const In& in, std::span<const std::size_t> in_counts, Out&& out,
               std::span<const std::size_t> out_counts, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  std::vector<std::size_t> in_offsets, out_offsets;
  detail::run(comm,
              detail::alltoallv_request<T>(comm, std::span<const T>(in), in_counts, std::span<T>(out), out_counts,
                                           in_offsets, out_offsets),
              options);
}

template <Buffer In, OutBuffer Out>
Work start_alltoallv(const Communicator& comm, const In& in, std::span<const std::size_t> in_counts, Out&& out,
                     std::span<const std::size_t> out_counts, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::Operation>();
  return detail::start_background(
      comm,
      detail::alltoallv_request<T>(comm, std::span<const T>(in), in_counts, std::span<T>(out), out_counts,
                                   operation->in_offsets, operation->out_offsets),
      options, operation);
}

}  // namespace ringcoll::inline v0
