rf_test(test_node_path
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_node_path.c ${CMAKE_SOURCE_DIR}/test/unit/test_node_path_moves.c ${CMAKE_SOURCE_DIR}/test/unit/test_node_path_overlay.c ${CMAKE_SOURCE_DIR}/test/unit/test_node_path_large.c ${CMAKE_SOURCE_DIR}/test/unit/test_node_path_limits.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c ${CMAKE_SOURCE_DIR}/test/support/node_relay.c
  ROOMS base crypto wire ident conf link overlay usage node turn pki link_plain
  TIMEOUT 120)
