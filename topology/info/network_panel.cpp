// SPDX-License-Identifier: Apache-2.0
// Nodes from left to right in the order of the rings, and above them the switches of the network, level by level.
#include <algorithm>
#include <map>
#include <set>

#include "columns.hpp"
#include "panels.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;

constexpr double full_width = 1120, level_height = 104, switch_height = 26, node_height = 34;
constexpr std::size_t most_lines = 3000;

class NetworkPanel {
 public:
  explicit NetworkPanel(const Subject& subject) : subject_(subject), graph_(subject.graph), wiring_(subject.wiring) {}

  Panel draw() {
    place_nodes();
    find_levels();
    place_switches();
    std::string svg;
    draw_lines(svg);
    for (const auto& [object, rect] : switches_) {
      svg += box(rect, "o-switch", 5);
      if (rect.w > 30)
        svg += text_at(rect.middle(), rect.y + 17, "tiny middle",
                       shortened(graph_[object].name, static_cast<std::size_t>(rect.w / 6.5)));
    }
    if (switches_.empty()) {
      svg += box({0, 0, full_width, switch_height}, "ghost", 5);
      for (const auto& [node, rect] : nodes_)
        svg += line(rect.middle(), bottom(), rect.middle(), switch_height, "wire r0");
      svg += text_at(full_width / 2, 17, "small middle",
                     "one network that never blocks (the description has no switches)");
    }
    draw_nodes(svg);
    draw_direction(svg);
    return {.title = "Network", .note = note(), .svg = svg, .width = full_width, .height = bottom() + node_height + 66};
  }

 private:
  double bottom() const { return static_cast<double>(std::max<std::size_t>(levels_.size(), 1)) * level_height; }

  void place_nodes() {
    const auto count = static_cast<double>(subject_.node_order.size());
    const double step = std::min(full_width / count, 130.0), start = (full_width - step * count) / 2;
    const double width = std::max(step - (step > 12 ? 5 : step > 4 ? 1 : 0), 1.0);
    for (std::size_t i = 0; i < subject_.node_order.size(); ++i)
      nodes_[subject_.node_order[i]] = {start + static_cast<double>(i) * step + (step - width) / 2, 0, width,
                                        node_height};
  }

  /// What an object is linked to outside of its node.
  template <class F>
  void for_each_wire(int object, F&& f) const {
    for (const auto& [to, hop] : wiring_[object])
      if (to != wiring_.network() && wiring_.leaves_node(object, to)) f(to, hop);
  }

  /// A switch that nodes hang on is of level 0, a switch above it of level 1, and so on.
  void find_levels() {
    std::set<int> seen, level;
    for (const int node : graph_.nodes())
      for (int i = node; i < graph_.end_of(node); ++i)
        for_each_wire(i, [&](int to, const topology::Hop&) {
          if (graph_.node_of(to) == topology::none) level.insert(to);
        });
    while (!level.empty()) {
      seen.insert(level.begin(), level.end());
      levels_.emplace_back(level.begin(), level.end());
      std::set<int> next;
      for (const int object : level)
        for_each_wire(object, [&](int to, const topology::Hop&) {
          if (graph_.node_of(to) == topology::none && !seen.contains(to)) next.insert(to);
        });
      level = std::move(next);
    }
  }

  double middle_of(int object) const {
    const int node = graph_.node_of(object);
    if (node != topology::none) return nodes_.at(node).middle();
    const auto found = switches_.find(object);
    return found == switches_.end() ? -1 : found->second.middle();
  }

  void place_switches() {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      std::vector<std::pair<double, int>> order;
      for (const int object : levels_[level]) {
        double sum = 0, count = 0;
        for_each_wire(object, [&](int to, const topology::Hop&) {
          if (middle_of(to) < 0) return;
          sum += middle_of(to);
          ++count;
        });
        order.emplace_back(count > 0 ? std::round(sum / count) : 0, object);
      }
      std::sort(order.begin(), order.end());
      const double step = full_width / static_cast<double>(order.size()), width = std::min(step - 4, 96.0);
      const double y = static_cast<double>(levels_.size() - 1 - level) * level_height;
      // A few switches stand above what hangs on them; many share the width evenly.
      double free_from = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        double x = static_cast<double>(i) * step + (step - width) / 2;
        if (order.size() <= 4) x = std::clamp(order[i].first - width / 2, free_from, full_width - width);
        free_from = x + width + 4;
        switches_[order[i].second] = {x, y, std::max(width, 1.0), switch_height};
      }
    }
  }

  void draw_lines(std::string& svg) const {
    if (graph_.links().size() > most_lines) return draw_fans(svg);
    for (const topology::Link& link : graph_.links()) {
      if (!wiring_.leaves_node(link.a, link.b)) continue;
      const int a = graph_.node_of(link.a), b = graph_.node_of(link.b);
      if (a != topology::none && b != topology::none) {
        svg += curve(nodes_.at(a).middle(), bottom(), nodes_.at(b).middle(), bottom(), -30, "wire r0");
        continue;
      }
      int below = a != topology::none ? link.a : link.b, above = a != topology::none ? link.b : link.a;
      if (!switches_.contains(above)) continue;
      if (a == topology::none && b == topology::none) {
        if (switches_.at(below).y < switches_.at(above).y) std::swap(below, above);
        const Rect &low = switches_.at(below), &high = switches_.at(above);
        svg += line(low.middle(), low.y, high.middle(), high.bottom(), "wire trunk");
        continue;
      }
      const Rect& high = switches_.at(above);
      svg += line(middle_of(below), bottom(), high.middle(), high.bottom(),
                  "wire r" + std::to_string(rail_of(below) % colours));
    }
  }

  /// Too many lines to tell apart: from each switch a fan over what hangs on it.
  void draw_fans(std::string& svg) const {
    for (const auto& [object, rect] : switches_) {
      double least = full_width, most = 0;
      for_each_wire(object, [&](int to, const topology::Hop&) {
        if (graph_.node_of(to) == topology::none) return;
        least = std::min(least, middle_of(to));
        most = std::max(most, middle_of(to));
      });
      if (least <= most)
        svg += perf::print("<path d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\" class=\"fan\"/>\n", rect.middle(),
                           rect.bottom(), least, bottom(), most, bottom());
    }
  }

  int rail_of(int object) const {
    const int node = graph_.node_of(object);
    const std::vector<int> nics = graph_.of_kind(node, topology::Kind::nic);
    if (graph_[object].rail != topology::none) return graph_[object].rail;
    return static_cast<int>(std::find(nics.begin(), nics.end(), object) - nics.begin());
  }

  void draw_nodes(std::string& svg) const {
    const std::size_t count = subject_.node_order.size();
    for (std::size_t i = 0; i < count; ++i) {
      Rect rect = nodes_.at(subject_.node_order[i]);
      rect.y = bottom();
      svg += box(rect, "o-node", std::min(5.0, rect.w / 3));
      const std::string& name = graph_[subject_.node_order[i]].name;
      const double needed = 6.6 * static_cast<double>(name.size());
      if (needed < rect.w) svg += text_at(rect.middle(), rect.y + 21, "small ink middle", name);
      else if (count <= 128 && rect.w >= 9)
        svg += perf::print("<text transform=\"translate(%.1f %.1f) rotate(-90)\" class=\"tiny middle\">",
                           rect.middle() + 3, rect.y + node_height / 2) +
               escaped(shortened(name, 5)) + "</text>\n";
    }
  }

  /// All rings pass through the nodes from left to right, and back.
  void draw_direction(std::string& svg) const {
    const double y = bottom() + node_height + 12;
    const double first = nodes_.at(subject_.node_order.front()).middle(),
                 last = nodes_.at(subject_.node_order.back()).middle();
    svg +=
        perf::print("<path d=\"M%.1f %.1fv8q0 8 8 8H%.1fq8 0 8 -8v-8\" class=\"way r0\"/>\n", first, y - 2, last - 8);
    svg += perf::print("<path d=\"M%.1f %.1fl-4 7h8z\" class=\"fill r0\"/>\n", first, y - 6);
    svg += text_at((first + last) / 2, y + 32, "small middle",
                   "rings pass from left to right, from the last node back to the first");
  }

  std::string note() const {
    std::set<double> speeds;
    for (const topology::Link& link : graph_.links())
      if (wiring_.leaves_node(link.a, link.b) && link.bandwidth > 0) speeds.insert(link.bandwidth);
    std::string text = perf::print("%d nodes", static_cast<int>(graph_.nodes().size()));
    if (!switches_.empty()) text += perf::print(", %d switches", static_cast<int>(switches_.size()));
    if (!speeds.empty()) text += perf::print(", links of %.4g", *speeds.begin());
    if (speeds.size() > 1) text += perf::print(" to %.4g", *speeds.rbegin());
    return text + (speeds.empty() ? "" : " GB/s");
  }

  const Subject& subject_;
  const topology::Graph& graph_;
  const topology::Wiring& wiring_;
  std::vector<std::vector<int>> levels_;
  std::map<int, Rect> nodes_, switches_;
};

}  // namespace

Panel draw_network(const Subject& subject) { return NetworkPanel(subject).draw(); }

}  // namespace info
