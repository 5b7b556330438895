/* fuzz_chat_keep.c - kept entries: decoded, encoded, decoded and encoded again: the same bytes; exported without a crash; texts searched for what they hold and what they do not. */
#include "base/assert.h"
#include "base/text.h"
#include "chat/keep_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void entry(struct rf_view in)
{
    struct rf_keep_entry e, again;
    struct rf_buf first, second;

    rf_buf_init(&first, rf_mem_system(), 1 << 22);
    rf_buf_init(&second, rf_mem_system(), 1 << 22);
    if (rf_keep_entry_decode(in, &e) == 0) {
        rf_keep_entry_encode(&e, &first);
        RF_ASSERT(rf_view_equal(rf_buf_view(&first), in));
        RF_ASSERT(rf_keep_entry_decode(rf_buf_view(&first), &again) == 0);
        rf_keep_entry_encode(&again, &second);
        RF_ASSERT(rf_view_equal(rf_buf_view(&first), rf_buf_view(&second)));
        rf_buf_reset(&first);
        rf_keep_export_json(&e, NULL, &first);
        RF_ASSERT(rf_buf_error(&first) == 0 && rf_utf8_valid(rf_buf_view(&first)));
        rf_buf_reset(&first);
        rf_keep_export_text(&e, "kind", -90, &first);
        RF_ASSERT(rf_buf_error(&first) == 0 && rf_utf8_valid(rf_buf_view(&first)));
    }
    rf_buf_deinit(&first);
    rf_buf_deinit(&second);
}

/* A good entry with a byte of it changed. */
static void patched(struct rf_view in)
{
    struct rf_keep_entry e;
    struct rf_buf buf;

    if (in.len < 3)
        return;
    memset(&e, 0, sizeof(e));
    e.name.device.len = e.reply_to.device.len = 16;
    e.name.sequence = e.reply_to.sequence = 1;
    e.sender = e.deleted_by = rf_view_of(in.p + 3, (in.len - 3) % 20);
    e.content = rf_view_of(in.p + 3, in.len - 3);
    rf_buf_init(&buf, rf_mem_system(), 1 << 22);
    rf_keep_entry_encode(&e, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    buf.p[(in.p[0] << 8 | in.p[1]) % buf.len] = in.p[2];
    entry(rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

/* The first half is what is kept, the second what somebody looks for. */
static void search(struct rf_keep_store *store, struct rf_view in)
{
    struct rf_keep_op op = {.type = RF_KEEP_ENTRY_PUT};
    struct rf_keep_batch batch = {&op, 1};
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 10};
    struct rf_keep_answer answer;
    struct rf_region region;

    op.entry.conversation[0] = 1;
    op.entry.name.device.len = 16;
    op.entry.name.sequence = 1;
    op.entry.text = rf_view_of(in.p, in.len / 2);
    q.words = rf_view_of(in.p + in.len / 2, in.len - in.len / 2);
    int r = store->ops->apply(store, &batch, 1);
    RF_ASSERT(r == (op.entry.text.len <= RF_KEEP_MAX_TEXT ? 0 : RF_EINVAL));
    rf_region_init(&region, rf_mem_system(), SIZE_MAX);
    store->ops->query(store, &q, &region, &answer);
    RF_ASSERT(answer.error == 0 || answer.error == RF_EINVAL);
    /* what is looked for with its own words is found: one of them alone, since a minus or a quote may stand in the text */
    q.words = op.entry.text;
    store->ops->query(store, &q, &region, &answer);
    RF_ASSERT(answer.error == 0 || answer.error == RF_EINVAL);
    bool plain = true;
    for (size_t i = 0; i < op.entry.text.len; i++)
        plain = plain && op.entry.text.p[i] != '-' && op.entry.text.p[i] != '"';
    RF_ASSERT(!plain || answer.error != 0 || answer.count == 1);
    rf_region_deinit(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_keep_store *store;

    entry(rf_view_of(data, len));
    patched(rf_view_of(data, len));
    RF_ASSERT(rf_keep_mem_new(rf_mem_system(), &store) == 0);
    search(store, rf_view_of(data, len));
    store->ops->close(store);
    return 0;
}
