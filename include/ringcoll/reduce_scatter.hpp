// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T, class Op>
Request reduce_scatter_request(const Communicator& comm, std::span<const T> in, std::span<T> out, const Op& op) {
  constexpr auto self = Collective::reduce_scatter;
  const auto rank = static_cast<std::size_t>(comm.rank());
  check_parts(self, "out", out.size(), "in", in.size(), comm.size());
  check_overlap(self, out.data(), bytes_in(out), in.data(), bytes_in(in), in.data() + rank * out.size());
  Request request = reducing<T>(self, op);
  request.count = in.size();
  request.bytes = bytes_in(in);
  request.in = equal_parts(in.data(), out.size(), comm.size());
  request.out = only_part(out.data(), request.in, comm.rank());
  return request;
}

/// `offsets` is filled in, and must live as long as the call.
template <class T, class Op>
Request reduce_scatterv_request(const Communicator& comm, std::span<const T> in, std::span<T> out,
                                std::span<const std::size_t> counts, const Op& op, std::vector<std::size_t>& offsets) {
  constexpr auto self = Collective::reduce_scatter;
  const auto rank = static_cast<std::size_t>(comm.rank());
  offsets = offsets_of(self, "counts", counts, comm.size());
  check_total(self, "counts", offsets.back(), "in", in.size());
  check_total(self, "counts[rank]", counts[rank], "out", out.size());
  check_overlap(self, out.data(), bytes_in(out), in.data(), bytes_in(in), in.data() + offsets[rank]);
  Request request = reducing<T>(self, op);
  request.count = in.size();
  request.bytes = bytes_in(in);
  request.in = {.base = bytes_of(in.data()), .count = in.size(), .offsets = offsets.data()};
  request.out = only_part(out.data(), request.in, comm.rank());
  return request;
}

}  // namespace detail

/// Rank r's `out` becomes part r of the elementwise reduction of all ranks' `in`.
///
/// in: size() parts of out's length. In place: out is this rank's part of in. Errors and ops as allreduce.
template <Buffer In, OutBuffer Out, class Op = sum>
void reduce_scatter(const Communicator& comm, const In& in, Out&& out, const Op& op = {}, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::reduce_scatter_request<T>(comm, std::span<const T>(in), std::span<T>(out), op), options);
}

template <Buffer In, OutBuffer Out, class Op = sum>
Work start_reduce_scatter(const Communicator& comm, const In& in, Out&& out, const Op& op = {},
                          const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::OperationWith<Op>>(op);
  return detail::start_background(
      comm, detail::reduce_scatter_request<T>(comm, std::span<const T>(in), std::span<T>(out), operation->op), options,
      operation);
}

/// Parts of different lengths: part r has counts[r] elements; `counts` is the same on all ranks.
template <Buffer In, OutBuffer Out, class Op = sum>
void reduce_scatterv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts,
                     const Op& op = {}, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  std::vector<std::size_t> offsets;
  detail::run(comm,
              detail::reduce_scatterv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, op, offsets),
              options);
}

template <Buffer In, OutBuffer Out, class Op = sum>
Work start_reduce_scatterv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts,
                           const Op& op = {}, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::OperationWith<Op>>(op);
  return detail::start_background(comm,
                                  detail::reduce_scatterv_request<T>(comm, std::span<const T>(in), std::span<T>(out),
                                                                     counts, operation->op, operation->in_offsets),
                                  options, operation);
}

}  // namespace ringcoll::inline v0
