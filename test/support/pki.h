/*
 * pki.h - an overlay's keys for tests: in one call a CA, a signed configuration document, and then as many
 * nodes as wanted.
 *
 *     struct rf_pki pki;
 *     assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org", .no_ice = true}),
 * 0); struct rf_identity alice; assert_int_equal(rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_P256,
 * &alice), 0);
 *     ...
 *     rf_identity_deinit(&alice);
 *     rf_pki_deinit(&pki);
 *
 * A test names the room `pki` in rf_test(... ROOMS ... conf pki). Fifty nodes take milliseconds. All RSA keys
 * of a program are the same one, which takes a tenth of a second.
 */
#ifndef RF_TEST_SUPPORT_PKI_H
#define RF_TEST_SUPPORT_PKI_H

#include "conf/conf.h"
#include "ident/ident.h"

#define RF_PKI_WALL_MS UINT64_C(1750000000000) /* "now" when the config names none: 2025-06-15 */

struct rf_pki_config {
    const char *overlay; /* NULL: "example.org" */
    uint8_t id_len;      /* 0: 16 */
    int self_signed;     /* 0: certificates by the CA; enum rf_digest_rule: a self-signed overlay */
    bool no_ice;
    const char *const *bootstraps; /* "127.0.0.1:6084" each */
    size_t bootstrap_count;
    uint16_t sequence; /* 0: 1 */
    uint64_t wall_ms;  /* 0: RF_PKI_WALL_MS; certificates are valid from a day before to a year after */
    const struct rf_kind_def
        *kinds; /* required-kinds of the document; block, name and signature are ignored */
    size_t kind_count;
    struct rf_mem *mem; /* NULL: rf_mem_system() */
    /* Called last, may change the draft of the document before it is signed (may be NULL). */
    void (*adjust)(struct rf_conf *draft, void *arg);
    void *adjust_arg;
};

struct rf_pki {
    struct rf_mem *mem;
    struct rf_crypto *crypto; /* owned */
    struct rf_pki_config config;
    uint64_t wall_ms;
    uint32_t serial;       /* of the last certificate */
    struct rf_key *ca_key; /* owned */
    struct rf_x509 ca;   /* owned; what issues now: the root, or since rf_pki_below the newest intermediate */
    struct rf_buf below; /* the intermediates, DER, one after the other, the newest first */
    struct rf_identity signer; /* configuration-signer and kind-signer: config@<overlay> */
    struct rf_conf *conf;      /* one reference; conf->xml is the signed document */
};

/* rf_pki_init makes all of it. The strings of `config` are borrowed for as long as `pki` lives. Errors: those
 * below it. */
int rf_pki_init(struct rf_pki *pki, const struct rf_pki_config *config);
void rf_pki_deinit(struct rf_pki *pki);

/*
 * rf_pki_node makes a node: a key of `type` and a certificate for `user` with one Node-ID.
 * user     "alice@example.org"
 * node_id  the Node-ID to certify; NULL: some (the next of a fixed sequence that is spread over the ring). In
 * a self-signed overlay it must be NULL, the key decides. out      to be freed with rf_identity_deinit before
 * rf_pki_deinit
 */
int rf_pki_node(struct rf_pki *pki, const char *user, const struct rf_id *node_id, enum rf_key_type type,
                struct rf_identity *out);
/* rf_pki_node_multi: the same with several Node-IDs (all of `node_ids`, not for self-signed overlays), the
 * first of them chosen. */
int rf_pki_node_multi(struct rf_pki *pki, const char *user, const struct rf_id *node_ids,
                      size_t node_id_count, enum rf_key_type type, struct rf_identity *out);
/* rf_pki_below puts an intermediate authority below the one that issued until now: nodes made from now on are certified by it, and
 * need `pki->below` behind their own certificates. At most RF_CERT_MAX_CHAIN. */
int rf_pki_below(struct rf_pki *pki);
/* rf_pki_document signs another version of the document (e.g. a higher sequence) that `adjust` makes from the
 * first draft. */
int rf_pki_document(struct rf_pki *pki, uint16_t sequence, void (*adjust)(struct rf_conf *draft, void *arg),
                    void *arg, struct rf_conf **out);
/* rf_pki_document_with signs a document that rf_conf_write would not make: `elements` stand last in <configuration>. Appends it to xml. */
int rf_pki_document_with(struct rf_pki *pki, uint16_t sequence, const char *elements, struct rf_buf *xml);
/* rf_pki_trust makes a trust configured from the document (freed with rf_trust_free). */
int rf_pki_trust(struct rf_pki *pki, size_t cache_count, struct rf_trust **out);

#endif
