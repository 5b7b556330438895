/*
 * addr.h - IpAddressPort (reload.md 2.2): type u8 (1 IPv4, 2 IPv6) | length u8 (6, 18) | address | port u16.
 */
#ifndef RF_WIRE_ADDR_H
#define RF_WIRE_ADDR_H

#include "base/addr.h"
#include "base/buf.h"

/*
 * rf_ip_port_decode reads one from the front of `in`. An unknown type is skipped by its length: out->family is 0.
 * Errors: RF_ESHORT, RF_ELENGTH, RF_EFORMAT type 0.
 */
int rf_ip_port_decode(struct rf_view *in, struct rf_addr *out);
/* rf_ip_port_encode appends it. RF_EINVAL in `out`: family neither 4 nor 6. */
void rf_ip_port_encode(const struct rf_addr *addr, struct rf_buf *out);

#endif
