set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_sip_media SOURCES ${dir}/test_sip_media.c ${dir}/test_sip_sdp.c ${dir}/test_sip_seal.c ${dir}/test_sip_stream.c
  ROOMS base crypto sip WAITS)
