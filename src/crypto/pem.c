/* pem.c - PEM blocks (RFC 7468): base64 between two lines of dashes. */
#include "crypto/crypto.h"

#include "base/text.h"

#define PEM_LINE_BYTES 48 /* 64 characters */

static void put_boundary(struct rf_buf *out, const char *word, const char *label)
{
    rf_buf_str(out, "-----");
    rf_buf_str(out, word);
    rf_buf_str(out, " ");
    rf_buf_str(out, label);
    rf_buf_str(out, "-----");
}

void rf_pem_put(struct rf_buf *out, const char *label, struct rf_view der)
{
    struct rf_view line;

    put_boundary(out, "BEGIN", label);
    rf_buf_str(out, "\n");
    while (der.len > 0) {
        (void)rf_view_take(&der, der.len < PEM_LINE_BYTES ? der.len : PEM_LINE_BYTES, &line);
        rf_base64_put(out, line);
        rf_buf_str(out, "\n");
    }
    put_boundary(out, "END", label);
    rf_buf_str(out, "\n");
}

/* find returns where `what` begins in `in`, or in.len. */
static size_t find(struct rf_view in, struct rf_view what)
{
    const uint8_t *p = in.len > 0 ? memmem(in.p, in.len, what.p, what.len) : NULL;

    return p != NULL ? (size_t)(p - in.p) : in.len;
}

int rf_pem_next(struct rf_view *in, const char *label, struct rf_buf *out)
{
    struct rf_view at = *in, text, skipped;
    uint8_t begin_bytes[96], end_bytes[96];
    struct rf_buf begin, end;
    size_t before = out->len;
    int r;

    rf_buf_fixed(&begin, begin_bytes, sizeof(begin_bytes));
    put_boundary(&begin, "BEGIN", label);
    rf_buf_fixed(&end, end_bytes, sizeof(end_bytes));
    put_boundary(&end, "END", label);
    if (rf_buf_error(&begin) != 0 || rf_buf_error(&end) != 0)
        return RF_EINVAL;
    if (rf_view_take(&at, find(at, rf_buf_view(&begin)), &skipped) != 0 ||
        rf_view_take(&at, begin.len, &skipped) != 0)
        return RF_ENOTFOUND;
    if (rf_view_take(&at, find(at, rf_buf_view(&end)), &text) != 0 ||
        rf_view_take(&at, end.len, &skipped) != 0)
        return RF_EFORMAT;
    r = rf_base64_decode(text, out);
    if (r == 0)
        r = rf_buf_error(out);
    if (r == 0 && out->len == before)
        r = RF_EFORMAT;
    if (r != 0) {
        if (rf_buf_error(out) == 0)
            out->len = before;
        return r;
    }
    *in = at;
    return 0;
}
