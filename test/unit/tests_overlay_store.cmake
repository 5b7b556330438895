rf_test(test_overlay_store
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_overlay_store_tree SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_tree.c ROOMS base storenet)
rf_test(test_overlay_store_ring
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_ring.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_overlay_store_heal
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_heal.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_overlay_store_client
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_client.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
rf_test(test_policy SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_policy.c ROOMS base storenet)
rf_test(test_overlay_store_chaos
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_chaos.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet TIMEOUT 120)
# Not a test: `cmake --build DIR --target bench_store && DIR/test/bench_store`.
if(TARGET rf_overlay AND TARGET rf_pki)
  add_executable(bench_store EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/bench_store.c)
  target_link_libraries(bench_store PRIVATE rf_overlay rf_pki)
endif()
rf_test(test_overlay_store_lookup
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_lookup.c ${CMAKE_SOURCE_DIR}/test/unit/test_overlay_store_kit.c
  ROOMS base storenet)
