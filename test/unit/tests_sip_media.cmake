set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_sip_media SOURCES ${dir}/test_sip_media.c ${dir}/test_sip_sdp.c ${dir}/test_sip_seal.c ${dir}/test_sip_stream.c
  ROOMS base crypto sip WAITS)
rf_test(test_sip_move
  SOURCES ${dir}/test_sip_move.c ${dir}/test_sip_anchor.c ${dir}/test_sip_net.c ${dir}/test_sip_phone.c
  ROOMS base crypto sip
  TIMEOUT 120 WAITS)
