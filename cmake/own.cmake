# SPDX-License-Identifier: Apache-2.0
# Targets for our own tests, tools and examples. Users never see them.

# Warnings, errors unless RINGCOLL_WERROR is off.
add_library(ringcoll_warnings INTERFACE)
target_compile_options(ringcoll_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                                   $<$<BOOL:${RINGCOLL_WERROR}>:-Werror>)

# Every component that this build has.
add_library(ringcoll_available INTERFACE)
get_property(components GLOBAL PROPERTY ringcoll_components)
list(TRANSFORM components PREPEND "ringcoll::")
target_link_libraries(ringcoll_available INTERFACE ${components})

find_program(RINGCOLL_CCACHE ccache)
if(RINGCOLL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RINGCOLL_CCACHE})
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
