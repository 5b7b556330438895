rf_fuzz(fuzz_stun SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_stun.c ROOMS base crypto stun)
