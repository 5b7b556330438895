rf_fuzz(fuzz_wire_binding SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_wire_binding.c ROOMS base wire)
