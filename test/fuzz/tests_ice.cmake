rf_fuzz(fuzz_ice SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_ice.c ROOMS base crypto crypto_fake stun ice)
