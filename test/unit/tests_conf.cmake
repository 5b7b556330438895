set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_conf
  SOURCES ${dir}/test_conf.c ${dir}/test_conf_parse.c ${dir}/test_conf_value.c ${dir}/test_conf_verify.c
          ${dir}/test_conf_write.c ${dir}/test_conf_xml.c
  ROOMS base crypto wire ident conf pki)
