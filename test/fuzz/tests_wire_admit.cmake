rf_fuzz(fuzz_wire_admit SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_wire_admit.c ROOMS base wire)
