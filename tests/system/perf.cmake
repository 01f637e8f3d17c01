# SPDX-License-Identifier: Apache-2.0
# The tests of ringcoll_perf: Python scripts that take the program's path.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(TARGET ringcoll_perf)
  foreach(part format flags output codes peers)
    if(Python3_Interpreter_FOUND)
      system_test(perf_${part} ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/perf_${part}_test.py
                  $<TARGET_FILE:ringcoll_perf>)
    else()
      system_test(perf_${part} sh -c "echo 'SKIP: no python3'; exit 77")
    endif()
  endforeach()
  # It has deadlines of seconds, which a test beside it could make it miss.
  set_tests_properties(system/perf_codes PROPERTIES RUN_SERIAL ON)
endif()
if(TARGET ringcoll_sim AND Python3_Interpreter_FOUND)
  system_test(sim ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/sim_test.py $<TARGET_FILE:ringcoll_sim>)
endif()
if(TARGET ringcoll_info AND Python3_Interpreter_FOUND)
  system_test(info ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/info_test.py $<TARGET_FILE:ringcoll_info>)
endif()
