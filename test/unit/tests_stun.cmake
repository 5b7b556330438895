rf_test(test_stun SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_stun.c ROOMS base crypto stun)
