rf_test(test_node_outward
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_node_outward.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c
  ROOMS base crypto wire ident conf link overlay usage node pki link_plain
  TIMEOUT 120)
