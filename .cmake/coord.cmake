# How targets come to be in this project.

# coord_library(NAME SOURCES a.cc ... DEPS lib ...): the static library of one subfolder.
# Dependencies are public: what a library may use is decided by the lint test, not hidden here.
function(coord_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC ${arg_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_DEPS})
  endif()
endfunction()

# coord_unity_options(): what warnings are worth where several sources make one compilation, from here on.
macro(coord_unity_options)
  # g++ takes an anonymous namespace for one of a header.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endmacro()

# coord_fast_malloc(TARGET): gives a program an allocator made for many small messages: a tenth to a fifth
# more of everything in coordd. To be called before its libraries are named: the first malloc is the one.
# The sanitizers bring their own.
function(coord_fast_malloc target)
  if(NOT COORD_SANITIZE)
    find_package(mimalloc REQUIRED)
    target_link_libraries(${target} PRIVATE mimalloc)
  endif()
endfunction()

# coord_test(NAME SOURCES a.cc ... DEPS lib ... LABELS unit|property|sim|integration|threads ...
#            [TIMEOUT seconds])
# One GoogleTest binary, each of its tests known to ctest by name.
function(coord_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gtest_main GTest::gmock rapidcheck
                                        rapidcheck_gtest)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(serial FALSE)
  if("integration" IN_LIST arg_LABELS)
    set(serial TRUE)  # whole clusters measure time: they do not share the machine
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} RUN_SERIAL ${serial})
  # Not among the properties above: a list there comes apart, and all but its first label are lost.
  set(labels "${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake")
  file(CONFIGURE OUTPUT "${labels}" @ONLY CONTENT [[
if(@name@_TESTS)
  set_tests_properties(${@name@_TESTS} PROPERTIES LABELS "@arg_LABELS@")
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels}")
  foreach(label IN LISTS arg_LABELS)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})  # builds all tests of a label, and nothing else
    endif()
    add_dependencies(tests_${label} ${name})
  endforeach()
endfunction()
