// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/endpoint.hpp>
#include <ringcoll/bootstrap/message.hpp>
#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0::bootstrap {

// How a job's ranks learn each other's addresses. One rank, the root, listens where all the others look for it. Each of
// them registers there and says where it listens itself. When all have come, the table of addresses flows down a tree:
// the root hands it to its children, who hand it to theirs, over the connections that ranks use anyway. So no rank
// sends more than `fanout` tables, and the root keeps few connections open however many ranks there are.

inline constexpr int fanout = 8;

/// The children of a rank in the tree below `root`.
inline std::vector<int> tree_children(int rank, int root, int size) {
  std::vector<int> children;
  const std::int64_t place = wrap(rank - root, size);
  for (std::int64_t child = place * fanout + 1; child <= place * fanout + fanout && child < size; ++child)
    children.push_back(static_cast<int>((child + root) % size));
  return children;
}

inline Purpose joining(int rank) { return {.context = 0, .from = rank, .to = -1, .channel = 0, .via = Via::tcp}; }
inline Purpose table_for(int rank) { return {.context = 1, .from = -1, .to = rank, .channel = 0, .via = Via::tcp}; }

inline constexpr std::size_t max_join_bytes = 1024;
inline std::size_t max_table_bytes(int size) { return 4096 + static_cast<std::size_t>(size) * 512; }

/// Sleeps until one of them is readable, at most 10 ms, and hardly past `until`.
inline void wait_for(std::initializer_list<int> fds, Clock::time_point until) {
  pollfd polled[4];
  nfds_t count = 0;
  for (const int fd : fds) polled[count++] = {fd, POLLIN, 0};
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
  const timespec time = {0, static_cast<long>(std::clamp<long long>(left, 0, 10'000'000))};
  ::ppoll(polled, count, &time, nullptr);
}

inline std::string list_of(const std::vector<int>& ranks, int total) {
  std::string text;
  for (const int rank : ranks) text += (text.empty() ? "" : ", ") + std::to_string(rank);
  if (total > static_cast<int>(ranks.size()))
    text += " and " + std::to_string(total - static_cast<int>(ranks.size())) + " more";
  return text;
}

/// What a rank says when it registers.
struct Join {
  int size = 0;                           ///< of the world, as it was told
  std::chrono::milliseconds patience{0};  ///< after which it gives up
  Address address;

  Bytes to_bytes() const {
    Bytes out;
    Writer w(out);
    w.number(static_cast<std::uint32_t>(size), 4);
    w.number(static_cast<std::uint64_t>(patience.count()), 8);
    address.write(out);
    return out;
  }
  static Join from_bytes(std::span<const std::byte> in) {
    Reader r(in, "a registration");
    Join join;
    join.size = r.integer();
    join.patience = std::chrono::milliseconds(std::min<std::uint64_t>(r.number(8), 86'400'000));
    join.address = Address::read(r);
    if (r.left() != 0) r.refuse("has " + std::to_string(r.left()) + " bytes too many");
    return join;
  }
};

inline Key read_key(std::span<const std::byte> in) {
  Key key;
  Reader r(in, "a key");
  const auto bytes = r.bytes(key.bytes.size());
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

/// A table on its way: the root's rank, then the addresses.
inline Bytes write_table(int root, const AddressTable& table) {
  Bytes out;
  out.reserve(4 + table.bytes().size());
  Writer w(out);
  w.number(static_cast<std::uint32_t>(root), 4);
  w.bytes(table.bytes());
  return out;
}

inline std::pair<int, AddressTable> read_table(std::span<const std::byte> in, int size) {
  Reader r(in, "an address table");
  const int root = r.integer();
  if (root < 0 || root >= size) r.refuse("has the root " + std::to_string(root));
  const auto addresses = r.bytes(r.left());
  return {root, AddressTable::parse({addresses.begin(), addresses.end()}, size)};
}

}  // namespace ringcoll::inline v0::bootstrap
