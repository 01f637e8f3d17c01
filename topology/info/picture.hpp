// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/layout.hpp>

namespace info {

/// The machine with its rings and trees, as one SVG file without scripts and references. It follows the viewer's light
/// or dark theme.
std::string draw(const ringcoll::topology::Graph& graph, const ringcoll::topology::Layout& layout);

}  // namespace info
