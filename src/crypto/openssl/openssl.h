/* openssl.h - the crypto interface on OpenSSL 3's libcrypto. */
#ifndef RF_CRYPTO_OPENSSL_OPENSSL_H
#define RF_CRYPTO_OPENSSL_OPENSSL_H

#include "crypto/crypto.h"

/* rf_crypto_openssl_new makes a backend (owned, to be freed with _free). `mem` is borrowed. NULL: out of
 * memory. */
struct rf_crypto *rf_crypto_openssl_new(struct rf_mem *mem);
void rf_crypto_openssl_free(struct rf_crypto *crypto);

#endif
