/*
 * contents.h - what follows the forwarding header: message contents with extensions (reload.md 2.5), the security block
 * (2.6), and rf_message, a whole decoded message.
 *
 *     message_code u16 | message_body v32 | extensions list32     <- MessageContents, signed as received
 *     certificates list16 | signature                             <- SecurityBlock, to the end of the message
 */
#ifndef RF_WIRE_CONTENTS_H
#define RF_WIRE_CONTENTS_H

#include "base/region.h"
#include "wire/header.h"

/* ---- signatures ---- */

enum rf_identity_type {
    RF_IDENTITY_CERT_HASH = 1,         /* hash of the certificate */
    RF_IDENTITY_CERT_HASH_NODE_ID = 2, /* hash of Node-ID and certificate */
    RF_IDENTITY_NONE = 3,              /* synthesized nonexistent values only */
};
struct rf_signer_identity {
    uint8_t type;        /* enum rf_identity_type */
    uint8_t hash_alg;    /* not for NONE */
    struct rf_view hash; /* not for NONE */
    struct rf_view
        raw; /* the whole structure as received: end of the signature's input. Not looked at by the encoder. */
};
struct rf_signature {
    uint8_t hash_alg; /* the two bytes of TLS 1.2's SignatureAndHashAlgorithm */
    uint8_t sig_alg;
    struct rf_signer_identity identity;
    struct rf_view value;
};
/* Both read from the front of `in`. Errors: RF_ESHORT, RF_ELENGTH, RF_EUNKNOWN identity type. */
int rf_signer_identity_decode(struct rf_view *in, struct rf_signer_identity *out);
int rf_signature_decode(struct rf_view *in, struct rf_signature *out);
void rf_signer_identity_encode(const struct rf_signer_identity *identity, struct rf_buf *out);
void rf_signature_encode(const struct rf_signature *signature, struct rf_buf *out);
/* The signature of a synthesized nonexistent value (4.6): hash none, anonymous, identity none, empty. */
extern const struct rf_signature rf_signature_none;
bool rf_signature_is_none(const struct rf_signature *signature);

/*
 * The bytes a signature covers, as a list of views without the SignerIdentity that always comes last. The views point into
 * `head` too: do not copy or move the struct.
 */
#define RF_SIGNED_MAX_PARTS 4
struct rf_signed {
    uint8_t head[16];
    struct rf_view parts[RF_SIGNED_MAX_PARTS];
    size_t part_count;
};
/* rf_signed_message: overlay ‖ transaction_id ‖ MessageContents as received. */
void rf_signed_message(uint32_t overlay, uint64_t transaction_id, struct rf_view contents,
                       struct rf_signed *out);
/* rf_signed_put appends the parts and the SignerIdentity (its raw bytes): the whole input. */
void rf_signed_put(const struct rf_signed *input, struct rf_view signer_identity, struct rf_buf *out);

/* ---- security block ---- */

#define RF_MESSAGE_MAX_CERTS 128
struct rf_security {
    struct rf_view certs[RF_MESSAGE_MAX_CERTS]; /* DER */
    size_t cert_count;
    struct rf_signature signature;
};
/* rf_security_decode reads a block that ends with `in`. Errors: RF_ESHORT, RF_ELENGTH, RF_EUNKNOWN certificate or identity
 * type, RF_ELIMIT too many certificates. */
int rf_security_decode(struct rf_view in, struct rf_security *out);
/* rf_security_encode appends list and signature; rf_certs_encode only the list (then comes the Signature). */
void rf_security_encode(const struct rf_security *security, struct rf_buf *out);
void rf_certs_encode(const struct rf_view *certs, size_t cert_count, struct rf_buf *out);

/* ---- contents ---- */

struct rf_extension {
    uint16_t type;
    bool critical;
    struct rf_view contents;
};
/* rf_extension_next reads one from the front of the list. Errors: RF_ESHORT, RF_EFORMAT a bool. */
int rf_extension_next(struct rf_view *list, struct rf_extension *out);
bool rf_extension_find(struct rf_view list, uint16_t type,
                       struct rf_extension *out); /* the first of its type */
void rf_extension_encode(const struct rf_extension *extension, struct rf_buf *out);

/* rf_contents_encode appends MessageContents; `extensions` are encoded ones without their outer length, may be empty. */
void rf_contents_encode(uint16_t code, struct rf_view body, struct rf_view extensions, struct rf_buf *out);

/* self_tuning_data, RFC 7363 (reload.md 5.10): contents of extension 3. Rates per 24 h. */
struct rf_self_tuning {
    uint32_t network_size;
    uint32_t join_rate;
    uint32_t leave_rate;
};
int rf_self_tuning_decode(struct rf_view contents, struct rf_self_tuning *out); /* RF_ESHORT, RF_ELENGTH */
void rf_self_tuning_encode(const struct rf_self_tuning *data, struct rf_buf *out);

/* ---- the whole message ---- */

struct rf_message {
    struct rf_header header;
    struct rf_view contents; /* MessageContents as received: what is signed */
    uint16_t code;
    struct rf_view body;       /* for the method's decoder */
    struct rf_view extensions; /* checked list, without its outer length */
    size_t extension_count;
    struct rf_security security;
};
/*
 * rf_message_decode decodes one whole message; everything in `out` is borrowed from it. Bodies are decoded by the methods'
 * headers. Errors: those of rf_header_decode, rf_extension_next, rf_security_decode; RF_EAGAIN it is a fragment (out->header
 * is filled); RF_EFORMAT code 0.
 */
int rf_message_decode(struct rf_view message, uint8_t id_len, struct rf_message *out);
/* rf_message_decode_rest does the part after the header (reassembled fragments); out->header is left alone. */
int rf_message_decode_rest(struct rf_view rest, struct rf_message *out);
/* rf_message_encode appends header, contents and security block; the views must not lie in `out`. */
void rf_message_encode(const struct rf_header *header, struct rf_view contents, struct rf_view security,
                       struct rf_buf *out);

#endif
