rf_test(test_apps SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_apps_options.c ${CMAKE_SOURCE_DIR}/src/apps/options.c
  ROOMS base)
