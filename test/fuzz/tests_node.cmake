rf_fuzz(fuzz_node_stream SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_node_stream.c
        ROOMS base crypto crypto_fake stun ice wire ident conf link overlay usage node
        SEEDS ${CMAKE_SOURCE_DIR}/test/fuzz/seeds_node_stream)
