# The HTTPS server of the enrolment server and the HTTPS client of `ringfolk init`: a library of their own, so that neither program
# carries what it does not use.
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(GNUTLS_HTTP REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(CURL_HTTP REQUIRED IMPORTED_TARGET libcurl)
find_package(Threads REQUIRED)
add_library(rf_iohttp STATIC
  ${CMAKE_SOURCE_DIR}/src/io/https.c ${CMAKE_SOURCE_DIR}/src/io/https_work.c ${CMAKE_SOURCE_DIR}/src/io/http_client.c)
target_link_libraries(rf_iohttp PUBLIC rf_base rf_io
  PkgConfig::MICROHTTPD PkgConfig::GNUTLS_HTTP PkgConfig::CURL_HTTP Threads::Threads)
