/* addr.c - IP addresses: text, comparison, classes. Of the socket headers only the pure text functions are
 * used. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include "base/error.h"

static size_t ip_len(const struct rf_addr *addr)
{
    return addr->family == 4 ? 4 : addr->family == 6 ? 16 : 0;
}

char *rf_addr_ip_text(const struct rf_addr *addr, char out[RF_ADDR_TEXT_LEN])
{
    if (addr->family != 4 && addr->family != 6)
        strcpy(out, "-");
    else
        inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, out, RF_ADDR_TEXT_LEN);
    return out;
}

char *rf_addr_text(const struct rf_addr *addr, char out[RF_ADDR_TEXT_LEN])
{
    char ip[RF_ADDR_TEXT_LEN];
    rf_addr_ip_text(addr, ip);
    if (addr->family == 4)
        snprintf(out, RF_ADDR_TEXT_LEN, "%.15s:%u", ip, addr->port);
    else if (addr->family == 6)
        snprintf(out, RF_ADDR_TEXT_LEN, "[%.45s]:%u", ip, addr->port);
    else
        strcpy(out, ip);
    return out;
}

static int parse_port(const char *text, uint16_t *out)
{
    unsigned port = 0;
    size_t len = strlen(text);
    if (len < 1 || len > 5)
        return RF_EFORMAT;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return RF_EFORMAT;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port > 65535)
        return RF_EFORMAT;
    *out = (uint16_t)port;
    return 0;
}

static int parse_ip(const char *text, size_t len, uint8_t family, struct rf_addr *out)
{
    char ip[RF_ADDR_TEXT_LEN];
    if (len >= sizeof ip)
        return RF_EFORMAT;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (inet_pton(family == 4 ? AF_INET : AF_INET6, ip, out->ip) != 1)
        return RF_EFORMAT;
    out->family = family;
    return 0;
}

int rf_addr_parse(const char *text, uint16_t default_port, struct rf_addr *out)
{
    struct rf_addr addr = {.port = default_port};
    const char *colon = strchr(text, ':');
    const char *port = NULL;
    int error;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return RF_EFORMAT;
        port = end[1] == ':' ? end + 2 : NULL;
        error = parse_ip(text + 1, (size_t)(end - text - 1), 6, &addr);
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        error = parse_ip(text, strlen(text), 6, &addr);
    } else {
        port = colon != NULL ? colon + 1 : NULL;
        error = parse_ip(text, colon != NULL ? (size_t)(colon - text) : strlen(text), 4, &addr);
    }
    if (error == 0 && port != NULL)
        error = parse_port(port, &addr.port);
    if (error == 0)
        *out = addr;
    return error;
}

bool rf_addr_equal(const struct rf_addr *a, const struct rf_addr *b)
{
    return a->port == b->port && rf_addr_same_ip(a, b);
}

bool rf_addr_same_ip(const struct rf_addr *a, const struct rf_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, ip_len(a)) == 0;
}

bool rf_addr_ip_among(const struct rf_addr *addr, const struct rf_addr *addrs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rf_addr_same_ip(addr, &addrs[i]))
            return true;
    return false;
}

/* v4_bytes returns the IPv4 address that `addr` is or maps (::ffff:0:0/96, RFC 4291 section 2.5.5.2), else
 * NULL. */
static const uint8_t *v4_bytes(const struct rf_addr *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (addr->family == 4)
        return addr->ip;
    if (addr->family == 6 && memcmp(addr->ip, mapped, sizeof mapped) == 0)
        return addr->ip + sizeof mapped;
    return NULL;
}

bool rf_addr_is_loopback(const struct rf_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    const uint8_t *v4 = v4_bytes(addr);
    if (v4 != NULL)
        return v4[0] == 127;
    return addr->family == 6 && memcmp(addr->ip, one, sizeof one) == 0;
}

bool rf_addr_is_any(const struct rf_addr *addr)
{
    static const uint8_t zero[16] = {0};
    return addr->family != 0 && memcmp(addr->ip, zero, ip_len(addr)) == 0;
}

bool rf_addr_is_private(const struct rf_addr *addr)
{
    const uint8_t *v4 = v4_bytes(addr);
    if (v4 != NULL)
        return v4[0] == 10 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) || (v4[0] == 192 && v4[1] == 168) ||
               (v4[0] == 100 && (v4[1] & 0xc0) == 64) || (v4[0] == 169 && v4[1] == 254);
    if (addr->family != 6)
        return false;
    return (addr->ip[0] & 0xfe) == 0xfc || (addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80);
}
