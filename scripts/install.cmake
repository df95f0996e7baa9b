# Install rules: the command, the library with its headers, a pkg-config file and a CMake package.
install(TARGETS swage RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS swage_lib EXPORT swageTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
include(${CMAKE_CURRENT_LIST_DIR}/public-headers.cmake)
foreach(header ${SWAGE_PUBLIC_HEADERS})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/swage/${folder})
endforeach()

# The library is an archive, so programs that link it also link what it requires: Requires, not
# Requires.private. The prefix is told from where the file lies, so that `cmake --install --prefix`
# may move it.
file(RELATIVE_PATH SWAGE_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
list(JOIN SWAGE_REQUIRES ", " SWAGE_PC_REQUIRES)
string(REPLACE ">=" " >= " SWAGE_PC_REQUIRES "${SWAGE_PC_REQUIRES}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/swage.pc.in swage.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/swage.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/swageConfig.cmake.in swageConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/swage)
write_basic_package_version_file(swageConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/swageConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/swageConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/swage)
install(EXPORT swageTargets NAMESPACE swage::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/swage)

# The man page and the shell completions come from the option tables: the built program prints them.
set(pages ${CMAKE_CURRENT_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${pages})
add_custom_command(
  OUTPUT ${pages}/swage.1 ${pages}/swage ${pages}/_swage ${pages}/swage.fish
  COMMAND swage --man > ${pages}/swage.1
  COMMAND swage --completion bash > ${pages}/swage
  COMMAND swage --completion zsh > ${pages}/_swage
  COMMAND swage --completion fish > ${pages}/swage.fish
  DEPENDS swage
  COMMENT "Printing the man page and the shell completions"
  VERBATIM)
add_custom_target(swage_pages ALL DEPENDS ${pages}/swage.1)
install(FILES ${pages}/swage.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${pages}/swage DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${pages}/_swage DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${pages}/swage.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
