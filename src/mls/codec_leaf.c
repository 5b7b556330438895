/* codec_leaf.c - credentials, capabilities, extensions, leaf nodes, key packages. */
#include "mls/codec.h"

#include "base/error.h"
#include "mls/bytes.h"

/* ---- lists of u16 ---- */

static int take_u16_list(struct rf_view *in, struct rf_view *out)
{
    int r = mls_take_v(in, out);

    return r != 0 ? r : out->len % 2 == 0 ? 0 : RF_EFORMAT;
}

bool mls_next_u16(struct rf_view *list, uint16_t *out)
{
    return rf_view_u16(list, out) == 0;
}

bool mls_u16_has(struct rf_view list, uint16_t value)
{
    uint16_t one;

    while (mls_next_u16(&list, &one))
        if (one == value)
            return true;
    return false;
}

void mls_u16_set_init(struct mls_u16_set *set, struct rf_view list)
{
    uint16_t one;

    memset(set, 0, sizeof(*set));
    while (mls_next_u16(&list, &one))
        (void)mls_u16_set_add(set, one);
}

bool mls_u16_set_add(struct mls_u16_set *set, uint16_t value)
{
    bool there = mls_u16_set_has(set, value);

    set->bits[value / 8] |= (uint8_t)(1u << value % 8);
    return !there;
}

bool mls_u16_set_has(const struct mls_u16_set *set, uint16_t value)
{
    return (set->bits[value / 8] >> value % 8 & 1) != 0;
}

/* ---- credentials ---- */

int mls_credential_decode(struct rf_view *in, struct mls_credential *out)
{
    struct rf_view before = *in, rest, one;
    int r;

    if ((r = mls_take_u16(in, &out->type)) != 0 || (r = mls_take_v(in, &out->body)) != 0)
        return r;
    if (out->type != MLS_BASIC && out->type != MLS_X509)
        return RF_EUNKNOWN;
    for (rest = out->body; out->type == MLS_X509 && rest.len > 0;)
        if ((r = mls_take_v(&rest, &one)) != 0)
            return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_credential_encode(const struct mls_credential *c, struct rf_buf *out)
{
    rf_buf_u16(out, c->type);
    mls_put_v(out, c->body);
}

/* ---- extensions ---- */

static int take_extension(struct rf_view *in, struct mls_extension *out)
{
    int r = mls_take_u16(in, &out->type);

    return r != 0 ? r : mls_take_v(in, &out->data);
}

int mls_extensions_decode(struct rf_view *in, struct rf_view *out)
{
    int r = mls_take_v(in, out);

    if (r != 0)
        return r;
    MLS_LIST_CHECK(*out, take_extension, struct mls_extension);
    return 0;
}

bool mls_next_extension(struct rf_view *list, struct mls_extension *out)
{
    return list->len > 0 && take_extension(list, out) == 0;
}

bool mls_extension_find(struct rf_view list, uint16_t type, struct rf_view *data)
{
    struct mls_extension one;

    while (mls_next_extension(&list, &one))
        if (one.type == type) {
            *data = one.data;
            return true;
        }
    return false;
}

bool mls_extensions_unique(struct rf_view list)
{
    struct mls_extension one;
    struct mls_u16_set seen;

    mls_u16_set_init(&seen, rf_view_of(NULL, 0));
    while (mls_next_extension(&list, &one))
        if (!mls_u16_set_add(&seen, one.type))
            return false;
    return true;
}

void mls_extension_put(struct rf_buf *out, uint16_t type, struct rf_view data)
{
    rf_buf_u16(out, type);
    mls_put_v(out, data);
}

int mls_required_capabilities_decode(struct rf_view data, struct mls_required_capabilities *out)
{
    int r;

    if ((r = take_u16_list(&data, &out->extensions)) != 0 ||
        (r = take_u16_list(&data, &out->proposals)) != 0 ||
        (r = take_u16_list(&data, &out->credentials)) != 0)
        return r;
    return data.len == 0 ? 0 : RF_EFORMAT;
}

static int take_external_sender(struct rf_view *in, struct mls_external_sender *out)
{
    int r = mls_take_v(in, &out->signature_key);

    return r != 0 ? r : mls_credential_decode(in, &out->credential);
}

int mls_external_senders_decode(struct rf_view data, struct rf_view *list)
{
    if (mls_take_v(&data, list) != 0 || data.len != 0)
        return RF_EFORMAT;
    MLS_LIST_CHECK(*list, take_external_sender, struct mls_external_sender);
    return 0;
}

bool mls_next_external_sender(struct rf_view *list, struct mls_external_sender *out)
{
    return list->len > 0 && take_external_sender(list, out) == 0;
}

int mls_external_sender_at(struct rf_view data, uint32_t index, struct mls_external_sender *out)
{
    struct rf_view list;
    int r = mls_external_senders_decode(data, &list);

    if (r != 0)
        return r;
    while (mls_next_external_sender(&list, out))
        if (index-- == 0)
            return 0;
    return RF_ENOTFOUND;
}

/* ---- leaf nodes ---- */

static int take_capabilities(struct rf_view *in, struct mls_capabilities *out)
{
    int r;

    if ((r = take_u16_list(in, &out->versions)) != 0 || (r = take_u16_list(in, &out->suites)) != 0 ||
        (r = take_u16_list(in, &out->extensions)) != 0 || (r = take_u16_list(in, &out->proposals)) != 0)
        return r;
    return take_u16_list(in, &out->credentials);
}

static int take_source(struct rf_view *in, struct mls_leaf *out)
{
    int r = mls_take_u8(in, &out->source);

    out->not_before = out->not_after = 0;
    out->parent_hash = rf_view_of(NULL, 0);
    if (r != 0)
        return r;
    switch (out->source) {
    case MLS_SOURCE_KEY_PACKAGE:
        r = mls_take_u64(in, &out->not_before);
        return r != 0 ? r : mls_take_u64(in, &out->not_after);
    case MLS_SOURCE_UPDATE:
        return 0;
    case MLS_SOURCE_COMMIT:
        return mls_take_v(in, &out->parent_hash);
    default:
        return RF_EUNKNOWN;
    }
}

int mls_leaf_decode(struct rf_view *in, struct mls_leaf *out)
{
    struct rf_view before = *in;
    int r;

    if ((r = mls_take_v(in, &out->encryption_key)) != 0 || (r = mls_take_v(in, &out->signature_key)) != 0 ||
        (r = mls_credential_decode(in, &out->credential)) != 0 ||
        (r = take_capabilities(in, &out->capabilities)) != 0 || (r = take_source(in, out)) != 0 ||
        (r = mls_extensions_decode(in, &out->extensions)) != 0)
        return r;
    out->unsigned_part = mls_between(before, *in);
    if ((r = mls_take_v(in, &out->signature)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_leaf_encode_unsigned(const struct mls_leaf *leaf, struct rf_buf *out)
{
    mls_put_v(out, leaf->encryption_key);
    mls_put_v(out, leaf->signature_key);
    mls_credential_encode(&leaf->credential, out);
    mls_put_v(out, leaf->capabilities.versions);
    mls_put_v(out, leaf->capabilities.suites);
    mls_put_v(out, leaf->capabilities.extensions);
    mls_put_v(out, leaf->capabilities.proposals);
    mls_put_v(out, leaf->capabilities.credentials);
    rf_buf_u8(out, leaf->source);
    if (leaf->source == MLS_SOURCE_KEY_PACKAGE) {
        rf_buf_u64(out, leaf->not_before);
        rf_buf_u64(out, leaf->not_after);
    } else if (leaf->source == MLS_SOURCE_COMMIT) {
        mls_put_v(out, leaf->parent_hash);
    }
    mls_put_v(out, leaf->extensions);
}

void mls_leaf_encode(const struct mls_leaf *leaf, struct rf_buf *out)
{
    mls_leaf_encode_unsigned(leaf, out);
    mls_put_v(out, leaf->signature);
}

/* ---- key packages ---- */

int mls_key_package_decode(struct rf_view *in, struct mls_key_package *out)
{
    struct rf_view before = *in;
    int r;

    if ((r = mls_take_u16(in, &out->version)) != 0)
        return r;
    if (out->version != MLS_VERSION)
        return RF_EVERSION;
    if ((r = mls_take_u16(in, &out->suite)) != 0 || (r = mls_take_v(in, &out->init_key)) != 0 ||
        (r = mls_leaf_decode(in, &out->leaf)) != 0 || (r = mls_extensions_decode(in, &out->extensions)) != 0)
        return r;
    out->unsigned_part = mls_between(before, *in);
    if ((r = mls_take_v(in, &out->signature)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_key_package_encode_unsigned(const struct mls_key_package *kp, struct rf_buf *out)
{
    rf_buf_u16(out, kp->version);
    rf_buf_u16(out, kp->suite);
    mls_put_v(out, kp->init_key);
    mls_leaf_encode(&kp->leaf, out);
    mls_put_v(out, kp->extensions);
}

void mls_key_package_encode(const struct mls_key_package *kp, struct rf_buf *out)
{
    mls_key_package_encode_unsigned(kp, out);
    mls_put_v(out, kp->signature);
}
