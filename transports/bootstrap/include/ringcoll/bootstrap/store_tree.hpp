// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <ringcoll/bootstrap/join.hpp>
#include <ringcoll/bootstrap/store.hpp>

namespace ringcoll::inline v0::bootstrap {

/// Collects everybody's address through a store: each rank takes what its children in the tree have put there, adds its
/// own and puts all of it there for its parent. Each rank sets one key and gets at most `fanout`.
class StoreTree {
 public:
  struct Entry {
    int rank = 0;
    Address address;
  };

  StoreTree(Store& store, int rank, int size) : store_(store), rank_(rank), size_(size) {}

  /// This rank's address and those of all ranks below it.
  std::vector<Entry> gather(const Address& own, Clock::time_point deadline) const {
    std::vector<Entry> entries = {{rank_, own}};
    for (const int child : tree_children(rank_, 0, size_)) {
      const Bytes below = store_.get(key(child), std::max(deadline - Clock::now(), Clock::duration::zero()));
      Reader r(below, "a store's entry");
      const int size = r.integer();
      if (size != size_)
        throw Error(Errc::invalid_argument,
                    "rank " + std::to_string(rank_) + " (" + own.process() + ") was told that there are " +
                        std::to_string(size_) + " ranks, rank " + std::to_string(child) + " that there are " +
                        std::to_string(size) + ": start all of them with the same size",
                    child);
      while (r.left() > 0) {
        const int rank = r.integer();
        entries.push_back({rank, Address::read(r)});
      }
    }
    return entries;
  }

  void publish(const std::vector<Entry>& entries) const {
    Bytes out;
    Writer w(out);
    w.number(static_cast<std::uint32_t>(size_), 4);
    for (const Entry& entry : entries) {
      w.number(static_cast<std::uint32_t>(entry.rank), 4);
      entry.address.write(out);
    }
    store_.set(key(rank_), out);
  }

  /// At the root, whose entries are everybody's.
  AddressTable table(std::vector<Entry> entries) const {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.rank < b.rank; });
    AddressTable result;
    for (const Entry& entry : entries) {
      if (entry.rank != result.size()) break;
      result.add(entry.address);
    }
    if (result.size() != size_ || entries.size() != static_cast<std::size_t>(size_))
      throw Error(Errc::protocol_error, "the store holds " + std::to_string(entries.size()) + " addresses for " +
                                            std::to_string(size_) + " ranks; was it used before?");
    return result;
  }

 private:
  static std::string key(int rank) { return "ringcoll/below/" + std::to_string(rank); }

  Store& store_;
  int rank_, size_;
};

}  // namespace ringcoll::inline v0::bootstrap
