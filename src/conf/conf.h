/*
 * conf.h - the overlay's configuration document (reload.md section 6): parsed, checked, compared, verified.
 * The signed bytes are cut from the raw file before any XML parsing (pitfall 25); DTDs and entities are refused; nothing is fetched.
 */
#ifndef RF_CONF_CONF_H
#define RF_CONF_CONF_H

#include "base/addr.h"
#include "ident/ident.h"
#include "wire/stored.h"

#define RF_CONF_MAX_LEN ((size_t)1024 * 1024) /* bytes of a document */

/* Access policies (4.7). */
enum rf_policy {
    RF_POLICY_NONE = 0,
    RF_POLICY_USER_MATCH,
    RF_POLICY_NODE_MATCH,
    RF_POLICY_USER_NODE_MATCH,
    RF_POLICY_NODE_MULTIPLE,
    RF_POLICY_NODE_ID_MATCH,
    RF_POLICY_USER_CHAIN_ACL,
    RF_POLICY_ROSTER, /* ours, docs/protocol/conversations.md */
    RF_POLICY_INBOX,
};

/* A Kind as the document defines it, registered Kinds with the reference's model and policy (4.8). */
struct rf_kind_def {
    uint32_t id;
    enum rf_model model; /* wire/stored.h: SINGLE, ARRAY, DICTIONARY */
    enum rf_policy policy;
    uint32_t max_count; /* existing values per resource */
    uint32_t max_size;  /* bytes per value */
    uint32_t max_node_multiple;
    struct rf_view block;         /* raw bytes of <kind>...</kind>, into the document */
    struct rf_view signature;     /* decoded kind-signature: a SecurityBlock; empty if there is none */
    bool domain_restricted;       /* sip:domain-restriction present */
    bool domain_enable;           /* its `enable` */
    const char **domain_patterns; /* POSIX extended, NUL-terminated */
    size_t domain_pattern_count;
    bool
        variable_names; /* share:variable-resource-names, enabled (7.6): values begin with a ResourceNameExtension */
    const char **name_patterns; /* its patterns, POSIX extended with $USER and $DOMAIN, NUL-terminated */
    size_t name_pattern_count;
    uint32_t branching_factor; /* redir:branching-factor of <kind> or <configuration> (D48); 0 = absent: 10 */
};

struct rf_conf {
    size_t refs;
    struct rf_mem *mem;
    struct rf_region region; /* everything below lives here */
    struct rf_view xml;      /* the whole document as received */
    struct rf_view blob;     /* <configuration ...>...</configuration>, the signed bytes */
    struct rf_view overlay;  /* instance-name */
    uint32_t overlay_hash;   /* last 4 bytes of SHA-1 of it */
    uint16_t sequence;
    uint64_t expiration_ms; /* since 1970 UTC; UINT64_MAX if absent */
    char *topology_plugin;
    uint8_t id_len;
    struct rf_view *roots; /* DER */
    size_t root_count;
    char **enrolment_urls;
    size_t enrolment_url_count;
    int self_signed; /* 0 or enum rf_digest_rule */
    struct rf_addr *bootstraps;
    size_t bootstrap_count;
    uint8_t turn_density;
    bool clients_permitted, no_ice, chord_reactive;
    bool self_tuning;        /* topology_plugin is CHORD-SELF-TUNING (RFC 7363) */
    uint32_t peers_to_probe; /* ... and its number-of-peers-to-probe */
    uint32_t chord_update_interval_s, chord_ping_interval_s;
    uint32_t max_message_size; /* bytes */
    uint8_t initial_ttl;
    uint32_t reliability_timer_ms;
    struct rf_id *configuration_signers, *kind_signers, *bad_nodes;
    size_t configuration_signer_count, kind_signer_count, bad_node_count;
    char **mandatory_extensions; /* namespaces */
    size_t mandatory_extension_count;
    struct rf_kind_def *kinds;
    size_t kind_count;
    struct rf_view *signatures; /* decoded SecurityBlocks that follow <configuration> */
    size_t signature_count;
    char *
        unmet; /* rf_conf_examine: what the document asks for and we lack, a part of a sentence; NULL: nothing */
    struct rf_view *kind_blocks; /* <kind-block>s received later (ConfigUpdate of type 2), each text copied */
    size_t kind_block_count;
};

/*
 * rf_conf_parse reads a document for overlay `overlay` (empty: the first configuration in it). xml is copied.
 * out: one reference, released with rf_conf_release. error_text (may be NULL): filled with one sentence of at most
 * error_text_len bytes with NUL on failure.
 * Errors: RF_EFORMAT, RF_ELIMIT, RF_ENOTFOUND no configuration of that overlay, RF_EUNSUPPORTED (mandatory extension, topology
 * plugin, node-id-length that we do not speak), RF_ENOMEM. reload.md 6.2.
 */
int rf_conf_parse(struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml, struct rf_view overlay,
                  struct rf_conf **out, char *error_text, size_t error_text_len);
/*
 * rf_conf_examine reads a document as rf_conf_parse does, but what we lack is no error: `unmet` of the document then says what it is. For
 * who must know whether such a document is genuine (rf_conf_verify), to leave the overlay (3.14). It is never put in force.
 */
int rf_conf_examine(struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml, struct rf_view overlay,
                    struct rf_conf **out, char *error_text, size_t error_text_len);
/*
 * rf_conf_with_kinds makes a document with further <kind-block>s (ConfigUpdate of type 2, reload.md 3.14): information newly received
 * about a Kind overrides the old. Each must be signed by a kind-signer of `current`, which stays as it is.
 * out: one reference. Errors: RF_EFORMAT, RF_ELIMIT, RF_EUNSUPPORTED, RF_ENOMEM, those of rf_conf_verify.
 */
int rf_conf_with_kinds(const struct rf_conf *current, struct rf_crypto *crypto, struct rf_trust *trust,
                       uint64_t wall_ms, const struct rf_view *kind_blocks, size_t kind_block_count,
                       struct rf_conf **out, char *error_text, size_t error_text_len);
/*
 * rf_conf_keep_kinds makes a document with <kind-block>s of an earlier life or an older document: those that a kind-signer of `current` vouches
 * for; the others are left out. newer: they came after `current`; else a Kind that it defines itself stays as it is there. The
 * blocks of `current` are not taken over. out: one reference. Errors: RF_ENOMEM; those of rf_conf_parse for `current`.
 */
int rf_conf_keep_kinds(const struct rf_conf *current, struct rf_crypto *crypto, struct rf_trust *trust,
                       uint64_t wall_ms, const struct rf_view *kind_blocks, size_t kind_block_count,
                       bool newer, struct rf_conf **out);
struct rf_conf *rf_conf_hold(struct rf_conf *conf);
void rf_conf_release(struct rf_conf *conf);

/* rf_conf_sequence_newer: a is newer than b, modulo 65535 (1.6). 65535 itself is never newer. */
bool rf_conf_sequence_newer(uint16_t a, uint16_t b);
/*
 * rf_conf_verify checks that `next` is signed by a configuration-signer of `current` (6.5); kind blocks likewise by kind-signers of
 * `next` where kind-signers are named. current NULL: the first document; then a signature by one of its own
 * configuration-signers is required when it names any. trust must be configured from current (or next if NULL).
 * A document of another overlay is RF_EMISMATCH. That its sequence is newer is for the caller to ask (rf_conf_sequence_newer): a
 * document fetched over HTTPS may be the same one again.
 * Errors: RF_ESIGNATURE not signed, or no signature verifies; RF_EFORBIDDEN the signer has no right; those of rf_verify.
 */
int rf_conf_verify(const struct rf_conf *current, const struct rf_conf *next, struct rf_trust *trust,
                   uint64_t wall_ms);
/* rf_conf_trust fills a rf_trust from the document (roots, self-signed rule, bad nodes). */
int rf_conf_trust(const struct rf_conf *conf, struct rf_trust *trust);
/* rf_conf_verify_alone is rf_conf_verify for those who have no rf_trust: it makes one for the occasion. Errors: also RF_ENOMEM. */
int rf_conf_verify_alone(struct rf_crypto *crypto, struct rf_mem *mem, const struct rf_conf *current,
                         const struct rf_conf *next, uint64_t wall_ms);
/* rf_conf_kind finds a Kind's definition: document first, then the registered defaults; NULL = unknown Kind. Kinds built in without
 * being in the document have max-count and max-size of conf/kinds.c. */
const struct rf_kind_def *rf_conf_kind(const struct rf_conf *conf, uint32_t kind);
/* rf_conf_kind_name: "SIP-REGISTRATION" ... or NULL; rf_conf_kind_by_name the other way, 0 = unknown ("0xf0000001" and decimal work too). */
const char *rf_conf_kind_name(uint32_t kind);
uint32_t rf_conf_kind_by_name(const char *name);

/* rf_conf_draft fills a draft for rf_conf_write with the reference's defaults (6.2); the caller sets the rest: overlay, roots ... */
void rf_conf_draft(struct rf_conf *draft);
/*
 * rf_conf_write makes a signed document from fields (the enrolment server's side): writes the <overlay> with <configuration> from
 * `draft` (its xml, blob, signatures, overlay_hash and regions are ignored), kind blocks signed by `signer`, and the signature by `signer`.
 * Errors: RF_ENOMEM, RF_ELIMIT, RF_ECRYPTO, RF_EINVAL rf_conf_parse would not take it. The text is stable: same draft and signer
 * algorithm Ed25519 -> same bytes.
 */
int rf_conf_write(const struct rf_conf *draft, struct rf_identity *signer, struct rf_buf *out);

#endif
