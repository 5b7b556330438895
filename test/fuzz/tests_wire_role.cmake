rf_fuzz(fuzz_wire_role SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_wire_role.c ROOMS base wire)
