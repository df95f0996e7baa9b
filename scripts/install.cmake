# Install rules: the command, the library with its headers, a pkg-config file and a CMake package.
install(TARGETS swage RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS swage_lib EXPORT swageTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(layer runtime kernels formats quantize prune distill eval)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${layer}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/swage
          FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
endforeach()
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
