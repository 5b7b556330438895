# Conversations between real daemons on loopback, in the release build only.
if(TARGET ringfolkd AND TARGET ringfolk AND TARGET ringfolk-enrol)
  foreach(case Away Group Killed Devices Keys Full)
    rf_system_test(chat_${case} SECONDS 30 COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_chat.py ${case})
  endforeach()
endif()
