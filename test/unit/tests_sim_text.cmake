set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_sim_text SOURCES ${dir}/test_sim_text.c ROOMS base sim_text)
