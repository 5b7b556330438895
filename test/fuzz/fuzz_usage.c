/* fuzz_usage.c - what usages decode: SIP registrations (decode, encode, decode, compare), URIs, GRUUs; and ReDiR's arithmetic. */
#include <stdlib.h>
#include "base/assert.h"
#include "base/error.h"
#include "usage/redir.h"
#include "usage/sipreg.h"

static void registration(struct rf_view in)
{
    struct rf_sip_registration one, two;
    struct rf_buf buf;
    if (rf_sip_registration_decode(in, 16, &one) != 0)
        return;
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    rf_sip_registration_encode(&one, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    RF_ASSERT(rf_view_equal(rf_buf_view(&buf), in));
    RF_ASSERT(rf_sip_registration_decode(rf_buf_view(&buf), 16, &two) == 0);
    RF_ASSERT(one.type == two.type && one.dest_count == two.dest_count && rf_view_equal(one.uri, two.uri));
    rf_buf_deinit(&buf);
}

static void uri(struct rf_view in)
{
    struct rf_view aor, owner;
    struct rf_dest dests[RF_SIP_MAX_DESTS], again[RF_SIP_MAX_DESTS];
    size_t count = 0, again_count = 0;
    (void)rf_sip_prefs_sips(in);
    if (rf_sip_uri_aor(in, &aor) == 0)
        RF_ASSERT(aor.len > 2 && aor.len <= in.len);
    if (rf_sip_gruu_decode(in, 16, dests, &owner, &count) != 0)
        return;
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    rf_sip_gruu_put(owner, dests, count, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    RF_ASSERT(rf_sip_gruu_decode(rf_buf_view(&buf), 16, again, &owner, &again_count) == 0 &&
              again_count == count);
    for (size_t i = 0; i < count; i++)
        RF_ASSERT(rf_dest_equal(&dests[i], &again[i]));
    rf_buf_deinit(&buf);
}

/* The tree node of a level is that of the level above, times b, plus the interval there. */
static void tree(struct rf_view in)
{
    struct rf_id key;
    if (in.len < 19 || rf_id_from(rf_view_of(in.p, 16), &key) != 0)
        return;
    uint32_t branching = in.p[16], interval;
    unsigned level = in.p[17] % 18;
    uint16_t above, below;
    if (rf_redir_node(&key, branching, level, &above) != 0 ||
        rf_redir_node(&key, branching, level + 1, &below) != 0)
        return;
    RF_ASSERT(rf_redir_interval(&key, branching, level, &interval) == 0);
    RF_ASSERT(interval < branching && below == above * branching + interval);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = rf_view_of(data, size);
    registration(in);
    uri(in);
    tree(in);
    return 0;
}
