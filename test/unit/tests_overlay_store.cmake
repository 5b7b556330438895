rf_test(test_overlay_store
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_overlay_store_tree SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_tree.c ROOMS base storenet)
rf_test(test_overlay_store_ring
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_ring.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_overlay_store_client
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_client.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_policy SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_policy.c ROOMS base storenet)
rf_test(test_overlay_store_chaos
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_chaos.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet TIMEOUT 120)
