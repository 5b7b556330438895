set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_files
  SOURCES ${dir}/test_files.c ${dir}/test_files_fetch.c ${dir}/test_files_format.c ${dir}/test_files_net.c ${dir}/test_files_serve.c
  ROOMS base crypto files)
