// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T, class Op>
Request allreduce_request(const Communicator&, std::span<const T> in, std::span<T> out, const Op& op) {
  constexpr auto self = Collective::allreduce;
  check_same(self, in.size(), out.size());
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data());
  Request request = reducing<T>(self, op);
  request.count = in.size();
  request.bytes = bytes_in(in);
  request.in = {.base = bytes_of(in.data()), .count = in.size()};
  request.out = {.base = bytes_of(out.data()), .count = out.size()};
  return request;
}

}  // namespace detail

/// Every rank's `out` becomes the elementwise reduction of all ranks' `in`, the same bits on every rank.
///
/// in, out: `count` elements, the same on all ranks; the same memory or separate. `op` is associative and, unless
/// wrapped in `ordered`, commutative. Blocks; throws Error (invalid_argument before anything is sent; mismatch,
/// peer_failed, timeout, aborted, … after which the communicator has failed).
template <Buffer In, OutBuffer Out, class Op = sum>
void allreduce(const Communicator& comm, const In& in, Out&& out, const Op& op = {}, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::allreduce_request<T>(comm, std::span<const T>(in), std::span<T>(out), op), options);
}

/// In place: `inout` is both.
template <OutBuffer InOut, class Op = sum>
  requires(!Buffer<Op>)
void allreduce(const Communicator& comm, InOut&& inout, const Op& op = {}, const Options& options = {}) {
  allreduce(comm, inout, inout, op, options);
}

/// Nonblocking. The buffers belong to the call until wait() or test() says that it is complete.
template <Buffer In, OutBuffer Out, class Op = sum>
Work start_allreduce(const Communicator& comm, const In& in, Out&& out, const Op& op = {},
                     const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::OperationWith<Op>>(op);
  return detail::start_background(
      comm, detail::allreduce_request<T>(comm, std::span<const T>(in), std::span<T>(out), operation->op), options,
      operation);
}

template <OutBuffer InOut, class Op = sum>
  requires(!Buffer<Op>)
Work start_allreduce(const Communicator& comm, InOut&& inout, const Op& op = {}, const Options& options = {}) {
  return start_allreduce(comm, inout, inout, op, options);
}

}  // namespace ringcoll::inline v0
