rf_fuzz(fuzz_wire_relay SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_wire_relay.c ROOMS base wire)
