rf_fuzz(fuzz_chat SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_chat.c ROOMS base wire mls chat SEEDS ${CMAKE_SOURCE_DIR}/test/fuzz/seeds_chat)
