rf_test(test_wire_relay SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_wire_relay.c ROOMS base wire)
