rf_test(test_chat
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_chat.c ${CMAKE_SOURCE_DIR}/test/unit/test_chat_kit.c ${CMAKE_SOURCE_DIR}/test/support/node_net.c
  ROOMS base crypto wire ident conf link overlay usage chat node pki link_plain TIMEOUT 240)
