/* addr.c - IpAddressPort. */
#include "wire/addr.h"

#include "wire/internal.h"

enum { ADDR_IPV4 = 1, ADDR_IPV6 = 2 };

int rf_ip_port_decode(struct rf_view *in, struct rf_addr *out)
{
    struct rf_view at = *in, bytes;
    struct rf_addr addr = {0};
    uint8_t type;
    size_t ip_len;
    int error;

    if ((error = rf_view_u8(&at, &type)) != 0 || (error = rf_view_v(&at, 1, &bytes)) != 0)
        return error;
    if (type == 0)
        return RF_EFORMAT;
    if (type == ADDR_IPV4 || type == ADDR_IPV6) {
        ip_len = type == ADDR_IPV4 ? 4 : 16;
        if (bytes.len != ip_len + 2)
            return RF_ELENGTH;
        addr.family = type == ADDR_IPV4 ? 4 : 6;
        memcpy(addr.ip, bytes.p, ip_len);
        addr.port = (uint16_t)(bytes.p[ip_len] << 8 | bytes.p[ip_len + 1]);
    }
    *in = at;
    *out = addr;
    return 0;
}

void rf_ip_port_encode(const struct rf_addr *addr, struct rf_buf *out)
{
    size_t ip_len = addr->family == 4 ? 4 : 16;

    if (addr->family != 4 && addr->family != 6) {
        rf_buf_fail(out, RF_EINVAL);
        return;
    }
    rf_buf_u8(out, addr->family == 4 ? ADDR_IPV4 : ADDR_IPV6);
    rf_buf_u8(out, (uint8_t)(ip_len + 2));
    rf_buf_put(out, addr->ip, ip_len);
    rf_buf_u16(out, addr->port);
}
