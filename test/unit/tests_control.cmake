rf_test(test_control
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_control.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c
  ROOMS base crypto wire ident conf link overlay usage node control pki link_plain
  TIMEOUT 120)
