// SPDX-License-Identifier: Apache-2.0
// What stands in what: boxes in boxes. Devices come first, so that the links between them have room above.
#include <algorithm>
#include <map>
#include <utility>

#include "columns.hpp"
#include "panels.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;
using topology::Kind;

constexpr double padding = 10, gap = 8, label_height = 20;
constexpr double device_width = 96, device_height = 38;

struct Box {
  int object = topology::none;
  Rect rect;
  std::vector<Box> children;
};

/// Boxes in rows no wider than `most`; returns the size of it all.
Rect flow(std::vector<Box>& boxes, double x, double y, double most) {
  double left = x, top = y, row = 0, right = x;
  for (Box& child : boxes) {
    if (left > x && left + child.rect.w > x + most) {
      left = x;
      top += row + gap;
      row = 0;
    }
    child.rect.x = left;
    child.rect.y = top;
    left += child.rect.w + gap;
    row = std::max(row, child.rect.h);
    right = std::max(right, left - gap);
  }
  return {x, y, right - x, boxes.empty() ? 0 : top + row - y};
}

class NodePanel {
 public:
  NodePanel(const Subject& subject, int node) : graph_(subject.graph), node_(node) {
    for (int i = node + 1; i < graph_.end_of(node); ++i) children_[graph_[i].parent].push_back(i);
    for (std::size_t rank = 0; rank < subject.layout.seats.size(); ++rank) {
      const topology::Seat& seat = subject.layout.seats[rank];
      if (seat.node == node) ranks_[seat.object].push_back(static_cast<int>(rank));
    }
    const std::vector<int> gpus = graph_.of_kind(node, Kind::gpu);
    cores_are_seats_ = gpus.empty();
  }

  Panel draw() {
    Box root = measured(node_);
    const double above = room_above();
    root.rect.x = 0;
    root.rect.y = above;
    settle(root);
    std::string svg;
    draw_containers(svg, root);
    draw_links(svg, root.rect, above);
    draw_leaves(svg, root);
    return {.title = {}, .note = {}, .svg = svg, .width = root.rect.w, .height = root.rect.h + above};
  }

 private:
  static bool is_leaf(Kind kind) { return kind == Kind::core || kind == Kind::gpu || kind == Kind::nic; }

  static int turn(Kind kind) {
    switch (kind) {
      case Kind::bridge: return 0;
      case Kind::gpu: return 1;
      case Kind::nic: return 2;
      case Kind::numa: return 4;
      case Kind::package: return 5;
      default: return 3;
    }
  }

  /// Bridges behind bridges with nothing else are one way.
  int shown(int object) const {
    while (graph_[object].kind == Kind::bridge) {
      const auto found = children_.find(object);
      if (found == children_.end() || found->second.size() != 1) break;
      if (graph_[found->second.front()].kind != Kind::bridge) break;
      object = found->second.front();
    }
    return object;
  }

  /// A box with its children in place, in its own coordinates.
  Box measured(int object) {
    const Kind kind = graph_[object].kind;
    if (kind == Kind::core) return {object, {0, 0, cores_are_seats_ ? 24.0 : 11.0, cores_are_seats_ ? 17.0 : 11.0}, {}};
    if (is_leaf(kind)) return {object, {0, 0, device_width, device_height}, {}};
    std::map<int, std::vector<int>> by_turn;
    for (const int child : children_[object])
      if (graph_[child].kind != Kind::crossbar) by_turn[turn(graph_[child].kind)].push_back(shown(child));
    Box result{object, {}, {}};
    double y = kind == Kind::l3 ? 18 : label_height + 2, width = 0;
    for (const auto& [place, objects] : by_turn) {
      std::vector<Box> row;
      for (const int child : objects) row.push_back(measured(child));
      const Rect size = flow(row, padding, y, std::max(row_width(kind), width));
      y += size.h + gap;
      width = std::max(width, size.w);
      std::move(row.begin(), row.end(), std::back_inserter(result.children));
    }
    const double text = kind == Kind::bridge ? 84 : 7.0 * static_cast<double>(label(object).size());
    result.rect = {0, 0, std::max(width, text) + 2 * padding, y + padding - gap};
    return result;
  }

  double row_width(Kind kind) const {
    switch (kind) {
      case Kind::node: return 1180;
      // GPUs with links of their own stand side by side, so that none hides the links of another.
      case Kind::bridge: return direct_links().empty() ? device_width : 2 * device_width + gap;
      case Kind::l3: return 240;
      default: return 560;
    }
  }

  void settle(Box& box) {
    for (Box& child : box.children) {
      child.rect.x += box.rect.x;
      child.rect.y += box.rect.y;
      settle(child);
    }
    places_[box.object] = box.rect;
  }

  std::string label(int object) const {
    const topology::Object& o = graph_[object];
    switch (o.kind) {
      case Kind::numa: return o.name + (o.memory > 0 ? perf::print(" · %.4g GiB", o.memory) : "");
      case Kind::package: return o.name + (o.model.empty() ? "" : " · " + shortened(o.model, 34));
      case Kind::bridge: return o.bandwidth > 0 ? perf::print("PCI %.3g GB/s", o.bandwidth) : "PCI";
      default: return o.name;
    }
  }

  void draw_containers(std::string& svg, const Box& root) {
    if (is_leaf(graph_[root.object].kind)) return;
    svg += box(root.rect, std::string("c-") + name(graph_[root.object].kind),
               graph_[root.object].kind == Kind::node ? 10 : 6);
    for (const Box& child : root.children) draw_containers(svg, child);
  }

  void draw_leaves(std::string& svg, const Box& root) {
    const topology::Object& o = graph_[root.object];
    const Rect& r = root.rect;
    if (!is_leaf(o.kind)) {
      svg += text_at(r.x + padding, r.y + (o.kind == Kind::l3 ? 13 : 15),
                     o.kind == Kind::node ? "halo name" : "halo small", label(root.object));
      for (const Box& child : root.children) draw_leaves(svg, child);
      return;
    }
    svg += box(r, std::string("o-") + name(o.kind), o.kind == Kind::core ? 2 : 5);
    const auto ranks = ranks_.find(root.object);
    if (o.kind == Kind::core) {
      if (cores_are_seats_ && ranks != ranks_.end())
        svg += text_at(r.middle(), r.y + 12.5, "tiny middle", std::to_string(ranks->second.front()));
      return;
    }
    svg += text_at(r.middle(), r.y + 16, "label middle", shortened(o.name, 14));
    std::string second;
    if (o.kind == Kind::nic) second = o.speed > 0 ? speed_text(o.speed) : "speed not known";
    else if (ranks != ranks_.end()) second = "rank " + std::to_string(ranks->second.front());
    svg += text_at(r.middle(), r.y + 30, "tiny middle", shortened(second, 16));
  }

  std::vector<topology::Link> direct_links() const {
    std::vector<topology::Link> found;
    for (const topology::Link& link : graph_.links_within(node_))
      if (graph_[link.a].kind != Kind::crossbar && graph_[link.b].kind != Kind::crossbar) found.push_back(link);
    return found;
  }

  double room_above() const {
    double room = graph_.of_kind(node_, Kind::crossbar).empty() ? 0 : 48;
    if (!direct_links().empty()) room = std::max(room, 110.0);
    return room;
  }

  void draw_links(std::string& svg, const Rect& root, double above) {
    double widest = 0;
    for (const topology::Link& link : graph_.links_within(node_)) widest = std::max(widest, link.bandwidth);
    const auto style = [&](const topology::Link& link) {
      return std::string("link w") + (widest > 0 && link.bandwidth > 0.6 * widest ? "3" : "1");
    };
    const std::vector<int> switches = graph_.of_kind(node_, Kind::crossbar);
    const double width = switches.empty() ? 0
                                          : (root.w - gap * static_cast<double>(switches.size() - 1)) /
                                                static_cast<double>(switches.size());
    for (std::size_t i = 0; i < switches.size(); ++i)
      places_[switches[i]] = {static_cast<double>(i) * (width + gap), 0, width, 26};
    for (const topology::Link& link : graph_.links_within(node_)) {
      if (!places_.contains(link.a) || !places_.contains(link.b)) continue;
      Rect a = places_[link.a], b = places_[link.b];
      if (graph_[link.a].kind == Kind::crossbar) std::swap(a, b);
      const bool to_switch = graph_[link.a].kind == Kind::crossbar || graph_[link.b].kind == Kind::crossbar;
      if (to_switch) {
        // At the device's right, where no label is.
        const double x = a.x + 0.86 * a.w;
        svg += line(x, a.y, switches.size() == 1 ? x : b.middle(), b.bottom(), style(link));
      } else {
        const double far = std::abs(a.middle() - b.middle());
        const double bend = -std::min(above + std::min(a.y, b.y) - above - 12, 26 + far * 0.32) * 1.25;
        svg += curve(a.middle(), a.y, b.middle(), b.y, bend, style(link));
      }
    }
    for (const int object : switches) {
      svg += box(places_[object], "o-switch", 6);
      svg += text_at(places_[object].middle(), 17, "label middle", graph_[object].name);
    }
  }

  const topology::Graph& graph_;
  int node_;
  bool cores_are_seats_ = false;
  std::map<int, std::vector<int>> children_, ranks_;
  std::map<int, Rect> places_;
};

}  // namespace

Panel draw_node(const Subject& subject, const std::vector<int>& nodes) {
  Panel panel = NodePanel(subject, nodes.front()).draw();
  const std::string& name = subject.graph[nodes.front()].name;
  panel.title = nodes.size() == 1 ? "Node " + name : std::to_string(nodes.size()) + " nodes like " + name;
  double fastest = 0;
  for (const topology::Link& link : subject.graph.links_within(nodes.front()))
    fastest = std::max(fastest, link.bandwidth);
  if (fastest > 0) panel.note = perf::print("links of up to %.4g GB/s", fastest);
  return panel;
}

}  // namespace info
