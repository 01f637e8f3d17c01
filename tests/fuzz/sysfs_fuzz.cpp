// SPDX-License-Identifier: Apache-2.0
// A /sys of garbage, in the form of tests/topology/captured_tree.hpp: a machine comes out, and nothing is thrown.
#include <ringcoll/topology/sysfs.hpp>
#include <ringcoll/topology/text.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../topology/captured_tree.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  namespace topology = ringcoll::topology;
  const machines::CapturedTree tree(std::string_view(reinterpret_cast<const char*>(data), bytes));
  const topology::Graph graph = topology::read_sysfs(tree, "fuzz");
  if (topology::read_text(topology::write_text(graph)) != graph) std::abort();
  return 0;
}
