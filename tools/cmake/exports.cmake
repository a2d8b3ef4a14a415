# The names that headers declare, for the version scripts of the libraries. A name followed by a parenthesis is a
# function, or a macro, which no symbol will match; data is declared extern.
function(corral_exports ret)
  set(names)
  foreach(header ${ARGN})
    file(READ ${CMAKE_SOURCE_DIR}/${header} text)
    string(REGEX MATCHALL "corral_[a-z0-9_]+\\(" functions "${text}")
    list(TRANSFORM functions REPLACE "\\($" "")
    # Lists of CMake's know semicolons and brackets.
    string(REGEX REPLACE "[][;]" "@" text "${text}")
    string(REGEX MATCHALL "extern const [^@(\"]*corral_[a-z0-9_]+@" data "${text}")
    list(TRANSFORM data REPLACE "^.*(corral_[a-z0-9_]+)@$" "\\1")
    list(APPEND names ${functions} ${data})
  endforeach()
  list(REMOVE_DUPLICATES names)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(${ret} ${names} PARENT_SCOPE)
endfunction()

# usage: corral_version_script(FILE NODE NAME... [NODE NAME...]...); nodes are in capitals, and all else is local.
function(corral_version_script file)
  set(text "")
  foreach(word ${ARGN})
    if(NOT word MATCHES "^[A-Z]")
      string(APPEND text "\t\t${word};\n")
    elseif(text)
      string(APPEND text "};\n${word} {\n\tglobal:\n")
    else()
      string(APPEND text "${word} {\n\tglobal:\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT "${text}\tlocal:\n\t\t*;\n};\n")
endfunction()

# A library beside libcorral.so, which it takes everything else of ours from, so that there is one of each thing in a
# process, and that whoever does not want it does not load what it takes. Its headers lie in one folder.
# usage: corral_library_beside(corral-NAME FOLDER HEADERS header... LIBRARIES library...); its archive is corral_NAME.
function(corral_library_beside name folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "HEADERS;LIBRARIES")
  string(REPLACE "-" "_" archive ${name})
  string(TOUPPER ${archive} node)
  list(TRANSFORM arg_HEADERS PREPEND ${folder}/)
  corral_exports(exported ${arg_HEADERS})
  set(map ${CMAKE_BINARY_DIR}/lib${name}.map)
  corral_version_script(${map} ${node}_${PROJECT_VERSION_MAJOR} ${exported})
  # The archive's objects and not the archive, which would bring those it is built upon along.
  add_library(lib${name} SHARED $<TARGET_OBJECTS:${archive}>)
  target_link_libraries(lib${name} PRIVATE corral_hosted libcorral ${arg_LIBRARIES} Threads::Threads)
  set_target_properties(lib${name} PROPERTIES
    OUTPUT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${map}
    INSTALL_RPATH "$ORIGIN")
  target_link_options(lib${name} PRIVATE
    -Wl,--version-script=${map} -Wl,-Bsymbolic-functions -Wl,--as-needed -Wl,--gc-sections)
  # What is missing is a function of ours that libcorral does not export: its header is to be added to private_headers.
  # Sanitizers are linked by clang into programs alone.
  if(NOT (CORRAL_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES Clang))
    target_link_options(lib${name} PRIVATE -Wl,-z,defs)
  endif()
  configure_file(tools/cmake/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
  install(TARGETS lib${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES ${arg_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/corral/${folder})
endfunction()
