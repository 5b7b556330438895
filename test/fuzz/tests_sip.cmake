set(dir ${CMAKE_SOURCE_DIR}/test/fuzz)
rf_fuzz(fuzz_sip_frame SOURCES ${dir}/fuzz_sip_frame.c ROOMS sip SEEDS ${dir}/seeds_sip)
rf_fuzz(fuzz_sip_wav SOURCES ${dir}/fuzz_sip_wav.c ROOMS sip)
rf_fuzz(fuzz_sip_message SOURCES ${dir}/fuzz_sip_message.c ROOMS sip SEEDS ${dir}/seeds_sip)
