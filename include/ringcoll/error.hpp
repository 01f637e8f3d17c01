// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace ringcoll::inline v0 {

/// What went wrong, for programs; `what()` says it for people: what failed, where, and what to do.
enum class Errc {
  invalid_argument,    ///< this rank's call or configuration is wrong; nothing was sent
  mismatch,            ///< ranks called different collectives, or with different counts, types, ops or roots
  peer_failed,         ///< a peer's process or link is gone
  timeout,             ///< the deadline passed
  auth_failed,         ///< a peer did not prove that it knows the job's key
  aborted,             ///< another rank, or another thread of this one, gave up first
  resource_exhausted,  ///< memory, descriptors or shared memory ran out
  protocol_error,      ///< bytes from a peer that no ringcoll of this version sends
  system_error,        ///< a system call failed for another reason
};

constexpr const char* name(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid argument";
    case Errc::mismatch: return "mismatch";
    case Errc::peer_failed: return "peer failed";
    case Errc::timeout: return "timeout";
    case Errc::auth_failed: return "authentication failed";
    case Errc::aborted: return "aborted";
    case Errc::resource_exhausted: return "resource exhausted";
    case Errc::protocol_error: return "protocol error";
    case Errc::system_error: return "system error";
  }
  return "unknown";
}

/// Every exception of ringcoll. After one from a collective, its communicator has failed and says so at each call.
class Error : public std::runtime_error {
 public:
  static constexpr int nobody = -1;

  Error(Errc code, const std::string& what, int rank = nobody)
      : std::runtime_error("ringcoll: " + what), code_(code), rank_(rank) {}

  Errc code() const { return code_; }
  /// The rank at fault, in the communicator of the failed call, or `nobody` if none is known.
  int rank() const { return rank_; }

 private:
  Errc code_;
  int rank_;
};

}  // namespace ringcoll::inline v0
