/*
 * sdp.h - what the media anchor reads in an SDP (RFC 8866) and how it writes one anew for the other side. Text in, text out; nothing here knows sockets.
 *
 * Between the nodes: UDP/TLS/RTP/SAVP(F) (RFC 5764), ICE attributes (RFC 8839), fingerprint and setup (RFC 8122, RFC 4145), rtcp-mux (RFC 5761). On a phone's
 * side: RTP/AVP(F). Every line that says where media go and how they are protected is left out and written anew; all others (payloads, fmtp, directions,
 * bandwidth, ...) are passed as they are.
 */
#ifndef RF_SIP_SDP_H
#define RF_SIP_SDP_H

#include "base/buf.h"
#include "ice/ice.h"

#define SDP_MAX_MEDIA 8  /* m= lines; more is RF_ELIMIT */
#define SDP_PRINT_MAX 64 /* bytes of a fingerprint */
#define SDP_PRINT_LEN 32 /* of ours: SHA-256 */

enum sdp_proto { SDP_OTHER = 0, SDP_AVP, SDP_AVPF, SDP_SAVP, SDP_SAVPF }; /* the SAVPs: over DTLS */
enum sdp_setup { SDP_SETUP_NONE = 0, SDP_ACTPASS, SDP_ACTIVE, SDP_PASSIVE, SDP_HOLDCONN };
enum sdp_hash {
    SDP_HASH_NONE = 0,
    SDP_SHA512,
    SDP_SHA384,
    SDP_SHA256
}; /* the best of several is kept: the highest */

struct sdp_print {
    enum sdp_hash hash;
    uint8_t len;
    uint8_t bytes[SDP_PRINT_MAX];
};

/* One m= line; views point into the text. What the session says for all stands in each. */
struct sdp_media {
    enum sdp_proto proto;
    uint16_t port;            /* 0: refused */
    struct rf_addr rtp, rtcp; /* family 0: no IP address is told (a name, or none at all) */
    bool rtcp_mux;
    struct rf_view ufrag, password; /* len 0: no ICE */
    enum sdp_setup setup;
    struct sdp_print print;
};
struct sdp_facts {
    struct sdp_media media[SDP_MAX_MEDIA];
    size_t count;
};
/* sdp_read. Errors: RF_EFORMAT no SDP, RF_ELIMIT. */
int sdp_read(struct rf_view text, struct sdp_facts *out);
/* sdp_secure: has what it takes to be answered with DTLS-SRTP over ICE. */
bool sdp_secure(const struct sdp_media *media);
static inline bool sdp_is_plain(const struct sdp_media *media)
{
    return media->proto == SDP_AVP || media->proto == SDP_AVPF;
}
/* sdp_candidates reads those of the m= line number `index` that ICE can use here (UDP, component 1, an IP address); at most `max`, returns how many. */
size_t sdp_candidates(struct rf_view text, size_t index, struct rf_ice_cand *out, size_t max);

/* What stands in for one m= line. */
struct sdp_stand_in {
    bool secure;              /* towards the other node; else towards a phone */
    uint16_t port;            /* 0: refuses the line, the rest here is not looked at then */
    struct rf_addr addr;      /* its port is not looked at */
    struct rf_ice_params ice; /* secure: borrowed, as the next two */
    enum sdp_setup setup;
    const uint8_t *print; /* SDP_PRINT_LEN bytes of SHA-256 */
};
/*
 * sdp_rewrite writes `text` with one stand-in for each m= line (`count` as sdp_read says). Errors: RF_EFORMAT, RF_ELENGTH another number of
 * lines, those of the buffer. sdp_renew adds `later` to the version in o= (RFC 3264, section 8).
 */
int sdp_rewrite(struct rf_view text, const struct sdp_stand_in *stand_ins, size_t count, struct rf_buf *out);
int sdp_renew(struct rf_view text, const struct sdp_stand_in *stand_ins, size_t count, unsigned later,
              struct rf_buf *out);
/* sdp_same_session: two texts that differ in nothing but what sdp_rewrite writes anew. */
bool sdp_same_session(struct rf_view a, struct rf_view b);
/* sdp_default: where somebody without ICE would send to (RFC 8839, section 4.2.1.2): relayed before reflexive before host. family 0: none. */
struct rf_addr sdp_default(const struct rf_ice_params *ice);

#endif
