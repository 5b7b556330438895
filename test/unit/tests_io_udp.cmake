rf_test(test_io_udp SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_io_udp.c ROOMS base crypto stun turn io)
