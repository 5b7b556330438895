# The usages on the storage's doubles (test/support/store_net.h).
if(TARGET rf_storenet)
  file(GLOB usage_net_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/usage/*.c)
  add_library(rf_usagenet STATIC ${usage_net_sources})
  target_link_libraries(rf_usagenet PUBLIC rf_storenet)
endif()
rf_test(test_usage
  SOURCES ${CMAKE_SOURCE_DIR}/test/unit/test_usage.c ${CMAKE_SOURCE_DIR}/test/unit/test_usage_kinds.c
    ${CMAKE_SOURCE_DIR}/test/unit/test_usage_own.c ${CMAKE_SOURCE_DIR}/test/unit/test_usage_lookup.c
  ROOMS base usagenet)
