set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_base
  SOURCES ${dir}/test_base.c ${dir}/test_base_addr.c ${dir}/test_base_bytes.c ${dir}/test_base_civil.c ${dir}/test_base_id.c
          ${dir}/test_base_map.c ${dir}/test_base_mem.c ${dir}/test_base_misc.c ${dir}/test_base_rng.c
          ${dir}/test_base_text.c ${dir}/test_base_timer.c
  ROOMS base)
