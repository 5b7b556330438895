set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_link
  SOURCES ${dir}/test_link.c ${dir}/test_link_up.c ${dir}/test_link_refuse.c ${dir}/test_link_life.c
          ${dir}/test_link_limits.c ${dir}/test_link_engine.c ${dir}/link_pair.c ${dir}/link_world.c
  ROOMS base crypto wire ident conf link link_plain pki
  TIMEOUT 180)
rf_test(test_link_dtls
  SOURCES ${dir}/test_link_dtls.c ${dir}/test_link_dtls_engine.c ${dir}/test_link_dtls_up.c ${dir}/test_link_dtls_send.c ${dir}/test_link_dtls_hostile.c
          ${dir}/test_link_ordered.c
          ${dir}/link_net.c ${dir}/link_pair.c
          ${dir}/link_world.c
  ROOMS base crypto wire ident conf link link_plain pki
  TIMEOUT 300)
rf_test(test_link_io
  SOURCES ${dir}/test_link_io.c
  ROOMS base crypto wire ident conf link pki io WAITS)
