# MLS at an independent implementation.
if(TARGET rf_mls AND NOT RF_FUZZ)
  add_executable(mls_peer ${CMAKE_SOURCE_DIR}/test/support/mls_peer.c)
  target_link_libraries(mls_peer PRIVATE rf_mls rf_crypto rf_base)
  add_test(NAME system_mls_peer COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_mls_peer.py)
  set_tests_properties(system_mls_peer PROPERTIES LABELS system TIMEOUT 240 ENVIRONMENT
    "RF_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
endif()
