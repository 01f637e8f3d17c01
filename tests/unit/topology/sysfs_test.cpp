// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/topology/sysfs.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <ringcoll/topology/layout.hpp>

#include "topology/captured_tree.hpp"
#include "topology/machines.hpp"

using namespace ringcoll;
using namespace ringcoll::topology;

namespace {

std::string server() { return machines::contents(TEST_SOURCE_DIR "/tests/topology/sysfs/dual_socket.sys"); }

}  // namespace

TEST_CASE("a server of two packages with threads, GPUs, NICs and RDMA is read from its /sys") {
  const Graph graph = read_sysfs(machines::CapturedTree(server()), "srv");
  CHECK(write_text(graph) == machines::contents(TEST_SOURCE_DIR "/tests/topology/sysfs/dual_socket.topo"));
}

TEST_CASE("this system's own /sys makes a machine with cores, which can be laid out") {
  const Graph graph = read_sysfs();
  REQUIRE(graph.nodes().size() == 1);
  CHECK_FALSE(graph.of_kind(0, Kind::core).empty());
  CHECK(read_text(write_text(graph)) == graph);
  CHECK(lay_out(graph).rings.front().ranks.size() == lay_out(graph).seats.size());
}

TEST_CASE("a folder that is not a /sys is a machine of which nothing is known") {
  const Graph graph = read_sysfs(SysFiles("/nonexistent"), "bad name");
  CHECK(graph.size() == 1);
  CHECK(graph[0].name == "node");
}

TEST_CASE("a copy of /sys in another folder is read, with its symbolic links") {
  std::string pattern = (std::filesystem::temp_directory_path() / "ringcoll_sysfs_XXXXXX").string();
  const std::filesystem::path root = ::mkdtemp(pattern.data());
  const std::string text = server();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t file = line.find(" = "), link = line.find(" -> ");
    if (file == line.npos && link == line.npos) continue;
    const std::filesystem::path path = root / line.substr(1, std::min(file, link) - 1);
    std::filesystem::create_directories(path.parent_path());
    if (file != line.npos) std::ofstream(path) << line.substr(file + 3) << '\n';
    else std::filesystem::create_symlink((root / line.substr(link + 5)).lexically_relative(path.parent_path()), path);
  }
  const Graph graph = read_sysfs(SysFiles(root.string() + "/"), "srv");
  std::filesystem::remove_all(root);
  CHECK(graph == read_sysfs(machines::CapturedTree(text), "srv"));
}

TEST_CASE("whatever the files of /sys hold, a machine comes out and nothing is thrown") {
  const std::string text = server();
  std::mt19937 random(3);
  const std::string nonsense = "0123456789,-x:. G\n/=";
  for (int round = 0; round < 200; ++round) {
    std::string broken = text;
    const std::size_t faults = 1 + random() % 60;
    for (std::size_t i = 0; i < faults; ++i) broken[random() % broken.size()] = nonsense[random() % nonsense.size()];
    const Graph graph = read_sysfs(machines::CapturedTree(broken), "srv");
    REQUIRE(read_text(write_text(graph)) == graph);
  }
}

TEST_CASE("the bandwidth of a PCI link follows from its speed and width, to one decimal") {
  CHECK(topology::detail::pci_bandwidth("16.0 GT/s PCIe", "16") == doctest::Approx(31.5));
  CHECK(topology::detail::pci_bandwidth("2.5 GT/s", "1") == doctest::Approx(0.3));
  CHECK(topology::detail::pci_bandwidth("Unknown", "0") == 0);
  CHECK(topology::detail::pci_bandwidth("16.0 GT/s PCIe", "255") == 0);
}
