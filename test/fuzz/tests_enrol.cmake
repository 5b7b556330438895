if(RF_FUZZ AND TARGET rf_enrol)
  # a copy: libFuzzer writes what it finds beside the first inputs
  file(COPY ${CMAKE_SOURCE_DIR}/test/fuzz/seeds_enrol DESTINATION ${CMAKE_BINARY_DIR}/fuzz_seeds)
  rf_fuzz(fuzz_enrol
    SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_enrol.c ${CMAKE_SOURCE_DIR}/test/support/enrol_store.c
    ROOMS base crypto ident conf enrol SEEDS ${CMAKE_BINARY_DIR}/fuzz_seeds/seeds_enrol)
  rf_fuzz(fuzz_enrol_client
    SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_enrol_client.c ${CMAKE_SOURCE_DIR}/test/support/pki.c
            ${CMAKE_SOURCE_DIR}/test/support/vector.c
    ROOMS base crypto ident conf enrol)
  target_compile_definitions(fuzz_enrol_client PRIVATE RF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
endif()
