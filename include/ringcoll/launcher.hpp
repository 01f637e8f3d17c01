// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/error.hpp>

namespace ringcoll::inline v0 {

/// Who this process is among the ranks, and where they meet: as its launcher has told it.
struct Launch {
  static constexpr int unknown = -1;

  int rank = 0, size = 1;
  int local_rank = unknown, local_size = unknown;
  std::string address;                ///< where rank 0 meets the others: "host:port", "unix:NAME", or empty: not known
  std::string name = "single rank";   ///< of the launcher
  std::string job;                    ///< tells the launcher's jobs apart; the same on all ranks; may be empty
  std::vector<std::string> warnings;  ///< to be shown once

  bool on_one_host() const { return local_size == size; }

  /// "bootstrap: torchrun (rank 1/4, local 1/4, 10.0.0.1:29501)"
  std::string describe() const {
    std::string text = "bootstrap: " + name + " (rank " + std::to_string(rank) + "/" + std::to_string(size);
    if (local_rank != unknown) {
      text += ", local " + std::to_string(local_rank);
      if (local_size != unknown) text += "/" + std::to_string(local_size);
    }
    return text + (address.empty() ? ")" : ", " + address + ")");
  }
};

/// "host:port", "[IPv6]:port".
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

namespace detail {

inline std::optional<long long> parse_integer(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, 200)) result += c >= ' ' && c <= '~' ? c : '?';
  return result + "'";
}

/// A mistake in a variable: which, what it says, and what it should say.
struct VariableError {
  std::string what;

  VariableError(std::string_view name, std::string_view value, std::string_view expected)
      : what(std::string(name) + "=" + quoted(value) + ": expected " + std::string(expected)) {}
};

inline std::string join_host_port(std::string_view host, long long port) {
  const bool v6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

}  // namespace detail

/// Nothing if `text` is not a host, a colon and a port from 1 to 65535.
inline std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // IPv6 without its brackets: where does the port begin?
  }
  const auto port = detail::parse_integer(text.substr(colon + 1));
  if (host.empty() || host.size() > 253 || !port || *port < 1 || *port > 65535) return std::nullopt;
  for (const char c : host) {
    if (c <= ' ' || c > '~') return std::nullopt;
  }
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

/// The first host of a Slurm node list, "gnode[10,20-23],login1" or "rack[1-4]node[01-16]": "gnode10", "rack1node01".
/// Nothing if the list is not one.
inline std::optional<std::string> first_slurm_host(std::string_view list) {
  constexpr std::size_t longest = 253;
  std::string host;
  for (std::size_t i = 0; i < list.size() && list[i] != ',';) {
    if (list[i] == '[') {
      const std::size_t close = list.find(']', i);
      if (close == std::string_view::npos) return std::nullopt;
      const std::string_view range = list.substr(i + 1, close - i - 1);
      const std::string_view first = range.substr(0, range.find_first_of(",-"));
      if (first.empty() || first.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
      host += first;
      i = close + 1;
    } else {
      const char c = list[i++];
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                        c == '.' || c == '_';
      if (!fits) return std::nullopt;
      host += c;
    }
    if (host.size() > longest) return std::nullopt;
  }
  if (host.empty()) return std::nullopt;
  return host;
}

namespace detail {

/// A variable's value, from getenv or what stands in for it; null: not set.
struct Variables {
  const char* (*value)(const void* source, const char* name);
  const void* source;
  const char* operator()(const char* name) const { return value(source, name); }
};

/// Reads variables through `Variable` (getenv, or a test's own): null and empty are both "not set".
class LaunchReader {
 public:
  LaunchReader(const Variables& variable, long launcher_pid) : variable_(variable), launcher_pid_(launcher_pid) {}

  Launch detect() const {
    using Reading = std::optional<Launch> (LaunchReader::*)() const;
    constexpr std::array<Reading, 5> readings = {&LaunchReader::ringcoll, &LaunchReader::torchrun,
                                                 &LaunchReader::open_mpi, &LaunchReader::mpich, &LaunchReader::slurm};
    std::optional<Launch> winner;
    std::string others;
    for (const Reading reading : readings) {
      try {
        std::optional<Launch> found = (this->*reading)();
        if (!found) continue;
        if (!winner) {
          winner = std::move(found);
        } else if (found->rank == winner->rank && found->size == winner->size) {
          complete(*winner, *found);
        } else if (!nested(*winner, *found)) {
          others += ", " + found->name + " says " + position(*found);
        }
      } catch (const VariableError& error) {
        // Only the launcher that counts has to make sense.
        if (!winner) throw Error(Errc::invalid_argument, error.what);
        others += ", and " + error.what;
      }
    }
    Launch launch = winner ? std::move(*winner) : Launch{};
    if (!others.empty())
      launch.warnings.push_back("the environment has variables of several launchers, which contradict each other: " +
                                launch.name + " says " + position(launch) + others + "; " + launch.name +
                                " wins. Unset the others, or set RINGCOLL_RANK and RINGCOLL_SIZE");
    if (launch.size == 1) warn_of_node_counts(launch);
    try {
      override_by_ringcoll(launch);
    } catch (const VariableError& error) {
      throw Error(Errc::invalid_argument, error.what);
    }
    return launch;
  }

 private:
  static constexpr int max_size = 1 << 24;

  std::optional<std::string_view> get(const char* name) const {
    const char* value = variable_(name);
    if (value == nullptr || *value == 0) return std::nullopt;
    return value;
  }
  std::string text(const char* name, std::string_view otherwise = {}) const {
    return std::string(get(name).value_or(otherwise));
  }

  int integer(const char* name, long long least, long long most, const char* meaning) const {
    const std::string_view value = *get(name);
    const auto number = parse_integer(value);
    if (!number || *number < least || *number > most)
      throw VariableError(name, value,
                          std::string(meaning) + ", " + std::to_string(least) + " to " + std::to_string(most));
    return static_cast<int>(*number);
  }
  /// Index and count that belong together; nothing if either is missing.
  std::optional<std::pair<int, int>> place(const char* index, const char* count, const char* what) const {
    if (!get(index) || !get(count)) return std::nullopt;
    const int size = integer(count, 1, max_size, "a number of ranks");
    return std::pair(integer(index, 0, size - 1, what), size);
  }
  void local_place(Launch& launch, const char* index, const char* count) const {
    if (get(count)) launch.local_size = integer(count, 1, launch.size, "a number of ranks on this node");
    const int most = launch.local_size == Launch::unknown ? launch.size : launch.local_size;
    if (get(index)) launch.local_rank = integer(index, 0, most - 1, "a rank on this node");
  }
  std::optional<Launch> row(const char* name, const char* index, const char* count) const {
    const auto found = place(index, count, "a rank");
    if (!found) return std::nullopt;
    Launch launch;
    launch.rank = found->first;
    launch.size = found->second;
    launch.name = name;
    return launch;
  }

  std::optional<Launch> ringcoll() const {
    for (const auto& [one, other] : {std::pair("RINGCOLL_RANK", "RINGCOLL_SIZE"), {"RINGCOLL_SIZE", "RINGCOLL_RANK"}}) {
      if (get(one) && !get(other)) throw VariableError(one, *get(one), std::string(other) + " to be set too");
    }
    return row("RINGCOLL_RANK", "RINGCOLL_RANK", "RINGCOLL_SIZE");
  }

  std::optional<Launch> torchrun() const {
    // Without LOCAL_RANK, RANK and WORLD_SIZE may count nodes (Kubeflow, PAI).
    if (!get("LOCAL_RANK") || !get("MASTER_ADDR") || !get("MASTER_PORT")) return std::nullopt;
    auto launch = row("torchrun", "RANK", "WORLD_SIZE");
    if (!launch) return std::nullopt;
    local_place(*launch, "LOCAL_RANK", "LOCAL_WORLD_SIZE");
    // torchrun's own store listens at MASTER_PORT then; all ranks are its clients.
    const bool agent_store = get("TORCHELASTIC_USE_AGENT_STORE") == "True";
    const int port = integer("MASTER_PORT", 1, agent_store ? 65534 : 65535, "a port");
    launch->address = join_host_port(*get("MASTER_ADDR"), port + (agent_store ? 1 : 0));
    if (!parse_host_port(launch->address))
      throw VariableError("MASTER_ADDR", *get("MASTER_ADDR"), "a host's name or address");
    launch->job = text("TORCHELASTIC_RUN_ID", "none") + "." + text("TORCHELASTIC_RESTART_COUNT", "0");
    return launch;
  }

  std::optional<Launch> open_mpi() const {
    auto launch = row("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
    if (!launch) return std::nullopt;
    local_place(*launch, "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE");
    const auto job = get("PMIX_NAMESPACE") ? get("PMIX_NAMESPACE") : get("OMPI_MCA_ess_base_jobid");
    // Without a name, the job is known by its launcher, which is the same process for all ranks of a host.
    if (job || launch->on_one_host()) launch->job = "ompi-" + (job ? std::string(*job) : std::to_string(launcher_pid_));
    meet_on_this_host(*launch);
    return launch;
  }

  std::optional<Launch> mpich() const {
    auto launch = row("MPICH", "PMI_RANK", "PMI_SIZE");
    if (!launch) return std::nullopt;
    local_place(*launch, "MPI_LOCALRANKID", "MPI_LOCALNRANKS");
    // Hydra gives a job no name.
    if (launch->on_one_host()) launch->job = "hydra-" + std::to_string(launcher_pid_);
    meet_on_this_host(*launch);
    return launch;
  }

  std::optional<Launch> slurm() const {
    // Inside sbatch or salloc, without srun, the job's variables are set too, for one process.
    if (!get("SLURM_STEP_ID") || !get("SLURM_PROCID")) return std::nullopt;
    const auto step = parse_integer(*get("SLURM_STEP_ID"));
    constexpr long long first_special = 0xfffffff0;  // the batch script's, an interactive shell's
    if (!step || *step < 0) throw VariableError("SLURM_STEP_ID", *get("SLURM_STEP_ID"), "a number");
    if (*step >= first_special) return std::nullopt;
    auto launch = row("Slurm", "SLURM_PROCID", get("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
    if (!launch) return std::nullopt;
    const char* nodes = get("SLURM_STEP_NUM_NODES") ? "SLURM_STEP_NUM_NODES" : "SLURM_NNODES";
    if (get(nodes) && integer(nodes, 1, max_size, "a number of nodes") == 1) launch->local_size = launch->size;
    if (get("SLURM_LOCALID")) launch->local_rank = integer("SLURM_LOCALID", 0, launch->size - 1, "a rank on this node");
    const auto job = parse_integer(text("SLURM_JOB_ID", "0"));
    if (!job || *job < 0) throw VariableError("SLURM_JOB_ID", *get("SLURM_JOB_ID"), "a number");
    launch->job = "slurm-" + std::to_string(*job) + "." + std::to_string(*step);
    const char* list = get("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_NODELIST";
    if (!get(list)) return launch;
    const auto host = first_slurm_host(*get(list));
    if (!host) throw VariableError(list, *get(list), "a list of hosts such as node[01-16]");
    // Slurm gives no port: one below the range that the system hands out, and another for each job and step.
    launch->address = join_host_port(*host, 20000 + (*job % 1000 * 10 + *step % 10));
    return launch;
  }

  /// All ranks have one host: they meet at a unix socket that only this job's ranks can name.
  void meet_on_this_host(Launch& launch) const {
    if (launch.on_one_host())
      launch.address = "unix:ringcoll-" + std::to_string(::geteuid()) + "-" + launch.job.substr(0, 64);
  }

  /// What the winner does not know, an agreeing launcher may.
  static void complete(Launch& winner, const Launch& other) {
    if (winner.address.empty()) winner.address = other.address;
    if (winner.job.empty()) winner.job = other.job;
    if (winner.local_rank == Launch::unknown) winner.local_rank = other.local_rank;
    if (winner.local_size == Launch::unknown) winner.local_size = other.local_size;
  }

  /// srun may have started the launcher itself, once on each node: that is how it is done, and no contradiction.
  static bool nested(const Launch& inner, const Launch& outer) {
    return outer.name == "Slurm" && outer.size < inner.size && inner.name != "RINGCOLL_RANK";
  }
  static std::string position(const Launch& launch) {
    return "rank " + std::to_string(launch.rank) + " of " + std::to_string(launch.size);
  }

  void warn_of_node_counts(Launch& launch) const {
    if (launch.name != "single rank" || get("LOCAL_RANK")) return;
    if (!get("RANK") || !get("WORLD_SIZE") || get("WORLD_SIZE") == "1" || !get("MASTER_ADDR")) return;
    launch.warnings.push_back(
        "RANK=" + quoted(*get("RANK")) + " and WORLD_SIZE=" + quoted(*get("WORLD_SIZE")) +
        " are set without LOCAL_RANK: they may count nodes, so this process runs as a single rank. Use "
        "torchrun, or set RINGCOLL_RANK, RINGCOLL_SIZE and RINGCOLL_ADDRESS");
  }

  /// These hold with every launcher.
  void override_by_ringcoll(Launch& launch) const {
    local_place(launch, "RINGCOLL_LOCAL_RANK", "RINGCOLL_LOCAL_SIZE");
    if (get("RINGCOLL_JOB")) launch.job = text("RINGCOLL_JOB");
    const auto address = get("RINGCOLL_ADDRESS");
    if (!address) return;
    if (!(address->starts_with("unix:") && address->size() > 5 && address->size() <= 5 + 107) &&
        !parse_host_port(*address))
      throw VariableError("RINGCOLL_ADDRESS", *address, "host:port, [IPv6]:port or unix:name");
    launch.address = std::string(*address);
  }

  const Variables variable_;
  long launcher_pid_;
};

/// The process that started all ranks of this host: Hydra's proxy if there is one above us, else our parent.
inline long launcher_pid() {
  long pid = ::getppid();
  for (int level = 0; level < 16 && pid > 1; ++level) {
    char line[512];
    const int file = ::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) break;
    const auto bytes = ::read(file, line, sizeof line);
    ::close(file);
    const std::string_view text(line, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    if (text.find("(hydra_pmi_proxy)") != std::string_view::npos) return pid;
    // "pid (name) state parent …"; the name may hold anything, so look from its end.
    const std::size_t end = text.rfind(')');
    if (end == std::string_view::npos || end + 4 >= text.size()) break;
    const std::string_view rest = text.substr(end + 4);
    pid = static_cast<long>(parse_integer(rest.substr(0, rest.find(' '))).value_or(0));
  }
  return ::getppid();
}

}  // namespace detail

/// Who this process is: RINGCOLL_RANK and RINGCOLL_SIZE, else torchrun, Open MPI, MPICH (Hydra), a Slurm step, else a
/// single rank. RINGCOLL_ADDRESS, _LOCAL_RANK, _LOCAL_SIZE and _JOB hold with each of them. Opens no connection.
///
/// `variable(name)` is getenv or stands in for it. Throws Error(invalid_argument) for values that make no sense.
template <class Variable>
Launch detect_launch(const Variable& variable, long launcher_pid) {
  const auto value = [](const void* source, const char* name) {
    return static_cast<const char*>((*static_cast<const Variable*>(source))(name));
  };
  return detail::LaunchReader({value, &variable}, launcher_pid).detect();
}

inline Launch detect_launch() {
  return detail::LaunchReader({[](const void*, const char* name) -> const char* { return std::getenv(name); }, nullptr},
                              detail::launcher_pid())
      .detect();
}

}  // namespace ringcoll::inline v0
