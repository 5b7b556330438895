rf_fuzz(fuzz_turn SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_turn.c ROOMS base crypto crypto_fake stun turn)
