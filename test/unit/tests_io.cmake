set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_io
  SOURCES ${dir}/test_io.c ${dir}/test_io_loop.c ${dir}/test_io_files.c ${dir}/test_io_sockets.c ${dir}/test_io_flows.c ${dir}/test_io_password.c
  ROOMS base io WAITS)
