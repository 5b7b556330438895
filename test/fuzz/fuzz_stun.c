/* fuzz_stun.c - any bytes as a STUN message or ChannelData: nothing breaks, and what decodes can be built again to the same attributes. */
#include <stdlib.h>

#include "stun/stun.h"

static void read_all(const struct rf_stun_msg *m)
{
    struct rf_view value, first;
    struct rf_addr addr;
    uint16_t type, unknown[RF_STUN_MAX_UNKNOWN];
    uint64_t wide;
    uint32_t number;
    int code;
    for (size_t at = 0; rf_stun_next(m, &at, &type, &value);) {
        if (!rf_stun_find(m, type, &first) || first.p > value.p ||
            value.p + value.len > m->raw.p + m->raw.len)
            abort();
        (void)rf_stun_address_of(m, value, true, &addr);
        (void)rf_stun_u32(m, type, &number);
        (void)rf_stun_u64(m, type, &wide);
    }
    (void)rf_stun_error_code(m, &code, &value);
    (void)rf_stun_unknown(m, NULL, 0, unknown);
}

static void build_again(const struct rf_stun_msg *m)
{
    static uint8_t room[70000];
    struct rf_stun_msg again;
    struct rf_view value, other;
    uint16_t type, other_type;
    struct rf_buf out;
    size_t at = 0, other_at = 0;
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, m->class, m->method, m->txn);
    while (rf_stun_next(m, &at, &type, &value))
        rf_stun_put(&out, type, value);
    rf_stun_put_fingerprint(&out);
    if (rf_stun_end(&out) != 0)
        return; /* the fingerprint did not fit any more */
    if (rf_stun_decode(rf_buf_view(&out), &again) != 0 || again.class != m->class ||
        again.method != m->method)
        abort();
    for (at = 0; rf_stun_next(m, &at, &type, &value);)
        if (!rf_stun_next(&again, &other_at, &other_type, &other) || type != other_type ||
            !rf_view_equal(value, other))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = rf_view_of(data, size), payload;
    struct rf_stun_msg m;
    uint16_t number;
    size_t len;
    if (rf_stun_frame(in, &len) == 0 && len < RF_STUN_HEADER_LEN)
        abort();
    (void)rf_turn_channel_frame(in, &len);
    (void)rf_turn_channel_decode(in, &number, &payload);
    if (rf_stun_decode(in, &m) == 0) {
        read_all(&m);
        build_again(&m);
    }
    return 0;
}
