// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <numeric>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>

namespace test {

/// The doors of `size` ranks of this process (or of processes forked later) that know each other.
inline std::vector<std::shared_ptr<ringcoll::bootstrap::Endpoint>> make_endpoints(int size) {
  namespace bootstrap = ringcoll::bootstrap;
  bootstrap::Key key;
  bootstrap::fill_random(key.bytes);
  std::vector<std::shared_ptr<bootstrap::Endpoint>> endpoints;
  bootstrap::AddressTable table;
  for (int rank = 0; rank < size; ++rank) {
    bootstrap::EndpointOptions options;
    options.rank = rank;
    options.size = size;
    options.key = key;
    endpoints.push_back(std::make_shared<bootstrap::Endpoint>(options));
    table.add(endpoints.back()->address());
  }
  for (const auto& endpoint : endpoints) endpoint->learn(table);
  return endpoints;
}

/// Rank i of the communicator is rank i of the world.
inline std::vector<int> everybody(int size) {
  std::vector<int> members(static_cast<std::size_t>(size));
  std::iota(members.begin(), members.end(), 0);
  return members;
}

/// A transport for each of `size` ranks, connected through endpoints of their own.
template <class T>
std::vector<std::unique_ptr<T>> make_transports(int size) {
  const auto endpoints = make_endpoints(size);
  std::vector<std::unique_ptr<T>> transports;
  for (int rank = 0; rank < size; ++rank)
    transports.push_back(std::make_unique<T>(endpoints[static_cast<std::size_t>(rank)], 7, rank, everybody(size)));
  return transports;
}

}  // namespace test
