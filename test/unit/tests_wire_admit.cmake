rf_test(test_wire_admit SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_wire_admit.c ROOMS base wire)
