set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_sip
  SOURCES ${dir}/test_sip.c ${dir}/test_sip_net.c ${dir}/test_sip_phone.c ${dir}/test_sip_frame.c ${dir}/test_sip_parts.c
          ${dir}/test_sip_calls.c ${dir}/test_sip_phones.c ${dir}/test_sip_texts.c ${dir}/test_sip_local.c ${dir}/test_sip_hostile.c
          ${dir}/test_sip_ways.c ${dir}/test_sip_anchor.c ${dir}/test_sip_anchor_sdp.c
  ROOMS base crypto sip
  TIMEOUT 120 WAITS
  GROUPS frame parts calls phones texts local hostile ways anchor anchor_sdp)
