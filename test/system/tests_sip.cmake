# Standard phones at real daemons: SIPp on loopback, baresip in a network of its own.
if(TARGET ringfolkd AND TARGET ringfolk AND TARGET ringfolk-enrol)
  set(dir ${CMAKE_SOURCE_DIR}/test/system)
  add_test(NAME system_sip_phones COMMAND python3 ${dir}/sip_phones.py Phones)
  add_test(NAME system_sip_baresip COMMAND python3 ${dir}/sip_own_network.py python3 ${dir}/sip_phones.py RealPhones)
  set_tests_properties(system_sip_phones system_sip_baresip PROPERTIES LABELS system TIMEOUT 240 ENVIRONMENT
    "RF_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
endif()
