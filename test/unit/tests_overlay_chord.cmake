# The plugin's sources are linked with the virtual network's doubles of message.h instead of with overlay/.
set(dir ${CMAKE_SOURCE_DIR}/test/unit)
file(GLOB chord_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/overlay/chord/*.c
  ${CMAKE_SOURCE_DIR}/test/support/chord_net*.c)
rf_test(test_overlay_chord
  SOURCES ${dir}/test_overlay_chord.c ${dir}/test_overlay_chord_ring.c ${dir}/test_overlay_chord_candidates.c
          ${dir}/test_overlay_chord_machine.c ${dir}/test_overlay_chord_grow.c ${dir}/test_overlay_chord_churn.c
          ${dir}/test_overlay_chord_client.c ${chord_sources}
  ROOMS base wire
  LIBS m
  TIMEOUT 600)
if(TARGET test_overlay_chord)
  target_compile_options(test_overlay_chord PRIVATE -O1) # rings of 200 under the sanitizers
endif()
