set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_enrol
  SOURCES ${dir}/test_enrol.c ${dir}/test_enrol_admin.c ${dir}/test_enrol_client.c ${dir}/test_enrol_decide.c
          ${dir}/test_enrol_door.c ${dir}/test_enrol_faults.c ${dir}/test_enrol_limit.c ${dir}/test_enrol_multipart.c
          ${dir}/test_enrol_name.c ${dir}/test_enrol_races.c ${CMAKE_SOURCE_DIR}/test/support/enrol_store.c
  ROOMS base crypto ident conf enrol pki)
