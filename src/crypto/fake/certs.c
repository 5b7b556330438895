/* certs.c - decoding certificates, and what it costs. That each is in memory once, however many nodes know it, is ident/'s work. */
#include "crypto/fake/backend.h"

#include "crypto/x509.h"

int fake_x509_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out)
{
    struct backend *b = backend_of(c);

    if (der.len > RF_X509_MAX_LEN)
        return RF_ELIMIT;
    b->counts.certs_decoded++;
    charge(b, b->config.costs.x509_decode_ns);
    return rf_x509_decode(c, der, out);
}

void fake_x509_again(struct rf_crypto *c)
{
    struct backend *b = backend_of(c);

    b->counts.certs_decoded++;
    b->counts.certs_shared++;
    charge(b, b->config.costs.x509_decode_ns);
    charge(b, b->config.costs.key_decode_ns);
}
