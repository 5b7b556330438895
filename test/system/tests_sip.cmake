# Standard phones at real daemons: SIPp on loopback, baresip in a network of its own.
if(TARGET ringfolkd AND TARGET ringfolk AND TARGET ringfolk-enrol)
  set(dir ${CMAKE_SOURCE_DIR}/test/system)
  rf_system_test(sip_phones SECONDS 30 COMMAND python3 ${dir}/sip_phones.py Phones)
  rf_system_test(sip_baresip SECONDS 8 COMMAND python3 ${dir}/sip_own_network.py python3 ${dir}/sip_phones.py RealPhones)
  rf_system_test(sip_nat SECONDS 13 COMMAND python3 ${dir}/test_calls_nat.py)
  rf_system_test(sip_roaming SECONDS 65 COMMAND python3 ${dir}/test_calls_roaming.py)
endif()
