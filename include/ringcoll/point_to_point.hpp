// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

namespace detail {

template <class T>
Request point_to_point_request(const Communicator& comm, std::span<T> data, int peer) {
  constexpr auto self = Collective::point_to_point;
  if (peer < 0 || peer >= comm.size())
    throw_invalid(self,
                  "peer " + std::to_string(peer) + " is not a rank; ranks are 0 … " + std::to_string(comm.size() - 1));
  Request request = moving<std::remove_const_t<T>>(self);
  request.count = data.size();
  request.bytes = bytes_in(data);
  request.in = request.out = one_chunk(data.data(), data.size());
  request.peer = peer;
  return request;
}

template <class T>
Request send_request(const Communicator& comm, std::span<const T> data, int to) {
  Request request = point_to_point_request(comm, data, to);
  request.sends = true;
  return request;
}

}  // namespace detail

/// Several sends and receives at once, in any order: they cannot deadlock among themselves.
///
/// Messages between two ranks arrive in the order in which they were added. `wait` returns when all are complete; a
/// group that is destroyed waits too. The buffers belong to the group until then.
class Group {
 public:
  explicit Group(Communicator comm) : comm_(std::move(comm)) {}

  template <Buffer Data>
  void send(const Data& data, int to) {
    using T = detail::ElementOf<const Data>;
    add(detail::send_request(comm_, std::span<const T>(data), to));
  }
  template <OutBuffer Data>
  void recv(Data&& data, int from) {
    using T = detail::ElementOf<Data>;
    add(detail::point_to_point_request(comm_, std::span<T>(data), from));
  }
  void wait() {
    for (Work& work : works_) work.wait();
    works_.clear();
  }

 private:
  void add(const detail::Request& request) {
    works_.push_back(detail::start(comm_, request, {}, std::make_shared<detail::Operation>()));
  }

  Communicator comm_;
  std::vector<Work> works_;
};

/// Sends `data` to rank `to`, who calls recv with as many elements of the same type. Messages between two ranks arrive
/// in order. May wait until the receiver takes part; two ranks that first send to each other use a Group. To itself:
/// Group.
template <Buffer Data>
void send(const Communicator& comm, const Data& data, int to, const Options& options = {}) {
  using T = detail::ElementOf<const Data>;
  detail::run(comm, detail::send_request(comm, std::span<const T>(data), to), options);
}

/// Fills `data` with what rank `from` sends.
template <OutBuffer Data>
void recv(const Communicator& comm, Data&& data, int from, const Options& options = {}) {
  using T = detail::ElementOf<Data>;
  detail::run(comm, detail::point_to_point_request(comm, std::span<T>(data), from), options);
}

template <Buffer Data>
Work start_send(const Communicator& comm, const Data& data, int to, const Options& options = {}) {
  using T = detail::ElementOf<const Data>;
  return detail::start_background(comm, detail::send_request(comm, std::span<const T>(data), to), options,
                                  std::make_shared<detail::Operation>());
}

template <OutBuffer Data>
Work start_recv(const Communicator& comm, Data&& data, int from, const Options& options = {}) {
  using T = detail::ElementOf<Data>;
  return detail::start_background(comm, detail::point_to_point_request(comm, std::span<T>(data), from), options,
                                  std::make_shared<detail::Operation>());
}

}  // namespace ringcoll::inline v0
