if(TARGET rf_pki)
  rf_test(test_io_relay_tls SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_io_relay_tls.c ROOMS base crypto stun turn io wire ident conf pki WAITS)
endif()
