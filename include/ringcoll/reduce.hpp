// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T, class Op>
Request reduce_request(const Communicator& comm, std::span<const T> in, std::span<T> out, int root, const Op& op) {
  constexpr auto self = Collective::reduce;
  check_root(self, root, comm.size());
  if (comm.rank() == root) {
    check_same(self, in.size(), out.size());
    check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data());
  }
  Request request = reducing<T>(self, op);
  request.root = root;
  request.count = in.size();
  request.bytes = bytes_in(in);
  request.in = one_chunk(in.data(), in.size());
  request.out = one_chunk(out.data(), in.size());
  return request;
}

}  // namespace detail

/// The root's `out` becomes the elementwise reduction of all ranks' `in`.
///
/// in: `count` elements, the same on all ranks; out: as many at the root, ignored (may be empty) elsewhere; in place at
/// the root: the same memory. Errors and ops as allreduce.
template <Buffer In, OutBuffer Out, class Op = sum>
void reduce(const Communicator& comm, const In& in, Out&& out, int root, const Op& op = {},
            const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::reduce_request<T>(comm, std::span<const T>(in), std::span<T>(out), root, op), options);
}

template <Buffer In, OutBuffer Out, class Op = sum>
Work start_reduce(const Communicator& comm, const In& in, Out&& out, int root, const Op& op = {},
                  const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::OperationWith<Op>>(op);
  return detail::start_background(
      comm, detail::reduce_request<T>(comm, std::span<const T>(in), std::span<T>(out), root, operation->op), options,
      operation);
}

}  // namespace ringcoll::inline v0
