if(RF_FUZZ AND TARGET rf_overlay AND TARGET rf_pki)
  set(seeds ${CMAKE_BINARY_DIR}/fuzz_seeds/overlay)
  file(MAKE_DIRECTORY ${seeds})
  add_executable(fuzz_overlay_seeds ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_overlay_seeds.c
    ${CMAKE_SOURCE_DIR}/test/support/vector.c)
  target_link_libraries(fuzz_overlay_seeds PRIVATE rf_base)
  target_compile_definitions(fuzz_overlay_seeds PRIVATE RF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_custom_command(TARGET fuzz_overlay_seeds POST_BUILD COMMAND fuzz_overlay_seeds ${seeds})
  rf_fuzz(fuzz_overlay SOURCES ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz_overlay.c
    ROOMS base crypto wire ident conf overlay pki SEEDS ${seeds})
  add_dependencies(fuzz_overlay fuzz_overlay_seeds)
endif()
