// SPDX-License-Identifier: Apache-2.0
// The parts that a picture is put together from, and the pens that they are drawn with.
#pragma once

#include <string>
#include <vector>

#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/layout.hpp>

namespace info {

/// A drawing whose upper left corner is at 0, 0.
struct Panel {
  std::string title, note;
  std::string svg;
  double width = 0, height = 0;
};

/// What all panels show.
struct Subject {
  const ringcoll::topology::Graph& graph;
  const ringcoll::topology::Layout& layout;
  const ringcoll::topology::Wiring& wiring;
  std::vector<int> node_order;          ///< as the rings visit them
  std::vector<std::vector<int>> alike;  ///< nodes that are copies of each other
};

Panel draw_node(const Subject& subject, const std::vector<int>& nodes);
Panel draw_network(const Subject& subject);
Panel draw_rings(const Subject& subject);
std::vector<Panel> draw_trees(const Subject& subject);

constexpr int colours = 8;

struct Rect {
  double x = 0, y = 0, w = 0, h = 0;
  double middle() const { return x + w / 2; }
  double bottom() const { return y + h; }
};

std::string escaped(const std::string& text);
/// `style`: classes of the style sheet in picture.cpp.
std::string box(const Rect& rect, const std::string& style, double radius = 4);
std::string text_at(double x, double y, const std::string& style, const std::string& text);
std::string line(double x1, double y1, double x2, double y2, const std::string& style);
std::string curve(double x1, double y1, double x2, double y2, double bend, const std::string& style);
/// "…" in the middle of names that are too long for their place.
std::string shortened(const std::string& text, std::size_t most);
/// "400 Gbit/s".
std::string speed_text(double gigabytes_per_second);

}  // namespace info
