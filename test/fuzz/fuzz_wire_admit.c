/* fuzz_wire_admit.c - what others say about admission: decoded, encoded, decoded again: the same. */
#include "base/assert.h"
#include "base/error.h"
#include "wire/admit.h"
#include "wire/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void busy_again(struct rf_view info)
{
    struct rf_admit_busy busy, again;
    uint8_t bytes[2048];
    struct rf_buf buf;
    if (rf_admit_busy_decode(info, 16, &busy) != 0)
        return;
    RF_ASSERT(busy.alternative_count <= RF_ADMIT_ALTERNATIVES && busy.supernode_count <= RF_ADMIT_SUPERNODES);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_admit_busy_encode(&busy, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    RF_ASSERT(rf_admit_busy_decode(rf_buf_view(&buf), 16, &again) == 0);
    RF_ASSERT(again.retry_after_ms == busy.retry_after_ms);
    RF_ASSERT(again.alternative_count == busy.alternative_count);
    RF_ASSERT(again.supernode_count == busy.supernode_count);
    for (size_t i = 0; i < busy.alternative_count; i++)
        RF_ASSERT(rf_id_equal(&again.alternatives[i], &busy.alternatives[i]));
    for (size_t i = 0; i < busy.supernode_count; i++)
        RF_ASSERT(rf_addr_equal(&again.supernodes[i], &busy.supernodes[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_view in = rf_view_of(data, len);
    struct rf_addr addrs[RF_ADMIT_SUPERNODES];
    enum rf_admit_wish wish = rf_admit_wish_of(in);
    RF_ASSERT(wish <= RF_ADMIT_RESERVE);
    RF_ASSERT(wish != RF_ADMIT_NONE || !rf_admit_dials_of(in));
    RF_ASSERT(rf_admit_supernodes_of(in, addrs) <= RF_ADMIT_SUPERNODES);
    RF_ASSERT(rf_path_name_of(in).len <= RF_PATH_NAME_MAX);
    RF_ASSERT(rf_path_route_of(in).len <= UINT8_MAX);
    busy_again(in);
    return 0;
}
