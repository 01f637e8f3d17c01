// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request broadcast_request(const Communicator& comm, std::span<T> data, int root) {
  constexpr auto self = Collective::broadcast;
  check_root(self, root, comm.size());
  Request request = moving<T>(self);
  request.root = root;
  request.count = data.size();
  request.bytes = bytes_in(data);
  request.in = request.out = one_chunk(data.data(), data.size());
  return request;
}

}  // namespace detail

/// Every rank's `data` becomes the root's.
///
/// data: `count` elements, the same on all ranks. Errors as allreduce.
template <OutBuffer Data>
void broadcast(const Communicator& comm, Data&& data, int root, const Options& options = {}) {
  using T = detail::ElementOf<Data>;
  detail::run(comm, detail::broadcast_request(comm, std::span<T>(data), root), options);
}

template <OutBuffer Data>
Work start_broadcast(const Communicator& comm, Data&& data, int root, const Options& options = {}) {
  using T = detail::ElementOf<Data>;
  return detail::start_background(comm, detail::broadcast_request(comm, std::span<T>(data), root), options,
                                  std::make_shared<detail::Operation>());
}

}  // namespace ringcoll::inline v0
