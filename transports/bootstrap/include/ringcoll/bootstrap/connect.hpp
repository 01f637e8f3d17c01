// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <ringcoll/bootstrap/store.hpp>
#include <ringcoll/bootstrap/unique_id.hpp>
#include <ringcoll/environment.hpp>
#include <ringcoll/launcher.hpp>

namespace ringcoll::inline v0::bootstrap {

/// Tells the connections of the job's first communicator apart from those of its subsets.
inline constexpr std::uint64_t world_context = 0x72696e67636f6c6c;

/// How a rank finds the others; what is left out comes from the launcher or the environment.
struct ConnectOptions {
  int rank = -1, size = -1;                ///< both or neither; with them the launcher's variables are not looked at
  int local_rank = -1, local_size = -1;    ///< found out if not given
  std::string address = {};                ///< where rank 0 meets the others: "host:port" or "unix:NAME"
  std::optional<UniqueId> id = {};         ///< instead of an address and a secret
  Store* store = nullptr;                  ///< instead of an address; holds the key too, unless there is a secret
  std::string secret = {};                 ///< 32 to 64 bytes, or twice as many hex digits
  std::string interfaces = {};             ///< as RINGCOLL_IFNAME
  std::string job = {};                    ///< as RINGCOLL_JOB
  std::string transport = {};              ///< as RINGCOLL_TRANSPORT
  std::chrono::nanoseconds deadline = {};  ///< for connecting; 0: RINGCOLL_CONNECT_TIMEOUT, else 60 s
};

namespace detail {

inline std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

inline std::chrono::seconds seconds_of(const char* name, long long least, std::chrono::seconds otherwise) {
  constexpr long long most = 86400;
  const std::string text = variable(name);
  if (text.empty()) return otherwise;
  const auto seconds = ringcoll::detail::parse_integer(text);
  if (!seconds || *seconds < least || *seconds > most)
    throw Error(Errc::invalid_argument, std::string(name) + "=" + ringcoll::detail::quoted(text) +
                                            ": expected seconds, " + std::to_string(least) + " to " +
                                            std::to_string(most));
  return std::chrono::seconds(*seconds);
}

inline std::chrono::nanoseconds connect_deadline(const ConnectOptions& options) {
  if (options.deadline.count() > 0) return options.deadline;
  return seconds_of("RINGCOLL_CONNECT_TIMEOUT", 1, std::chrono::seconds(60));
}

/// Of one operation; RINGCOLL_TIMEOUT=0 means that it may take a year.
inline std::chrono::nanoseconds operation_deadline() {
  const std::chrono::seconds limit = seconds_of("RINGCOLL_TIMEOUT", 0, std::chrono::seconds(300));
  return limit.count() > 0 ? limit : std::chrono::hours(24 * 365);
}

}  // namespace detail

/// Who this rank is: what the caller says, else what its launcher says. Throws Error(invalid_argument).
inline Launch launch_for(const ConnectOptions& options) {
  if ((options.rank >= 0) != (options.size >= 0))
    throw Error(Errc::invalid_argument, "connect() needs rank and size, or neither of them");
  Launch launch;
  if (options.size < 0) {
    launch = detect_launch();
  } else {
    if (options.size == 0 || options.rank >= options.size)
      throw Error(Errc::invalid_argument, "connect(): rank " + std::to_string(options.rank) + " of " +
                                              std::to_string(options.size) + ": expected 0 <= rank < size");
    launch.rank = options.rank;
    launch.size = options.size;
    launch.name = options.store != nullptr ? "store" : options.id ? "unique id" : "program";
    // The caller has said who it is; where to meet may still come from outside.
    launch.address = detail::variable("RINGCOLL_ADDRESS");
    launch.job = detail::variable("RINGCOLL_JOB");
  }
  if (options.local_rank >= 0) launch.local_rank = options.local_rank;
  if (options.local_size >= 0) launch.local_size = options.local_size;
  if (!options.address.empty()) launch.address = options.address;
  if (!options.job.empty()) launch.job = options.job;
  // One process may hold many ranks and communicators; it is told once.
  static std::atomic_flag told;
  if (!told.test_and_set()) {
    for (std::string& warning : unknown_variables()) launch.warnings.push_back(std::move(warning));
  }
  return launch;
}

}  // namespace ringcoll::inline v0::bootstrap
