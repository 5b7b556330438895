/*
 * seal.h - SRTP and SRTCP of one stream, both directions (RFC 3711, RFC 7714), on libsrtp. Packets are changed where they lie; nothing is allocated for one, but
 * for the first of a new SSRC. Replays are refused. A stream has SEAL_MAX_SSRCS of them in each direction at most.
 */
#ifndef RF_SIP_SEAL_H
#define RF_SIP_SEAL_H

#include "sip/dtls.h"

#define SEAL_MAX_SSRCS 16
#define SEAL_EXTRA     20 /* bytes that sealing adds at most: SRTCP index and tag */

struct seal;
/* Errors: RF_ECRYPTO, RF_ENOMEM, RF_EUNSUPPORTED another profile. */
int seal_new(struct rf_mem *mem, const struct dtls_keys *keys, struct seal **out);
void seal_free(struct rf_mem *mem, struct seal *seal); /* wipes the keys */
/*
 * seal_close protects *len bytes at `packet` (SEAL_EXTRA more are there), seal_open checks and opens; both set *len.
 * Errors: RF_EFORMAT not RTP or RTCP, RF_ELIMIT too many SSRCs, RF_EDUPLICATE a replay, RF_EAUTH not from the peer, RF_ECRYPTO.
 */
int seal_close(struct seal *seal, uint8_t *packet, size_t *len, bool rtcp);
int seal_open(struct seal *seal, uint8_t *packet, size_t *len, bool rtcp);
/* seal_is_rtcp tells RTCP from RTP on one port (RFC 5761, section 4). len at least 2. */
static inline bool seal_is_rtcp(const uint8_t *packet)
{
    return packet[1] >= 192 && packet[1] <= 223;
}

#endif
