/* build.c - messages of ours. */
#include "stun/crc.h"
#include "stun/internal.h"

void rf_stun_begin(struct rf_buf *out, enum rf_stun_class class, uint16_t method,
                   const uint8_t txn[RF_STUN_TXN_LEN])
{
    unsigned m = method, c = class;
    if (out->len != 0) {
        rf_buf_fail(out, RF_EINVAL);
        return;
    }
    rf_buf_u16(
        out, (uint16_t)((m & 0x000f) | (m & 0x0070) << 1 | (m & 0x0f80) << 2 | (c & 1) << 4 | (c & 2) << 7));
    rf_buf_u16(out, 0);
    rf_buf_u32(out, RF_STUN_COOKIE);
    rf_buf_put(out, txn, RF_STUN_TXN_LEN);
}

static void set_length(struct rf_buf *out, size_t len)
{
    if (len > UINT16_MAX) {
        rf_buf_fail(out, RF_ELENGTH);
        return;
    }
    out->p[2] = (uint8_t)(len >> 8);
    out->p[3] = (uint8_t)len;
}

void rf_stun_put(struct rf_buf *out, uint16_t type, struct rf_view value)
{
    static const uint8_t zeros[3];
    rf_buf_u16(out, type);
    rf_buf_v(out, 2, value);
    rf_buf_put(out, zeros, stun_padded(value.len) - value.len);
}

void rf_stun_put_u32(struct rf_buf *out, uint16_t type, uint32_t value)
{
    rf_buf_u16(out, type);
    rf_buf_u16(out, 4);
    rf_buf_u32(out, value);
}

void rf_stun_put_u64(struct rf_buf *out, uint16_t type, uint64_t value)
{
    rf_buf_u16(out, type);
    rf_buf_u16(out, 8);
    rf_buf_u64(out, value);
}

void rf_stun_put_address(struct rf_buf *out, uint16_t type, bool xored, const struct rf_addr *addr)
{
    size_t len = addr->family == 4 ? 4 : 16;
    rf_buf_u16(out, type);
    rf_buf_u16(out, (uint16_t)(4 + len));
    rf_buf_u8(out, 0);
    rf_buf_u8(out, addr->family == 4 ? 1 : 2);
    rf_buf_u16(out, xored ? addr->port ^ (uint16_t)(RF_STUN_COOKIE >> 16) : addr->port);
    uint8_t *ip = rf_buf_reserve(out, len);
    for (size_t i = 0; ip != NULL && i < len; i++)
        ip[i] = xored ? addr->ip[i] ^ out->p[4 + i] : addr->ip[i];
}

void rf_stun_put_error(struct rf_buf *out, int code)
{
    const char *reason = rf_stun_reason(code);
    size_t len = strlen(reason);
    uint8_t head[4] = {0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100)};
    static const uint8_t zeros[3];
    rf_buf_u16(out, RF_STUN_ERROR_CODE);
    rf_buf_u16(out, (uint16_t)(4 + len));
    rf_buf_put(out, head, 4);
    rf_buf_put(out, reason, len);
    rf_buf_put(out, zeros, stun_padded(len) - len);
}

void rf_stun_put_unknown(struct rf_buf *out, const uint16_t *types, size_t count)
{
    rf_buf_u16(out, RF_STUN_UNKNOWN_ATTRIBUTES);
    rf_buf_u16(out, (uint16_t)(2 * count));
    for (size_t i = 0; i < count; i++)
        rf_buf_u16(out, types[i]);
    if (count % 2 != 0)
        rf_buf_u16(out, 0);
}

void rf_stun_put_integrity(struct rf_buf *out, struct rf_crypto *crypto, enum rf_hash alg, struct rf_view key)
{
    uint8_t mac[RF_HASH_MAX_LEN];
    size_t len = alg == RF_HASH_SHA1 ? RF_SHA1_LEN : RF_SHA256_LEN;
    if (rf_buf_error(out) != 0)
        return;
    size_t until = out->len + ATTR_HEADER_LEN + len - RF_STUN_HEADER_LEN;
    int error = stun_mac(crypto, alg, key, rf_buf_view(out), until, mac);
    if (error != 0)
        rf_buf_fail(out, error);
    else
        rf_stun_put(out, alg == RF_HASH_SHA1 ? RF_STUN_MESSAGE_INTEGRITY : RF_STUN_MESSAGE_INTEGRITY_SHA256,
                    rf_view_of(mac, len));
}

void rf_stun_put_fingerprint(struct rf_buf *out)
{
    if (rf_buf_error(out) != 0)
        return;
    size_t until = out->len + ATTR_HEADER_LEN + 4 - RF_STUN_HEADER_LEN;
    rf_stun_put_u32(out, RF_STUN_FINGERPRINT, stun_fingerprint(rf_buf_view(out), (uint16_t)until));
}

int rf_stun_end(struct rf_buf *out)
{
    if (rf_buf_error(out) == 0)
        set_length(out, out->len - RF_STUN_HEADER_LEN);
    return rf_buf_error(out);
}
