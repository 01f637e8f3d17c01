// SPDX-License-Identifier: Apache-2.0
// Machines for tests: the files beside this one, and random ones.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/text.hpp>

namespace machines {

using namespace ringcoll::topology;

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The machine files, in the order of their names.
inline std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_SOURCE_DIR "/tests/topology/machines"))
    if (entry.path().extension() == ".topo") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

inline Graph load_file(const std::filesystem::path& path) {
  return read_text(contents(path), path.filename().string());
}

inline Graph load(const std::string& name) {
  return load_file(std::filesystem::path(TEST_SOURCE_DIR "/tests/topology/machines/" + name + ".topo"));
}

/// Any graph that the rules allow: each try that they refuse is skipped.
inline Graph random_graph(std::mt19937& random, int tries) {
  const auto one_of = [&](int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); };
  const auto amount = [&] { return one_of(3) == 0 ? 0 : std::ldexp(1 + one_of(1000), one_of(20) - 12); };
  Graph graph;
  graph.add({.kind = Kind::node, .name = "first"});
  for (int i = 0; i < tries; ++i) {
    try {
      if (one_of(12) == 0) {
        graph.add_copy("copy" + std::to_string(one_of(6)),
                       graph.nodes()[static_cast<std::size_t>(one_of(static_cast<int>(graph.nodes().size())))]);
        continue;
      }
      if (one_of(4) == 0) {
        graph.link({.a = one_of(graph.size()), .b = one_of(graph.size()), .bandwidth = amount(), .latency = amount()});
        continue;
      }
      Object object;
      object.kind = kinds[one_of(static_cast<int>(std::size(kinds)))];
      // Few names, so that objects hide others: also those of nodes and network switches.
      object.name = std::string(one_of(4) == 0 ? "first" : one_of(2) == 0 ? "copy" : "x") + std::to_string(one_of(8));
      if (object.kind != Kind::node && (object.kind != Kind::crossbar || one_of(2) == 0))
        object.parent = graph.size() - 1 - one_of(std::min(graph.size(), 6));
      for (const detail::Attribute& attribute : detail::attributes) {
        if (!(attribute.of & detail::bit(object.kind)) || one_of(2) == 0) continue;
        const bool is_text = attribute.key == "pci" || attribute.key == "interface";
        const std::string number = std::to_string(one_of(60));
        attribute.read(object, attribute.key,
                       attribute.key == "model"   ? "a model, # " + number
                       : attribute.key == "cpus"  ? number + "-" + std::to_string(60 + one_of(9)) + ",9" + number
                       : attribute.key == "ports" ? std::to_string(1 + one_of(4))
                       : is_text                  ? "a:b." + number
                       : attribute.key == "rail"  ? number
                                                  : detail::number(amount()));
      }
      graph.add(std::move(object));
    } catch (const ringcoll::Error&) {
    }
  }
  return graph;
}

}  // namespace machines
