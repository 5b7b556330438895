# Files between real daemons.
if(TARGET ringfolkd AND TARGET ringfolk AND TARGET ringfolk-enrol)
  rf_system_test(files SECONDS 40 COMMAND python3 ${CMAKE_SOURCE_DIR}/test/system/test_files.py)
endif()
