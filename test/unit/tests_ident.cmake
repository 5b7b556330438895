set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_ident
  SOURCES ${dir}/test_ident.c ${dir}/test_ident_cert.c ${dir}/test_ident_trust.c ${dir}/test_ident_vectors.c
          ${dir}/test_ident_verify.c ${CMAKE_SOURCE_DIR}/test/support/vector.c
  ROOMS base crypto wire ident)
