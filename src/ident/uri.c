/* uri.c - RELOAD URIs of nodes, "reload://0110<hex>@example.org/" (reload.md 2.10). */
#include "ident/ident.h"

#include "base/text.h"

#define SCHEME    "reload://"
#define DEST_NODE 1 /* Destination type node: type, length, Node-ID */

void rf_reload_uri_put(struct rf_buf *out, const struct rf_id *node_id, struct rf_view overlay)
{
    uint8_t head[2] = {DEST_NODE, node_id->len};

    rf_buf_str(out, SCHEME);
    rf_hex_put(out, rf_view_of(head, sizeof(head)));
    rf_hex_put(out, rf_id_view(node_id));
    rf_buf_str(out, "@");
    rf_buf_view_put(out, overlay);
    rf_buf_str(out, "/");
}

int rf_reload_uri_parse(struct rf_view uri, struct rf_view overlay, uint8_t id_len, struct rf_id *out)
{
    struct rf_view scheme, hex, at_sign;
    uint8_t bytes[2 + RF_ID_MAX_LEN];
    struct rf_buf dest;
    struct rf_id id;

    if (rf_view_take(&uri, sizeof(SCHEME) - 1, &scheme) != 0 || !rf_view_equal(scheme, rf_view_str(SCHEME)))
        return RF_EFORMAT;
    /* the length is known: a list of several entries, or a bare Node-ID (D6), does not end with the @ */
    if (rf_view_take(&uri, 2 * (2 + (size_t)id_len), &hex) != 0 || rf_view_take(&uri, 1, &at_sign) != 0 ||
        at_sign.p[0] != '@')
        return RF_EFORMAT;
    rf_buf_fixed(&dest, bytes, sizeof(bytes));
    if (rf_hex_decode(hex, &dest) != 0 || bytes[0] != DEST_NODE || bytes[1] != id_len)
        return RF_EFORMAT;
    if (rf_id_from(rf_view_of(bytes + 2, id_len), &id) != 0 || rf_id_is_zero(&id) || rf_id_is_wildcard(&id))
        return RF_EFORMAT;
    if (uri.len > 0 && uri.p[uri.len - 1] == '/')
        uri.len--;
    if (!rf_domain_valid(uri))
        return RF_EFORMAT;
    if (!rf_view_equal(uri, overlay))
        return RF_EMISMATCH;
    *out = id;
    return 0;
}
