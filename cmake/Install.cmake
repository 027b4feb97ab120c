# `cmake --install`: what a machine needs to run Holdfast. The debug info is a component of its own:
# `cmake --install build/release --component debug`.
include(GNUInstallDirs)
if(NOT TARGET holdfast)
  return()
endif()

# hf_split_debug(PROGRAM DIR [ALL]): target DIR, build/.../DIR/holdfast without debug info and what
# is installed beside it.
function(hf_split_debug program dir)
  set(out ${CMAKE_BINARY_DIR}/${dir})
  add_custom_command(OUTPUT ${out}/holdfast ${out}/holdfast.1 ${out}/holdfast.bash
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${program}> -DOUT=${out}
            -DREADELF=${CMAKE_READELF} -DOBJCOPY=${CMAKE_OBJCOPY}
            -P ${CMAKE_SOURCE_DIR}/cmake/SplitDebug.cmake
    COMMAND $<TARGET_FILE:${program}> --manual > ${out}/holdfast.1
    COMMAND $<TARGET_FILE:${program}> --bash-completion > ${out}/holdfast.bash
    DEPENDS ${program} ${CMAKE_SOURCE_DIR}/cmake/SplitDebug.cmake
    COMMENT "Splitting off debug info, writing the manual page"
    VERBATIM)
  add_custom_target(${dir} ${ARGN} DEPENDS ${out}/holdfast)
endfunction()

set(dist ${CMAKE_BINARY_DIR}/dist)
hf_split_debug(holdfast dist ALL)

install(PROGRAMS ${dist}/holdfast DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES ${dist}/holdfast.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
install(FILES ${dist}/holdfast.bash RENAME holdfast COMPONENT program
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.md)
install(FILES README.md packaging/copyright ${pages} TYPE DOC COMPONENT program)
install(FILES examples/holdfast.yaml examples/minimal.yaml examples/incoming.yaml
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT program)
install(FILES packaging/holdfast.socket DESTINATION lib/systemd/system COMPONENT program)
install(FILES packaging/sysusers.conf RENAME holdfast.conf DESTINATION lib/sysusers.d
        COMPONENT program)
install(FILES packaging/tmpfiles.conf RENAME holdfast.conf DESTINATION lib/tmpfiles.d
        COMPONENT program)
# Paths below the prefix are known when it is installed, not before.
install(CODE "set(source \"${CMAKE_SOURCE_DIR}/packaging\")\nset(drafts \"${dist}/drafts\")"
        COMPONENT program)
install(SCRIPT cmake/InstallRendered.cmake COMPONENT program)

install(DIRECTORY ${dist}/debug/ DESTINATION lib/debug COMPONENT debug EXCLUDE_FROM_ALL)

include(cmake/Static.cmake)
