set(dir ${CMAKE_SOURCE_DIR}/test/fuzz)
rf_fuzz(fuzz_link SOURCES ${dir}/fuzz_link.c ${dir}/fuzz_link_node.c ROOMS base crypto wire ident link link_plain)
rf_fuzz(fuzz_link_datagram SOURCES ${dir}/fuzz_link_datagram.c ${dir}/fuzz_link_node.c
  ROOMS base crypto wire ident link link_plain)
rf_fuzz(fuzz_link_dtls SOURCES ${dir}/fuzz_link_dtls.c ${dir}/fuzz_link_node.c ROOMS base crypto wire ident link)
