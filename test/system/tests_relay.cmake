# The relay at coturn's client; benches are built with the release tests.
if(TARGET rf_turn AND TARGET rf_io AND NOT RF_FUZZ)
  rf_system_test(relay_coturn SECONDS 13 COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_relay.py RelayTest)
  rf_system_test(relay SECONDS 30 COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_relay.py InSupernodes)
  rf_system_test(relay_chromium COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_relay_chromium.py)
  rf_system_test(flood SECONDS 25 COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_flood.py)
endif()
