# The world has NAT boxes of the simulator and a relay of turn/; an agent alone needs neither.
set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_ice SOURCES ${dir}/test_ice.c ${dir}/ice_world.c ${CMAKE_SOURCE_DIR}/src/sim/nat.c
  ROOMS base crypto stun turn ice TIMEOUT 120)
rf_test(test_ice_life SOURCES ${dir}/test_ice_life.c ${dir}/ice_world.c ${CMAKE_SOURCE_DIR}/src/sim/nat.c
  ROOMS base crypto stun turn ice TIMEOUT 120)
rf_test(test_ice_relay SOURCES ${dir}/test_ice_relay.c ${dir}/ice_world.c ${CMAKE_SOURCE_DIR}/src/sim/nat.c
  ROOMS base crypto stun turn ice)
rf_test(test_ice_abuse SOURCES ${dir}/test_ice_abuse.c ${dir}/ice_world.c ${CMAKE_SOURCE_DIR}/src/sim/nat.c
  ROOMS base crypto stun turn ice)
rf_test(test_ice_chaos SOURCES ${dir}/test_ice_chaos.c ${dir}/ice_world.c ${CMAKE_SOURCE_DIR}/src/sim/nat.c
  ROOMS base crypto stun turn ice)
