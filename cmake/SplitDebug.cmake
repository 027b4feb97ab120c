# cmake -DPROGRAM=FILE -DOUT=DIR -P SplitDebug.cmake: DIR/holdfast without debug info, and
# DIR/debug/.build-id/xx/rest.debug with nothing else, where gdb looks for it by the build id.
execute_process(COMMAND ${READELF} -n ${PROGRAM} OUTPUT_VARIABLE notes COMMAND_ERROR_IS_FATAL ANY)
if(NOT notes MATCHES "Build ID: ([0-9a-f][0-9a-f])([0-9a-f]+)")
  message(FATAL_ERROR "${PROGRAM} has no build id")
endif()
set(debug ${OUT}/debug/.build-id/${CMAKE_MATCH_1}/${CMAKE_MATCH_2}.debug)
file(REMOVE_RECURSE ${OUT}/debug)
get_filename_component(folder ${debug} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
execute_process(COMMAND ${OBJCOPY} --only-keep-debug --compress-debug-sections ${PROGRAM} ${debug}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${OBJCOPY} --strip-unneeded --remove-section=.comment ${PROGRAM} ${OUT}/holdfast
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${OBJCOPY} --add-gnu-debuglink=${debug} ${OUT}/holdfast COMMAND_ERROR_IS_FATAL ANY)
# Nobody runs it, and it may not be written by accident.
file(CHMOD ${debug} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
