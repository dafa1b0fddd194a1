# What every target of this project shares: warnings as errors, sanitizers, include root.

add_library(dash_flags INTERFACE)
target_include_directories(dash_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(dash_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                                            -Woverloaded-virtual -Wextra-semi -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside its own headers at -O2 (gcc bugs 105329, 105651, 107852).
  target_compile_options(dash_flags INTERFACE -Wno-restrict -Wno-error=maybe-uninitialized
                                              -Wno-error=array-bounds -Wno-error=stringop-overflow)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(dash_flags INTERFACE -Wno-sign-conversion)
endif()
if(DASH_SANITIZE)
  target_compile_options(dash_flags INTERFACE -fsanitize=${DASH_SANITIZE} -fno-omit-frame-pointer
                                              -fno-sanitize-recover=all)
  target_link_options(dash_flags INTERFACE -fsanitize=${DASH_SANITIZE})
endif()
if(DASH_COVERAGE)
  target_compile_options(dash_flags INTERFACE --coverage)
  target_link_options(dash_flags INTERFACE --coverage)
endif()

# dash_library(NAME SOURCES... PUBLIC targets... PRIVATE targets...): one static library per folder.
function(dash_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(dash_${name} STATIC ${ARG_SOURCES})
  add_library(dash::${name} ALIAS dash_${name})
  target_link_libraries(dash_${name} PUBLIC dash_flags Threads::Threads ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()
