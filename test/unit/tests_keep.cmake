set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_keep SOURCES ${dir}/test_keep.c ${dir}/test_keep_kit.c ROOMS base crypto keep db LIBS jansson)
