# SPDX-License-Identifier: Apache-2.0
# Header-only and the same for every architecture, so everything lands in include/ and share/.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/ringcoll)
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
set(staging ${PROJECT_BINARY_DIR}/package)

# ringcoll_write_pkgconfig(<component>) writes ringcoll.pc or ringcoll-<component>.pc, which moves with its prefix.
function(ringcoll_write_pkgconfig name)
  get_property(links GLOBAL PROPERTY ringcoll_links_${name})
  string(REGEX REPLACE "ringcoll::ringcoll" "ringcoll" requires "${links}")
  string(REGEX REPLACE "ringcoll::" "ringcoll-" requires "${requires}")
  string(REGEX REPLACE "OpenSSL::Crypto" "libcrypto" requires "${requires}")
  string(REGEX REPLACE "pugixml::" "" requires "${requires}")
  string(REGEX REPLACE "PkgConfig::" "" requires "${requires}")
  list(REMOVE_ITEM requires Threads::Threads)
  list(JOIN requires ", " requires)

  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig
             OUTPUT_VARIABLE to_prefix)
  set(include_dir "\${prefix}")
  cmake_path(APPEND include_dir ${CMAKE_INSTALL_INCLUDEDIR})
  if(name STREQUAL "ringcoll")
    set(package ringcoll)
    set(description "${PROJECT_DESCRIPTION}")
    set(cflags "-pthread")
    set(libs "-pthread")
  else()
    set(package ringcoll-${name})
    set(description "The component ${name} of ringcoll")
    string(TOUPPER ${name} upper)
    set(cflags "-DRINGCOLL_WITH_${upper}=1")
    set(libs "")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/ringcoll.pc.in ${staging}/${package}.pc @ONLY)
  install(FILES ${staging}/${package}.pc DESTINATION ${pkgconfig_dir})
endfunction()

get_property(components GLOBAL PROPERTY ringcoll_components)
set(component_links "")
foreach(name IN LISTS components)
  get_property(links GLOBAL PROPERTY ringcoll_links_${name})
  string(APPEND component_links "set(ringcoll_links_${name} ${links})\n")
  install(TARGETS ringcoll_${name} EXPORT ringcoll-${name} FILE_SET HEADERS)
  install(EXPORT ringcoll-${name} NAMESPACE ringcoll:: DESTINATION ${package_dir} FILE ringcoll-${name}.cmake)
  ringcoll_write_pkgconfig(${name})
endforeach()

configure_package_config_file(cmake/ringcoll-config.cmake.in ${staging}/ringcoll-config.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# While the major version is 0, a minor version may break what the one before it promised.
write_basic_package_version_file(${staging}/ringcoll-config-version.cmake COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES ${staging}/ringcoll-config.cmake ${staging}/ringcoll-config-version.cmake cmake/links.cmake
        DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/ringcoll)
