# A witness that is run by hand or where Chromium is there (test/system/browser_call.py). It brings a core_log of its own, so it links files, not the room.
if(TARGET rf_sip AND NOT RF_FUZZ)
  pkg_check_modules(LIBRE REQUIRED IMPORTED_TARGET libre)
  pkg_check_modules(SRTP REQUIRED IMPORTED_TARGET libsrtp2)
  pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
  find_package(Threads REQUIRED)
  set(sip ${CMAKE_SOURCE_DIR}/src/sip)
  add_executable(webrtc_answer ${CMAKE_SOURCE_DIR}/test/support/webrtc_answer.c
    ${sip}/dtls.c ${sip}/packets.c ${sip}/sdp.c ${sip}/seal.c ${sip}/seal_gcm.c ${sip}/stream.c ${sip}/turn_tcp.c ${sip}/ways.c ${sip}/ways_move.c ${sip}/ways_servers.c)
  target_link_libraries(webrtc_answer PRIVATE rf_ice rf_crypto PkgConfig::LIBRE PkgConfig::SRTP PkgConfig::GNUTLS Threads::Threads)
  set_target_properties(webrtc_answer PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endif()
