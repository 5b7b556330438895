# The devices of the fuzz target and of the benchmark, as a library.
if(TARGET rf_mls)
  add_library(rf_mlsworld STATIC EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/test/support/mls_world.c)
  target_link_libraries(rf_mlsworld PUBLIC rf_mls)
endif()
rf_fuzz(fuzz_mls SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_mls.c ROOMS mlsworld crypto_fake)
