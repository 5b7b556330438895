rf_test(test_wire_binding SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_wire_binding.c ROOMS base wire)
