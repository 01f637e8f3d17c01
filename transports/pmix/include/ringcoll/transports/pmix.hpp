// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pmix.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <ringcoll/bootstrap/courier.hpp>

namespace ringcoll::inline v0::bootstrap {

/// A PMIx server (Open MPI's mpirun, srun --mpi=pmix, PRRTE) as the way for ranks of several hosts to meet: rank 0's
/// address and the job's key travel through it, so the job needs neither RINGCOLL_ADDRESS nor a secret.
class Pmix {
 public:
  Pmix() { check(::PMIx_Init(&self_, nullptr, 0), "PMIx_Init"); }
  Pmix(const Pmix&) = delete;
  Pmix& operator=(const Pmix&) = delete;
  ~Pmix() { ::PMIx_Finalize(nullptr, 0); }

  static bool is_there() {
    const char* space = std::getenv("PMIX_NAMESPACE");
    return space != nullptr && *space != 0;
  }

  /// Puts rank 0's text under `key` and gets it; a fence lies between.
  std::string broadcast(int rank, const std::string& key, std::string_view text, std::chrono::nanoseconds timeout) {
    if (rank == 0) {
      const std::string copy(text);
      pmix_value_t value;
      PMIX_VALUE_CONSTRUCT(&value);
      value.type = PMIX_STRING;
      value.data.string = ::strdup(copy.c_str());
      const pmix_status_t status = ::PMIx_Put(PMIX_GLOBAL, key.c_str(), &value);
      PMIX_VALUE_DESTRUCT(&value);
      check(status, "PMIx_Put");
      check(::PMIx_Commit(), "PMIx_Commit");
    }
    // PMIx counts whole seconds.
    int seconds =
        static_cast<int>(std::max<long long>(1, std::chrono::duration_cast<std::chrono::seconds>(timeout).count()));
    bool collect = true;
    pmix_info_t info[2];
    PMIX_INFO_LOAD(&info[0], PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[1], PMIX_TIMEOUT, &seconds, PMIX_INT);
    pmix_proc_t everybody;
    PMIX_PROC_LOAD(&everybody, self_.nspace, PMIX_RANK_WILDCARD);
    check(::PMIx_Fence(&everybody, 1, info, 2), "PMIx_Fence");

    pmix_proc_t first;
    PMIX_PROC_LOAD(&first, self_.nspace, 0);
    pmix_value_t* value = nullptr;
    check(::PMIx_Get(&first, key.c_str(), &info[1], 1, &value), "PMIx_Get");
    std::string result = value->type == PMIX_STRING ? value->data.string : "";
    PMIX_VALUE_RELEASE(value);
    return result;
  }

 private:
  static void check(pmix_status_t status, const char* call) {
    if (status == PMIX_SUCCESS) return;
    throw Error(
        status == PMIX_ERR_TIMEOUT ? Errc::timeout : Errc::system_error,
        std::string(call) + ": " + ::PMIx_Error_string(status) + "; set RINGCOLL_ADDRESS=host:port to do without PMIx");
  }

  pmix_proc_t self_ = {};
};

namespace detail {

inline const bool pmix_is_a_courier = add_courier(
    {.name = "PMIx",
     .serves =
         [](const Launch& launch) { return Pmix::is_there() && (launch.name == "Open MPI" || launch.name == "Slurm"); },
     .broadcast =
         [](const Launch& launch, std::string_view text, std::chrono::nanoseconds timeout) {
           // A key for each connect(): all ranks call them in the same order.
           static std::atomic<int> calls{0};
           return Pmix().broadcast(launch.rank, "ringcoll." + std::to_string(calls++), text, timeout);
         }});

}  // namespace detail

}  // namespace ringcoll::inline v0::bootstrap
