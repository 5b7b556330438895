rf_fuzz(fuzz_sim_text SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_sim_text.c ROOMS base sim_text SEEDS ${CMAKE_SOURCE_DIR}/scenarios)
