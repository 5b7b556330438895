file(GLOB chord_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/overlay/chord/*.c
  ${CMAKE_SOURCE_DIR}/test/support/chord_net*.c)
rf_fuzz(fuzz_overlay_chord SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_overlay_chord.c ${chord_sources} ROOMS base wire)
if(TARGET fuzz_overlay_chord)
  target_link_libraries(fuzz_overlay_chord PRIVATE cmocka m)
endif()
