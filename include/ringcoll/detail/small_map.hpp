// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace ringcoll::inline v0::detail {

/// A map of few entries, searched one by one, whose values stay where they are. For look-ups off the fast path: each
/// kind of std::map would cost every file that includes ringcoll 30 ms of compile time.
template <class Key, class Value>
class SmallMap {
 public:
  struct Entry {
    Key key;
    Value value = {};
  };

  Value& operator[](const Key& key) {
    if (Value* const known = find(key)) return *known;
    entries_.push_back(std::unique_ptr<Entry>(new Entry{key}));
    return entries_.back()->value;
  }
  Value* find(const Key& key) const {
    for (const auto& entry : entries_)
      if (entry->key == key) return &entry->value;
    return nullptr;
  }
  /// Removes what `over(value)` says, and keeps the order of the rest.
  template <class Over>
  void erase_if(Over&& over) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (over(entries_[i]->value)) continue;
      if (kept != i) entries_[kept] = std::move(entries_[i]);
      ++kept;
    }
    entries_.resize(kept);
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& entry : entries_) visit(entry->value);
  }
  bool empty() const { return entries_.empty(); }
  void clear() { entries_.clear(); }

 private:
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace ringcoll::inline v0::detail
