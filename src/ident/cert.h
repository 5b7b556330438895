/* cert.h - what the files of this room share about certificates. */
#ifndef RF_IDENT_CERT_H
#define RF_IDENT_CERT_H

#include "ident/ident.h"

/* cert_decode is rf_cert_decode for one whose SHA-256 is known already. */
int cert_decode(struct rf_crypto *crypto, struct rf_view der, const uint8_t sha256[RF_SHA256_LEN],
                struct rf_view overlay, uint8_t id_len, struct rf_cert **out);
/* cert_set_chain replaces the intermediates (copied). Errors: RF_ENOMEM (then there are none). */
int cert_set_chain(struct rf_cert *cert, const struct rf_view *chain, size_t chain_count);
/* cert_node_hash: SHA-256(Node-ID ‖ DER), how cert_hash_node_id names a certificate. */
int cert_node_hash(const struct rf_cert *cert, const struct rf_id *node_id, uint8_t out[RF_SHA256_LEN]);

#endif
