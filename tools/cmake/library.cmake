# What other programs build on: libcorral.so of policy/, kernel/ and backends/, its public headers and its .pc file.
#
# The headers listed here are the interface: what they declare is exported, and nothing else is. Functions
# that only our own files call keep their names to themselves, so that they may change without a new soname.
# Those that libcorral-sessions and libcorral-docker call are exported as well, under a version of their own:
# CORRAL_PRIVATE is nobody's interface, and all of these libraries are of one build.
include(tools/cmake/exports.cmake)
set(public_headers
  backends/backend.h
  backends/base.h
  backends/call.h
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
  kernel/image/apply.h
  kernel/image/store.h
  kernel/isolation.h
  kernel/layers/layers.h
  kernel/plan.h
  kernel/process.h
  kernel/network/ledger.h
  kernel/receipt.h
  kernel/sandbox.h
  policy/account.h
  policy/caps.h
  policy/config.h
  policy/egress.h
  policy/isolation.h
  policy/limits.h
  policy/permission.h
  policy/policy.h
  policy/publish.h
  policy/runtime.h
  policy/runtime_catalogue.h
  policy/seccomp.h)
set(private_headers
  backends/backend_ops.h
  backends/backgrounds.h
  backends/base_shell.h
  backends/boxes.h
  backends/execute.h
  backends/names.h
  backends/native_box.h
  backends/runs.h
  backends/served.h
  backends/wrap_ops.h
  kernel/base/base64.h
  kernel/base/clock.h
  kernel/base/life.h
  kernel/base/parse.h
  kernel/base/said.h
  kernel/base/sigpipe.h
  kernel/base/trace.h
  kernel/base/utf8.h
  kernel/disk.h
  kernel/etc.h
  kernel/files/client.h
  kernel/image/layer.h
  kernel/image/make.h
  kernel/image/reference.h
  kernel/keep.h
  kernel/quota.h
  kernel/template.h
  policy/environment.h
  policy/guest_path.h
  policy/json_words.h
  policy/runtime_build.h
  policy/seccomp_builtin.h
  policy/seccomp_oci.h)

corral_exports(exported ${public_headers})
corral_exports(private ${private_headers})
list(REMOVE_ITEM private ${exported} "")
set(map ${CMAKE_BINARY_DIR}/libcorral.map)
set(version CORRAL_${PROJECT_VERSION_MAJOR})
if(private)
  list(PREPEND private CORRAL_PRIVATE)
endif()
corral_version_script(${map} ${version} ${exported} ${private})

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/libcorral.c CONTENT
  "/* A library needs a source; all of ours are in archives. */\n")
add_library(libcorral SHARED ${CMAKE_BINARY_DIR}/libcorral.c)
target_link_libraries(libcorral PRIVATE corral_backends corral_kernel corral_images corral_files_client corral_layers corral_files
  corral_files_values corral_policy corral_base)
set_target_properties(libcorral PROPERTIES
  OUTPUT_NAME corral
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${map}
  LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,corral_backends,corral_kernel,corral_images,corral_files_client,corral_layers,corral_files,corral_files_values,corral_policy,corral_base")
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
corral_library_beside(corral-sessions backends/sessions
  HEADERS manager.h store.h
  LIBRARIES ${SQLITE_LIBRARIES})
if(TARGET corral_docker)
  corral_library_beside(corral-docker backends/docker
    HEADERS docker.h engine.h image.h session.h
    # Credentials of registries, in an archive that takes nothing which is not in libcorral.
    LIBRARIES $<TARGET_FILE:corral_registry_auth> ${CURL_LIBRARIES} ${ARCHIVE_LIBRARIES} ${JANSSON_LIBRARIES} ${MD_LIBRARIES})
  add_dependencies(libcorral-docker corral_registry_auth)
endif()
