// SPDX-License-Identifier: Apache-2.0
// Each ring is a row: its stops within a node in their order, the numbers between them GB/s.
#include <algorithm>

#include "columns.hpp"
#include "panels.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;
using topology::Routes;

constexpr double left = 64, chip_height = 24, row_height = 44;
constexpr std::size_t most_rings = 8, most_kinds = 3;

/// One stop of a row.
struct Stop {
  int object = topology::none;
  std::string text;
  std::string style;
};

class RingsPanel {
 public:
  explicit RingsPanel(const Subject& subject) : subject_(subject), graph_(subject.graph) {}

  Panel draw() {
    const auto& rings = subject_.layout.rings;
    const bool across = graph_.nodes().size() > 1;
    const std::size_t kinds = std::min(most_kinds, subject_.alike.size());
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      const int node = subject_.alike[kind].front();
      if (kinds > 1) heading(node, subject_.alike[kind].size());
      for (std::size_t ring = 0; ring < std::min(most_rings, rings.size()); ++ring) row(ring, node, across);
    }
    std::string note = "numbers between stops: GB/s of the way";
    if (rings.size() > most_rings) note += perf::print("; %d more rings", static_cast<int>(rings.size() - most_rings));
    return {.title = rings.size() == 1 ? "Ring" : "Rings", .note = note, .svg = svg_, .width = width_, .height = y_};
  }

 private:
  void heading(int node, std::size_t count) {
    svg_ += text_at(
        0, y_ + 12, "small",
        "in " + graph_[node].name + (count > 1 ? perf::print(" and %d like it", static_cast<int>(count) - 1) : ""));
    y_ += 22;
  }

  std::vector<Stop> stops(std::size_t ring, int node) const {
    const topology::Ring& order = subject_.layout.rings[ring];
    std::vector<Stop> found;
    int nic = topology::none;
    for (const int candidate : order.nics)
      if (candidate != topology::none && graph_.node_of(candidate) == node) nic = candidate;
    const auto add_nic = [&] {
      if (nic != topology::none) found.push_back({nic, shortened(graph_[nic].name, 9), "o-nic"});
    };
    add_nic();
    for (const int rank : order.ranks) {
      const topology::Seat& seat = subject_.layout.seats[static_cast<std::size_t>(rank)];
      if (seat.node != node) continue;
      const bool is_gpu = graph_[seat.object].kind == topology::Kind::gpu;
      found.push_back({seat.object, is_gpu ? shortened(graph_[seat.object].name, 9) : std::to_string(rank),
                       is_gpu ? "o-gpu" : "o-core"});
    }
    add_nic();
    return found;
  }

  double bandwidth(int from, int to) const {
    if (from == to) return 0;
    const topology::LinkCost cost = Routes(subject_.wiring, from, Routes::Reach::own_node).cost(to);
    return cost.unreachable() ? 0 : cost.gigabytes_per_second();
  }

  void row(std::size_t ring, int node, bool across) {
    const std::vector<Stop> found = stops(ring, node);
    if (found.empty()) return;
    const bool wide = found.size() <= 20;
    const double chip = wide ? 60 : 30, between = wide ? 34 : 14;
    const std::size_t in_row = wide ? found.size() : 24;
    const std::string colour = "r" + std::to_string(ring % colours);
    svg_ += text_at(0, y_ + 17, "label fill " + colour, perf::print("ring %d", static_cast<int>(ring)));
    double right = left;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::size_t column = i % in_row;
      if (i > 0 && column == 0) y_ += chip_height + 10;
      const double x = left + static_cast<double>(column) * (chip + between);
      if (i > 0 && column > 0) {
        svg_ += line(x - between + 1, y_ + chip_height / 2, x - 4, y_ + chip_height / 2, "way " + colour);
        svg_ += arrow(x - 1, y_ + chip_height / 2, colour);
        const double gbps = wide ? bandwidth(found[i - 1].object, found[i].object) : 0;
        if (gbps > 0 && gbps < 1e5)
          svg_ += text_at(x - between / 2, y_ + chip_height / 2 - 4, "tiny middle", perf::print("%.3g", gbps));
      }
      svg_ += box({x, y_, chip, chip_height}, found[i].style, 5);
      svg_ += text_at(x + chip / 2, y_ + 16, wide ? "small ink middle" : "tiny middle", found[i].text);
      right = std::max(right, x + chip);
    }
    const double end = left + static_cast<double>((found.size() - 1) % in_row) * (chip + between) + chip;
    if (found.size() > 1) closing(found, end, wide, across && found.front().style == "o-nic", colour);
    width_ = std::max(width_, right + 150);
    y_ += row_height;
  }

  /// Back to the first stop, or on to the next node.
  void closing(const std::vector<Stop>& found, double end, bool wide, bool on, const std::string& colour) {
    const double y = y_ + chip_height / 2;
    if (on) {
      svg_ += line(left - 16, y, left - 4, y, "way " + colour) + arrow(left - 1, y, colour);
      svg_ += line(end + 1, y, end + 14, y, "way " + colour) + arrow(end + 17, y, colour);
      svg_ += text_at(end + 24, y + 4, "tiny", "the next node");
      return;
    }
    svg_ += line(end + 1, y, end + 14, y, "way " + colour) + arrow(end + 17, y, colour);
    const double gbps = wide ? bandwidth(found.back().object, found.front().object) : 0;
    svg_ += text_at(end + 24, y + 4, "tiny",
                    "back to " + found.front().text + (gbps > 0 ? perf::print(", %.3g", gbps) : ""));
  }

  static std::string arrow(double x, double y, const std::string& colour) {
    return perf::print("<path d=\"M%.1f %.1fl-6 -3.5v7z\" class=\"fill %s\"/>\n", x, y, colour.c_str());
  }

  const Subject& subject_;
  const topology::Graph& graph_;
  std::string svg_;
  double y_ = 8, width_ = 0;
};

}  // namespace

Panel draw_rings(const Subject& subject) { return RingsPanel(subject).draw(); }

}  // namespace info
