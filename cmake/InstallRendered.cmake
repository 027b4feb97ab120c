# Run by `cmake --install`, with `source` and `drafts` set: the files that name paths. /usr and
# /usr/local go with /etc, where the commands look too; any other prefix has its own etc.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?$")
  set(ETC /etc)
else()
  set(ETC ${CMAKE_INSTALL_PREFIX}/etc)
endif()
set(BIN ${CMAKE_INSTALL_PREFIX}/bin)
set(DOC ${CMAKE_INSTALL_PREFIX}/share/doc/holdfast)
configure_file(${source}/holdfast.service ${drafts}/holdfast.service @ONLY)
configure_file(${source}/holdfast.yaml ${drafts}/holdfast.yaml @ONLY)
file(INSTALL ${drafts}/holdfast.service DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
# What somebody has edited stays.
if(EXISTS $ENV{DESTDIR}${ETC}/holdfast/holdfast.yaml)
  message(STATUS "Kept: $ENV{DESTDIR}${ETC}/holdfast/holdfast.yaml")
else()
  file(INSTALL ${drafts}/holdfast.yaml DESTINATION ${ETC}/holdfast
       PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
endif()
