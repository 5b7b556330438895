# The functions of node/ and chat/ that the commands call are doubles.
rf_test(test_control_chat
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_control_chat.c ${CMAKE_SOURCE_DIR}/test/unit/test_control_chat_kit.c
  ROOMS base control keep)
