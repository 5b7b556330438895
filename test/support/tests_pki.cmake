# The test PKI as a room of its own: tests name it as `pki` behind conf.
if(TARGET rf_conf)
  add_library(rf_pki STATIC ${CMAKE_SOURCE_DIR}/test/support/pki.c ${CMAKE_SOURCE_DIR}/test/support/vector.c)
  target_compile_definitions(rf_pki PRIVATE RF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(rf_pki PUBLIC rf_conf)
endif()
