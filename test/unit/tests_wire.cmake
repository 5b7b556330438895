set(dir ${CMAKE_SOURCE_DIR}/test/unit)
set(support ${CMAKE_SOURCE_DIR}/test/support)
rf_test(test_wire
  SOURCES ${dir}/test_wire.c ${dir}/test_wire_vectors.c ${dir}/test_wire_fields.c ${dir}/test_wire_header.c
          ${dir}/test_wire_fragment.c ${dir}/test_wire_frame.c ${dir}/test_wire_broken.c ${dir}/test_wire_stored.c
          ${dir}/test_wire_dump.c ${support}/vector.c ${support}/wire_again.c ${support}/wire_again_body.c
  ROOMS base wire)
