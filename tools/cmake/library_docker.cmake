# The Docker backend for other programs: libcorral-docker.so beside libcorral.so, which it takes everything else from,
# so that there is one of each thing in a process, and that whoever wants no containers loads neither libcurl nor
# libarchive.
set(docker_headers
  backends/docker/docker.h
  backends/docker/engine.h
  backends/docker/image.h
  backends/docker/session.h)

corral_exports(exported ${docker_headers})
set(map ${CMAKE_BINARY_DIR}/libcorral-docker.map)
corral_version_script(${map} CORRAL_DOCKER_${PROJECT_VERSION_MAJOR} ${exported})

# The archive's objects and not the archive, which would bring those it is built upon along.
add_library(libcorral-docker SHARED $<TARGET_OBJECTS:corral_docker>)
target_link_libraries(libcorral-docker PRIVATE corral_hosted libcorral ${CURL_LIBRARIES} ${ARCHIVE_LIBRARIES}
  ${JANSSON_LIBRARIES} ${MD_LIBRARIES} Threads::Threads)
set_target_properties(libcorral-docker PROPERTIES
  OUTPUT_NAME corral-docker
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${map}
  INSTALL_RPATH "$ORIGIN")
target_link_options(libcorral-docker PRIVATE
  -Wl,--version-script=${map} -Wl,-Bsymbolic-functions -Wl,--as-needed -Wl,--gc-sections)
# What is missing is a function of ours that libcorral does not export: its header is to be added to private_headers.
# Sanitizers are linked by clang into programs alone.
if(NOT (CORRAL_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES Clang))
  target_link_options(libcorral-docker PRIVATE -Wl,-z,defs)
endif()

configure_file(tools/cmake/corral-docker.pc.in ${CMAKE_BINARY_DIR}/corral-docker.pc @ONLY)
install(TARGETS libcorral-docker LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/corral-docker.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${docker_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/corral/backends/docker)
