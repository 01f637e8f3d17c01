// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ringcoll/error.hpp>
#include <ringcoll/topology/graph.hpp>

namespace ringcoll::inline v0::topology {

/// Longer files are refused before they are looked at.
inline constexpr std::size_t max_text_bytes = std::size_t{16} << 20;

namespace detail {

inline std::string shown(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, 64)) result += c >= ' ' && c <= '~' ? c : '?';
  return result + (text.size() > 64 ? "…'" : "'");
}

inline std::string number(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

inline double parse_number(std::string_view key, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !is_amount(value))
    refuse(std::string(key) + "=" + shown(text) + "; expected a number from 0 to 1e9");
  return value;
}

inline int parse_count(std::string_view key, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    refuse(std::string(key) + "=" + shown(text) + "; expected a whole number");
  return value;
}

/// "0-3,8" as sysfs and the text form spell it.
inline std::vector<int> parse_cpus(std::string_view text) {
  constexpr int most = 1 << 16;
  std::vector<int> cpus;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find(',', at);
    const std::string_view part = text.substr(at, end == text.npos ? end : end - at);
    const std::size_t dash = part.find('-');
    const int first = parse_count("cpus", part.substr(0, dash));
    const int last = dash == part.npos ? first : parse_count("cpus", part.substr(dash + 1));
    if (last < first || last - first >= most || cpus.size() >= most)
      refuse("cpus=" + shown(text) + "; expected numbers and ranges such as 0-3,8");
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    at = end == text.npos ? text.size() : end + 1;
  }
  return cpus;
}

inline std::string list_cpus(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i]);
    if (last > i) text += "-" + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text;
}

/// One key=value of an object's line. Reader and writer go by the same table.
struct Attribute {
  std::string_view key;
  std::uint32_t of;  ///< kinds
  void (*read)(Object& object, std::string_view key, std::string_view value);
  std::string (*write)(const Object& object);  ///< empty: not to be written
};

template <double Object::* member>
constexpr Attribute amount(std::string_view key, std::uint32_t of) {
  return {key, of, [](Object& o, std::string_view k, std::string_view value) { o.*member = parse_number(k, value); },
          [](const Object& o) { return o.*member == 0 ? std::string() : number(o.*member); }};
}

template <std::string Object::* member>
constexpr Attribute word(std::string_view key, std::uint32_t of) {
  return {key, of, [](Object& o, std::string_view, std::string_view value) { o.*member = value; },
          [](const Object& o) { return o.*member; }};
}

inline constexpr std::uint32_t any_but_node = (bit(Kind::crossbar) << 1) - 1 - bit(Kind::node);
inline constexpr std::uint32_t on_pci = bit(Kind::bridge) | bit(Kind::gpu) | bit(Kind::nic);

inline constexpr Attribute attributes[] = {
    amount<&Object::memory>("memory", bit(Kind::numa)),
    {"cpus", bit(Kind::core), [](Object& o, std::string_view, std::string_view value) { o.cpus = parse_cpus(value); },
     [](const Object& o) { return list_cpus(o.cpus); }},
    word<&Object::pci>("pci", on_pci),
    word<&Object::interface>("interface", bit(Kind::nic)),
    amount<&Object::speed>("speed", bit(Kind::nic)),
    {"ports", bit(Kind::nic),
     [](Object& o, std::string_view key, std::string_view value) { o.ports = parse_count(key, value); },
     [](const Object& o) { return o.ports == 1 ? "" : std::to_string(o.ports); }},
    {"rail", bit(Kind::nic),
     [](Object& o, std::string_view key, std::string_view value) { o.rail = parse_count(key, value); },
     [](const Object& o) { return o.rail == none ? "" : std::to_string(o.rail); }},
    amount<&Object::bandwidth>("bandwidth", any_but_node),
    amount<&Object::latency>("latency", any_but_node),
    {"model", bit(Kind::package) | bit(Kind::gpu) | bit(Kind::nic),
     [](Object& o, std::string_view, std::string_view value) { o.model = value; },
     [](const Object& o) { return o.model.empty() ? "" : "\"" + o.model + "\""; }},
};

inline std::string keys_of(Kind kind) {
  std::string keys;
  for (const Attribute& attribute : attributes)
    if (attribute.of & bit(kind)) keys += (keys.empty() ? "" : ", ") + std::string(attribute.key) + "=";
  return keys.empty() ? "nothing more" : keys;
}

/// The words of a line: blanks part them except between double quotes; # begins a comment.
inline std::vector<std::string_view> words(std::string_view line) {
  constexpr std::size_t most = 64;
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\t' || line[at] == '\r') {
      ++at;
      continue;
    }
    if (line[at] == '#') break;
    std::size_t end = at;
    bool quoted = false;
    while (end < line.size() && (quoted || (line[end] != ' ' && line[end] != '\t' && line[end] != '\r')))
      if (line[end++] == '"') quoted = !quoted;
    if (quoted) refuse(shown(line.substr(at, end - at)) + " has no closing quote");
    if (found.size() == most) refuse("more than " + std::to_string(most) + " words");
    found.push_back(line.substr(at, end - at));
    at = end;
  }
  return found;
}

/// A line with ranges, "core c[0-3] in l0 cpus=[8-11]", stands for as many lines as these count, all together.
class Repeated {
 public:
  explicit Repeated(std::string_view line) : line_(line) {
    bool quoted = false;
    for (std::size_t at = 0; at < line.size() && (quoted || line[at] != '#'); ++at) {
      if (line[at] == '"') quoted = !quoted;
      if (!quoted && line[at] == '[') at = add(at);
    }
  }

  int times() const { return times_; }

  std::string operator()(int i) const {
    std::string text;
    std::size_t from = 0;
    for (const Range& range : ranges_) {
      text += line_.substr(from, range.at - from);
      text += std::to_string(range.first + i);
      from = range.end;
    }
    return text + std::string(line_.substr(from));
  }

 private:
  struct Range {
    std::size_t at, end;
    int first;
  };

  std::size_t add(std::size_t at) {
    const std::size_t close = line_.find(']', at), dash = line_.find('-', at);
    if (close == line_.npos || dash == line_.npos || dash > close || ranges_.size() == 64)
      refuse(shown(line_.substr(at, 24)) + " is not a range; expected [first-last], such as [0-63]");
    const int first = parse_count("range", line_.substr(at + 1, dash - at - 1));
    const int last = parse_count("range", line_.substr(dash + 1, close - dash - 1));
    if (last < first || last - first >= Graph::max_objects)
      refuse(shown(line_.substr(at, close + 1 - at)) +
             " is not a range; expected the smaller number first, and at most " + std::to_string(Graph::max_objects) +
             " numbers");
    const int count = last - first + 1;
    if (!ranges_.empty() && count != times_)
      refuse("ranges of " + std::to_string(times_) + " and of " + std::to_string(count) +
             " numbers in one line; expected all of one length");
    times_ = count;
    ranges_.push_back({at, close + 1, first});
    return close;
  }

  std::string_view line_;
  std::vector<Range> ranges_;
  int times_ = 1;
};

class TextReader {
 public:
  Graph take() && { return std::move(graph_); }

  void line(std::string_view text) {
    const std::vector<std::string_view> found = words(text);
    if (found.empty()) return;
    if (!begun_) {
      if (found.size() != 2 || found[0] != "topology" || found[1] != "1")
        refuse("begins with " + shown(text) + "; expected 'topology 1', which names the format and its version");
      begun_ = true;
    } else if (found[0] == "link") {
      add_link(found);
    } else {
      add_object(found);
    }
  }

  bool begun() const { return begun_; }

 private:
  static Kind kind_of(std::string_view word) {
    for (const Kind kind : kinds)
      if (word == name(kind)) return kind;
    refuse(shown(word) + " is not a kind of object; expected link, " + list(any_but_node | bit(Kind::node)));
  }

  /// Names within the last node come first, so that `in p0` means that node's; `/n0` means the node.
  int find(std::string_view path) const {
    const bool absolute = path.starts_with('/');
    if (absolute) path.remove_prefix(1);
    if (!absolute && !graph_.nodes().empty()) {
      const int node = graph_.nodes().back();
      const int inside = graph_.find(graph_[node].name + "/" + std::string(path));
      if (inside != none) return inside;
    }
    const int found = graph_.find(path);
    if (found == none) refuse(shown(path) + " is not there; expected the name of an object of an earlier line");
    return found;
  }

  void add_object(const std::vector<std::string_view>& found) {
    Object object;
    object.kind = kind_of(found[0]);
    if (found.size() < 2) refuse("a " + std::string(found[0]) + " without a name; expected one");
    object.name = found[1];
    std::size_t at = 2;
    if (object.kind == Kind::node && at < found.size() && found[at] == "as") {
      if (found.size() != 4) refuse("'as' expects the name of an earlier node, and nothing after it");
      const int node = find(found[3]);
      if (graph_[node].kind != Kind::node) refuse(shown(found[3]) + " is not a node; expected one after 'as'");
      graph_.add_copy(object.name, node);
      return;
    }
    if (at < found.size() && found[at] == "in") {
      if (at + 1 == found.size()) refuse("'in' expects the name of an earlier object");
      object.parent = find(found[at + 1]);
      at += 2;
    }
    std::uint32_t seen = 0;
    for (; at < found.size(); ++at) set(object, found[at], seen);
    graph_.add(std::move(object));
  }

  static void set(Object& object, std::string_view word, std::uint32_t& seen) {
    const auto [key, value] = split(word);
    std::uint32_t number = 1;
    for (const Attribute& attribute : attributes) {
      if (key == attribute.key && (attribute.of & bit(object.kind))) {
        if (seen & number) refuse(shown(key) + " twice in one line; expected it once");
        seen |= number;
        attribute.read(object, key, value);
        return;
      }
      number <<= 1;
    }
    refuse(shown(word) + " is nothing that a " + name(object.kind) + " has; expected " + keys_of(object.kind));
  }

  /// key=value or key="value".
  static std::pair<std::string_view, std::string_view> split(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == word.npos) return {word, {}};
    std::string_view value = word.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (value.empty()) refuse(shown(word) + " has no value");
    return {word.substr(0, equals), value};
  }

  void add_link(const std::vector<std::string_view>& found) {
    if (found.size() < 3) refuse("a link with fewer than two ends; expected the names of two objects");
    Link link{.a = find(found[1]), .b = find(found[2])};
    for (std::size_t at = 3; at < found.size(); ++at) {
      const auto [key, value] = split(found[at]);
      if (key != "bandwidth" && key != "latency")
        refuse(shown(found[at]) + " is nothing that a link has; expected bandwidth=, latency=");
      double& amount = key == "bandwidth" ? link.bandwidth : link.latency;
      if (amount != 0) refuse(shown(key) + " twice in one line; expected it once");
      amount = parse_number(key, value);
    }
    graph_.link(link);
  }

  Graph graph_;
  bool begun_ = false;
};

/// How a line after the lines of `node` names an object.
inline std::string reference(const Graph& graph, int object, int node) {
  if (node == none) return graph.path(object);
  const bool inside = graph.node_of(object) == node && object != node;
  const std::string text = inside ? graph[object].name : graph.path(object);
  // An object of the node that is named like another node, or a network switch, hides that.
  const bool hidden = !inside && graph.find(graph[node].name + "/" + text) != none;
  return hidden ? "/" + text : text;
}

/// The node whose lines come before those of `node`, or none.
inline int last_node(const Graph& graph, int node) {
  const auto nodes = graph.nodes();
  const auto found = std::lower_bound(nodes.begin(), nodes.end(), node);
  return found == nodes.begin() ? none : *std::prev(found);
}

inline void write_object(std::string& out, const Object& object, const std::string& parent) {
  out += std::string(name(object.kind)) + " " + object.name + parent;
  for (const Attribute& attribute : attributes) {
    if (!(attribute.of & bit(object.kind))) continue;
    const std::string value = attribute.write(object);
    if (!value.empty()) out += " " + std::string(attribute.key) + "=" + value;
  }
  out += "\n";
}

inline void write_link(std::string& out, const Graph& graph, const Link& link, int node) {
  out += "link " + reference(graph, link.a, node) + " " + reference(graph, link.b, node);
  if (link.bandwidth != 0) out += " bandwidth=" + number(link.bandwidth);
  if (link.latency != 0) out += " latency=" + number(link.latency);
  out += "\n";
}

/// The lines of a node after its own. `self` is what they call it.
inline std::string inside(const Graph& graph, int node, const std::string& self) {
  std::string text;
  for (int i = node + 1, end = graph.end_of(node); i < end; ++i)
    write_object(text, graph[i], " in " + (graph[i].parent == node ? self : graph[graph[i].parent].name));
  std::vector<Link> links = graph.links_within(node);
  std::sort(links.begin(), links.end());
  for (const Link& link : links) write_link(text, graph, link, node);
  return text;
}

}  // namespace detail

/// The graph that a text describes; docs/topology.md has the format.
/// Throws Error(invalid_argument), "FILE: line 12: …; expected …", at the first mistake. `source` names the text there.
inline Graph read_text(std::string_view text, std::string_view source = "topology") {
  detail::TextReader reader;
  if (text.size() > max_text_bytes)
    detail::refuse(std::string(source) + ": " + std::to_string(text.size()) + " bytes; expected at most " +
                   std::to_string(max_text_bytes));
  int number = 0;
  std::size_t repeated_bytes = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    ++number;
    try {
      const detail::Repeated lines(text.substr(at, end - at));
      repeated_bytes += static_cast<std::size_t>(lines.times()) * (end - at);
      if (lines.times() > 1 && repeated_bytes > 4 * max_text_bytes)
        detail::refuse("the ranges so far stand for more text than a file may have");
      for (int i = 0; i < lines.times(); ++i) reader.line(lines(i));
    } catch (const Error& error) {
      const std::string_view what(error.what());
      constexpr std::string_view prefix = "ringcoll: ";
      throw Error(error.code(), std::string(source) + ": line " + std::to_string(number) + ": " +
                                    std::string(what.substr(what.starts_with(prefix) ? prefix.size() : 0)));
    }
    at = end + 1;
  }
  if (!reader.begun()) detail::refuse(std::string(source) + ": is empty; expected 'topology 1' and lines after it");
  return std::move(reader).take();
}

/// The text from which read_text() makes an equal graph. A node that is like an earlier one takes one line.
inline std::string write_text(const Graph& graph) {
  std::string out = "topology 1\n";
  std::unordered_map<std::string, int> written;
  for (int i = 0; i < graph.size(); ++i) {
    if (graph[i].kind != Kind::node) {
      detail::write_object(out, graph[i], "");
      continue;
    }
    const int node = i, end = graph.end_of(node);
    const auto [first, is_new] = written.emplace(detail::inside(graph, node, "/"), node);
    if (is_new || end == node + 1) {
      detail::write_object(out, graph[node], "");
      out += detail::inside(graph, node, detail::reference(graph, node, node));
    } else {
      out += "node " + graph[node].name + " as " +
             detail::reference(graph, first->second, detail::last_node(graph, node)) + "\n";
    }
    i = end - 1;
  }
  const int last = graph.nodes().empty() ? none : graph.nodes().back();
  for (const Link& link : graph.sorted_links()) {
    const int node = graph.node_of(link.a);
    if (node == none || node != graph.node_of(link.b)) detail::write_link(out, graph, link, last);
  }
  return out;
}

}  // namespace ringcoll::inline v0::topology
