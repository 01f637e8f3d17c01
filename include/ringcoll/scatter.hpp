// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request scatter_request(const Communicator& comm, std::span<const T> in, std::span<T> out, int root) {
  constexpr auto self = Collective::scatter;
  check_root(self, root, comm.size());
  if (comm.rank() == root) {
    check_parts(self, "out", out.size(), "in", in.size(), comm.size());
    check_overlap(self, out.data(), bytes_in(out), in.data(), bytes_in(in),
                  in.data() + static_cast<std::size_t>(root) * out.size());
  }
  Request request = moving<T>(self);
  request.root = root;
  request.count = whole_of(self, out.size(), comm.size());
  request.bytes = request.count * sizeof(T);
  request.in = equal_parts(in.data(), out.size(), comm.size());
  request.out = only_part(out.data(), request.in, comm.rank());
  return request;
}

/// `offsets` is filled in at the root, and must live as long as the call.
template <class T>
Request scatterv_request(const Communicator& comm, std::span<const T> in, std::span<T> out,
                         std::span<const std::size_t> counts, int root, std::vector<std::size_t>& offsets) {
  constexpr auto self = Collective::scatter;
  check_root(self, root, comm.size());
  Request request = moving<T>(self);
  request.root = root;
  if (comm.rank() != root) {
    whole_of(self, out.size(), comm.size());
    request.in = request.out = only_part(out.data(), equal_parts(nullptr, out.size(), comm.size()), comm.rank());
    return request;
  }
  const auto rank = static_cast<std::size_t>(root);
  offsets = offsets_of(self, "counts", counts, comm.size());
  check_total(self, "counts", offsets.back(), "in", in.size());
  check_total(self, "counts[root]", counts[rank], "out", out.size());
  check_overlap(self, out.data(), bytes_in(out), in.data(), bytes_in(in), in.data() + offsets[rank]);
  request.in = {.base = bytes_of(in.data()), .count = in.size(), .offsets = offsets.data()};
  request.out = only_part(out.data(), request.in, root);
  return request;
}

}  // namespace detail

/// Rank r's `out` becomes part r of the root's `in`.
///
/// out: as many elements on every rank; in: size() times as many at the root, ignored (may be empty) elsewhere. In
/// place at the root: out is its part of in. Errors as allreduce.
template <Buffer In, OutBuffer Out>
void scatter(const Communicator& comm, const In& in, Out&& out, int root, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  detail::run(comm, detail::scatter_request<T>(comm, std::span<const T>(in), std::span<T>(out), root), options);
}

template <Buffer In, OutBuffer Out>
Work start_scatter(const Communicator& comm, const In& in, Out&& out, int root, const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  return detail::start_background(comm,
                                  detail::scatter_request<T>(comm, std::span<const T>(in), std::span<T>(out), root),
                                  options, std::make_shared<detail::Operation>());
}

/// Parts of different lengths: rank r's has counts[r] elements; `counts` matters at the root only.
template <Buffer In, OutBuffer Out>
void scatterv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts, int root,
              const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  std::vector<std::size_t> offsets;
  detail::run(comm, detail::scatterv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, root, offsets),
              options);
}

template <Buffer In, OutBuffer Out>
Work start_scatterv(const Communicator& comm, const In& in, Out&& out, std::span<const std::size_t> counts, int root,
                    const Options& options = {}) {
  using T = detail::ElementOf<Out>;
  const auto operation = std::make_shared<detail::Operation>();
  return detail::start_background(
      comm,
      detail::scatterv_request<T>(comm, std::span<const T>(in), std::span<T>(out), counts, root, operation->in_offsets),
      options, operation);
}

}  // namespace ringcoll::inline v0
