set(dir ${CMAKE_SOURCE_DIR}/test/fuzz)
rf_fuzz(fuzz_conf_parse SOURCES ${dir}/fuzz_conf_parse.c ${dir}/../support/pki.c ROOMS base crypto wire ident conf)
