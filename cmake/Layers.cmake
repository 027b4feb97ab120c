include(GoogleTest)

# hf_layer(NAME [DIR dir] LINK libs...): hf_NAME from every .cc below the directory except tests and
# mains, and hf_NAME_test from every *_test.cc. Globbed with CONFIGURE_DEPENDS so that no file can be
# forgotten by a hand-kept list.
function(hf_layer name)
  cmake_parse_arguments(ARG "" "DIR" "LINK" ${ARGN})
  if(NOT ARG_DIR)
    set(ARG_DIR src/${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${ARG_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  if(sources)
    add_library(hf_${name} STATIC ${sources})
    target_include_directories(hf_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
    target_link_libraries(hf_${name} PUBLIC ${ARG_LINK})
  else()
    add_library(hf_${name} INTERFACE)
    target_include_directories(hf_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
    target_link_libraries(hf_${name} INTERFACE ${ARG_LINK})
  endif()
  if(tests)
    add_executable(hf_${name}_test ${tests})
    target_link_libraries(hf_${name}_test PRIVATE hf_${name} GTest::gtest_main GTest::gmock rapidcheck_all)
    target_compile_definitions(hf_${name}_test PRIVATE HF_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                                       HF_BINARY_DIR="${CMAKE_BINARY_DIR}")
    gtest_discover_tests(hf_${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# hf_planted(NAME LINK libs... [SOURCES patterns...]): hf_NAME_planted, the layer's sources (or those
# of src/ that match) compiled a second time with their planted bugs and probes (base/planted.h), for
# the simulator only.
function(hf_planted name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}/*.cc)
  endif()
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/src/)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${ARG_SOURCES})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  add_library(hf_${name}_planted STATIC ${sources})
  target_compile_definitions(hf_${name}_planted PUBLIC HOLDFAST_PLANTED)
  target_include_directories(hf_${name}_planted PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(hf_${name}_planted PUBLIC ${ARG_LINK})
endfunction()

function(hf_precompile name)
  get_target_property(type hf_${name} TYPE)
  if(type STREQUAL "STATIC_LIBRARY" AND EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/pch.h)
    target_precompile_headers(hf_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/${name}/pch.h)
  endif()
endfunction()

function(hf_program name)
  cmake_parse_arguments(ARG "" "MAIN" "LINK" ${ARGN})
  if(EXISTS ${CMAKE_SOURCE_DIR}/${ARG_MAIN})
    add_executable(${name} ${ARG_MAIN})
    target_link_libraries(${name} PRIVATE ${ARG_LINK})
  endif()
endfunction()
