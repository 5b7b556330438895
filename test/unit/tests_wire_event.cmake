rf_test(test_wire_event SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_wire_event.c ROOMS base wire)
