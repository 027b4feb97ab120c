# holdfast-static: the same objects, with every library but glibc inside. glibc stays outside on
# purpose: a program that has it inside loads the machine's name service modules with the wrong
# glibc, and dies of it (docs/install.md). Not built by default: `./x package tarball` asks for it.
set(static_libraries rocksdb gflags snappy z bz2 lz4 zstd ssl crypto sodium yaml-cpp jemalloc_pic)
set(archives "")
set(missing "")
foreach(library ${static_libraries})
  find_library(STATIC_${library} NAMES lib${library}.a)
  if(STATIC_${library})
    list(APPEND archives ${STATIC_${library}})
  else()
    list(APPEND missing lib${library}.a)
  endif()
endforeach()
if(missing OR HOLDFAST_SANITIZE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(STATUS "No holdfast-static: ${missing}")
  return()
endif()

add_executable(holdfast-static EXCLUDE_FROM_ALL src/app/main.cc packaging/static_parts.cc)
set(parts "")
foreach(layer app review config sandbox adapters control runtime traffic stale engine call policy load http1 base)
  list(APPEND parts $<TARGET_FILE:hf_${layer}>)
  add_dependencies(holdfast-static hf_${layer})
endforeach()
target_include_directories(holdfast-static PRIVATE ${CMAKE_SOURCE_DIR}/src)
# As the objects were compiled that use them.
target_compile_definitions(holdfast-static PRIVATE SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL
                                                   HOLDFAST_VERSION="${PROJECT_VERSION}")
set_source_files_properties(packaging/static_parts.cc PROPERTIES COMPILE_OPTIONS -w)
target_link_options(holdfast-static PRIVATE -static-libstdc++ -static-libgcc)
target_link_libraries(holdfast-static PRIVATE hf_crc32c)
target_link_libraries(holdfast-static PRIVATE
  -Wl,--start-group ${parts} ${archives} -Wl,--end-group Threads::Threads ${CMAKE_DL_LIBS})
set_target_properties(holdfast-static PROPERTIES
  LINK_DEPENDS "${archives}")

hf_split_debug(holdfast-static dist-static)
