// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request allgather_request(const Communicator& comm, std::span<const T> in, std::span<T> out) {
  constexpr auto self = Collective::allgather;
  const auto rank = static_cast<std::size_t>(comm.rank());
  check_parts(self, "in", in.size(), "out", out.size(), comm.size());
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data() + rank * in.size());
  Request request = moving<T>(self);
  request.count = out.size();
  request.bytes = bytes_in(out);
  request.out = equal_parts(out.data(), in.size(), comm.size());
  request.in = only_part(in.data(), request.out, comm.rank());
  return request;
}

/// `offsets` is filled in, and must live as long as the call.
template <class T>
Request allgatherv_request(const Communicator& comm, std::span<const T> in, std::span<T> out,
                           std::span<const std::size_t> counts, std::vector<std::size_t>& offsets) {
  constexpr auto self = Collective::allgather;
  const auto rank = static_cast<std::size_t>(comm.rank());
  offsets = offsets_of(self, "counts", counts, comm.size());
  check_total(self, "counts", offsets.back(), "out", out.size());
  check_total(self, "counts[rank]", counts[rank], "in", in.size());
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data() + offsets[rank]);
  Request request = moving<T>(self);
  request.count = out.size();
  request.bytes = bytes_in(out);
  request.out = {.base = bytes_of(out.data()), .count = out.size(), .offsets = offsets.data()};
  request.in = only_part(in.data(), request.out, comm.rank());
  return request;
}

}  // namespace detail

/// Every rank's `out` becomes all ranks' `in`, one behind the other in rank order.
///
/// out: size() parts of in's length. In place: in is this rank's part of out. Errors as allreduce.
template <Buffer In, OutBuffer Out>
void allgather(const Communicator& comm, const In& in, Out&& out, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::allgather_request<T>(comm, std::span<const T>(in), std::span<T>(out)), options);
}

template <Buffer In, OutBuffer Out>
Work start_allgather(const Communicator& comm, const In& in, Out&& out, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  return detail::start_background(comm, detail::allgather_request<T>(comm, std::span<const T>(in), std::span<T>(out)),
                                  options, std::make_shared<detail::Operation>());
}

/// Parts of different lengths: rank r's has counts[r] elements; `counts` is the same on all ranks.
template <Buffer In, OutBuffer Out>
void allgatherv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts,
                const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  std::vector<std::size_t> offsets;
  detail::run(comm, detail::allgatherv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, offsets),
              options);
}

template <Buffer In, OutBuffer Out>
Work start_allgatherv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts,
                      const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::Operation>();
  return detail::start_background(
      comm,
      detail::allgatherv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, operation->out_offsets),
      options, operation);
}

}  // namespace ringcoll::inline v0
