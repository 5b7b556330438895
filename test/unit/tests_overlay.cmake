set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_overlay
  SOURCES ${dir}/test_overlay.c ${dir}/test_overlay_route.c ${dir}/test_overlay_forward.c ${dir}/test_overlay_calls.c
          ${dir}/test_overlay_requests.c ${dir}/test_overlay_fragment.c ${dir}/test_overlay_small.c ${dir}/test_overlay_config.c
          ${dir}/test_overlay_diag.c ${dir}/test_overlay_faults.c ${dir}/test_overlay_doors.c
          ${dir}/test_overlay_detour.c
          ${CMAKE_SOURCE_DIR}/test/support/overlay_net.c
  ROOMS base crypto wire ident conf overlay pki
  TIMEOUT 120)
# Not a test: `cmake --build DIR --target bench_forward && DIR/test/bench_forward`.
if(TARGET rf_overlay AND TARGET rf_pki AND NOT RF_FUZZ)
  add_executable(bench_forward EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/bench_forward.c)
  target_link_libraries(bench_forward PRIVATE rf_overlay rf_pki)
endif()
