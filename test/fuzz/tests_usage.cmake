# (fuzz_overlay_store stands in test/support/tests_store_net.cmake, beside the library that it needs)
rf_fuzz(fuzz_usage SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_usage.c ROOMS usage)
