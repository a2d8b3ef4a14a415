# Sessions for other programs: libcorral-sessions.so beside libcorral.so, as libcorral-docker.so is, so that nobody else
# loads SQLite.
set(sessions_headers
  backends/sessions/manager.h
  backends/sessions/store.h)

corral_exports(exported ${sessions_headers})
set(map ${CMAKE_BINARY_DIR}/libcorral-sessions.map)
corral_version_script(${map} CORRAL_SESSIONS_${PROJECT_VERSION_MAJOR} ${exported})

# The archive's objects and not the archive, which would bring those it is built upon along.
add_library(libcorral-sessions SHARED $<TARGET_OBJECTS:corral_sessions>)
target_link_libraries(libcorral-sessions PRIVATE corral_hosted libcorral ${SQLITE_LIBRARIES} Threads::Threads)
set_target_properties(libcorral-sessions PROPERTIES
  OUTPUT_NAME corral-sessions
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${map}
  INSTALL_RPATH "$ORIGIN")
target_link_options(libcorral-sessions PRIVATE
  -Wl,--version-script=${map} -Wl,-Bsymbolic-functions -Wl,--as-needed -Wl,--gc-sections)
# What is missing is a function of ours that libcorral does not export: its header is to be added to private_headers.
# Sanitizers are linked by clang into programs alone.
if(NOT (CORRAL_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES Clang))
  target_link_options(libcorral-sessions PRIVATE -Wl,-z,defs)
endif()

configure_file(tools/cmake/corral-sessions.pc.in ${CMAKE_BINARY_DIR}/corral-sessions.pc @ONLY)
install(TARGETS libcorral-sessions LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/corral-sessions.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${sessions_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/corral/backends/sessions)
