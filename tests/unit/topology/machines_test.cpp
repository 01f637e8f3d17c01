// SPDX-License-Identifier: Apache-2.0
// What is chosen for each machine of the regression set. tests/topology/update_choices writes the files anew.
#include <ringcoll/topology/layout.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "topology/machines.hpp"

using namespace ringcoll::topology;

TEST_CASE("for each machine the choices are those of its file") {
  for (const std::filesystem::path& path : machines::files()) {
    const std::string name = path.stem().string();
    CAPTURE(name);
    const Graph graph = machines::load_file(path);
    std::filesystem::path choices = path;
    CHECK(describe(graph, lay_out(graph)) == machines::contents(choices.replace_extension(".choices")));
  }
}

TEST_CASE("how the machine file is written does not matter, only what it says") {
  for (const std::filesystem::path& path : machines::files()) {
    const Graph graph = machines::load_file(path), again = read_text(write_text(graph));
    CHECK(lay_out(graph) == lay_out(again));
  }
}
