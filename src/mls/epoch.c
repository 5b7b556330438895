/* epoch.c - one epoch of a group at one member. */
#include "mls/epoch.h"

#include "mls/bytes.h"
#include "mls/mls.h"

struct mls_epoch *mls_epoch_new(struct rf_mem *mem)
{
    struct mls_epoch *epoch = rf_zalloc(mem, sizeof(*epoch));

    if (epoch != NULL) {
        epoch->mem = mem;
        epoch->own = RF_MLS_NO_LEAF;
        rf_buf_init(&epoch->context_bytes, mem, RF_MLS_INFO_MAX_LEN);
    }
    return epoch;
}

void mls_epoch_free(struct mls_epoch *epoch)
{
    if (epoch == NULL)
        return;
    rf_buf_deinit(&epoch->context_bytes);
    mls_tree_deinit(&epoch->tree);
    mls_secret_tree_deinit(&epoch->messages);
    rf_free_secret(epoch->mem, epoch, sizeof(*epoch));
}

int mls_epoch_next(const struct mls_epoch *from, struct mls_epoch **out)
{
    struct mls_epoch *next = mls_epoch_new(from->mem);
    int r;

    if (next == NULL)
        return RF_ENOMEM;
    if ((r = mls_tree_copy(&from->tree, &next->tree)) != 0) {
        mls_epoch_free(next);
        return r;
    }
    next->own = from->own;
    next->keys = from->keys;
    *out = next;
    return 0;
}

int mls_epoch_copy_context(struct mls_epoch *epoch, struct rf_view encoded)
{
    struct rf_view in;
    int r;

    rf_buf_reset(&epoch->context_bytes);
    rf_buf_view_put(&epoch->context_bytes, encoded);
    if ((r = rf_buf_error(&epoch->context_bytes)) != 0)
        return r;
    in = rf_buf_view(&epoch->context_bytes);
    r = mls_group_context_decode(&in, &epoch->context);
    return r != 0 ? r : in.len == 0 ? 0 : RF_EFORMAT;
}

int mls_epoch_set_context(const struct mls_kit *kit, struct mls_epoch *epoch, struct rf_view group_id,
                          uint64_t number, struct rf_view confirmed, struct rf_view extensions)
{
    struct mls_group_context gc = {.suite = kit->suite->id, .epoch = number};
    uint8_t hash[MLS_HASH_LEN];
    struct rf_buf made;
    int r = mls_tree_root_hash(kit, &epoch->tree, hash);

    if (r != 0)
        return r;
    gc.group_id = group_id;
    gc.tree_hash = rf_view_of(hash, sizeof(hash));
    gc.confirmed_transcript_hash = confirmed;
    gc.extensions = extensions;
    rf_buf_init(&made, kit->mem, RF_MLS_INFO_MAX_LEN);
    mls_group_context_encode(&gc, &made);
    if ((r = rf_buf_error(&made)) == 0)
        r = mls_epoch_copy_context(epoch, rf_buf_view(&made));
    rf_buf_deinit(&made);
    return r;
}

int mls_epoch_start(const struct mls_kit *kit, struct mls_epoch *epoch, const uint8_t joiner[MLS_HASH_LEN],
                    const uint8_t psk_secret[MLS_HASH_LEN])
{
    uint8_t encryption[MLS_HASH_LEN];
    int r = mls_epoch_secrets(kit, joiner, psk_secret, rf_buf_view(&epoch->context_bytes), &epoch->secrets,
                              encryption);

    if (r == 0)
        r = mls_secret_tree_init(&epoch->messages, epoch->mem, epoch->tree.leaf_count, encryption);
    rf_wipe(encryption, sizeof(encryption));
    return r;
}

void mls_epoch_retire(struct mls_epoch *epoch)
{
    struct mls_secrets kept;

    memset(&kept, 0, sizeof(kept));
    memcpy(kept.sender_data, epoch->secrets.sender_data, sizeof(kept.sender_data));
    rf_wipe(&epoch->secrets, sizeof(epoch->secrets));
    epoch->secrets = kept;
    rf_wipe(&kept, sizeof(kept));
    rf_wipe(&epoch->keys, sizeof(epoch->keys));
    rf_wipe(epoch->interim, sizeof(epoch->interim));
}
