set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_mls
  SOURCES ${dir}/test_mls.c ${dir}/test_mls_codec.c ${dir}/test_mls_tree.c ${dir}/test_mls_passive.c ${dir}/test_mls_group.c ${dir}/test_mls_reject.c ${dir}/test_mls_store.c
          ${CMAKE_SOURCE_DIR}/test/support/mls_world.c ${CMAKE_SOURCE_DIR}/test/support/json_vector.c
  ROOMS base crypto crypto_fake mls LIBS jansson TIMEOUT 120 GROUPS codec tree passive group away reject store)
