// SPDX-License-Identifier: Apache-2.0
// A machine as text. What is accepted is written and read back as it was, and small machines are laid out.
#include <ringcoll/topology/layout.hpp>
#include <ringcoll/topology/text.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  namespace topology = ringcoll::topology;
  try {
    const topology::Graph graph =
        topology::read_text(std::string_view(reinterpret_cast<const char*>(data), bytes), "fuzz");
    if (graph.size() > 4000) return 0;
    if (topology::read_text(topology::write_text(graph)) != graph) std::abort();
    if (graph.size() > 300) return 0;
    const topology::Layout layout = topology::lay_out(graph);
    for (const topology::Ring& ring : layout.rings)
      if (ring.ranks.size() != layout.seats.size()) std::abort();
    if (topology::describe(graph, layout).empty()) std::abort();
  } catch (const ringcoll::Error& error) {
    const std::string_view what(error.what());
    if (what.find("expected") == what.npos && what.find("fuzz: line ") == what.npos) std::abort();
    for (const char c : what)
      if (static_cast<unsigned char>(c) < ' ') std::abort();  // nobody's escape sequences
  }
  return 0;
}
