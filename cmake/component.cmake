# SPDX-License-Identifier: Apache-2.0
include(${CMAKE_CURRENT_LIST_DIR}/links.cmake)

# ringcoll_component(<name> [ROOT <folder>] LINK <target>...) makes the header-only target ringcoll::<name> of the headers
# under <folder>, by default transports/<name>/include. Each <target> names its package, see links.cmake.
#
# All but the core are optional: RINGCOLL_<NAME> is AUTO (exists when what it links is found), ON or OFF. Code sees
# RINGCOLL_WITH_<NAME>=1 when it links the component, and never guesses from which files happen to be installed.
function(ringcoll_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROOT" "LINK")
  string(TOUPPER ${name} upper)
  set(root transports/${name}/include)
  if(arg_ROOT)
    set(root ${arg_ROOT})
  endif()
  if(name STREQUAL "ringcoll")
    set(RINGCOLL_${upper} ON)
  else()
    set(RINGCOLL_${upper} AUTO CACHE STRING "The component ringcoll::${name}: AUTO, ON or OFF")
    set_property(CACHE RINGCOLL_${upper} PROPERTY STRINGS AUTO ON OFF)
  endif()
  string(TOUPPER "${RINGCOLL_${upper}}" wanted)
  if(NOT wanted STREQUAL "AUTO" AND NOT wanted)
    message(STATUS "ringcoll::${name}: left out, RINGCOLL_${upper} is ${RINGCOLL_${upper}}")
    return()
  endif()

  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # A project that adds ringcoll as a subdirectory links these too.
  foreach(target IN LISTS arg_LINK)
    ringcoll_find_link(${target} missing)
    if(missing AND wanted STREQUAL "AUTO")
      message(STATUS "ringcoll::${name}: left out, ${missing} not found")
      return()
    elseif(missing)
      message(FATAL_ERROR "ringcoll::${name} needs ${missing}, which was not found. "
                          "Install it, or leave the component out with -DRINGCOLL_${upper}=OFF.")
    endif()
  endforeach()

  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${root}/*.hpp)
  add_library(ringcoll_${name} INTERFACE)
  add_library(ringcoll::${name} ALIAS ringcoll_${name})
  target_sources(ringcoll_${name} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/${root} FILES ${headers})
  target_compile_features(ringcoll_${name} INTERFACE cxx_std_20)
  target_link_libraries(ringcoll_${name} INTERFACE ${arg_LINK})
  if(NOT name STREQUAL "ringcoll" AND headers)
    target_compile_definitions(ringcoll_${name} INTERFACE RINGCOLL_WITH_${upper}=1)
  endif()
  set_target_properties(ringcoll_${name} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ${RINGCOLL_TESTS})
  set_property(GLOBAL APPEND PROPERTY ringcoll_components ${name})
  set_property(GLOBAL PROPERTY ringcoll_links_${name} ${arg_LINK})
  message(STATUS "ringcoll::${name}: built in")
endfunction()
