# Real processes; run one after the other (label system), in the release build only.
if(TARGET ringfolkd AND TARGET ringfolk AND TARGET ringfolk-enrol)
  foreach(case Overlay Documents Revoked AllPowerOff)
    add_test(NAME system_${case} COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_overlay.py ${case})
    set_tests_properties(system_${case} PROPERTIES LABELS system TIMEOUT 240 ENVIRONMENT
      "RF_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
  endforeach()
  foreach(case Usage Enrolling Disk Running Dates Claims Resistance)
    add_test(NAME system_messages_${case} COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_messages.py ${case})
    set_tests_properties(system_messages_${case} PROPERTIES LABELS system TIMEOUT 120 ENVIRONMENT
      "RF_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
  endforeach()
  add_test(NAME system_demo COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/demo.py ${CMAKE_BINARY_DIR})
  set_tests_properties(system_demo PROPERTIES LABELS system TIMEOUT 180 ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endif()
