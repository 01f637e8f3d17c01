// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <ringcoll/environment.hpp>
#include <ringcoll/launcher.hpp>

#include <map>
#include <string>
#include <vector>

using ringcoll::Errc;
using ringcoll::Error;
using ringcoll::Launch;

namespace {

using Variables = std::map<std::string, std::string>;

Launch detect(const Variables& variables, long launcher_pid = 77) {
  const auto variable = [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  return ringcoll::detect_launch(variable, launcher_pid);
}

/// What detect says when it refuses; "" if it does not.
std::string refusal(const Variables& variables) {
  try {
    detect(variables);
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_argument);
    return error.what();
  }
  return "";
}

Variables with(Variables a, const Variables& b) {
  for (const auto& [name, value] : b) a[name] = value;
  return a;
}
Variables without(Variables a, const std::string& name) {
  a.erase(name);
  return a;
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Each launcher's variables for one rank of several; all ranks on one host.
Variables ringcoll_set(int rank, int size) {
  return {{"RINGCOLL_RANK", std::to_string(rank)},
          {"RINGCOLL_SIZE", std::to_string(size)},
          {"RINGCOLL_ADDRESS", "10.0.0.9:4000"}};
}
Variables torchrun(int rank, int size) {
  return {{"RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(size)},
          {"LOCAL_RANK", std::to_string(rank)},
          {"LOCAL_WORLD_SIZE", std::to_string(size)},
          {"MASTER_ADDR", "10.0.0.1"},
          {"MASTER_PORT", "29500"},
          {"TORCHELASTIC_RUN_ID", "none"},
          {"TORCHELASTIC_RESTART_COUNT", "2"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"},
          {"GROUP_RANK", "0"}};
}
Variables open_mpi(int rank, int size) {
  return {{"OMPI_COMM_WORLD_RANK", std::to_string(rank)},
          {"OMPI_COMM_WORLD_SIZE", std::to_string(size)},
          {"OMPI_COMM_WORLD_LOCAL_RANK", std::to_string(rank)},
          {"OMPI_COMM_WORLD_LOCAL_SIZE", std::to_string(size)},
          {"PMIX_NAMESPACE", "3520528385"},
          {"PMIX_RANK", std::to_string(rank)}};
}
Variables mpich(int rank, int size) {
  return {{"PMI_RANK", std::to_string(rank)},
          {"PMI_SIZE", std::to_string(size)},
          {"PMI_FD", "7"},
          {"MPI_LOCALRANKID", std::to_string(rank)},
          {"MPI_LOCALNRANKS", std::to_string(size)}};
}
Variables slurm(int rank, int size) {
  return {{"SLURM_PROCID", std::to_string(rank)},
          {"SLURM_NTASKS", std::to_string(size)},
          {"SLURM_LOCALID", std::to_string(rank)},
          {"SLURM_NODEID", "0"},
          {"SLURM_STEP_ID", "3"},
          {"SLURM_JOB_ID", "4217"},
          {"SLURM_STEP_NODELIST", "gnode[10,20]"}};
}

struct Launcher {
  const char* name;
  Variables (*variables)(int rank, int size);
  const char* rank;  // of its variables
};
const Launcher launchers[] = {{"RINGCOLL_RANK", ringcoll_set, "RINGCOLL_RANK"},
                              {"torchrun", torchrun, "RANK"},
                              {"Open MPI", open_mpi, "OMPI_COMM_WORLD_RANK"},
                              {"MPICH", mpich, "PMI_RANK"},
                              {"Slurm", slurm, "SLURM_PROCID"}};

}  // namespace

TEST_CASE("without a launcher there is a single rank") {
  const Launch launch = detect({});
  CHECK(launch.rank == 0);
  CHECK(launch.size == 1);
  CHECK(launch.warnings.empty());
  CHECK(launch.describe() == "bootstrap: single rank (rank 0/1)");
}

TEST_CASE("each launcher's variables say who the rank is and where the ranks meet") {
  CHECK(detect(ringcoll_set(2, 4)).describe() == "bootstrap: RINGCOLL_RANK (rank 2/4, 10.0.0.9:4000)");
  CHECK(detect(with(ringcoll_set(2, 4), {{"RINGCOLL_LOCAL_RANK", "0"}, {"RINGCOLL_LOCAL_SIZE", "2"}})).describe() ==
        "bootstrap: RINGCOLL_RANK (rank 2/4, local 0/2, 10.0.0.9:4000)");
  CHECK(detect(torchrun(1, 4)).describe() == "bootstrap: torchrun (rank 1/4, local 1/4, 10.0.0.1:29501)");
  CHECK(contains(detect(open_mpi(1, 4)).describe(), "bootstrap: Open MPI (rank 1/4, local 1/4, unix:ringcoll-"));
  CHECK(contains(detect(open_mpi(1, 4)).address, "3520528385"));
  CHECK(contains(detect(mpich(1, 4), 4711).describe(), "bootstrap: MPICH (rank 1/4, local 1/4, unix:ringcoll-"));
  CHECK(contains(detect(mpich(1, 4), 4711).address, "hydra-4711"));
  CHECK(detect(slurm(1, 4)).describe() == "bootstrap: Slurm (rank 1/4, local 1, gnode10:22173)");
  CHECK(detect(torchrun(1, 4)).job == "none.2");
  CHECK(detect(slurm(1, 4)).job == "slurm-4217.3");
}

TEST_CASE("torchrun's own store keeps MASTER_PORT to itself") {
  CHECK(detect(torchrun(0, 2)).address == "10.0.0.1:29501");
  CHECK(detect(with(torchrun(0, 2), {{"TORCHELASTIC_USE_AGENT_STORE", "False"}})).address == "10.0.0.1:29500");
  CHECK(detect(without(torchrun(0, 2), "TORCHELASTIC_USE_AGENT_STORE")).address == "10.0.0.1:29500");
  CHECK(contains(refusal(with(torchrun(0, 2), {{"MASTER_PORT", "65535"}})), "MASTER_PORT='65535'"));
  CHECK(detect(with(torchrun(0, 2), {{"MASTER_ADDR", "fd00::1"}})).address == "[fd00::1]:29501");
}

TEST_CASE("RINGCOLL_ADDRESS and its like hold with every launcher") {
  for (const Launcher& launcher : launchers) {
    const Launch launch = detect(with(launcher.variables(1, 4), {{"RINGCOLL_ADDRESS", "[::1]:99"},
                                                                 {"RINGCOLL_JOB", "mine"},
                                                                 {"RINGCOLL_LOCAL_SIZE", "2"},
                                                                 {"RINGCOLL_LOCAL_RANK", "1"}}));
    CHECK(launch.name == launcher.name);
    CHECK(launch.address == "[::1]:99");
    CHECK(launch.job == "mine");
    CHECK(launch.local_rank == 1);
    CHECK(launch.local_size == 2);
  }
  CHECK(detect(with(mpich(0, 2), {{"RINGCOLL_ADDRESS", "unix:here"}})).address == "unix:here");
}

TEST_CASE("the first launcher in the order of precedence wins, and a contradiction is one warning that names both") {
  int combinations = 0;
  for (unsigned set = 1; set < 32; ++set) {
    for (int size = 2; size <= 5; ++size) {
      Variables all, agreeing;
      const Launcher* winner = nullptr;
      int rank = 0;
      for (unsigned i = 5; i-- > 0;) {
        if ((set >> i & 1) == 0) continue;
        rank = static_cast<int>(i) % size;
        all = with(all, launchers[i].variables(rank, size));
        agreeing = with(agreeing, launchers[i].variables(size - 1, size));
        winner = &launchers[i];
      }
      CAPTURE(set);
      const Launch launch = detect(all);
      CHECK(launch.name == winner->name);
      CHECK(launch.rank == rank);
      CHECK(launch.size == size);
      std::vector<const Launcher*> losers;
      for (unsigned i = 0; i < 5; ++i) {
        if ((set >> i & 1) != 0 && static_cast<int>(i) % size != rank) losers.push_back(&launchers[i]);
      }
      CHECK(launch.warnings.size() == (losers.empty() ? 0 : 1));
      for (const Launcher* loser : losers) {
        CHECK(contains(launch.warnings[0], loser->name));
        CHECK(contains(launch.warnings[0], std::string(winner->name) + " wins"));
      }
      CHECK(detect(agreeing).warnings.empty());
      ++combinations;
    }
  }
  CHECK(combinations == 124);
}

TEST_CASE("a launcher that says less is completed by one that agrees") {
  // Slurm knows hosts; MPICH over several of them does not.
  const Variables both = with(with(mpich(1, 4), {{"MPI_LOCALNRANKS", "2"}}), slurm(1, 4));
  const Launch launch = detect(both);
  CHECK(launch.name == "MPICH");
  CHECK(launch.address == "gnode10:22173");
  CHECK(launch.job == "slurm-4217.3");
}

TEST_CASE("a launcher that srun started once a node contradicts nothing") {
  CHECK(detect(with(torchrun(5, 8), slurm(1, 2))).warnings.empty());
  CHECK(detect(with(open_mpi(5, 8), slurm(1, 2))).warnings.empty());
  CHECK(detect(with(torchrun(1, 8), slurm(2, 8))).warnings.size() == 1);
}

TEST_CASE("half of a launcher's variables are no launcher") {
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"})
    CHECK(detect(without(torchrun(1, 4), name)).size == 1);
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"})
    CHECK(detect(without(open_mpi(1, 4), name)).size == 1);
  for (const char* name : {"PMI_RANK", "PMI_SIZE"}) CHECK(detect(without(mpich(1, 4), name)).size == 1);
  for (const char* name : {"SLURM_PROCID", "SLURM_STEP_ID", "SLURM_NTASKS"})
    CHECK(detect(without(slurm(1, 4), name)).size == 1);
  CHECK(contains(refusal(without(ringcoll_set(1, 4), "RINGCOLL_SIZE")),
                 "RINGCOLL_RANK='1': expected RINGCOLL_SIZE to be set too"));
  CHECK(contains(refusal(without(ringcoll_set(1, 4), "RINGCOLL_RANK")), "RINGCOLL_SIZE='4'"));
}

TEST_CASE("RANK and WORLD_SIZE without LOCAL_RANK may count nodes: one rank and a warning") {
  const Launch launch = detect(without(torchrun(1, 4), "LOCAL_RANK"));
  CHECK(launch.size == 1);
  REQUIRE(launch.warnings.size() == 1);
  CHECK(contains(launch.warnings[0], "LOCAL_RANK"));
  CHECK(contains(launch.warnings[0], "RINGCOLL_RANK"));
}

TEST_CASE("Slurm's batch script and interactive shell are single ranks") {
  for (const char* step : {"4294967290", "4294967291", "4294967295"})
    CHECK(detect(with(slurm(0, 4), {{"SLURM_STEP_ID", step}})).size == 1);
}

TEST_CASE("without a common host there is no place to meet that MPI's variables name") {
  CHECK(detect(with(open_mpi(1, 4), {{"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}})).address == "");
  CHECK(detect(with(mpich(1, 4), {{"MPI_LOCALNRANKS", "2"}})).address == "");
  CHECK(detect(with(mpich(1, 4), {{"MPI_LOCALNRANKS", "2"}})).job == "");
}

TEST_CASE("garbage is refused with the variable, its value and what is expected") {
  const char* const garbage[] = {"x", "-1", "1.5", " 1", "1 ", "0x1", "4", "99999999999999999999", "1e3", "+1"};
  for (const Launcher& launcher : launchers) {
    for (const char* value : garbage) {
      const std::string what = refusal(with(launcher.variables(1, 4), {{launcher.rank, value}}));
      CAPTURE(what);
      CHECK(contains(what, std::string(launcher.rank) + "='" + value + "'"));
      CHECK(contains(what, "expected a rank, 0 to 3"));
    }
  }
  CHECK(contains(refusal(with(torchrun(1, 4), {{"WORLD_SIZE", "0"}})),
                 "WORLD_SIZE='0': expected a number of ranks, 1 to"));
  CHECK(contains(refusal(with(torchrun(1, 4), {{"MASTER_PORT", "0"}})), "MASTER_PORT='0'"));
  CHECK(contains(refusal(with(torchrun(1, 4), {{"MASTER_ADDR", "a b"}})), "MASTER_ADDR='a b'"));
  CHECK(contains(refusal(with(torchrun(1, 4), {{"LOCAL_RANK", "4"}})), "LOCAL_RANK='4'"));
  CHECK(contains(refusal(with(slurm(1, 4), {{"SLURM_STEP_NODELIST", "node[1"}})), "SLURM_STEP_NODELIST='node[1'"));
  for (const char* address :
       {"host", "host:", ":1", "host:0", "host:65536", "host:1x", "::1:80", "[::1:80", "unix:", "a\nb:1"})
    CHECK(contains(refusal(with(ringcoll_set(1, 4), {{"RINGCOLL_ADDRESS", address}})), "expected host:port"));
  // An escape sequence must not reach the terminal.
  CHECK(contains(refusal(with(ringcoll_set(1, 4), {{"RINGCOLL_RANK", "\033[2J"}})), "RINGCOLL_RANK='?[2J'"));
}

TEST_CASE("garbage of a launcher that does not count is a warning") {
  const Launch launch = detect(with(torchrun(1, 4), {{"PMI_RANK", "x"}, {"PMI_SIZE", "4"}}));
  CHECK(launch.name == "torchrun");
  REQUIRE(launch.warnings.size() == 1);
  CHECK(contains(launch.warnings[0], "PMI_RANK='x'"));
}

TEST_CASE("the first host of a Slurm node list") {
  const auto first = [](const char* list) { return ringcoll::first_slurm_host(list).value_or("none"); };
  CHECK(first("gnode[10,20]") == "gnode10");
  CHECK(first("node[001-016],login1") == "node001");
  CHECK(first("login1,node[1-2]") == "login1");
  CHECK(first("rack[3-4]node[07,09]") == "rack3node07");
  CHECK(first("a.b-c_d") == "a.b-c_d");
  for (const char* list : {"", ",a", "node[", "node[]", "node[-1]", "node[x]", "no de", "node]1", "a;b"})
    CHECK(first(list) == "none");
  CHECK(first(std::string(300, 'a').c_str()) == "none");
}

TEST_CASE("an unknown RINGCOLL_ variable is a warning that names the nearest known one") {
  const char* const environment[] = {
      "HOME=/", "RINGCOLL_RANK=1", "RINGCOLL_RNAK=1", "RINGCOLL_IF_NAME=eth0", "RINGCOLLX=1", nullptr};
  const std::vector<std::string> warnings = ringcoll::unknown_variables(environment);
  REQUIRE(warnings.size() == 2);
  CHECK(contains(warnings[0], "RINGCOLL_RNAK"));
  CHECK(contains(warnings[0], "did you mean RINGCOLL_RANK?"));
  CHECK(contains(warnings[1], "did you mean RINGCOLL_IFNAME?"));
  CHECK(ringcoll::unknown_variables(nullptr).empty());
}
