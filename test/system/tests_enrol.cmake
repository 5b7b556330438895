# The enrolment server as a process, on SQLite and on a private PostgreSQL; curl and openssl are the witnesses.
if(TARGET ringfolk-enrol)
  set(enrol_test python3 ${CMAKE_SOURCE_DIR}/test/system/enrol_https.py $<TARGET_FILE_DIR:ringfolk-enrol>)
  add_test(NAME system_enrol_sqlite COMMAND ${enrol_test})
  add_test(NAME system_enrol_postgres COMMAND ${CMAKE_SOURCE_DIR}/test/system/enrol_postgres.sh ${enrol_test})
  set_tests_properties(system_enrol_sqlite system_enrol_postgres PROPERTIES
    LABELS system TIMEOUT 120 ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endif()
