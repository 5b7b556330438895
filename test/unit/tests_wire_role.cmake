rf_test(test_wire_role SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_wire_role.c ROOMS base wire)
