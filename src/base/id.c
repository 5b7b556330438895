/* id.c - the ring's arithmetic. */
#include "base/id.h"

#include "base/assert.h"
#include "base/error.h"

int rf_id_from(struct rf_view bytes, struct rf_id *out)
{
    if (bytes.len < RF_ID_MIN_LEN || bytes.len > RF_ID_MAX_LEN)
        return RF_ELENGTH;
    *out = (struct rf_id){.len = (uint8_t)bytes.len};
    memcpy(out->b, bytes.p, bytes.len);
    return 0;
}

struct rf_view rf_id_view(const struct rf_id *id)
{
    return rf_view_of(id->b, id->len);
}

bool rf_id_equal(const struct rf_id *a, const struct rf_id *b)
{
    return rf_view_equal(rf_id_view(a), rf_id_view(b));
}

int rf_id_compare(const struct rf_id *a, const struct rf_id *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->b, b->b, a->len);
}

size_t rf_id_lower_bound(const struct rf_id *first, size_t count, size_t stride, const struct rf_id *id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const void *element = (const char *)first + middle * stride;
        if (rf_id_compare(element, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool all_bytes(const struct rf_id *id, uint8_t value)
{
    for (int i = 0; i < id->len; i++)
        if (id->b[i] != value)
            return false;
    return id->len > 0;
}

bool rf_id_is_zero(const struct rf_id *id)
{
    return all_bytes(id, 0);
}

bool rf_id_is_wildcard(const struct rf_id *id)
{
    return all_bytes(id, 0xff);
}

static void assert_len(size_t len)
{
    RF_ASSERT(len >= RF_ID_MIN_LEN && len <= RF_ID_MAX_LEN);
}

struct rf_id rf_id_wildcard(uint8_t len)
{
    struct rf_id id = {.len = len};
    assert_len(len);
    memset(id.b, 0xff, len);
    return id;
}

struct rf_id rf_id_add(const struct rf_id *a, const struct rf_id *b)
{
    struct rf_id sum = {.len = a->len};
    unsigned carry = 0;
    RF_ASSERT(a->len == b->len);
    assert_len(a->len);
    for (int i = a->len - 1; i >= 0; i--) {
        carry += (unsigned)a->b[i] + b->b[i];
        sum.b[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return sum;
}

struct rf_id rf_id_sub(const struct rf_id *a, const struct rf_id *b)
{
    struct rf_id difference = {.len = a->len};
    int borrow = 0;
    RF_ASSERT(a->len == b->len);
    assert_len(a->len);
    for (int i = a->len - 1; i >= 0; i--) {
        int v = a->b[i] - b->b[i] - borrow;
        borrow = v < 0;
        difference.b[i] = (uint8_t)(v + 256 * borrow);
    }
    return difference;
}

struct rf_id rf_id_add_small(const struct rf_id *a, uint32_t n)
{
    struct rf_id small = {.len = a->len};
    assert_len(a->len);
    for (int i = 0; i < 4; i++)
        small.b[a->len - 1 - i] = (uint8_t)(n >> 8 * i);
    return rf_id_add(a, &small);
}

struct rf_id rf_id_pow2(uint8_t len, unsigned bit)
{
    struct rf_id id = {.len = len};
    assert_len(len);
    RF_ASSERT(bit < 8u * len);
    id.b[len - 1 - bit / 8] = (uint8_t)(1u << bit % 8);
    return id;
}

bool rf_id_between(const struct rf_id *a, const struct rf_id *x, const struct rf_id *b)
{
    if (a->len != x->len || a->len != b->len)
        return false;
    if (rf_id_equal(a, b))
        return true;
    struct rf_id to_x = rf_id_sub(x, a), to_b = rf_id_sub(b, a);
    return !rf_id_is_zero(&to_x) && rf_id_compare(&to_x, &to_b) <= 0;
}

double rf_id_as_double(const struct rf_id *id)
{
    uint64_t top = 0;
    for (int i = 0; i < 8; i++)
        top = top << 8 | id->b[i];
    return (double)(top >> 11) /
           9007199254740992.0; /* 53 bits, all that a double holds: never rounds up to 1 */
}

char *rf_id_text(const struct rf_id *id, char out[RF_ID_TEXT_LEN])
{
    static const char digits[] = "0123456789abcdef";
    char *at = out;
    for (int i = 0; i < id->len; i++) {
        *at++ = digits[id->b[i] >> 4];
        *at++ = digits[id->b[i] & 15];
    }
    *at = '\0';
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int rf_id_parse(const char *text, struct rf_id *out)
{
    struct rf_id id = {.len = 0};
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        int digit = digit_value(text[i]);
        if (digit < 0)
            return RF_EFORMAT;
        if (i < 2 * RF_ID_MAX_LEN)
            id.b[i / 2] = (uint8_t)(id.b[i / 2] << 4 | digit);
    }
    if (len % 2 != 0 || len < 2 * RF_ID_MIN_LEN || len > 2 * RF_ID_MAX_LEN)
        return RF_ELENGTH;
    id.len = (uint8_t)(len / 2);
    *out = id;
    return 0;
}
