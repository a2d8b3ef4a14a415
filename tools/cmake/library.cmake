# What other programs build on: libcorral.so of policy/, kernel/ and backends/, its public headers and its .pc file.
#
# The headers listed here are the interface: what they declare is exported, and nothing else is. Functions
# that only our own files call keep their names to themselves, so that they may change without a new soname.
set(public_headers
  backends/backend.h
  backends/base.h
  backends/composite.h
  backends/console.h
  backends/console_schema.h
  backends/guard.h
  backends/guard_permission.h
  backends/hashline.h
  backends/local.h
  backends/native.h
  backends/sandbox.h
  backends/state.h
  backends/wrap.h
  kernel/base/buf.h
  kernel/base/cleanup.h
  kernel/base/error.h
  kernel/cgroup.h
  kernel/doctor.h
  kernel/files/files.h
  kernel/files/result.h
  kernel/host.h
  kernel/plan.h
  kernel/process.h
  kernel/receipt.h
  kernel/sandbox.h
  policy/caps.h
  policy/config.h
  policy/limits.h
  policy/permission.h
  policy/policy.h
  policy/seccomp.h)

set(exported corral_limits_default)
foreach(header ${public_headers})
  file(READ ${header} text)
  string(REGEX MATCHALL "corral_[a-z0-9_]+\\(" names "${text}")
  list(APPEND exported ${names})
endforeach()
# A name followed by a parenthesis is a function, or a macro, which no symbol will match.
list(TRANSFORM exported REPLACE "\\($" "")
list(REMOVE_DUPLICATES exported)
list(JOIN exported ";\n\t\t" exported)
set(map ${CMAKE_BINARY_DIR}/libcorral.map)
file(CONFIGURE OUTPUT ${map} @ONLY CONTENT "{\n\tglobal:\n\t\t@exported@;\n\tlocal:\n\t\t*;\n};\n")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${public_headers})

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/libcorral.c CONTENT
  "/* A library needs a source; all of ours are in archives. */\n")
add_library(libcorral SHARED ${CMAKE_BINARY_DIR}/libcorral.c)
target_link_libraries(libcorral PRIVATE corral_backends corral_kernel corral_files_client corral_files
  corral_files_values corral_policy corral_base)
set_target_properties(libcorral PROPERTIES
  OUTPUT_NAME corral
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${map}
  LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,corral_backends,corral_kernel,corral_files_client,corral_files,corral_files_values,corral_policy,corral_base")
target_link_options(libcorral PRIVATE
  -Wl,--version-script=${map} -Wl,-Bsymbolic-functions -Wl,--as-needed -Wl,--gc-sections)

# The headers include each other by their paths from the root of the tree, which is ${includedir}/corral
# once installed. The prefix is found from where the .pc file is, so that --prefix holds.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
configure_file(tools/cmake/corral.pc.in ${CMAKE_BINARY_DIR}/corral.pc @ONLY)

install(TARGETS libcorral LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/corral.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
foreach(header ${public_headers})
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/corral/${folder})
endforeach()
