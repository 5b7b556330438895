rf_fuzz(fuzz_chat_keep SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_chat_keep.c ROOMS base keep)
