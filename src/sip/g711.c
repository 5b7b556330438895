/* g711.c - G.711 by its definition: sign, three bits of segment, four bits within the segment. */
#include "sip/g711.h"

#define ULAW_BIAS 0x84 /* 132: shifts the segments' borders onto powers of two */
#define ULAW_CLIP 32635

uint8_t g711_to_ulaw(int16_t sample)
{
    int value = sample;
    int sign = value < 0 ? 0x80 : 0;
    int segment = 7;

    if (value < 0)
        value = -value;
    if (value > ULAW_CLIP)
        value = ULAW_CLIP;
    value += ULAW_BIAS;
    while (segment > 0 && (value & (0x80 << segment)) == 0)
        segment--;
    return (uint8_t) ~(sign | segment << 4 | (value >> (segment + 3) & 0x0f));
}

int16_t g711_from_ulaw(uint8_t code)
{
    int bits = (uint8_t)~code;
    int segment = bits >> 4 & 7;
    int value = (((bits & 0x0f) << 3) + ULAW_BIAS) << segment;

    value -= ULAW_BIAS;
    return (int16_t)((bits & 0x80) != 0 ? -value : value);
}

uint8_t g711_to_alaw(int16_t sample)
{
    int value = sample >> 3; /* 13 bits */
    int mask = 0xd5;         /* sign bit set for positive values, even bits inverted */
    int segment = 7;

    if (value < 0) {
        mask = 0x55;
        value = -value - 1;
    }
    if (value > 0xfff)
        value = 0xfff;
    while (segment > 1 && (value & (0x10 << segment)) == 0)
        segment--;
    if (segment == 1 && value < 0x20)
        segment = 0;
    int within = segment < 2 ? value >> 1 & 0x0f : value >> segment & 0x0f;
    return (uint8_t)((segment << 4 | within) ^ mask);
}

int16_t g711_from_alaw(uint8_t code)
{
    int bits = code ^ 0x55;
    int segment = bits >> 4 & 7;
    int value = (bits & 0x0f) << 4;

    if (segment == 0)
        value += 8;
    else
        value = (value + 0x108) << (segment - 1);
    return (int16_t)((bits & 0x80) != 0 ? value : -value);
}
