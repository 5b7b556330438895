rf_fuzz(fuzz_link SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_link.c ROOMS base crypto wire ident link link_plain)
