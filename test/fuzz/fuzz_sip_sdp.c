/*
 * fuzz_sip_sdp.c - any bytes as an SDP: read, its candidates, written anew for a phone and for a node; what was written is read again and says what was put in,
 * and writing it once more changes nothing.
 */
#include <stdlib.h>
#include "base/error.h"
#include "sip/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static const uint8_t print[SDP_PRINT_LEN] = {1, 2, 3};
static const struct rf_ice_cand candidates[] = {{.addr = {.family = 4, .port = 7, .ip = {192, 0, 2, 1}},
                                                 .priority = 5,
                                                 .kind = RF_ICE_KIND_HOST,
                                                 .foundation = "1"}};

static void check_written(struct rf_view text, const struct sdp_stand_in *s, size_t count)
{
    struct rf_ice_cand found[4];
    struct sdp_facts facts;
    struct rf_buf again;
    CHECK(sdp_read(text, &facts) == 0 && facts.count == count);
    for (size_t i = 0; i < count; i++) {
        CHECK(facts.media[i].proto == SDP_OTHER || facts.media[i].port == s[i].port);
        if (facts.media[i].proto == SDP_OTHER || s[i].port == 0)
            continue;
        CHECK(facts.media[i].rtp.family == s[i].addr.family &&
              rf_addr_same_ip(&facts.media[i].rtp, &s[i].addr));
        CHECK(sdp_secure(&facts.media[i]) == s[i].secure);
        CHECK(sdp_candidates(text, i, found, 4) == (s[i].secure ? 1U : 0U));
    }
    rf_buf_init(&again, rf_mem_system(), 1 << 20);
    CHECK(sdp_rewrite(text, s, count, &again) == 0);
    CHECK(rf_view_equal(text, rf_buf_view(&again)));
    rf_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view text = {data, size};
    struct rf_ice_cand found[RF_ICE_MAX_REMOTE];
    struct sdp_stand_in s[SDP_MAX_MEDIA] = {0};
    struct sdp_facts facts;
    struct rf_buf out;

    if (size == 0 || sdp_read(text, &facts) != 0)
        return 0;
    for (size_t i = 0; i < facts.count; i++) {
        size_t count = sdp_candidates(text, i, found, RF_ICE_MAX_REMOTE);
        for (size_t k = 0; k < count; k++)
            CHECK(found[k].priority != 0 && found[k].addr.port != 0 && found[k].addr.family != 0);
        s[i].port = facts.media[i].proto == SDP_OTHER || (data[size - 1] >> i & 1) != 0 ? 0 : 4000;
        s[i].addr = (struct rf_addr){.family = 4, .ip = {192, 0, 2, 9}};
        s[i].secure = (size & 1) != 0;
        s[i].ice =
            (struct rf_ice_params){rf_view_str("abcd"), rf_view_str("abcdefghijklmnopqrstuv"), candidates, 1};
        s[i].setup = SDP_ACTPASS;
        s[i].print = print;
    }
    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    CHECK(sdp_rewrite(text, s, facts.count, &out) == 0);
    check_written(rf_buf_view(&out), s, facts.count);
    rf_buf_deinit(&out);
    return 0;
}
