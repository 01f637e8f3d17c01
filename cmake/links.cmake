# SPDX-License-Identifier: Apache-2.0
# Used while building ringcoll, and installed for find_package(ringcoll).

# ringcoll_find_link(<target> <missing>) looks for the package that defines <target>. The target's own name says which:
# OpenSSL::Crypto is in the package OpenSSL, PkgConfig::pmix is pkg-config's pmix. Sets <missing> to what is missing, as
# a sentence has it, or to nothing.
function(ringcoll_find_link target missing)
  string(REGEX MATCH "^(.+)::(.+)$" _ "${target}")
  set(package "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  set(what "package ${package}")
  if(package STREQUAL "PkgConfig" AND NOT TARGET ${target})
    set(what "pkg-config or its module ${name}")
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(${name} QUIET IMPORTED_TARGET ${name})
    endif()
  elseif(NOT package STREQUAL "ringcoll" AND NOT TARGET ${target})
    find_package(${package} QUIET)
  else()
    set(what "${target}")
  endif()
  if(TARGET ${target})
    set(what "")
  endif()
  set(${missing} "${what}" PARENT_SCOPE)
endfunction()
