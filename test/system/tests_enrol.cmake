# The enrolment server as a process, on SQLite and on a private PostgreSQL; curl and openssl are the witnesses.
if(TARGET ringfolk-enrol)
  set(enrol_test python3 ${CMAKE_SOURCE_DIR}/test/system/enrol_https.py $<TARGET_FILE_DIR:ringfolk-enrol>)
  rf_system_test(enrol_sqlite SECONDS 20 COMMAND ${enrol_test})
  rf_system_test(enrol_postgres SECONDS 50 COMMAND ${CMAKE_SOURCE_DIR}/test/system/enrol_postgres.sh ${enrol_test})
endif()
