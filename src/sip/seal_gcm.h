/* seal_gcm.h - AES-128-GCM for libsrtp from GnuTLS, which needs an eighth of the time that libsrtp's own takes where it is built on NSS. */
#ifndef RF_SIP_SEAL_GCM_H
#define RF_SIP_SEAL_GCM_H

#include <stdbool.h>

/* seal_gcm_use: libsrtp uses it from now on, if it passes the tests that libsrtp makes. Call it once, when libsrtp is up. False: libsrtp goes on with its own. */
bool seal_gcm_use(void);

#endif
