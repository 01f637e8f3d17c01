// SPDX-License-Identifier: Apache-2.0
#include "picture.hpp"

#include <algorithm>
#include <map>

#include <ringcoll/topology/text.hpp>

#include "columns.hpp"
#include "panels.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;

constexpr double margin = 28, title_height = 64, heading = 30, between = 30;
constexpr std::size_t most_kinds = 4;

/// Light, and what is different in dark. Colours of rings differ in lightness too.
constexpr const char* style_sheet = R"(<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #475569 }
.title { font-size: 20px; font-weight: 600; fill: #0f172a }
.heading { font-size: 15px; font-weight: 600; fill: #0f172a }
.name { font-weight: 600; fill: #0f172a } .label { font-weight: 600; fill: #0f172a } .ink { fill: #0f172a }
.small, .note { font-size: 11px } .note { font-weight: 400; fill: #475569 } .tiny { font-size: 9.5px }
.middle { text-anchor: middle } .onroot { fill: #ffffff }
.halo { paint-order: stroke; stroke: #f1f5f9; stroke-width: 3px; stroke-linejoin: round; stroke-opacity: .85 }
.page { fill: #ffffff } .c-node { fill: #f8fafc; stroke: #94a3b8; stroke-width: 1.2 }
.c-package { fill: #f1f5f9; stroke: #cbd5e1 }
.c-numa { fill: #e6edf5; stroke: #c3cfdd } .c-l3 { fill: #d7e2ee; stroke: #b6c5d6 }
.c-bridge { fill: #ffffff; stroke: #94a3b8; stroke-dasharray: 4 3 }
.o-core { fill: #ffffff; stroke: #7c8fa6 } .o-gpu { fill: #c9f2dd; stroke: #047857 }
.o-nic { fill: #fde3c8; stroke: #c2410c }
.o-switch { fill: #e4ddfb; stroke: #6d28d9 } .o-node { fill: #e2e8f0; stroke: #64748b }
.ghost { fill: none; stroke: #94a3b8; stroke-dasharray: 5 4 }
.link { fill: none; stroke: #047857; stroke-opacity: .75 } .w1 { stroke-width: 1.4 } .w3 { stroke-width: 2.8 }
.way { fill: none; stroke-width: 2 } .wire { fill: none; stroke-width: 1; stroke-opacity: .45 }
.trunk { stroke: #64748b; stroke-opacity: .3 }
.branch { fill: none; stroke-width: 1.5; stroke-opacity: .7 } .fan { fill: #6d28d9; fill-opacity: .1 }
.knot { fill: #ffffff; stroke-width: 1.5 }
.r0 { stroke: #1d4ed8 } .r1 { stroke: #c2410c } .r2 { stroke: #047857 } .r3 { stroke: #9d174d }
.r4 { stroke: #6d28d9 } .r5 { stroke: #0e7490 } .r6 { stroke: #854d0e } .r7 { stroke: #475569 }
.fill { stroke: none } .fill.r0, .root.r0 { fill: #1d4ed8 } .fill.r1, .root.r1 { fill: #c2410c }
.fill.r2 { fill: #047857 } .fill.r3 { fill: #9d174d }
.fill.r4 { fill: #6d28d9 } .fill.r5 { fill: #0e7490 } .fill.r6 { fill: #854d0e } .fill.r7 { fill: #475569 }
@media (prefers-color-scheme: dark) {
text, .note { fill: #a8b5c7 } .title, .heading, .name, .label, .ink { fill: #f1f5f9 } .onroot { fill: #0b1220 }
.halo { stroke: #131c2c } .page { fill: #0b1220 } .c-node { fill: #101828; stroke: #475569 }
.c-package { fill: #152033; stroke: #334155 }
.c-numa { fill: #1a2740; stroke: #3a4a63 } .c-l3 { fill: #21314d; stroke: #435672 }
.c-bridge { fill: #111a2b; stroke: #64748b }
.o-core { fill: #0f1a2c; stroke: #6f84a0 } .o-gpu { fill: #0c3b2c; stroke: #34d399 }
.o-nic { fill: #45240e; stroke: #fb923c }
.o-switch { fill: #2c1f54; stroke: #a78bfa } .o-node { fill: #1e293b; stroke: #7f8fa6 } .ghost { stroke: #64748b }
.link { stroke: #34d399 } .trunk { stroke: #94a3b8; stroke-opacity: .35 } .knot { fill: #0b1220 }
.fan { fill: #a78bfa; fill-opacity: .14 }
.r0 { stroke: #7aa2ff } .r1 { stroke: #ff9a5c } .r2 { stroke: #4ade9f } .r3 { stroke: #ff8ac0 }
.r4 { stroke: #c4a7ff } .r5 { stroke: #5fd7f0 } .r6 { stroke: #f2c94c } .r7 { stroke: #cbd5e1 }
.fill { stroke: none } .fill.r0, .root.r0 { fill: #7aa2ff } .fill.r1, .root.r1 { fill: #ff9a5c }
.fill.r2 { fill: #4ade9f } .fill.r3 { fill: #ff8ac0 }
.fill.r4 { fill: #c4a7ff } .fill.r5 { fill: #5fd7f0 } .fill.r6 { fill: #f2c94c } .fill.r7 { fill: #cbd5e1 }
}
</style>
)";

/// Nodes that are copies of each other, in the order of their firsts.
std::vector<std::vector<int>> alike_nodes(const topology::Graph& graph) {
  std::map<std::string, std::size_t> known;
  std::vector<std::vector<int>> groups;
  for (const int node : graph.nodes()) {
    const auto [found, is_new] = known.emplace(topology::detail::inside(graph, node, "/"), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(node);
  }
  return groups;
}

std::string subtitle(const topology::Shape& shape) {
  std::string text = perf::print("%d ranks", shape.ranks);
  if (shape.within != topology::LinkCost{}) text += " · within a node " + topology::detail::describe(shape.within);
  if (shape.across != topology::LinkCost{}) text += " · across nodes " + topology::detail::describe(shape.across);
  return text;
}

std::string title(const topology::Graph& graph) {
  const std::size_t count = graph.nodes().size();
  if (count == 0) return "A machine without nodes";
  return count == 1 ? graph[graph.nodes()[0]].name : std::to_string(count) + " nodes";
}

}  // namespace

std::string draw(const topology::Graph& graph, const topology::Layout& layout) {
  const topology::Wiring wiring(graph);
  const Subject subject{graph, layout, wiring, topology::detail::nodes_by_network(wiring), alike_nodes(graph)};
  std::vector<Panel> panels;
  for (std::size_t i = 0; i < std::min(most_kinds, subject.alike.size()); ++i)
    panels.push_back(draw_node(subject, subject.alike[i]));
  if (subject.alike.size() > most_kinds)
    panels.back().note +=
        perf::print("; and %d more kinds of node", static_cast<int>(subject.alike.size() - most_kinds));
  if (graph.nodes().size() > 1) panels.push_back(draw_network(subject));
  if (!layout.seats.empty()) {
    panels.push_back(draw_rings(subject));
    for (Panel& panel : draw_trees(subject)) panels.push_back(std::move(panel));
  }
  // Narrow panels share a row.
  double full = 620;
  for (const Panel& panel : panels) full = std::max(full, panel.width);
  std::string body;
  double x = 0, y = title_height, row = 0;
  for (const Panel& panel : panels) {
    const double needed = std::max(
        panel.width, 9.5 * static_cast<double>(panel.title.size()) + 6.2 * static_cast<double>(panel.note.size()));
    if (x > 0 && x + needed > full) {
      x = 0;
      y += row + between;
      row = 0;
    }
    body += perf::print("<g transform=\"translate(%.1f %.1f)\">\n", margin + x, margin + y);
    body += "<text y=\"14\" class=\"heading\">" + escaped(panel.title);
    if (!panel.note.empty()) body += "<tspan dx=\"12\" class=\"note\">" + escaped(panel.note) + "</tspan>";
    body += "</text>\n";
    body += perf::print("<g transform=\"translate(0 %.1f)\">\n", heading) + panel.svg + "</g>\n</g>\n";
    x += needed + between;
    row = std::max(row, panel.height + heading);
  }
  const double width = full + 2 * margin, height = y + row + 2 * margin;
  std::string svg = perf::print(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
      "role=\"img\">\n",
      width, height, width, height);
  svg += "<title>" + escaped(title(graph)) + "</title>\n" + style_sheet;
  svg += box({0, 0, width, height}, "page", 0);
  svg += text_at(margin, margin + 20, "title", title(graph));
  svg += text_at(margin, margin + 42, "plain", subtitle(layout.shape));
  return svg + body + "</svg>\n";
}

}  // namespace info
