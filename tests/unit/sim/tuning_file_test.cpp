// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/sim/tuning_file.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace ringcoll;
using sim::Model;
using sim::read_tuning;
using sim::write_tuning;

namespace {

/// What is said about a file that cannot be read.
std::string complaint(const std::string& text) {
  try {
    read_tuning(text, "my.tuning");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_argument);
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("what is written is read again, to the last bit") {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> any(0, 4);  // far below the largest cost
  for (int turn = 0; turn < 200; ++turn) {
    Model model;
    for (const sim::tuning::RealKey& key : sim::tuning::real_keys) key.in(model) = any(random);
    model.cores = turn;
    model.nodes_per_machine = 1 + turn % 3;
    model.nics = 1 + turn;
    model.nodes_per_switch = turn % 7;
    for (int sets = 0; sets < turn % 9; ++sets)
      model.memory.push_back({.working_set = 1024.0 * (1 << sets), .own = any(random), .slot = any(random)});
    const std::string text = write_tuning(model, "measured\non a machine");
    CAPTURE(text);
    CHECK(read_tuning(text, "it") == model);
  }
}

TEST_CASE("blanks, comments and the order of lines do not matter") {
  const Model model = read_tuning(
      "# measured\r\n version=1 # of the format\n\n\tintra.latency =  120.5\r\nmemory.65536.slot = 2\n"
      "memory.1024.own=1e-3\nmemory.65536.own = 1\nmemory.1024.slot=0\ncores = 2",
      "it");
  CHECK(model.intra.latency == 120.5);
  CHECK(model.cores == 2);
  REQUIRE(model.memory.size() == 2);
  CHECK(model.memory[0] == sim::MemoryCost{.working_set = 1024, .own = 1e-3, .slot = 0});
  CHECK(model.memory[1].slot == 2);
}

TEST_CASE("a bad line is refused with its number and what was expected") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "line 0: expected 'version = 1'"},
      {"step = 1\n", "line 1: expected 'version = 1' before all else"},
      {"version = 2\n", "line 1: version '2': expected 1"},
      {"version = 1\nstep\n", "line 2: 'step': expected 'key = value'"},
      {"version = 1\n\nstap = 1\n", "line 3: 'stap' is not a key"},
      {"version = 1\nstep = fast\n", "line 2: step 'fast': expected a number from 0 to 1e12"},
      {"version = 1\nstep = -1\n", "line 2: step '-1': expected a number"},
      {"version = 1\nstep = nan\n", "line 2: step 'nan': expected a number"},
      {"version = 1\nstep = inf\n", "line 2: step 'inf': expected a number"},
      {"version = 1\nstep = 1 2\n", "line 2: step '1 2': expected a number"},
      {"version = 1\nstep =\n", "line 2: step '': expected a number"},
      {"version = 1\nnics = 0\n", "line 2: nics '0': expected a whole number from 1"},
      {"version = 1\ncores = 1.5\n", "line 2: cores '1.5': expected a whole number from 0"},
      {"version = 1\nstep = 1\nstep = 1\n", "line 3: step is given twice"},
      {"version = 1\nmemory.1K.own = 1\n", "line 2: 'memory.1K.own': expected memory.BYTES.own"},
      {"version = 1\nmemory.0.own = 1\n", "line 2: 'memory.0.own': expected memory.BYTES.own"},
      {"version = 1\nmemory.8 = 1\n", "line 2: 'memory.8': expected memory.BYTES.own"},
      {"version = 1\nmemory.8.own = 1\nmemory.08.own = 1\n", "line 3: memory.8.own is given twice"},
      {"version = 1\nmemory.8.own = 1\nstep = 1\n", "line 2: memory.8 has no .slot"},
      {"version = 1\n\x1b[31m = 1\n", "line 2: '?[31m' is not a key"},
  };
  for (const auto& [given, words] : cases) {
    const std::string text = given;
    CAPTURE(text);
    const std::string said = complaint(text);
    CAPTURE(said);
    CHECK(said.find(std::string("my.tuning, ") + words) != std::string::npos);
  }
  CHECK(complaint(std::string(1 << 17, 'x')).find("at most 65536") != std::string::npos);
  std::string many = "version = 1\n";
  for (int i = 1; i <= 65; ++i) many += "memory." + std::to_string(i) + ".own = 1\n";
  CHECK(complaint(many).find("line 66: more than 64 working sets") != std::string::npos);
}
