/*
 * codec.h - the codecs of the daemon's own calls, in packets of 20 ms: 8 kHz mono samples on our side, RTP payload on the other. PCMU and PCMA
 * (G.711), and Opus (RFC 7587) where libopus was there at build time; Opus works at 8 kHz inside and counts time at 48 kHz on the wire.
 */
#ifndef RF_SIP_CODEC_H
#define RF_SIP_CODEC_H

#include "base/mem.h"
#include "base/view.h"

#define CODEC_RATE        8000
#define CODEC_PACKET_MS   20
#define CODEC_SAMPLES     (CODEC_RATE * CODEC_PACKET_MS / 1000)
#define CODEC_MAX_PAYLOAD 1400
#define CODEC_MAX_SAMPLES CODEC_MAX_PAYLOAD /* of one packet: a byte each with G.711, 120 ms with Opus */

/* What SDP says of one, in the order in which we offer them. */
struct codec_format {
    const char *id; /* RTP payload type that we propose */
    const char *name;
    uint32_t clock_rate; /* of RTP timestamps */
    uint8_t channels;
};
const struct codec_format *codec_formats(size_t *count);

struct codec;
/* codec_new: `name` as in SDP, without regard to case. Errors: RF_EUNSUPPORTED, RF_ENOMEM. */
int codec_new(struct rf_mem *mem, const char *name, struct codec **out);
void codec_free(struct rf_mem *mem, struct codec *codec);
uint32_t codec_clock_rate(const struct codec *codec);
/* codec_encode writes one packet's payload and returns its length. */
size_t codec_encode(struct codec *codec, const int16_t samples[CODEC_SAMPLES],
                    uint8_t out[CODEC_MAX_PAYLOAD]);
/* codec_decode returns how many samples were in a payload; 0: none that we understand. */
size_t codec_decode(struct codec *codec, struct rf_view payload, int16_t out[CODEC_MAX_SAMPLES]);

#endif
