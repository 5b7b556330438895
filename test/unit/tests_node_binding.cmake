rf_test(test_binding_search
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_binding_search.c
  ROOMS base crypto wire ident conf link overlay usage node
  TIMEOUT 30)
rf_test(test_node_binding
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_node_binding.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c
  ROOMS base crypto wire ident conf link overlay usage node pki link_plain
  TIMEOUT 120)
