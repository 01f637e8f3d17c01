// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hwloc.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include <ringcoll/detail/fd.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/hwloc_xml.hpp>

namespace ringcoll::inline v0::topology {

namespace detail {

/// hwloc's view of this node, freed with its owner.
class Hwloc {
 public:
  Hwloc() {
    if (hwloc_topology_init(&topology_) != 0) throw ringcoll::detail::system_error("hwloc_topology_init");
    hwloc_topology_set_io_types_filter(topology_, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (hwloc_topology_load(topology_) == 0) return;
    const Error error = ringcoll::detail::system_error("hwloc_topology_load");
    hwloc_topology_destroy(topology_);
    throw error;
  }
  Hwloc(const Hwloc&) = delete;
  Hwloc& operator=(const Hwloc&) = delete;
  ~Hwloc() { hwloc_topology_destroy(topology_); }

  std::string xml() const {
    char* text = nullptr;
    int bytes = 0;
    if (hwloc_topology_export_xmlbuffer(topology_, &text, &bytes, 0) != 0)
      throw ringcoll::detail::system_error("hwloc_topology_export_xmlbuffer");
    // The terminating zero counts.
    std::string result(text, bytes > 0 ? static_cast<std::size_t>(bytes) - 1 : 0);
    hwloc_free_xmlbuffer(topology_, text);
    return result;
  }

 private:
  hwloc_topology_t topology_ = nullptr;
};

}  // namespace detail

/// This node, as hwloc sees it. What hwloc's objects become is written once, in hwloc_xml.hpp: hwloc passes them on as
/// XML.
inline Graph read_hwloc() { return read_hwloc_xml(detail::Hwloc().xml(), "hwloc"); }

}  // namespace ringcoll::inline v0::topology
