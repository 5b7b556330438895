/*
 * dtls.h - DTLS for SRTP keys (RFC 5764): a handshake with certificates on both sides over datagrams that somebody else carries, and the keys that come out.
 * No RTP and no socket here; GnuTLS with memory transport. DTLS 1.2 only: GnuTLS 3.7 has no 1.3; a browser that could speak it falls back.
 *
 *   HANDSHAKE  the active side sends its ClientHello at dtls_start; flights are sent again by dtls_tick when GnuTLS' timer says so (DTLS_AGAIN_MS, doubled)
 *   UP         certificate and fingerprint agree, a profile was chosen: dtls_keys. Repetitions of the peer's last flight are still answered
 *   FAILED     for good; dtls_why tells
 *
 * A certificate is made for the process: it proves nothing by itself. Its fingerprint travels in SDP over the authenticated connection of the two nodes.
 */
#ifndef RF_SIP_DTLS_H
#define RF_SIP_DTLS_H

#include "sip/sdp.h"

#define DTLS_AGAIN_MS                                                                                        \
    200 /* first repetition of a flight: consent is given, the round trip is known to be short */
#define DTLS_GIVE_UP_MS 20000 /* a handshake may take so long */
#define DTLS_MAX_LEN    2048  /* bytes of a datagram that we take */

/* Profiles of RFC 5764 and RFC 7714. */
#define DTLS_AES128_CM_SHA1_80 0x0001
#define DTLS_AEAD_AES_128_GCM  0x0007
#define DTLS_KEY_MAX           30 /* master key and salt */

struct dtls_keys {
    uint16_t profile;
    uint8_t key_len;                                  /* of each: 16 + 14, or 16 + 12 */
    uint8_t ours[DTLS_KEY_MAX], theirs[DTLS_KEY_MAX]; /* what we send with; what the peer sends with */
};

struct dtls_identity;
/* dtls_identity_new makes a key and a certificate. Errors: RF_ECRYPTO, RF_ENOMEM. */
int dtls_identity_new(struct rf_mem *mem, struct dtls_identity **out);
void dtls_identity_free(struct rf_mem *mem, struct dtls_identity *identity);
const uint8_t *dtls_identity_print(const struct dtls_identity *identity); /* SDP_PRINT_LEN bytes, SHA-256 */

enum dtls_state { DTLS_HANDSHAKE, DTLS_UP, DTLS_FAILED };

struct dtls_config {
    struct rf_mem *mem; /* borrowed, as the identity */
    const struct dtls_identity *identity;
    bool active;                                      /* sends the ClientHello */
    struct sdp_print print;                           /* the peer's certificate must have it */
    unsigned again_ms;                                /* 0: DTLS_AGAIN_MS */
    uint16_t only_profile;                            /* 0: both of ours, GCM preferred */
    void (*send)(void *arg, struct rf_view datagram); /* called inside of dtls_start, _input and _tick only */
    void *arg;
};
struct dtls;
/* Errors: RF_ECRYPTO, RF_ENOMEM. */
int dtls_new(const struct dtls_config *config, struct dtls **out);
void dtls_free(struct dtls *dtls);
enum dtls_state dtls_start(struct dtls *dtls);
/* dtls_input: one datagram of one or more records (first byte 20..63). */
enum dtls_state dtls_input(struct dtls *dtls, struct rf_view datagram);
/* dtls_tick: time has passed. dtls_wait_ms: when it is to be called next; 0: not. */
enum dtls_state dtls_tick(struct dtls *dtls);
unsigned dtls_wait_ms(struct dtls *dtls);
/* dtls_keys: false when it is not UP. The caller wipes them. */
bool dtls_keys(struct dtls *dtls, struct dtls_keys *out);
const char *dtls_why(const struct dtls *dtls); /* a constant */

#endif
