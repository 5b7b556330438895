/* codec_commit.c - pre-shared key IDs, proposals, update paths, commits. */
#include "mls/codec.h"

#include "base/error.h"
#include "mls/bytes.h"

int mls_psk_id_decode(struct rf_view *in, struct mls_psk_id *out)
{
    struct rf_view before = *in;
    int r = mls_take_u8(in, &out->type);

    out->usage = 0;
    out->epoch = 0;
    if (r != 0)
        return r;
    if (out->type == MLS_PSK_EXTERNAL) {
        r = mls_take_v(in, &out->id);
    } else if (out->type == MLS_PSK_RESUMPTION) {
        if ((r = mls_take_u8(in, &out->usage)) != 0)
            return r;
        if (out->usage < MLS_USAGE_APPLICATION || out->usage > MLS_USAGE_BRANCH)
            return RF_EUNKNOWN;
        if ((r = mls_take_v(in, &out->id)) == 0)
            r = mls_take_u64(in, &out->epoch);
    } else {
        return RF_EUNKNOWN;
    }
    if (r != 0 || (r = mls_take_v(in, &out->nonce)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_psk_id_encode(const struct mls_psk_id *id, struct rf_buf *out)
{
    rf_buf_u8(out, id->type);
    if (id->type == MLS_PSK_RESUMPTION)
        rf_buf_u8(out, id->usage);
    mls_put_v(out, id->id);
    if (id->type == MLS_PSK_RESUMPTION)
        rf_buf_u64(out, id->epoch);
    mls_put_v(out, id->nonce);
}

bool mls_next_psk_id(struct rf_view *list, struct mls_psk_id *out)
{
    return list->len > 0 && mls_psk_id_decode(list, out) == 0;
}

/* ---- proposals ---- */

static int take_reinit(struct rf_view *in, struct mls_reinit *out)
{
    int r;

    if ((r = mls_take_v(in, &out->group_id)) != 0 || (r = mls_take_u16(in, &out->version)) != 0 ||
        (r = mls_take_u16(in, &out->suite)) != 0)
        return r;
    return mls_extensions_decode(in, &out->extensions);
}

int mls_proposal_body_decode(struct rf_view *in, uint16_t type, struct mls_proposal *out)
{
    out->type = type;
    switch (type) {
    case MLS_ADD:
        return mls_key_package_decode(in, &out->add);
    case MLS_UPDATE:
        return mls_leaf_decode(in, &out->update);
    case MLS_REMOVE:
        return mls_take_u32(in, &out->removed);
    case MLS_PSK:
        return mls_psk_id_decode(in, &out->psk);
    case MLS_REINIT:
        return take_reinit(in, &out->reinit);
    case MLS_EXTERNAL_INIT:
        return mls_take_v(in, &out->kem_output);
    case MLS_GROUP_CONTEXT_EXTENSIONS:
        return mls_extensions_decode(in, &out->extensions);
    default:
        return RF_EUNKNOWN;
    }
}

void mls_proposal_body_encode(const struct mls_proposal *p, struct rf_buf *out)
{
    switch (p->type) {
    case MLS_ADD:
        mls_key_package_encode(&p->add, out);
        break;
    case MLS_UPDATE:
        mls_leaf_encode(&p->update, out);
        break;
    case MLS_REMOVE:
        rf_buf_u32(out, p->removed);
        break;
    case MLS_PSK:
        mls_psk_id_encode(&p->psk, out);
        break;
    case MLS_REINIT:
        mls_put_v(out, p->reinit.group_id);
        rf_buf_u16(out, p->reinit.version);
        rf_buf_u16(out, p->reinit.suite);
        mls_put_v(out, p->reinit.extensions);
        break;
    case MLS_EXTERNAL_INIT:
        mls_put_v(out, p->kem_output);
        break;
    case MLS_GROUP_CONTEXT_EXTENSIONS:
        mls_put_v(out, p->extensions);
        break;
    default:
        rf_buf_fail(out, RF_EINVAL);
    }
}

int mls_proposal_decode(struct rf_view *in, struct mls_proposal *out)
{
    struct rf_view before = *in;
    uint16_t type;
    int r;

    if ((r = mls_take_u16(in, &type)) != 0 || (r = mls_proposal_body_decode(in, type, out)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_proposal_encode(const struct mls_proposal *p, struct rf_buf *out)
{
    rf_buf_u16(out, p->type);
    mls_proposal_body_encode(p, out);
}

/* ---- paths ---- */

int mls_hpke_ciphertext_decode(struct rf_view *in, struct mls_hpke_ciphertext *out)
{
    int r = mls_take_v(in, &out->kem_output);

    return r != 0 ? r : mls_take_v(in, &out->ciphertext);
}

bool mls_next_hpke_ciphertext(struct rf_view *list, struct mls_hpke_ciphertext *out)
{
    return list->len > 0 && mls_hpke_ciphertext_decode(list, out) == 0;
}

static int take_path_node(struct rf_view *in, struct mls_path_node *out)
{
    int r;

    if ((r = mls_take_v(in, &out->encryption_key)) != 0 || (r = mls_take_v(in, &out->secrets)) != 0)
        return r;
    MLS_LIST_CHECK(out->secrets, mls_hpke_ciphertext_decode, struct mls_hpke_ciphertext);
    return 0;
}

bool mls_next_path_node(struct rf_view *list, struct mls_path_node *out)
{
    return list->len > 0 && take_path_node(list, out) == 0;
}

int mls_update_path_decode(struct rf_view *in, struct mls_update_path *out)
{
    int r;

    if ((r = mls_leaf_decode(in, &out->leaf)) != 0 || (r = mls_take_v(in, &out->nodes)) != 0)
        return r;
    MLS_LIST_CHECK(out->nodes, take_path_node, struct mls_path_node);
    return 0;
}

/* ---- commits ---- */

static int take_commit_entry(struct rf_view *in, struct mls_commit_entry *out)
{
    uint8_t kind;
    int r = mls_take_u8(in, &kind);

    if (r != 0)
        return r;
    out->by_reference = kind == MLS_BY_REFERENCE;
    if (out->by_reference)
        return mls_take_v(in, &out->reference);
    return kind == MLS_BY_VALUE ? mls_proposal_decode(in, &out->proposal) : RF_EUNKNOWN;
}

bool mls_next_commit_entry(struct rf_view *list, struct mls_commit_entry *out)
{
    return list->len > 0 && take_commit_entry(list, out) == 0;
}

int mls_commit_decode(struct rf_view *in, struct mls_commit *out)
{
    struct rf_view before;
    int r;

    if ((r = mls_take_v(in, &out->proposals)) != 0)
        return r;
    MLS_LIST_CHECK(out->proposals, take_commit_entry, struct mls_commit_entry);
    if ((r = mls_take_optional(in, &out->has_path)) != 0 || !out->has_path)
        return r;
    before = *in;
    r = mls_update_path_decode(in, &out->path);
    out->path_whole = mls_between(before, *in);
    return r;
}

void mls_commit_encode(const struct mls_commit *commit, struct rf_buf *out)
{
    mls_put_v(out, commit->proposals);
    rf_buf_bool(out, commit->has_path);
    if (commit->has_path)
        rf_buf_view_put(out, commit->path_whole);
}
