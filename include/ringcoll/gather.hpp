// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request gather_request(const Communicator& comm, std::span<const T> in, std::span<T> out, int root) {
  constexpr auto self = Collective::gather;
  check_root(self, root, comm.size());
  if (comm.rank() == root) {
    check_parts(self, "in", in.size(), "out", out.size(), comm.size());
    check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out),
                  out.data() + static_cast<std::size_t>(root) * in.size());
  }
  Request request = moving<T>(self);
  request.root = root;
  request.count = whole_of(self, in.size(), comm.size());
  request.bytes = request.count * sizeof(T);
  request.out = equal_parts(out.data(), in.size(), comm.size());
  request.in = only_part(in.data(), request.out, comm.rank());
  return request;
}

/// `offsets` is filled in at the root, and must live as long as the call.
template <class T>
Request gatherv_request(const Communicator& comm, std::span<const T> in, std::span<T> out,
                        std::span<const std::size_t> counts, int root, std::vector<std::size_t>& offsets) {
  constexpr auto self = Collective::gather;
  check_root(self, root, comm.size());
  Request request = moving<T>(self);
  request.root = root;
  if (comm.rank() != root) {
    whole_of(self, in.size(), comm.size());
    request.in = request.out = only_part(in.data(), equal_parts(nullptr, in.size(), comm.size()), comm.rank());
    return request;
  }
  const auto rank = static_cast<std::size_t>(root);
  offsets = offsets_of(self, "counts", counts, comm.size());
  check_total(self, "counts", offsets.back(), "out", out.size());
  check_total(self, "counts[root]", counts[rank], "in", in.size());
  check_overlap(self, in.data(), bytes_in(in), out.data(), bytes_in(out), out.data() + offsets[rank]);
  request.out = {.base = bytes_of(out.data()), .count = out.size(), .offsets = offsets.data()};
  request.in = only_part(in.data(), request.out, root);
  return request;
}

}  // namespace detail

/// The root's `out` becomes all ranks' `in`, one behind the other in rank order.
///
/// in: as many elements on every rank; out: size() times as many at the root, ignored (may be empty) elsewhere. In
/// place at the root: in is its part of out. Errors as allreduce.
template <Buffer In, OutBuffer Out>
void gather(const Communicator& comm, const In& in, Out&& out, int root, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::gather_request<T>(comm, std::span<const T>(in), std::span<T>(out), root), options);
}

template <Buffer In, OutBuffer Out>
Work start_gather(const Communicator& comm, const In& in, Out&& out, int root, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  return detail::start_background(comm,
                                  detail::gather_request<T>(comm, std::span<const T>(in), std::span<T>(out), root),
                                  options, std::make_shared<detail::Operation>());
}

/// Parts of different lengths: rank r's has counts[r] elements; `counts` matters at the root only.
template <Buffer In, OutBuffer Out>
void gatherv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts, int root,
             const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  std::vector<std::size_t> offsets;
  detail::run(comm, detail::gatherv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, root, offsets),
              options);
}

template <Buffer In, OutBuffer Out>
Work start_gatherv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts, int root,
                   const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::Operation>();
  return detail::start_background(
      comm,
      detail::gatherv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, root, operation->out_offsets),
      options, operation);
}

}  // namespace ringcoll::inline v0
