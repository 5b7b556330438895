rf_fuzz(fuzz_files SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_files.c ROOMS base crypto crypto_fake files SEEDS ${CMAKE_SOURCE_DIR}/test/fuzz/seeds_files)
