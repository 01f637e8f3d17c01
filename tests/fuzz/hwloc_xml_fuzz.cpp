// SPDX-License-Identifier: Apache-2.0
// A file of hwloc's, if the component that reads these is built.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#if RINGCOLL_WITH_HWLOC_XML

#include <ringcoll/topology/hwloc_xml.hpp>
#include <ringcoll/topology/text.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  namespace topology = ringcoll::topology;
  try {
    const topology::Graph graph =
        topology::read_hwloc_xml(std::string_view(reinterpret_cast<const char*>(data), bytes), "fuzz");
    if (topology::read_text(topology::write_text(graph)) != graph) std::abort();
  } catch (const ringcoll::Error& error) {
    const std::string_view what(error.what());
    if (what.find("fuzz: line ") == what.npos) std::abort();
    for (const char c : what)
      if (static_cast<unsigned char>(c) < ' ') std::abort();  // nobody's escape sequences
  }
  return 0;
}

#else

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }

#endif
