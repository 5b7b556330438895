set(dir ${CMAKE_SOURCE_DIR}/test/fuzz)
rf_fuzz(fuzz_sip_sdp SOURCES ${dir}/fuzz_sip_sdp.c ROOMS sip SEEDS ${dir}/seeds_sdp)
rf_fuzz(fuzz_sip_stream SOURCES ${dir}/fuzz_sip_stream.c ROOMS sip)
