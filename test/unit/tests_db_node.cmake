rf_test(test_db_node SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_db_node.c ROOMS base db WAITS)
rf_test(test_db_node_faults SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_db_node_faults.c ${CMAKE_SOURCE_DIR}/test/support/faulty_vfs.c ROOMS base db WAITS)
