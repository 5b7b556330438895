/* addr.h - rf_addr: an IP address with a port, and its text. No name is ever resolved here. */
#ifndef RF_BASE_ADDR_H
#define RF_BASE_ADDR_H

#include "base/view.h"

struct rf_addr {
    uint8_t family; /* 4 or 6; 0 = unset */
    uint16_t port;
    uint8_t ip[16]; /* the first 4 for IPv4 */
};

#define RF_ADDR_TEXT_LEN 64
/* rf_addr_text writes "192.0.2.1:6084" or "[2001:db8::1]:6084". rf_addr_ip_text leaves port and brackets out.
 */
char *rf_addr_text(const struct rf_addr *addr, char out[RF_ADDR_TEXT_LEN]);
char *rf_addr_ip_text(const struct rf_addr *addr, char out[RF_ADDR_TEXT_LEN]);
/* rf_addr_parse reads what rf_addr_text writes; without a port it uses `default_port`. Errors: RF_EFORMAT. */
int rf_addr_parse(const char *text, uint16_t default_port, struct rf_addr *out);
bool rf_addr_equal(const struct rf_addr *a, const struct rf_addr *b); /* with port */
bool rf_addr_same_ip(const struct rf_addr *a, const struct rf_addr *b);
bool rf_addr_ip_among(const struct rf_addr *addr, const struct rf_addr *addrs, size_t count);
bool rf_addr_is_loopback(const struct rf_addr *addr);
bool rf_addr_is_any(const struct rf_addr *addr);
/* rf_addr_is_private: RFC 1918, RFC 6598, link local, unique local. */
bool rf_addr_is_private(const struct rf_addr *addr);

#endif
