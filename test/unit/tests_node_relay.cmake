rf_test(test_node_relay
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_node_relay.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c
  ROOMS base crypto stun wire ident conf link overlay usage node turn pki link_plain
  TIMEOUT 120)
