set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_enrol
  SOURCES ${dir}/test_enrol.c ${dir}/test_enrol_admin.c ${dir}/test_enrol_client.c ${dir}/test_enrol_decide.c
          ${dir}/test_enrol_door.c ${dir}/test_enrol_faults.c ${dir}/test_enrol_limit.c ${dir}/test_enrol_multipart.c
          ${dir}/test_enrol_name.c ${dir}/test_enrol_races.c ${CMAKE_SOURCE_DIR}/test/support/enrol_store.c
  ROOMS base crypto ident conf enrol pki)

# The same program on SQLite, and on a private PostgreSQL.
rf_test(test_enrol_db SOURCES ${dir}/test_enrol_db.c ROOMS base db LIBS pthread)
if(TARGET test_enrol_db)
  add_test(NAME test_enrol_db_postgres
    COMMAND ${CMAKE_SOURCE_DIR}/test/system/enrol_postgres.sh $<TARGET_FILE:test_enrol_db>)
  set_tests_properties(test_enrol_db_postgres PROPERTIES TIMEOUT 90)
endif()

rf_test(test_enrol_http SOURCES ${dir}/test_enrol_http.c ROOMS base crypto iohttp LIBS pthread WAITS)
