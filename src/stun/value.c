/* value.c - what stands in attributes. */
#include "stun/internal.h"

int rf_stun_u32(const struct rf_stun_msg *msg, uint16_t type, uint32_t *out)
{
    struct rf_view value;
    if (!rf_stun_find(msg, type, &value))
        return RF_ENOTFOUND;
    if (value.len != 4)
        return RF_ELENGTH;
    *out = stun_u32(value.p);
    return 0;
}

int rf_stun_u64(const struct rf_stun_msg *msg, uint16_t type, uint64_t *out)
{
    struct rf_view value;
    if (!rf_stun_find(msg, type, &value))
        return RF_ENOTFOUND;
    if (value.len != 8)
        return RF_ELENGTH;
    return rf_view_u64(&value, out);
}

/* The cookie and the transaction ID, which addresses are XORed with, stand behind each other in the header. */
static void unmask(const uint8_t *header, uint8_t *ip, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ip[i] ^= header[4 + i];
}

int rf_stun_address_of(const struct rf_stun_msg *msg, struct rf_view value, bool xored, struct rf_addr *out)
{
    size_t ip_len;
    if (value.len < 4)
        return RF_ELENGTH;
    if (value.p[1] != 1 && value.p[1] != 2)
        return RF_EFORMAT;
    ip_len = value.p[1] == 1 ? 4 : 16;
    if (value.len != 4 + ip_len)
        return RF_ELENGTH;
    *out = (struct rf_addr){.family = value.p[1] == 1 ? 4 : 6, .port = stun_u16(value.p + 2)};
    memcpy(out->ip, value.p + 4, ip_len);
    if (xored) {
        out->port ^= (uint16_t)(RF_STUN_COOKIE >> 16);
        unmask(msg->raw.p, out->ip, ip_len);
    }
    return 0;
}

int rf_stun_address(const struct rf_stun_msg *msg, uint16_t type, bool xored, struct rf_addr *out)
{
    struct rf_view value;
    return rf_stun_find(msg, type, &value) ? rf_stun_address_of(msg, value, xored, out) : RF_ENOTFOUND;
}

int rf_stun_error_code(const struct rf_stun_msg *msg, int *code, struct rf_view *reason)
{
    struct rf_view value;
    if (!rf_stun_find(msg, RF_STUN_ERROR_CODE, &value))
        return RF_ENOTFOUND;
    if (value.len < 4)
        return RF_ELENGTH;
    int hundreds = value.p[2] & 7, rest = value.p[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        return RF_EFORMAT;
    *code = hundreds * 100 + rest;
    if (reason != NULL)
        *reason = rf_view_of(value.p + 4, value.len - 4);
    return 0;
}

const char *rf_stun_reason(int code)
{
    static const struct {
        int code;
        const char *text;
    } reasons[] = {
        {RF_STUN_TRY_ALTERNATE, "Try Alternate"},
        {RF_STUN_BAD_REQUEST, "Bad Request"},
        {RF_STUN_UNAUTHENTICATED, "Unauthenticated"},
        {RF_TURN_FORBIDDEN, "Forbidden"},
        {RF_STUN_UNKNOWN_ATTRIBUTE, "Unknown Attribute"},
        {RF_TURN_ALLOCATION_MISMATCH, "Allocation Mismatch"},
        {RF_STUN_STALE_NONCE, "Stale Nonce"},
        {RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED, "Address Family not Supported"},
        {RF_TURN_WRONG_CREDENTIALS, "Wrong Credentials"},
        {RF_TURN_UNSUPPORTED_TRANSPORT, "Unsupported Transport Protocol"},
        {RF_TURN_PEER_ADDRESS_FAMILY_MISMATCH, "Peer Address Family Mismatch"},
        {RF_TURN_ALLOCATION_QUOTA_REACHED, "Allocation Quota Reached"},
        {RF_ICE_ROLE_CONFLICT, "Role Conflict"},
        {RF_STUN_SERVER_ERROR, "Server Error"},
        {RF_TURN_INSUFFICIENT_CAPACITY, "Insufficient Capacity"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return reasons[i].text;
    return "";
}
