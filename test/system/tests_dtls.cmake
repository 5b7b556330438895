# Links of datagrams at OpenSSL's DTLS, with tshark.
if(TARGET rf_link AND TARGET rf_io AND TARGET rf_pki AND NOT RF_FUZZ)
  add_executable(dtls_shell ${CMAKE_SOURCE_DIR}/test/support/dtls_shell.c)
  target_link_libraries(dtls_shell PRIVATE rf_link rf_io rf_pki)
  rf_system_test(dtls COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_dtls.py TOOLS dtls_shell)
endif()
