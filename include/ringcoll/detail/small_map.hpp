// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ringcoll::inline v0::detail {

/// A map of few entries, searched one by one, whose values stay where they are. For look-ups off the fast path. A plain
/// list: every kind of std::map would cost every file that includes ringcoll 30 ms of compile time, a std::vector 15.
template <class Key, class Value>
class SmallMap {
 public:
  SmallMap() = default;
  SmallMap(const SmallMap&) = delete;
  SmallMap& operator=(const SmallMap&) = delete;
  ~SmallMap() { clear(); }

  Value& operator[](const Key& key) {
    Entry** end = &first_;
    for (; *end; end = &(*end)->next)
      if ((*end)->key == key) return (*end)->value;
    *end = new Entry{key};
    return (*end)->value;
  }
  /// Removes what `over(value)` says, and keeps the order of the rest.
  template <class Over>
  void erase_if(Over&& over) {
    for (Entry** at = &first_; *at;) {
      if (over((*at)->value)) erase(at);
      else at = &(*at)->next;
    }
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (Entry* entry = first_; entry; entry = entry->next) visit(entry->value);
  }
  bool empty() const { return first_ == nullptr; }
  void clear() {
    while (first_) erase(&first_);
  }

 private:
  struct Entry {
    Key key;
    Value value = {};
    Entry* next = nullptr;
  };

  static void erase(Entry** at) {
    Entry* const entry = *at;
    *at = entry->next;
    delete entry;
  }

  Entry* first_ = nullptr;
};

}  // namespace ringcoll::inline v0::detail
