set(dir ${CMAKE_SOURCE_DIR}/test/unit)
rf_test(test_crypto
  SOURCES ${dir}/test_crypto.c ${dir}/test_crypto_der.c ${dir}/test_crypto_hash.c ${dir}/test_crypto_keys.c
          ${dir}/test_crypto_x509.c ${dir}/test_crypto_csr.c
          ${dir}/test_crypto_contract.c ${dir}/test_crypto_fake.c ${dir}/test_crypto_hpke.c
          ${CMAKE_SOURCE_DIR}/test/support/vector.c ${CMAKE_SOURCE_DIR}/test/support/json_vector.c
  ROOMS base crypto crypto_fake LIBS jansson)
