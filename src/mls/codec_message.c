/* codec_message.c - group context and group info, framing, welcome, and the MLSMessage around them. */
#include "mls/codec.h"

#include "base/error.h"
#include "mls/bytes.h"

static int take_version(struct rf_view *in)
{
    uint16_t version;
    int r = mls_take_u16(in, &version);

    return r != 0 ? r : version == MLS_VERSION ? 0 : RF_EVERSION;
}

/* ---- group context, group info ---- */

int mls_group_context_decode(struct rf_view *in, struct mls_group_context *out)
{
    struct rf_view before = *in;
    int r;

    if ((r = take_version(in)) != 0 || (r = mls_take_u16(in, &out->suite)) != 0 ||
        (r = mls_take_v(in, &out->group_id)) != 0 || (r = mls_take_u64(in, &out->epoch)) != 0 ||
        (r = mls_take_v(in, &out->tree_hash)) != 0 ||
        (r = mls_take_v(in, &out->confirmed_transcript_hash)) != 0 ||
        (r = mls_extensions_decode(in, &out->extensions)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_group_context_encode(const struct mls_group_context *gc, struct rf_buf *out)
{
    rf_buf_u16(out, MLS_VERSION);
    rf_buf_u16(out, gc->suite);
    mls_put_v(out, gc->group_id);
    rf_buf_u64(out, gc->epoch);
    mls_put_v(out, gc->tree_hash);
    mls_put_v(out, gc->confirmed_transcript_hash);
    mls_put_v(out, gc->extensions);
}

int mls_group_info_decode(struct rf_view *in, struct mls_group_info *out)
{
    struct rf_view before = *in;
    int r;

    if ((r = mls_group_context_decode(in, &out->context)) != 0 ||
        (r = mls_extensions_decode(in, &out->extensions)) != 0 ||
        (r = mls_take_v(in, &out->confirmation_tag)) != 0 || (r = mls_take_u32(in, &out->signer)) != 0)
        return r;
    out->unsigned_part = mls_between(before, *in);
    return mls_take_v(in, &out->signature);
}

void mls_group_info_encode_unsigned(const struct mls_group_info *info, struct rf_buf *out)
{
    mls_group_context_encode(&info->context, out);
    mls_put_v(out, info->extensions);
    mls_put_v(out, info->confirmation_tag);
    rf_buf_u32(out, info->signer);
}

void mls_group_info_encode(const struct mls_group_info *info, struct rf_buf *out)
{
    mls_group_info_encode_unsigned(info, out);
    mls_put_v(out, info->signature);
}

/* ---- framed content ---- */

static int take_sender(struct rf_view *in, struct mls_sender *out)
{
    int r = mls_take_u8(in, &out->type);

    out->index = 0;
    if (r != 0)
        return r;
    if (out->type < MLS_MEMBER || out->type > MLS_NEW_MEMBER_COMMIT)
        return RF_EUNKNOWN;
    return out->type <= MLS_EXTERNAL ? mls_take_u32(in, &out->index) : 0;
}

int mls_content_body_decode(struct rf_view *in, uint8_t type, struct rf_view *body)
{
    struct rf_view before = *in;
    struct mls_proposal proposal;
    struct mls_commit commit;
    int r;

    switch (type) {
    case MLS_APPLICATION:
        return mls_take_v(in, body);
    case MLS_PROPOSAL:
        r = mls_proposal_decode(in, &proposal);
        break;
    case MLS_COMMIT:
        r = mls_commit_decode(in, &commit);
        break;
    default:
        return RF_EUNKNOWN;
    }
    *body = mls_between(before, *in);
    return r;
}

void mls_content_body_encode(uint8_t type, struct rf_view body, struct rf_buf *out)
{
    if (type == MLS_APPLICATION)
        mls_put_v(out, body);
    else
        rf_buf_view_put(out, body);
}

int mls_content_decode(struct rf_view *in, struct mls_content *out)
{
    struct rf_view before = *in;
    int r;

    if ((r = mls_take_v(in, &out->group_id)) != 0 || (r = mls_take_u64(in, &out->epoch)) != 0 ||
        (r = take_sender(in, &out->sender)) != 0 || (r = mls_take_v(in, &out->authenticated_data)) != 0 ||
        (r = mls_take_u8(in, &out->type)) != 0 ||
        (r = mls_content_body_decode(in, out->type, &out->body)) != 0)
        return r;
    out->whole = mls_between(before, *in);
    return 0;
}

void mls_content_encode(const struct mls_content *content, struct rf_buf *out)
{
    mls_put_v(out, content->group_id);
    rf_buf_u64(out, content->epoch);
    rf_buf_u8(out, content->sender.type);
    if (content->sender.type <= MLS_EXTERNAL)
        rf_buf_u32(out, content->sender.index);
    mls_put_v(out, content->authenticated_data);
    rf_buf_u8(out, content->type);
    mls_content_body_encode(content->type, content->body, out);
}

int mls_auth_decode(struct rf_view *in, uint8_t content_type, struct mls_auth *out)
{
    struct rf_view before = *in;
    int r = mls_take_v(in, &out->signature);

    out->confirmation_tag = rf_view_of(NULL, 0);
    if (r == 0 && content_type == MLS_COMMIT)
        r = mls_take_v(in, &out->confirmation_tag);
    out->whole = mls_between(before, *in);
    return r;
}

void mls_auth_encode(const struct mls_auth *auth, uint8_t content_type, struct rf_buf *out)
{
    mls_put_v(out, auth->signature);
    if (content_type == MLS_COMMIT)
        mls_put_v(out, auth->confirmation_tag);
}

static int take_private(struct rf_view *in, struct mls_private *out)
{
    int r;

    if ((r = mls_take_v(in, &out->group_id)) != 0 || (r = mls_take_u64(in, &out->epoch)) != 0 ||
        (r = mls_take_u8(in, &out->content_type)) != 0)
        return r;
    if (out->content_type < MLS_APPLICATION || out->content_type > MLS_COMMIT)
        return RF_EUNKNOWN;
    if ((r = mls_take_v(in, &out->authenticated_data)) != 0 ||
        (r = mls_take_v(in, &out->encrypted_sender_data)) != 0)
        return r;
    return mls_take_v(in, &out->ciphertext);
}

static void put_private(const struct mls_private *p, struct rf_buf *out)
{
    mls_put_v(out, p->group_id);
    rf_buf_u64(out, p->epoch);
    rf_buf_u8(out, p->content_type);
    mls_put_v(out, p->authenticated_data);
    mls_put_v(out, p->encrypted_sender_data);
    mls_put_v(out, p->ciphertext);
}

int mls_sender_data_decode(struct rf_view in, struct mls_sender_data *out)
{
    struct rf_view guard;

    if (in.len != MLS_SENDER_DATA_LEN || rf_view_u32(&in, &out->leaf) != 0 ||
        rf_view_u32(&in, &out->generation) != 0 || rf_view_take(&in, sizeof(out->reuse_guard), &guard) != 0)
        return RF_EFORMAT;
    memcpy(out->reuse_guard, guard.p, sizeof(out->reuse_guard));
    return 0;
}

void mls_sender_data_encode(const struct mls_sender_data *data, struct rf_buf *out)
{
    rf_buf_u32(out, data->leaf);
    rf_buf_u32(out, data->generation);
    rf_buf_put(out, data->reuse_guard, sizeof(data->reuse_guard));
}

/* ---- welcome ---- */

static int take_welcome_entry(struct rf_view *in, struct mls_welcome_entry *out)
{
    int r = mls_take_v(in, &out->new_member);

    return r != 0 ? r : mls_hpke_ciphertext_decode(in, &out->secrets);
}

bool mls_next_welcome_entry(struct rf_view *list, struct mls_welcome_entry *out)
{
    return list->len > 0 && take_welcome_entry(list, out) == 0;
}

static int take_welcome(struct rf_view *in, struct mls_welcome *out)
{
    int r;

    if ((r = mls_take_u16(in, &out->suite)) != 0 || (r = mls_take_v(in, &out->secrets)) != 0)
        return r;
    MLS_LIST_CHECK(out->secrets, take_welcome_entry, struct mls_welcome_entry);
    return mls_take_v(in, &out->encrypted_group_info);
}

int mls_group_secrets_decode(struct rf_view *in, struct mls_group_secrets *out)
{
    int r;

    out->path_secret = rf_view_of(NULL, 0);
    if ((r = mls_take_v(in, &out->joiner_secret)) != 0 ||
        (r = mls_take_optional(in, &out->has_path_secret)) != 0 ||
        (out->has_path_secret && (r = mls_take_v(in, &out->path_secret)) != 0) ||
        (r = mls_take_v(in, &out->psks)) != 0)
        return r;
    MLS_LIST_CHECK(out->psks, mls_psk_id_decode, struct mls_psk_id);
    return 0;
}

void mls_group_secrets_encode(const struct mls_group_secrets *secrets, struct rf_buf *out)
{
    mls_put_v(out, secrets->joiner_secret);
    rf_buf_bool(out, secrets->has_path_secret);
    if (secrets->has_path_secret)
        mls_put_v(out, secrets->path_secret);
    mls_put_v(out, secrets->psks);
}

/* ---- MLSMessage ---- */

static int take_public(struct rf_view *in, struct mls_message *out)
{
    int r;

    out->public.membership_tag = rf_view_of(NULL, 0);
    if ((r = mls_content_decode(in, &out->public.content)) != 0 ||
        (r = mls_auth_decode(in, out->public.content.type, &out->public.auth)) != 0)
        return r;
    return out->public.content.sender.type == MLS_MEMBER ? mls_take_v(in, &out->public.membership_tag) : 0;
}

int mls_message_decode(struct rf_view in, struct mls_message *out)
{
    int r;

    if ((r = take_version(&in)) != 0 || (r = mls_take_u16(&in, &out->wire_format)) != 0)
        return r;
    switch (out->wire_format) {
    case MLS_PUBLIC_MESSAGE:
        r = take_public(&in, out);
        break;
    case MLS_PRIVATE_MESSAGE:
        r = take_private(&in, &out->private);
        break;
    case MLS_WELCOME:
        r = take_welcome(&in, &out->welcome);
        break;
    case MLS_GROUP_INFO:
        r = mls_group_info_decode(&in, &out->group_info);
        break;
    case MLS_KEY_PACKAGE:
        r = mls_key_package_decode(&in, &out->key_package);
        break;
    default:
        return RF_EUNKNOWN;
    }
    return r != 0 ? r : in.len == 0 ? 0 : RF_EFORMAT;
}

void mls_message_head(struct rf_buf *out, uint16_t wire_format)
{
    rf_buf_u16(out, MLS_VERSION);
    rf_buf_u16(out, wire_format);
}

void mls_message_encode(const struct mls_message *message, struct rf_buf *out)
{
    mls_message_head(out, message->wire_format);
    switch (message->wire_format) {
    case MLS_PUBLIC_MESSAGE:
        mls_content_encode(&message->public.content, out);
        mls_auth_encode(&message->public.auth, message->public.content.type, out);
        if (message->public.content.sender.type == MLS_MEMBER)
            mls_put_v(out, message->public.membership_tag);
        break;
    case MLS_PRIVATE_MESSAGE:
        put_private(&message->private, out);
        break;
    case MLS_WELCOME:
        rf_buf_u16(out, message->welcome.suite);
        mls_put_v(out, message->welcome.secrets);
        mls_put_v(out, message->welcome.encrypted_group_info);
        break;
    case MLS_GROUP_INFO:
        mls_group_info_encode(&message->group_info, out);
        break;
    case MLS_KEY_PACKAGE:
        mls_key_package_encode(&message->key_package, out);
        break;
    default:
        rf_buf_fail(out, RF_EINVAL);
    }
}
