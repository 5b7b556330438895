set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_db_chat SOURCES ${dir}/test_db_chat.c ${dir}/test_keep_kit.c ROOMS base crypto keep db WAITS)
rf_test(test_db_chat_faults SOURCES ${dir}/test_db_chat_faults.c ${dir}/test_keep_kit.c ${CMAKE_SOURCE_DIR}/test/support/faulty_vfs.c ROOMS base crypto keep db WAITS)
rf_test(test_keep_model SOURCES ${dir}/test_keep_model.c ${dir}/test_keep_kit.c ROOMS base crypto keep db WAITS)
