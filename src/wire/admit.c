/* admit.c - the codec of admission. */
#include "wire/admit.h"

#include "wire/addr.h"
#include "wire/internal.h"

#define TAG_WISH       UINT32_C(0x52466164) /* RFad */
#define TAG_SUPERNODES UINT32_C(0x5246736e) /* RFsn */
#define TAG_BUSY       UINT32_C(0x5246627a) /* RFbz */

#define FLAG_DIALS 1

void rf_admit_wish_put(enum rf_admit_wish wish, bool dials, struct rf_buf *out)
{
    size_t mark = wire_exp_open(TAG_WISH, out);
    rf_buf_u8(out, (uint8_t)wish);
    if (dials)
        rf_buf_u8(out, FLAG_DIALS);
    rf_buf_close(out, mark, 4);
}

enum rf_admit_wish rf_admit_wish_of(struct rf_view extensions)
{
    struct rf_view in;
    uint8_t wish;
    if (!wire_exp_find(extensions, TAG_WISH, &in) || rf_view_u8(&in, &wish) != 0)
        return RF_ADMIT_NONE;
    return wish == RF_ADMIT_RESERVE ? RF_ADMIT_RESERVE : RF_ADMIT_HOME;
}

bool rf_admit_dials_of(struct rf_view extensions)
{
    struct rf_view in;
    uint8_t wish, flags;
    return wire_exp_find(extensions, TAG_WISH, &in) && rf_view_u8(&in, &wish) == 0 &&
           rf_view_u8(&in, &flags) == 0 && (flags & FLAG_DIALS) != 0;
}

/* ---- supernodes ---- */

static void addrs_put(const struct rf_addr *addrs, size_t count, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < count; i++)
        rf_ip_port_encode(&addrs[i], out);
    rf_buf_close(out, mark, 2);
}

/* All must be well formed; those that nobody could dial, and those beyond the limit, are left out. */
static int addrs_take(struct rf_view *in, struct rf_addr out[RF_ADMIT_SUPERNODES], size_t *count)
{
    struct rf_view list;
    struct rf_addr addr;
    int error = rf_view_v(in, 2, &list);
    *count = 0;
    while (error == 0 && list.len > 0) {
        error = rf_ip_port_decode(&list, &addr);
        if (error == 0 && addr.family != 0 && addr.port != 0 && !rf_addr_is_any(&addr) &&
            *count < RF_ADMIT_SUPERNODES)
            out[(*count)++] = addr;
    }
    return error;
}

void rf_admit_supernodes_put(const struct rf_addr *addrs, size_t count, struct rf_buf *out)
{
    size_t mark = wire_exp_open(TAG_SUPERNODES, out);
    addrs_put(addrs, count, out);
    rf_buf_close(out, mark, 4);
}

size_t rf_admit_supernodes_of(struct rf_view extensions, struct rf_addr out[RF_ADMIT_SUPERNODES])
{
    struct rf_view in;
    size_t count;
    if (!wire_exp_find(extensions, TAG_SUPERNODES, &in) || addrs_take(&in, out, &count) != 0)
        return 0;
    return count;
}

/* ---- busy ---- */

int rf_admit_busy_decode(struct rf_view info, uint8_t id_len, struct rf_admit_busy *out)
{
    struct rf_view ids;
    struct rf_id id;
    uint32_t tag;
    *out = (struct rf_admit_busy){0};
    if (rf_view_u32(&info, &tag) != 0 || tag != TAG_BUSY)
        return RF_EUNKNOWN;
    int error = rf_view_u32(&info, &out->retry_after_ms);
    if (error == 0)
        error = rf_view_v(&info, 2, &ids);
    if (error == 0 && ids.len % id_len != 0)
        error = RF_ELENGTH;
    while (error == 0 && ids.len > 0) {
        error = wire_id(&ids, id_len, &id);
        if (error == 0 && !rf_id_is_wildcard(&id) && out->alternative_count < RF_ADMIT_ALTERNATIVES)
            out->alternatives[out->alternative_count++] = id;
    }
    return error != 0 ? error : addrs_take(&info, out->supernodes, &out->supernode_count);
}

void rf_admit_busy_encode(const struct rf_admit_busy *busy, struct rf_buf *out)
{
    rf_buf_u32(out, TAG_BUSY);
    rf_buf_u32(out, busy->retry_after_ms);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < busy->alternative_count; i++)
        wire_id_put(&busy->alternatives[i], out);
    rf_buf_close(out, mark, 2);
    addrs_put(busy->supernodes, busy->supernode_count, out);
}
