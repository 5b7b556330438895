/*
 * stun.h - STUN messages (RFC 8489) with the attributes of ICE (RFC 8445) and TURN (RFC 8656): decoding, building, integrity.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |0 0|     STUN Message Type     |         Message Length        |
 *     |                         Magic Cookie                          |
 *     |                     Transaction ID (96 bits)                  |
 *     |              attributes: type, length, value, padding to 4
 *
 * Nothing here allocates: a decoded message borrows the bytes it came in, a builder writes where it is told to (rf_buf). The relay's data path
 * lives on that.
 */
#ifndef RF_STUN_STUN_H
#define RF_STUN_STUN_H

#include "base/addr.h"
#include "base/buf.h"
#include "crypto/crypto.h"

#define RF_STUN_HEADER_LEN  20
#define RF_STUN_COOKIE      UINT32_C(0x2112a442)
#define RF_STUN_TXN_LEN     12
#define RF_STUN_MAX_UNKNOWN 8
#define RF_STUN_KEY_MAX     RF_SHA256_LEN

enum rf_stun_class { RF_STUN_REQUEST = 0, RF_STUN_INDICATION = 1, RF_STUN_SUCCESS = 2, RF_STUN_ERROR = 3 };

enum rf_stun_method { /* RFC 8489, section 18.1; RFC 8656, section 17 */
                      RF_STUN_BINDING = 0x001,
                      RF_TURN_ALLOCATE = 0x003,
                      RF_TURN_REFRESH = 0x004,
                      RF_TURN_SEND = 0x006,
                      RF_TURN_DATA = 0x007,
                      RF_TURN_CREATE_PERMISSION = 0x008,
                      RF_TURN_CHANNEL_BIND = 0x009,
};

/* Attributes, RFC 8489, section 18.3; below 0x8000 they must be understood (comprehension-required). */
enum rf_stun_attr {
    RF_STUN_MAPPED_ADDRESS = 0x0001,
    RF_STUN_USERNAME = 0x0006,
    RF_STUN_MESSAGE_INTEGRITY = 0x0008,
    RF_STUN_ERROR_CODE = 0x0009,
    RF_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    RF_TURN_CHANNEL_NUMBER = 0x000c,
    RF_TURN_LIFETIME = 0x000d,
    RF_TURN_XOR_PEER_ADDRESS = 0x0012,
    RF_TURN_DATA_ATTR = 0x0013,
    RF_STUN_REALM = 0x0014,
    RF_STUN_NONCE = 0x0015,
    RF_TURN_XOR_RELAYED_ADDRESS = 0x0016,
    RF_TURN_REQUESTED_ADDRESS_FAMILY = 0x0017,
    RF_TURN_EVEN_PORT = 0x0018,
    RF_TURN_REQUESTED_TRANSPORT = 0x0019,
    RF_TURN_DONT_FRAGMENT = 0x001a,
    RF_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    RF_STUN_PASSWORD_ALGORITHM = 0x001d,
    RF_STUN_USERHASH = 0x001e,
    RF_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    RF_TURN_RESERVATION_TOKEN = 0x0022,
    RF_ICE_PRIORITY = 0x0024,
    RF_ICE_USE_CANDIDATE = 0x0025,
    RF_TURN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
    RF_TURN_ADDRESS_ERROR_CODE = 0x8001,
    RF_STUN_PASSWORD_ALGORITHMS = 0x8002,
    RF_STUN_ALTERNATE_DOMAIN = 0x8003,
    RF_TURN_ICMP = 0x8004,
    RF_STUN_SOFTWARE = 0x8022,
    RF_STUN_ALTERNATE_SERVER = 0x8023,
    RF_STUN_FINGERPRINT = 0x8028,
    RF_ICE_CONTROLLED = 0x8029,
    RF_ICE_CONTROLLING = 0x802a,
};

/* Error codes, RFC 8489, section 14.8; RFC 8656, section 19; RFC 8445, section 7.3.1.1. */
enum rf_stun_error {
    RF_STUN_TRY_ALTERNATE = 300,
    RF_STUN_BAD_REQUEST = 400,
    RF_STUN_UNAUTHENTICATED = 401,
    RF_TURN_FORBIDDEN = 403,
    RF_STUN_UNKNOWN_ATTRIBUTE = 420,
    RF_TURN_ALLOCATION_MISMATCH = 437,
    RF_STUN_STALE_NONCE = 438,
    RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED = 440,
    RF_TURN_WRONG_CREDENTIALS = 441,
    RF_TURN_UNSUPPORTED_TRANSPORT = 442,
    RF_TURN_PEER_ADDRESS_FAMILY_MISMATCH = 443,
    RF_TURN_ALLOCATION_QUOTA_REACHED = 486,
    RF_ICE_ROLE_CONFLICT = 487,
    RF_STUN_SERVER_ERROR = 500,
    RF_TURN_INSUFFICIENT_CAPACITY = 508,
};
/* rf_stun_reason: the reason phrase that goes with an error code ("" for codes that are not in the list). */
const char *rf_stun_reason(int code);

/* ---- decoding ---- */

struct rf_stun_msg {
    struct rf_view raw; /* header and attributes, borrowed */
    enum rf_stun_class class;
    uint16_t method;
    uint8_t txn[RF_STUN_TXN_LEN];
    /* offsets in raw of these attributes' headers; 0: not there */
    size_t integrity_at, integrity256_at, fingerprint_at;
    size_t end_at; /* attributes from here on do not count: integrity, fingerprint, and what stands behind */
};

/*
 * rf_stun_is tells STUN from other datagrams on the same port by the first 20 bytes: two zero bits, the cookie, a length that is the
 * datagram's and a multiple of 4 (RFC 8489, section 6; RFC 7983).
 */
bool rf_stun_is(struct rf_view datagram);
/*
 * rf_stun_frame tells how long the message at the front of a stream is. Errors: RF_ESHORT more bytes are needed to know, RF_EFORMAT no STUN message.
 * `len` includes the header; the message need not be there whole.
 */
int rf_stun_frame(struct rf_view stream, size_t *len);
/*
 * rf_stun_decode checks the whole shape: header, every attribute's length, FINGERPRINT last, its CRC right. Integrity is not checked.
 * Attributes behind MESSAGE-INTEGRITY that are neither MESSAGE-INTEGRITY-SHA256 nor FINGERPRINT are ignored (RFC 8489, section 14.5).
 * Errors: RF_EFORMAT no STUN message, RF_ELENGTH a length disagrees, RF_EMISMATCH wrong FINGERPRINT.
 */
int rf_stun_decode(struct rf_view datagram, struct rf_stun_msg *out);

/* rf_stun_find gives the first attribute of a type; false: not there. Later ones of the same type are ignored (section 14). */
bool rf_stun_find(const struct rf_stun_msg *msg, uint16_t type, struct rf_view *value);
/* rf_stun_next walks all that count: *at is 0 at the start. */
bool rf_stun_next(const struct rf_stun_msg *msg, size_t *at, uint16_t *type, struct rf_view *value);
/*
 * rf_stun_unknown lists comprehension-required attributes that are not in `known` (`count` types); up to RF_STUN_MAX_UNKNOWN of them, each once.
 */
size_t rf_stun_unknown(const struct rf_stun_msg *msg, const uint16_t *known, size_t count,
                       uint16_t out[RF_STUN_MAX_UNKNOWN]);

/* Values. Errors of all: RF_ENOTFOUND not there, RF_ELENGTH, RF_EFORMAT. */
int rf_stun_u32(const struct rf_stun_msg *msg, uint16_t type, uint32_t *out);
int rf_stun_u64(const struct rf_stun_msg *msg, uint16_t type, uint64_t *out);
/* rf_stun_address: `xored` for the XOR- kinds. rf_stun_address_of decodes a value that rf_stun_next gave. */
int rf_stun_address(const struct rf_stun_msg *msg, uint16_t type, bool xored, struct rf_addr *out);
int rf_stun_address_of(const struct rf_stun_msg *msg, struct rf_view value, bool xored, struct rf_addr *out);
/* rf_stun_error_code: 300..699; `reason` (may be NULL) borrowed. */
int rf_stun_error_code(const struct rf_stun_msg *msg, int *code, struct rf_view *reason);

/* ---- integrity ---- */

/*
 * Keys (RFC 8489, section 9): short-term credentials use the password itself; rf_stun_long_key hashes "user:realm:password" with MD5 or SHA-256. The
 * texts must be prepared already (OpaqueString; ASCII is what it is). Errors: RF_EUNKNOWN, RF_ECRYPTO. len: 16 or 32.
 */
int rf_stun_long_key(struct rf_crypto *crypto, enum rf_hash alg, struct rf_view user, struct rf_view realm,
                     struct rf_view password, uint8_t key[RF_STUN_KEY_MAX], size_t *len);
/*
 * rf_stun_verify checks MESSAGE-INTEGRITY (alg SHA1) or MESSAGE-INTEGRITY-SHA256 (16 to 32 bytes, a multiple of 4). Errors: RF_ENOTFOUND not
 * there, RF_EAUTH wrong, RF_ELENGTH, RF_EUNKNOWN alg, RF_ECRYPTO.
 */
int rf_stun_verify(struct rf_crypto *crypto, const struct rf_stun_msg *msg, enum rf_hash alg,
                   struct rf_view key);

/* ---- building: begin, attributes, integrity, fingerprint, end; errors are the rf_buf's (sticky) ---- */

/* rf_stun_begin appends the header. `out` must be empty: RF_EINVAL. */
void rf_stun_begin(struct rf_buf *out, enum rf_stun_class class, uint16_t method,
                   const uint8_t txn[RF_STUN_TXN_LEN]);
void rf_stun_put(struct rf_buf *out, uint16_t type, struct rf_view value);
void rf_stun_put_u32(struct rf_buf *out, uint16_t type, uint32_t value);
void rf_stun_put_u64(struct rf_buf *out, uint16_t type, uint64_t value);
void rf_stun_put_address(struct rf_buf *out, uint16_t type, bool xored, const struct rf_addr *addr);
void rf_stun_put_error(struct rf_buf *out, int code); /* with its reason phrase */
void rf_stun_put_unknown(struct rf_buf *out, const uint16_t *types, size_t count);
/* rf_stun_put_integrity: alg SHA1 or SHA256; a failure of the crypto is rf_buf_fail'ed. */
void rf_stun_put_integrity(struct rf_buf *out, struct rf_crypto *crypto, enum rf_hash alg,
                           struct rf_view key);
void rf_stun_put_fingerprint(struct rf_buf *out);
/* rf_stun_end fills in the length. After it nothing may be put. Errors: those of `out`. */
int rf_stun_end(struct rf_buf *out);

/*
 * ---- ChannelData (RFC 8656, section 12.4): number, length, data; over streams padded to 4 ----
 *
 * Numbers go to 0x4fff; clients of RFC 5766, such as coturn's, use up to 0x7fff, which nothing else on the port begins with: we read these, too.
 */
#define RF_TURN_CHANNEL_MIN        0x4000
#define RF_TURN_CHANNEL_MAX        0x4fff
#define RF_TURN_CHANNEL_MAX_OLD    0x7fff
#define RF_TURN_CHANNEL_HEADER_LEN 4

/* rf_turn_is_channel tells by the first byte (RFC 7983: 64..79, and those up to 127 that stood for channels before). */
static inline bool rf_turn_is_channel(struct rf_view datagram)
{
    return datagram.len >= RF_TURN_CHANNEL_HEADER_LEN && datagram.p[0] >= 64 && datagram.p[0] <= 127;
}
/* rf_turn_channel_decode: `data` borrows. A datagram may be longer than the length says (padding). Errors: RF_EFORMAT, RF_ELENGTH. */
int rf_turn_channel_decode(struct rf_view datagram, uint16_t *number, struct rf_view *data);
/* rf_turn_channel_frame: as rf_stun_frame, padding included. */
int rf_turn_channel_frame(struct rf_view stream, size_t *len);

/* ---- the retransmissions of a request over UDP (RFC 8489, section 6.2.1) ---- */

#define RF_STUN_RTO_US UINT64_C(500000)
#define RF_STUN_RC     7
#define RF_STUN_RM     16
/*
 * struct rf_stun_retry: rf_stun_retry_begin at the first transmission; when at_us comes, rf_stun_retry_fired says whether to send again (true, at_us
 * is moved) or to give up (false).
 */
struct rf_stun_retry {
    uint64_t at_us, rto_us;
    uint8_t sent;
};
void rf_stun_retry_begin(struct rf_stun_retry *retry, uint64_t now_us, uint64_t rto_us);
bool rf_stun_retry_fired(struct rf_stun_retry *retry, uint64_t now_us);

#endif
