/* test_ident.h - the groups of the ident room's test program and what they share. */
#ifndef RF_TEST_IDENT_H
#define RF_TEST_IDENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/openssl/openssl.h"
#include "ident/ident.h"

int test_ident_cert(void);
int test_ident_trust(void);
int test_ident_vectors(void);
int test_ident_verify(void);

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)
#define OVERLAY       VIEW("example.org")
#define NOW_MS        UINT64_C(1750000000000)
#define DAY_MS        UINT64_C(86400000)

/* A certification authority, root or intermediate. */
struct authority {
    struct rf_key *key;
    struct rf_x509 x509;
};

/* A backend over a counting allocator, and a root. */
struct fixture {
    struct rf_mem_test mem;
    struct rf_crypto *c;
    struct authority root;
};
void fixture_init(struct fixture *f);
void fixture_deinit(struct fixture *f); /* checks that no memory is left behind */

/* What is unusual about an authority: all zero is usual. */
struct authority_spec {
    const struct authority *issuer; /* NULL: a root */
    const char *name;
    bool no_sub_ca;
    uint64_t not_before_ms, not_after_ms; /* 0: around now */
};
void authority_init(struct fixture *f, struct authority *a, const struct authority_spec *spec);
void authority_deinit(struct fixture *f, struct authority *a);

/* What is unusual about a node's certificate. */
struct node_spec {
    const struct authority *issuer; /* NULL: self-signed */
    const char *user, *overlay;     /* NULL: a@example.org, example.org */
    struct rf_id ids[RF_CERT_MAX_NODE_IDS];
    size_t id_count;
    uint64_t not_before_ms, not_after_ms; /* 0: around now */
    enum rf_key_type type;                /* 0: Ed25519 */
    const struct rf_key *sign_with;       /* NULL: the issuer's, or its own */
};
/* node_cert makes a key (owned by the caller) and appends the certificate to `der`, which is emptied first. */
struct rf_key *node_cert(struct fixture *f, const struct node_spec *spec, struct rf_buf *der);
/* id makes a Node-ID of 16 bytes that ends with `n`. */
struct rf_id id(uint8_t n);
/* trust_new makes a trust for example.org with the fixture's root. */
struct rf_trust *trust_new(struct fixture *f, size_t cache_count);
void trust_configure(struct fixture *f, struct rf_trust *trust, int self_signed, const struct rf_id *bad,
                     size_t bad_count);

#endif
