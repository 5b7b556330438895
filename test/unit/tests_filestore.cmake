rf_test(test_filestore SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_filestore.c ROOMS base crypto files io)
