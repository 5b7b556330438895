rf_test(test_sim SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_sim.c ROOMS base sim TIMEOUT 180)
