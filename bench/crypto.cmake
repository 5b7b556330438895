# bench_crypto: see the head of bench_crypto.c. Build it without RF_SANITIZE and with optimisation to measure.
if(TARGET rf_crypto)
  add_executable(bench_crypto ${CMAKE_SOURCE_DIR}/bench/bench_crypto.c)
  target_link_libraries(bench_crypto PRIVATE rf_crypto)
endif()
