/* codec.c - G.711, and Opus where it was there at build time (RF_OPUS). */
#include "sip/codec.h"
#include <string.h>
#include <strings.h>
#include "base/assert.h"
#include "base/error.h"
#include "sip/g711.h"
#ifdef RF_OPUS
#include <opus/opus.h>
#endif

struct codec {
    const struct codec_format *format;
    void *encoder, *decoder; /* Opus: owned; G.711: NULL */
};

static const struct codec_format formats[] = {
#ifdef RF_OPUS
    {"96", "opus", 48000, 2}, /* always said to be stereo at 48 kHz (RFC 7587, section 7) */
#endif
    {"0", "PCMU", CODEC_RATE, 1},
    {"8", "PCMA", CODEC_RATE, 1},
};

const struct codec_format *codec_formats(size_t *count)
{
    *count = RF_COUNT(formats);
    return formats;
}

uint32_t codec_clock_rate(const struct codec *codec)
{
    return codec->format->clock_rate;
}

/* ---- Opus ---- */

#ifdef RF_OPUS
static int opus_open(struct rf_mem *mem, struct codec *codec)
{
    codec->encoder = rf_zalloc(mem, (size_t)opus_encoder_get_size(1));
    codec->decoder = rf_zalloc(mem, (size_t)opus_decoder_get_size(1));
    if (codec->encoder == NULL || codec->decoder == NULL ||
        opus_encoder_init(codec->encoder, CODEC_RATE, 1, OPUS_APPLICATION_VOIP) != OPUS_OK ||
        opus_decoder_init(codec->decoder, CODEC_RATE, 1) != OPUS_OK)
        return RF_ENOMEM;
    return 0;
}

static size_t opus_pack(struct codec *codec, const int16_t *samples, uint8_t *out)
{
    int len = opus_encode(codec->encoder, samples, CODEC_SAMPLES, out, CODEC_MAX_PAYLOAD);
    return len > 0 ? (size_t)len : 0;
}

static size_t opus_unpack(struct codec *codec, struct rf_view payload, int16_t *out)
{
    int count = opus_decode(codec->decoder, payload.p, (opus_int32)payload.len, out, CODEC_MAX_SAMPLES, 0);
    return count > 0 ? (size_t)count : 0;
}
#else
static int opus_open(struct rf_mem *mem, struct codec *codec)
{
    (void)mem, (void)codec;
    return RF_EUNSUPPORTED;
}

static size_t opus_pack(struct codec *codec, const int16_t *samples, uint8_t *out)
{
    (void)codec, (void)samples, (void)out;
    return 0;
}

static size_t opus_unpack(struct codec *codec, struct rf_view payload, int16_t *out)
{
    (void)codec, (void)payload, (void)out;
    return 0;
}
#endif

/* ---- all of them ---- */

int codec_new(struct rf_mem *mem, const char *name, struct codec **out)
{
    const struct codec_format *format = NULL;
    for (size_t i = 0; i < RF_COUNT(formats); i++)
        if (strcasecmp(formats[i].name, name) == 0)
            format = &formats[i];
    if (format == NULL)
        return RF_EUNSUPPORTED;
    struct codec *codec = rf_zalloc(mem, sizeof(*codec));
    if (codec == NULL)
        return RF_ENOMEM;
    codec->format = format;
    int error = format->clock_rate != CODEC_RATE ? opus_open(mem, codec) : 0;
    if (error != 0) {
        codec_free(mem, codec);
        return error;
    }
    *out = codec;
    return 0;
}

void codec_free(struct rf_mem *mem, struct codec *codec)
{
    if (codec == NULL)
        return;
    rf_free(mem, codec->encoder);
    rf_free(mem, codec->decoder);
    rf_free(mem, codec);
}

static bool is_alaw(const struct codec *codec)
{
    return strcmp(codec->format->name, "PCMA") == 0;
}

size_t codec_encode(struct codec *codec, const int16_t samples[CODEC_SAMPLES], uint8_t out[CODEC_MAX_PAYLOAD])
{
    bool alaw = is_alaw(codec);
    if (codec->encoder != NULL)
        return opus_pack(codec, samples, out);
    for (size_t i = 0; i < CODEC_SAMPLES; i++)
        out[i] = alaw ? g711_to_alaw(samples[i]) : g711_to_ulaw(samples[i]);
    return CODEC_SAMPLES;
}

size_t codec_decode(struct codec *codec, struct rf_view payload, int16_t out[CODEC_MAX_SAMPLES])
{
    bool alaw = is_alaw(codec);
    if (payload.len == 0 || payload.len > CODEC_MAX_PAYLOAD)
        return 0;
    if (codec->decoder != NULL)
        return opus_unpack(codec, payload, out);
    for (size_t i = 0; i < payload.len; i++)
        out[i] = alaw ? g711_from_alaw(payload.p[i]) : g711_from_ulaw(payload.p[i]);
    return payload.len;
}
