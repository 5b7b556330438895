rf_fuzz(fuzz_base_text SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_base_text.c ROOMS base)
