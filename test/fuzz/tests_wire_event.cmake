rf_fuzz(fuzz_wire_event SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_wire_event.c ROOMS base wire)
