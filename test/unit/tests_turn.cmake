set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_turn
  SOURCES ${dir}/test_turn.c ${dir}/test_turn_requests.c ${dir}/test_turn_data.c ${dir}/test_turn_abuse.c ${dir}/test_turn_attacks.c
  ROOMS base crypto stun turn)
rf_test(test_io_relay SOURCES ${dir}/test_io_relay.c ROOMS base crypto stun turn io WAITS)
