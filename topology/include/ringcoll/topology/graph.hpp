// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0::topology {

inline constexpr int none = -1;

/// What a machine is made of.
enum class Kind : std::uint8_t {
  node,
  package,
  numa,
  l3,  ///< cores that share a last-level cache
  core,
  bridge,  ///< of PCI: a root port, a bridge or a switch
  gpu,
  nic,
  crossbar,  ///< a switch: between the GPUs of a node, or, in no node, of the network
};

inline constexpr Kind kinds[] = {Kind::node,   Kind::package, Kind::numa, Kind::l3,      Kind::core,
                                 Kind::bridge, Kind::gpu,     Kind::nic,  Kind::crossbar};

/// As the text form has it.
constexpr const char* name(Kind kind) {
  constexpr const char* names[] = {"node", "package", "numa", "l3", "core", "bridge", "gpu", "nic", "switch"};
  return names[static_cast<std::size_t>(kind)];
}

/// One part of a machine. It stands in its parent, and is linked to it.
struct Object {
  Kind kind = Kind::node;
  std::string name = {};  ///< its own among those of its node; of nodes and network switches, its own among these
  int parent = none;      ///< what it stands in; nodes and network switches stand in nothing
  double bandwidth{};     ///< GB/s between it and its parent; 0: typical of its kind
  double latency{};       ///< us between it and its parent; 0: typical of its kind

  double memory{};             ///< numa: GiB
  std::vector<int> cpus = {};  ///< core: the system's numbers of its hardware threads
  std::string pci = {};        ///< bridge, gpu, nic: "0000:17:00.0"
  std::string model = {};      ///< package, gpu, nic
  std::string interface = {};  ///< nic: the system's name of its network interface
  double speed{};              ///< nic: GB/s to the network, all ports together; 0: typical
  int ports = 1;               ///< nic
  int rail = none;             ///< nic: NICs of several nodes that one switch joins; none: its index in its node

  friend bool operator==(const Object&, const Object&) = default;
};

/// A way between two objects beside that from child to parent: NVLink, a cable to a network switch.
struct Link {
  int a = none, b = none;
  double bandwidth{};  ///< GB/s in each direction; 0: typical
  double latency{};    ///< us; 0: typical

  friend bool operator==(const Link&, const Link&) = default;
  friend auto operator<=>(const Link& x, const Link& y) { return std::pair(x.a, x.b) <=> std::pair(y.a, y.b); }
};

namespace detail {

inline std::string article(Kind kind) { return (kind == Kind::l3 ? "an " : "a ") + std::string(name(kind)); }

constexpr std::uint32_t bit(Kind kind) { return 1u << static_cast<unsigned>(kind); }

/// What a kind may stand in; 0: only in nothing.
constexpr std::uint32_t parents(Kind kind) {
  constexpr std::uint32_t outer = bit(Kind::node) | bit(Kind::package);
  switch (kind) {
    case Kind::node: return 0;
    case Kind::package: return bit(Kind::node);
    case Kind::numa: return outer;
    case Kind::l3: return outer | bit(Kind::numa);
    case Kind::core: return outer | bit(Kind::numa) | bit(Kind::l3);
    case Kind::crossbar: return bit(Kind::node);
    case Kind::bridge:
    case Kind::gpu:
    case Kind::nic: return outer | bit(Kind::numa) | bit(Kind::bridge);
  }
  return 0;
}

/// "a, b or c".
inline std::string list(std::uint32_t of) {
  std::string text;
  for (const Kind kind : kinds) {
    if (!(of & bit(kind))) continue;
    const bool is_last = of < bit(kind) << 1;
    text += (text.empty() ? "" : is_last ? " or " : ", ") + std::string(name(kind));
  }
  return text;
}

inline constexpr std::uint32_t can_be_linked =
    bit(Kind::package) | bit(Kind::numa) | bit(Kind::bridge) | bit(Kind::gpu) | bit(Kind::nic) | bit(Kind::crossbar);
inline constexpr std::uint32_t can_leave_node = bit(Kind::gpu) | bit(Kind::nic) | bit(Kind::crossbar);

/// A name holds no blank, slash or bracket, which the text form needs.
inline bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.' || c == ':' || c == '@' || c == '+';
    if (!fits) return false;
  }
  return true;
}

/// Fits between double quotes.
inline bool is_quotable(std::string_view text) {
  if (text.size() > 128) return false;
  for (const char c : text)
    if (c < ' ' || c > '~' || c == '"') return false;
  return true;
}

inline bool is_amount(double value) { return std::isfinite(value) && value >= 0 && value <= 1e9; }

[[noreturn]] inline void refuse(const std::string& what) { throw Error(Errc::invalid_argument, what); }

}  // namespace detail

/// A machine of one or several nodes: objects, each in another one, and links across.
///
/// It is right at all times: what contradicts the rules is refused, by an Error(invalid_argument) whose sentence says
/// what was expected, and changes nothing. A parent comes before its children, and the objects of a node follow it at
/// once, so there are no cycles. The limits keep a wrong or malicious file from taking the memory.
class Graph {
 public:
  static constexpr int max_objects = 1 << 18;
  static constexpr std::size_t max_links = std::size_t{1} << 18;
  static constexpr int max_depth = 32;

  /// Returns its index.
  int add(Object object) {
    check(object);
    const int index = size();
    const int node = object.kind == Kind::node ? index : object.parent == none ? none : node_of(object.parent);
    index_.emplace(path(object), index);
    if (object.kind == Kind::node) nodes_.push_back(index);
    for (const int cpu : object.cpus) cpus_.emplace(node, cpu);
    if (!object.pci.empty()) pci_.emplace(node, object.pci);
    node_.push_back(node);
    depth_.push_back(object.parent == none ? 0 : depth_[at(object.parent)] + 1);
    objects_.push_back(std::move(object));
    return index;
  }

  void link(Link link) {
    check(link);
    if (link.a > link.b) std::swap(link.a, link.b);
    linked_.emplace(link.a, link.b);
    links_.push_back(link);
    if (node_of(link.a) != none && node_of(link.a) == node_of(link.b)) inner_[node_of(link.a)].push_back(link);
  }

  /// Adds a node with everything that `node` has: the links within it too, those that leave it not. Returns its index.
  int add_copy(std::string name, int node) {
    const int first = size(), count = end_of(node) - node;
    if (count > max_objects - first) detail::refuse(too_many(std::size_t{max_objects}, "objects"));
    const std::vector<Link> links = links_within(node);
    if (links.size() > max_links - links_.size()) detail::refuse(too_many(max_links, "links"));
    const auto moved = [&](int object) { return object - node + first; };
    Object top = objects_[at(node)];
    top.name = std::move(name);
    add(std::move(top));
    for (int i = node + 1; i < node + count; ++i) {
      Object object = objects_[at(i)];
      object.parent = moved(object.parent);
      add(std::move(object));
    }
    for (Link copy : links) {
      copy.a = moved(copy.a);
      copy.b = moved(copy.b);
      link(copy);
    }
    return first;
  }

  int size() const { return static_cast<int>(objects_.size()); }
  const Object& operator[](int object) const { return objects_[at(object)]; }
  std::span<const Object> objects() const { return objects_; }
  std::span<const Link> links() const { return links_; }
  std::span<const int> nodes() const { return nodes_; }

  /// The links with both ends in a node.
  std::vector<Link> links_within(int node) const {
    const auto found = inner_.find(node);
    return found == inner_.end() ? std::vector<Link>() : found->second;
  }

  /// The node that an object is in, or is; none for a network switch.
  int node_of(int object) const { return node_[at(object)]; }

  /// One past the last object of a node.
  int end_of(int node) const {
    int end = node + 1;
    while (end < size() && node_[at(end)] == node) ++end;
    return end;
  }

  /// The objects of one kind in a node, in their order.
  std::vector<int> of_kind(int node, Kind kind) const {
    std::vector<int> found;
    for (int i = node; i < size() && node_[at(i)] == node; ++i)
      if (objects_[at(i)].kind == kind) found.push_back(i);
    return found;
  }

  /// "n0/gpu3"; a node's or network switch's own name.
  std::string path(int object) const { return path(objects_[at(object)]); }

  /// The object of a path, or none.
  int find(std::string_view path) const {
    const auto found = index_.find(std::string(path));
    return found == index_.end() ? none : found->second;
  }

  friend bool operator==(const Graph& x, const Graph& y) {
    return x.objects_ == y.objects_ && x.sorted_links() == y.sorted_links();
  }

  std::vector<Link> sorted_links() const {
    std::vector<Link> sorted = links_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

 private:
  static std::size_t at(int object) { return static_cast<std::size_t>(object); }

  static std::string too_many(std::size_t limit, const char* what) {
    return "there are too many " + std::string(what) + "; expected at most " + std::to_string(limit);
  }

  std::string path(const Object& object) const {
    return object.parent == none ? object.name : objects_[at(node_of(object.parent))].name + "/" + object.name;
  }

  void check(const Object& o) const {
    const std::string what = std::string(name(o.kind)) + " '" + o.name + "'";
    if (!detail::is_name(o.name))
      detail::refuse(with_bad_name(o) + "; expected 1 to 64 letters, digits or any of _-.:@+");
    if (size() >= max_objects) detail::refuse(too_many(std::size_t{max_objects}, "objects"));
    if (o.parent == none) {
      if (o.kind != Kind::node && o.kind != Kind::crossbar)
        detail::refuse(what + " stands in nothing; expected 'in' and a " + detail::list(detail::parents(o.kind)));
    } else {
      check_parent(o, what);
    }
    if (index_.contains(path(o))) detail::refuse(what + " is there already; expected another name");
    for (const double amount : {o.bandwidth, o.latency, o.memory, o.speed})
      if (!detail::is_amount(amount))
        detail::refuse(what + " has an amount that is negative or not a number up to 1e9");
    if (o.ports < 1 || o.ports > 1024)
      detail::refuse(what + " has " + std::to_string(o.ports) + " ports; expected 1 to 1024");
    if (o.rail < none || o.rail > 65535)
      detail::refuse(what + " is on rail " + std::to_string(o.rail) + "; expected 0 to 65535");
    if (!o.pci.empty() && !detail::is_name(o.pci)) detail::refuse(what + " has a bad PCI address");
    if (!o.interface.empty() && !detail::is_name(o.interface)) detail::refuse(what + " has a bad interface name");
    if (!detail::is_quotable(o.model))
      detail::refuse(what + " has a bad model; expected at most 128 printable characters");
    const int node = o.parent == none ? none : node_of(o.parent);
    if (!o.pci.empty() && pci_.contains({node, o.pci}))
      detail::refuse(what + " has PCI address " + o.pci + ", as another object of its node; expected each once");
    std::set<int> own;
    for (const int cpu : o.cpus) {
      if (cpu < 0 || cpu > 1 << 20)
        detail::refuse(what + " has CPU " + std::to_string(cpu) + "; expected 0 to 1048576");
      if (cpus_.contains({node, cpu}) || !own.insert(cpu).second)
        detail::refuse(what + " has CPU " + std::to_string(cpu) +
                       ", which its node has already; expected each CPU once");
    }
  }

  static std::string with_bad_name(const Object& o) {
    std::string shown;
    for (const char c : o.name.substr(0, 64)) shown += c >= ' ' && c <= '~' ? c : '?';
    return std::string(name(o.kind)) + " has the name '" + shown + "'";
  }

  void check_parent(const Object& o, const std::string& what) const {
    if (o.parent < 0 || o.parent >= size()) detail::refuse(what + " stands in an object that does not exist");
    const Object& parent = objects_[at(o.parent)];
    const std::uint32_t allowed = detail::parents(o.kind);
    if (!(allowed & detail::bit(parent.kind)))
      detail::refuse(what + " stands in " + detail::article(parent.kind) + ", '" + parent.name + "'; expected " +
                     (allowed == 0 ? "nothing" : "a " + detail::list(allowed)));
    const int node = node_of(o.parent);
    if (node != node_.back())
      detail::refuse(what + " comes too late for node '" + objects_[at(node)].name +
                     "'; expected it before the next node or network switch");
    if (depth_[at(o.parent)] + 1 >= max_depth)
      detail::refuse(what + " is too deep; expected at most " + std::to_string(max_depth) + " levels");
  }

  void check(const Link& link) const {
    if (link.a < 0 || link.a >= size() || link.b < 0 || link.b >= size())
      detail::refuse("a link ends at an object that does not exist");
    const Object &a = objects_[at(link.a)], &b = objects_[at(link.b)];
    const std::string what = "the link from '" + path(a) + "' to '" + path(b) + "'";
    if (links_.size() >= max_links) detail::refuse(too_many(max_links, "links"));
    if (link.a == link.b) detail::refuse(what + " ends where it begins; expected two objects");
    for (const Object* end : {&a, &b})
      if (!(detail::can_be_linked & detail::bit(end->kind)))
        detail::refuse(what + " ends at " + detail::article(end->kind) + "; expected a " +
                       detail::list(detail::can_be_linked));
    if (node_of(link.a) != node_of(link.b)) {
      for (const Object* end : {&a, &b})
        if (!(detail::can_leave_node & detail::bit(end->kind)))
          detail::refuse(what + " leaves a node at " + detail::article(end->kind) + "; expected a " +
                         detail::list(detail::can_leave_node));
    }
    if (a.parent == link.b || b.parent == link.a)
      detail::refuse(what + " joins an object to what it stands in; expected bandwidth= and latency= on its own line");
    if (!detail::is_amount(link.bandwidth) || !detail::is_amount(link.latency))
      detail::refuse(what + " has an amount that is negative or not a number up to 1e9");
    if (linked_.contains(std::minmax(link.a, link.b))) detail::refuse(what + " is there already; expected it once");
  }

  std::vector<Object> objects_;
  std::vector<Link> links_;
  std::vector<int> node_, depth_;  // of each object
  std::vector<int> nodes_;
  std::unordered_map<int, std::vector<Link>> inner_;  // of each node
  std::unordered_map<std::string, int> index_;
  std::set<std::pair<int, int>> linked_;
  std::set<std::pair<int, int>> cpus_;         // node, CPU
  std::set<std::pair<int, std::string>> pci_;  // node, address
};

/// One machine of the nodes of several: what the ranks of a job know together. A node whose name is taken gets another,
/// with its number; each network switch is one of its machine's own.
inline Graph join(std::span<const Graph> machines) {
  Graph whole;
  for (const Graph& machine : machines) {
    std::vector<int> moved(static_cast<std::size_t>(machine.size()));
    for (int i = 0; i < machine.size(); ++i) {
      Object object = machine[i];
      if (object.parent != none) object.parent = moved[static_cast<std::size_t>(object.parent)];
      else if (whole.find(object.name) != none)
        object.name = object.name.substr(0, 50) + "." + std::to_string(whole.size());
      moved[static_cast<std::size_t>(i)] = whole.add(std::move(object));
    }
    for (Link link : machine.links()) {
      link.a = moved[static_cast<std::size_t>(link.a)];
      link.b = moved[static_cast<std::size_t>(link.b)];
      whole.link(link);
    }
  }
  return whole;
}

}  // namespace ringcoll::inline v0::topology
