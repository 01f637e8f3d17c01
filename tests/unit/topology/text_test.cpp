// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/topology/text.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "topology/machines.hpp"

using namespace ringcoll;
using namespace ringcoll::topology;

namespace {

/// What read_text() says against a text, or "" if nothing.
std::string refusal(const std::string& text) {
  try {
    read_text(text, "m.topo");
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

TEST_CASE("every graph that the rules allow is read back from its text as it was") {
  std::mt19937 random(11);
  int largest = 0;
  for (int round = 0; round < 400; ++round) {
    const Graph graph = machines::random_graph(random, 1 + static_cast<int>(random() % 120));
    const std::string text = write_text(graph);
    INFO(text);
    REQUIRE(read_text(text) == graph);
    REQUIRE(write_text(read_text(text)) == text);
    largest = std::max(largest, graph.size());
  }
  CHECK(largest > 40);
}

TEST_CASE("the machines of the regression set are read back from their text as they were") {
  REQUIRE(machines::files().size() >= 8);
  for (const auto& path : machines::files()) {
    INFO(path);
    const Graph graph = machines::load_file(path);
    CHECK(read_text(write_text(graph)) == graph);
  }
}

TEST_CASE("a range stands for lines, and a node can be like another") {
  const Graph graph = read_text(
      "topology 1\nnode a\ncore c[2-4] in a cpus=[0-2],[10-12]\nnic x in a # a comment\nnode b[0-1] as a\n"
      "switch s\nlink b[0-1]/x s bandwidth=[3-4]\n");
  CHECK(graph.nodes().size() == 3);
  CHECK(graph[graph.find("b1/c4")].cpus == std::vector{2, 12});
  CHECK(graph.links().size() == 2);
  CHECK(graph.links()[1].bandwidth == 4);
  CHECK(write_text(graph).find("node b1 as a\n") != std::string::npos);
}

TEST_CASE("a wrong text is refused with its line, what is wrong, and what was expected") {
  const std::string head = "topology 1\nnode n\npackage p in n\n";
  CHECK(holds(refusal(""), "m.topo: is empty; expected 'topology 1'"));
  CHECK(holds(refusal("\n\ntopology 2\n"), "m.topo: line 3: begins with 'topology 2'; expected 'topology 1'"));
  CHECK(holds(refusal("node n\n"), "line 1: begins with 'node n'"));
  CHECK(holds(refusal(head + "cor c in p"), "line 4: 'cor' is not a kind of object; expected link, node, package"));
  CHECK(holds(refusal(head + "core c"), "line 4: core 'c' stands in nothing; expected 'in' and a node, package"));
  CHECK(holds(refusal(head + "core"), "line 4: a core without a name"));
  CHECK(holds(refusal(head + "core c in q"),
              "line 4: 'q' is not there; expected the name of an object of an earlier line"));
  CHECK(holds(refusal(head + "core c in"), "'in' expects the name"));
  CHECK(holds(refusal(head + "core c in c"), "'c' is not there"));
  CHECK(holds(refusal(head + "core c in p\ngpu g in c"), "line 5: gpu 'g' stands in a core, 'c'; expected a node"));
  CHECK(holds(refusal(head + "core c in p\ncore c in p"), "line 5: core 'c' is there already"));
  CHECK(holds(refusal(head + "core c in p cpus=1\ncore d in p cpus=0-2"), "CPU 1, which its node has already"));
  CHECK(holds(refusal(head + "core c in p cpus=3-1"), "expected numbers and ranges such as 0-3,8"));
  CHECK(holds(refusal(head + "gpu g in p pci=0:1\ngpu h in p pci=0:1"), "PCI address 0:1, as another object"));
  CHECK(holds(refusal(head + "gpu g in p bandwidth=-1"), "bandwidth='-1'; expected a number from 0 to 1e9"));
  CHECK(holds(refusal(head + "gpu g in p bandwidth=nan"), "expected a number"));
  CHECK(holds(refusal(head + "gpu g in p bandwidth=1e99"), "expected a number"));
  CHECK(holds(refusal(head + "gpu g in p latency=1 latency=2"), "'latency' twice in one line"));
  CHECK(holds(refusal(head + "gpu g in p speed=1"), "'speed=1' is nothing that a gpu has; expected pci=, bandwidth="));
  CHECK(holds(refusal(head + "gpu g in p model=\"x"), "has no closing quote"));
  CHECK(holds(refusal(head + "nic x in p ports=0"), "has 0 ports; expected 1 to 1024"));
  CHECK(holds(refusal(head + "switch s\ncore c in p"), "line 5: core 'c' comes too late for node 'n'"));
  CHECK(holds(refusal(head + "switch s in p"), "switch 's' stands in a package, 'p'; expected a node"));
  CHECK(holds(refusal(head + "node m as p"), "'p' is not a node; expected one after 'as'"));
  CHECK(holds(refusal(head + "node m as n bandwidth=1"),
              "'as' expects the name of an earlier node, and nothing after it"));
  CHECK(holds(refusal(head + "link p"), "a link with fewer than two ends"));
  CHECK(holds(refusal(head + "link p p"), "ends where it begins"));
  CHECK(holds(refusal(head + "gpu g in p\nlink g p"), "joins an object to what it stands in"));
  CHECK(holds(refusal(head + "gpu g in p\nnic x in p\nlink g x\nlink x g"),
              "line 7: the link from 'n/x' to 'n/g' is there already"));
  CHECK(holds(refusal(head + "core c in p\ngpu g in p\nlink c g"), "ends at a core; expected a package, numa"));
  CHECK(holds(refusal(head + "node m\npackage p in m\nlink n/p m/p"), "leaves a node at a package; expected a gpu"));
  CHECK(holds(refusal(head + "gpu g[0-2] in p pci=a[0-3]"), "ranges of 3 and of 4 numbers in one line"));
  CHECK(holds(refusal(head + "gpu g[0-"), "is not a range; expected [first-last]"));
  CHECK(holds(refusal(head + "gpu g[5-2] in p"), "expected the smaller number first"));
  CHECK(holds(refusal(head + "gpu g\x1b[31m in p"), "is not a range"));
  CHECK(holds(refusal(head + "gpu \x1b in p"), "has the name '?'; expected 1 to 64 letters"));
}

TEST_CASE("a text that would take all memory is refused at once") {
  const std::string head = "topology 1\nnode n\n";
  CHECK(holds(refusal(head + "gpu g[0-999999999] in n\n"),
              "expected the smaller number first, and at most 262144 numbers"));
  CHECK(holds(refusal(head + "gpu g[0-262143] in n\n"), "too many objects; expected at most 262144"));
  CHECK(holds(refusal(head + "gpu g[0-99999] in n\nnode m[0-99999] as n\n"), "too many objects"));
  CHECK(holds(refusal(std::string(max_text_bytes + 1, '#')), "expected at most 16777216"));
  CHECK(holds(refusal(head + std::string(100, ' ') + "# " + std::string(1000, 'x') + "\n" + "gpu g[0-262143] in n" +
                      std::string(2000, ' ') + "\n"),
              "stand for more text than a file may have"));
  std::string deep = head;
  for (int i = 0; i < 40; ++i)
    deep += "bridge b" + std::to_string(i) + " in " + (i == 0 ? "n" : "b" + std::to_string(i - 1)) + "\n";
  CHECK(holds(refusal(deep), "line 34: bridge 'b31' is too deep; expected at most 32 levels"));
}

TEST_CASE("the nodes of several machines become one machine") {
  const Graph vm = machines::load("cloud_vm"), odd = machines::load("seven_gpus");
  const std::vector<Graph> parts{vm, odd, vm};
  const Graph whole = join(parts);
  CHECK(whole.nodes().size() == 4);
  CHECK(whole.size() == 2 * vm.size() + odd.size());
  CHECK(whole.find("vm/core1") != none);
  CHECK(read_text(write_text(whole)) == whole);
}
