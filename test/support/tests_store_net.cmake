# The storage on doubles of transport, topology and disk, as a room of its own: tests name it as `storenet` instead of overlay.
if(TARGET rf_pki)
  file(GLOB store_net_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/overlay/store*.c ${CMAKE_SOURCE_DIR}/src/overlay/policy*.c ${CMAKE_SOURCE_DIR}/src/overlay/watch*.c)
  add_library(rf_storenet STATIC ${store_net_sources} ${CMAKE_SOURCE_DIR}/test/support/store_net.c
    ${CMAKE_SOURCE_DIR}/test/support/store_net_node.c)
  target_link_libraries(rf_storenet PUBLIC rf_pki rf_conf rf_ident rf_wire rf_base cmocka)
  rf_fuzz(fuzz_overlay_store SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_overlay_store.c ROOMS storenet)
endif()
