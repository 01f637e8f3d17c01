// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include <ringcoll/topology/sysfs.hpp>

#include "topology/machines.hpp"

using namespace ringcoll;
using namespace ringcoll::topology;

#if RINGCOLL_WITH_HWLOC_XML

#include <ringcoll/topology/hwloc_xml.hpp>

namespace {

const std::string folder = TEST_SOURCE_DIR "/tests/topology/hwloc/";

std::string refusal(const std::string& text) {
  try {
    read_hwloc_xml(text, "m.xml");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_argument);
    return error.what();
  }
  return "";
}

bool holds(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("machines in files of hwloc 2 and hwloc 1 become the graphs beside them") {
  for (const char* name : {"two_packages", "server", "version1"}) {
    CAPTURE(name);
    const Graph graph = read_hwloc_xml(machines::contents(folder + name + ".xml"), name);
    CHECK(write_text(graph) == machines::contents(folder + name + ".topo"));
  }
}

TEST_CASE("a wrong file of hwloc's is refused with its line, what is wrong, and what was expected") {
  const std::string head =
      "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n<object type=\"Machine\" os_index=\"0\">\n";
  const std::string tail = "</object>\n</topology>\n";
  CHECK(refusal(head + tail) == "");
  CHECK(holds(refusal(""), "m.xml: line 1: "));
  CHECK(holds(refusal("<a>\n<b></b></a>"), "no element <topology>; expected XML as lstopo writes it"));
  CHECK(holds(refusal("<topology>\n</topology>"), "does not begin with an <object> of type Machine"));
  CHECK(holds(refusal(head + "<object type=\"Core\"></topology>"), "m.xml: line 4: "));
  const std::string core = "<object type=\"Core\" os_index=\"0\" cpuset=\"0x00000001\"/>\n";
  CHECK(holds(refusal(head + core + core + tail), "m.xml: line 5: core 'core1' has CPU 0, which its node has already"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<object type=\"Group\">\n";
  CHECK(holds(refusal(head + deep), "m.xml: line 66: elements within elements"));
}

#endif

// libpciaccess, which hwloc loads, never frees a kilobyte: not ours to be told of.
#if RINGCOLL_WITH_HWLOC && !defined(__SANITIZE_ADDRESS__)

#include <ringcoll/topology/hwloc.hpp>

TEST_CASE("hwloc and /sys agree on the cores, packages and NICs of this machine") {
  const Graph theirs = read_hwloc(), ours = read_sysfs();
  for (const Kind kind : {Kind::core, Kind::package})
    CHECK(theirs.of_kind(0, kind).size() == ours.of_kind(0, kind).size());
  for (const int core : theirs.of_kind(0, Kind::core)) {
    bool found = false;
    for (const int other : ours.of_kind(0, Kind::core)) found = found || ours[other].cpus == theirs[core].cpus;
    CHECK(found);
  }
}

#else

TEST_CASE("hwloc is asked about this machine") {
  std::puts("SKIP: the component hwloc is not built, or AddressSanitizer would count the leak of a library of its");
}

#endif
