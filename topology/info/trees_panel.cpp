// SPDX-License-Identifier: Apache-2.0
// Trees with their roots at the top.
#include <algorithm>
#include <functional>
#include <map>

#include "columns.hpp"
#include "panels.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;

constexpr double full_width = 1120, level_height = 46;

/// A tree of things with names: of ranks, or of nodes.
struct Drawn {
  std::vector<int> parents;
  std::vector<std::string> names;
};

class TreePanel {
 public:
  TreePanel(const Drawn& tree, int colour)
      : tree_(tree),
        colour_(colour),
        children_(tree.parents.size()),
        x_(tree.parents.size()),
        depth_(tree.parents.size()) {
    for (std::size_t i = 0; i < tree.parents.size(); ++i) {
      if (tree.parents[i] == topology::none) root_ = i;
      else children_[static_cast<std::size_t>(tree.parents[i])].push_back(i);
    }
  }

  Panel draw() {
    place();
    std::size_t longest = 0;
    for (const std::string& name : tree_.names) longest = std::max(longest, name.size());
    const double pill = 6.4 * static_cast<double>(longest) + 12;
    const double step = std::min(std::max(46.0, pill + 8), full_width / std::max(1.0, columns_));
    const double radius = std::min(12.0, step * 0.42),
                 width = pill + 4 < step ? std::max(pill, 2 * radius) : 2 * radius;
    std::string svg, style = "r" + std::to_string(colour_);
    const auto x = [&](std::size_t i) { return (x_[i] + 0.5) * step; };
    const auto y = [&](std::size_t i) { return 16 + static_cast<double>(depth_[i]) * level_height; };
    for (std::size_t i = 0; i < tree_.parents.size(); ++i) {
      if (tree_.parents[i] == topology::none) continue;
      const auto parent = static_cast<std::size_t>(tree_.parents[i]);
      svg += perf::print("<path d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" class=\"branch %s\"/>\n", x(parent),
                         y(parent), x(parent), y(parent) + level_height * 0.55, x(i), y(i) - level_height * 0.55, x(i),
                         y(i), style.c_str());
    }
    for (std::size_t i = 0; i < tree_.parents.size(); ++i) {
      svg +=
          box({x(i) - width / 2, y(i) - radius, width, 2 * radius}, (i == root_ ? "root " : "knot ") + style, radius);
      const std::string& name = tree_.names[i];
      if (width >= 6 * static_cast<double>(name.size()))
        svg += text_at(x(i), y(i) + 3.5, i == root_ ? "tiny middle onroot" : "tiny ink middle", name);
      else if (i == root_) svg += text_at(x(i) + width / 2 + 5, y(i) + 4, "small", name);
    }
    return {.title = {},
            .note = {},
            .svg = svg,
            .width = std::max(columns_ * step, 40.0),
            .height = 32 + static_cast<double>(deepest_) * level_height};
  }

 private:
  /// Leaves take a column each from left to right; a parent stands in the middle of its children. A stack instead of
  /// recursion, since a chain may be long.
  void place() {
    struct Visit {
      std::size_t at;
      bool back;
    };
    std::vector<Visit> stack{{root_, false}};
    while (!stack.empty()) {
      const Visit visit = stack.back();
      stack.pop_back();
      const std::vector<std::size_t>& below = children_[visit.at];
      deepest_ = std::max(deepest_, depth_[visit.at]);
      if (below.empty()) {
        x_[visit.at] = columns_++;
      } else if (visit.back) {
        x_[visit.at] = (x_[below.front()] + x_[below.back()]) / 2;
      } else {
        stack.push_back({visit.at, true});
        for (auto child = below.rbegin(); child != below.rend(); ++child) {
          depth_[*child] = depth_[visit.at] + 1;
          stack.push_back({*child, false});
        }
      }
    }
  }

  const Drawn& tree_;
  int colour_;
  std::vector<std::vector<std::size_t>> children_;
  std::vector<double> x_;
  std::vector<int> depth_;
  std::size_t root_ = 0;
  double columns_ = 0;
  int deepest_ = 0;
};

/// The ranks of one node, beginning at its head.
Drawn within(const Subject& subject, const topology::Tree& tree, int node) {
  Drawn drawn;
  std::map<int, int> place;
  for (std::size_t rank = 0; rank < subject.layout.seats.size(); ++rank) {
    if (subject.layout.seats[rank].node != node) continue;
    const int index = static_cast<int>(place.size());
    place[static_cast<int>(rank)] = index;
    drawn.names.push_back(std::to_string(rank));
  }
  for (const auto& [rank, index] : place) {
    const auto parent = place.find(tree.parents[static_cast<std::size_t>(rank)]);
    drawn.parents.push_back(parent == place.end() ? topology::none : parent->second);
  }
  return drawn;
}

/// The nodes, each for its ranks.
Drawn between(const Subject& subject, const topology::Tree& tree) {
  Drawn drawn;
  std::map<int, int> place;
  for (const int node : subject.node_order) {
    const int index = static_cast<int>(place.size());
    place[node] = index;
    drawn.names.push_back(subject.graph[node].name);
  }
  drawn.parents.assign(place.size(), topology::none);
  for (std::size_t rank = 0; rank < tree.parents.size(); ++rank) {
    if (tree.parents[rank] == topology::none) continue;
    const int node = subject.layout.seats[rank].node;
    const int above = subject.layout.seats[static_cast<std::size_t>(tree.parents[rank])].node;
    if (node != above) drawn.parents[static_cast<std::size_t>(place[node])] = place[above];
  }
  return drawn;
}

}  // namespace

std::vector<Panel> draw_trees(const Subject& subject) {
  std::vector<Panel> panels;
  const std::vector<topology::Tree>& trees = subject.layout.trees;
  const bool across = trees.size() > 1;
  for (std::size_t i = 0; across && i < trees.size(); ++i) {
    const Drawn drawn = between(subject, trees[i]);
    panels.push_back(TreePanel(drawn, static_cast<int>(i)).draw());
    panels.back().title = perf::print("Tree %d across nodes", static_cast<int>(i));
    panels.back().note = i == 0 ? "" : "in both together no node has more than two children";
  }
  const int node = subject.alike.front().front();
  std::vector<int> shown;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const Drawn drawn = within(subject, trees[i], node);
    if (i > 0 && drawn.parents == shown) continue;  // the same again
    shown = drawn.parents;
    panels.push_back(TreePanel(drawn, static_cast<int>(i)).draw());
    panels.back().title =
        across ? perf::print("Tree %d within ", static_cast<int>(i)) + subject.graph[node].name : "Tree";
    panels.back().note = "ranks";
  }
  return panels;
}

}  // namespace info
