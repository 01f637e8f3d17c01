// SPDX-License-Identifier: Apache-2.0
#include "source.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <ringcoll/topology/sysfs.hpp>
#include <ringcoll/topology/text.hpp>
#if RINGCOLL_WITH_HWLOC_XML
#include <ringcoll/topology/hwloc_xml.hpp>
#endif
#if RINGCOLL_WITH_HWLOC
#include <ringcoll/topology/hwloc.hpp>
#endif

#include "exit_code.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw perf::usage_error("--load '" + path + "': " + std::strerror(errno));
  std::string text(topology::max_text_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.gcount() == 0 && !file.eof()))
    throw perf::usage_error("--load '" + path + "': cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

bool is_xml(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return first != text.npos && text[first] == '<';
}

topology::Graph read_file(const std::string& path) {
  const std::string text = contents(path);
  if (!is_xml(text)) return topology::read_text(text, path);
#if RINGCOLL_WITH_HWLOC_XML
  return topology::read_hwloc_xml(text, path);
#else
  throw perf::usage_error("--load '" + path +
                          "' is XML, which this build cannot read: expected one with pugixml (Debian: libpugixml-dev)");
#endif
}

}  // namespace

Machine load_machine(const Options& options) {
  if (!options.load.empty()) return {read_file(options.load), options.load, false};
  if (!options.sysfs.empty()) {
    if (topology::SysFiles(options.sysfs).list("/sys").empty())
      throw perf::usage_error("--sysfs '" + options.sysfs + "': expected a folder with a folder sys in it");
    return {topology::read_sysfs(topology::SysFiles(options.sysfs), "node"), options.sysfs + "/sys", false};
  }
#if RINGCOLL_WITH_HWLOC
  if (options.source != "sysfs") return {topology::read_hwloc(), "hwloc", true};
#else
  if (options.source == "hwloc")
    throw perf::usage_error("--source hwloc: expected a build with hwloc (Debian: libhwloc-dev)");
#endif
  return {topology::read_sysfs(), "/sys", true};
}

}  // namespace info
