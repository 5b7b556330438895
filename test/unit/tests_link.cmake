set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_link
  SOURCES ${dir}/test_link.c ${dir}/test_link_up.c ${dir}/test_link_refuse.c ${dir}/test_link_life.c
          ${dir}/test_link_limits.c ${dir}/test_link_engine.c ${dir}/link_world.c
  ROOMS base crypto wire ident conf link link_plain pki
  TIMEOUT 180)
rf_test(test_link_io
  SOURCES ${dir}/test_link_io.c
  ROOMS base crypto wire ident conf link pki io)

# Not a test: `cmake --build DIR --target bench_link && DIR/test/bench_link`.
if(TARGET rf_link AND TARGET rf_io AND TARGET rf_pki)
  add_executable(bench_link EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/bench_link.c)
  target_link_libraries(bench_link PRIVATE rf_link rf_link_plain rf_io rf_pki)
endif()
