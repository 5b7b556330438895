/* crc.c - CRC-32, four bits at a time: a check of connectivity needs one of about 100 bytes, so a table of 64 bytes does. */
#include "stun/crc.h"

#define FINGERPRINT_XOR UINT32_C(0x5354554e)

static const uint32_t nibbles[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                     0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

static uint32_t crc_more(uint32_t crc, struct rf_view bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.p[i];
        crc = nibbles[crc & 15] ^ crc >> 4;
        crc = nibbles[crc & 15] ^ crc >> 4;
    }
    return crc;
}

uint32_t stun_fingerprint(struct rf_view before, uint16_t len)
{
    uint8_t head[4] = {before.p[0], before.p[1], (uint8_t)(len >> 8), (uint8_t)len};
    uint32_t crc = crc_more(UINT32_C(0xffffffff), rf_view_of(head, sizeof(head)));
    return ~crc_more(crc, rf_view_of(before.p + 4, before.len - 4)) ^ FINGERPRINT_XOR;
}
