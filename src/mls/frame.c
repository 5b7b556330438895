/* frame.c - messages: signed, tagged, encrypted, and the other way round. */
#include "mls/frame.h"

#include "base/assert.h"
#include "mls/bytes.h"

void mls_frame_deinit(struct mls_frame *frame)
{
    if (frame->bytes.mem != NULL)
        rf_buf_deinit(&frame->bytes);
}

/* head_put: what stands in front of the content in TBS and in the hashes: version (TBS only) and wire format. */
static struct rf_view head_put(uint8_t head[4], uint16_t wire_format)
{
    head[0] = 0;
    head[1] = MLS_VERSION;
    head[2] = (uint8_t)(wire_format >> 8);
    head[3] = (uint8_t)wire_format;
    return rf_view_of(head, 4);
}

/* context_of: the GroupContext is signed by who is a member, or becomes one with this commit. */
static struct rf_view context_of(const struct mls_epoch *epoch, const struct mls_content *content)
{
    return content->sender.type == MLS_MEMBER || content->sender.type == MLS_NEW_MEMBER_COMMIT
               ? rf_buf_view(&epoch->context_bytes)
               : rf_view_of(NULL, 0);
}

static int membership_tag(const struct mls_kit *kit, const struct mls_epoch *epoch,
                          const struct mls_frame *frame, uint8_t out[MLS_HASH_LEN])
{
    uint8_t head[4];
    struct rf_view parts[4] = {head_put(head, frame->wire_format), frame->content.whole,
                               context_of(epoch, &frame->content), frame->auth.whole};

    return mls_mac(kit, epoch->secrets.membership, parts, 4, out);
}

/* may_send: the table of senders, frames and contents (section 6, and 12.1.8 for those from outside). */
static int may_send(const struct mls_content *content)
{
    struct mls_proposal proposal;
    struct rf_view body = content->body;
    int r;

    if (content->type == MLS_APPLICATION)
        return RF_EFORBIDDEN; /* never in public */
    if (content->sender.type == MLS_MEMBER)
        return 0;
    if ((content->sender.type == MLS_NEW_MEMBER_COMMIT) != (content->type == MLS_COMMIT))
        return RF_EFORBIDDEN;
    if (content->type == MLS_COMMIT)
        return 0;
    if ((r = mls_proposal_decode(&body, &proposal)) != 0)
        return r;
    if (content->sender.type == MLS_NEW_MEMBER_PROPOSAL)
        return proposal.type == MLS_ADD ? 0 : RF_EFORBIDDEN;
    return proposal.type == MLS_UPDATE || proposal.type == MLS_EXTERNAL_INIT ? RF_EFORBIDDEN : 0;
}

/* signer_key finds the key that a content of one from outside must be signed with. */
static int signer_key(const struct mls_epoch *epoch, const struct mls_content *content, struct rf_view *key)
{
    struct mls_external_sender sender;
    struct rf_view body = content->body, data;
    struct mls_proposal proposal;
    struct mls_commit commit;
    int r;

    switch (content->sender.type) {
    case MLS_EXTERNAL:
        if (!mls_extension_find(epoch->context.extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
            return RF_ENOTFOUND;
        if ((r = mls_external_sender_at(data, content->sender.index, &sender)) == 0)
            *key = sender.signature_key;
        return r;
    case MLS_NEW_MEMBER_PROPOSAL:
        if ((r = mls_proposal_decode(&body, &proposal)) == 0)
            *key = proposal.add.leaf.signature_key;
        return r;
    default:
        if ((r = mls_commit_decode(&body, &commit)) != 0)
            return r;
        *key = commit.path.leaf.signature_key;
        return commit.has_path ? 0 : RF_EINVAL;
    }
}

static int verify(const struct mls_kit *kit, const struct mls_epoch *epoch, const struct mls_frame *frame)
{
    uint8_t head[4];
    struct rf_view parts[3] = {head_put(head, frame->wire_format), frame->content.whole,
                               context_of(epoch, &frame->content)};
    struct rf_view key;
    int r;

    if (frame->content.sender.type == MLS_MEMBER)
        return mls_tree_verify(kit, &epoch->tree, frame->content.sender.index, "FramedContentTBS", parts, 3,
                               frame->auth.signature);
    r = signer_key(epoch, &frame->content, &key);
    return r != 0 ? r : mls_verify(kit, key, "FramedContentTBS", parts, 3, frame->auth.signature);
}

int mls_frame_open_public(const struct mls_kit *kit, const struct mls_epoch *epoch,
                          const struct mls_message *message, struct mls_frame *out)
{
    uint8_t tag[MLS_HASH_LEN];
    int r;

    *out = (struct mls_frame){
        .wire_format = MLS_PUBLIC_MESSAGE, .content = message->public.content, .auth = message->public.auth};
    if ((r = may_send(&out->content)) != 0)
        return r;
    if (out->content.sender.type == MLS_MEMBER) {
        if ((r = membership_tag(kit, epoch, out, tag)) != 0)
            return r;
        if (!rf_view_equal_secret(rf_view_of(tag, sizeof(tag)), message->public.membership_tag))
            return RF_EAUTH;
    }
    return verify(kit, epoch, out);
}

/* ---- private messages ---- */

/* sender_data_key: from the first bytes of the ciphertext (section 6.3.2). */
static int sender_data_key(const struct mls_kit *kit, const struct mls_epoch *epoch,
                           struct rf_view ciphertext, struct mls_message_key *out)
{
    struct rf_view sample =
        rf_view_of(ciphertext.p, ciphertext.len < MLS_HASH_LEN ? ciphertext.len : MLS_HASH_LEN);
    int r = mls_expand(kit, epoch->secrets.sender_data, "key", sample, out->key, sizeof(out->key));

    return r != 0
               ? r
               : mls_expand(kit, epoch->secrets.sender_data, "nonce", sample, out->nonce, sizeof(out->nonce));
}

/* aad_put: PrivateContentAAD; without the authenticated data it is the SenderDataAAD. */
static void aad_put(const struct mls_private *m, bool content, struct rf_buf *out)
{
    mls_put_v(out, m->group_id);
    rf_buf_u64(out, m->epoch);
    rf_buf_u8(out, m->content_type);
    if (content)
        mls_put_v(out, m->authenticated_data);
}

#define SMALL_AAD_LEN (RF_MLS_GROUP_ID_MAX_LEN + 16)

static int open_sender_data(const struct mls_kit *kit, const struct mls_epoch *epoch,
                            const struct mls_private *m, struct mls_sender_data *out)
{
    uint8_t aad_bytes[SMALL_AAD_LEN], plain_bytes[MLS_SENDER_DATA_LEN];
    struct mls_message_key key;
    struct rf_buf aad, plain;
    int r;

    rf_buf_fixed(&aad, aad_bytes, sizeof(aad_bytes));
    rf_buf_fixed(&plain, plain_bytes, sizeof(plain_bytes));
    aad_put(m, false, &aad);
    if (rf_buf_error(&aad) != 0 || m->encrypted_sender_data.len != MLS_SENDER_DATA_LEN + RF_AEAD_TAG_LEN)
        return RF_EFORMAT;
    if ((r = sender_data_key(kit, epoch, m->ciphertext, &key)) == 0)
        r = kit->crypto->ops->aead_open(kit->crypto, key.key, key.nonce, rf_buf_view(&aad),
                                        m->encrypted_sender_data, &plain);
    rf_wipe(&key, sizeof(key));
    return r != 0 ? r : mls_sender_data_decode(rf_buf_view(&plain), out);
}

static enum mls_ratchet_kind kind_of(uint8_t content_type)
{
    return content_type == MLS_APPLICATION ? MLS_APPLICATION_DATA : MLS_HANDSHAKE;
}

static void guard(struct mls_message_key *key, const uint8_t reuse_guard[4])
{
    for (int i = 0; i < 4; i++)
        key->nonce[i] ^= reuse_guard[i];
}

/* rebuild makes content and auth data out of what was hidden, with their bytes in the frame. */
static int rebuild(const struct mls_private *m, uint32_t leaf, struct rf_view hidden, struct mls_frame *out)
{
    struct mls_content content = {.group_id = m->group_id,
                                  .epoch = m->epoch,
                                  .sender = {MLS_MEMBER, leaf},
                                  .authenticated_data = m->authenticated_data,
                                  .type = m->content_type};
    struct mls_auth auth;
    struct rf_view in = hidden;
    uint8_t padding = 0;
    int r;

    if ((r = mls_content_body_decode(&in, content.type, &content.body)) != 0 ||
        (r = mls_auth_decode(&in, content.type, &auth)) != 0)
        return r;
    for (size_t i = 0; i < in.len; i++)
        padding |= in.p[i];
    if (padding != 0)
        return RF_EFORMAT;
    mls_content_encode(&content, &out->bytes);
    rf_buf_view_put(&out->bytes, auth.whole);
    if ((r = rf_buf_error(&out->bytes)) != 0)
        return r;
    in = rf_buf_view(&out->bytes);
    r = mls_content_decode(&in, &out->content);
    return r != 0 ? r : mls_auth_decode(&in, content.type, &out->auth);
}

/* open_content decrypts with the message's own key. */
static int open_content(const struct mls_kit *kit, const struct mls_epoch *epoch, const struct mls_private *m,
                        const struct mls_sender_data *sender, struct rf_buf *plain)
{
    struct mls_message_key key;
    struct rf_buf aad;
    int r;

    rf_buf_init(&aad, kit->mem, RF_MLS_AAD_MAX_LEN + SMALL_AAD_LEN);
    aad_put(m, true, &aad);
    if ((r = rf_buf_error(&aad)) == 0 &&
        (r = mls_secret_find(kit, &epoch->messages, sender->leaf, kind_of(m->content_type),
                             sender->generation, &key)) == 0) {
        guard(&key, sender->reuse_guard);
        r = kit->crypto->ops->aead_open(kit->crypto, key.key, key.nonce, rf_buf_view(&aad), m->ciphertext,
                                        plain);
    }
    rf_wipe(&key, sizeof(key));
    rf_buf_deinit(&aad);
    return r;
}

int mls_frame_open_private(const struct mls_kit *kit, const struct mls_epoch *epoch,
                           const struct mls_private *m, struct mls_frame *out)
{
    struct mls_sender_data sender;
    struct rf_buf plain;
    int r;

    *out = (struct mls_frame){.wire_format = MLS_PRIVATE_MESSAGE};
    if (m->authenticated_data.len > RF_MLS_AAD_MAX_LEN)
        return RF_ELIMIT;
    if ((r = open_sender_data(kit, epoch, m, &sender)) != 0)
        return r;
    if (mls_tree_leaf(&epoch->tree, sender.leaf) == NULL)
        return RF_ENOTFOUND;
    out->generation = sender.generation;
    out->content.sender = (struct mls_sender){MLS_MEMBER, sender.leaf};
    if (sender.leaf == epoch->own) {
        out->own = true;
        return 0;
    }
    rf_buf_init(&out->bytes, kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&plain, kit->mem, RF_MLS_INFO_MAX_LEN);
    if ((r = open_content(kit, epoch, m, &sender, &plain)) == 0 &&
        (r = rebuild(m, sender.leaf, rf_buf_view(&plain), out)) == 0)
        r = verify(kit, epoch, out);
    rf_buf_deinit(&plain);
    if (r != 0)
        mls_frame_deinit(out);
    return r;
}

int mls_frame_accept(const struct mls_kit *kit, struct mls_epoch *epoch, const struct mls_frame *frame)
{
    if (frame->wire_format != MLS_PRIVATE_MESSAGE)
        return 0;
    return mls_secret_accept(kit, &epoch->messages, frame->content.sender.index, kind_of(frame->content.type),
                             frame->generation);
}

int mls_frame_ref(const struct mls_kit *kit, const struct mls_frame *frame, uint8_t out[MLS_HASH_LEN])
{
    struct rf_buf value;
    int r;

    rf_buf_init(&value, kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_u16(&value, frame->wire_format);
    rf_buf_view_put(&value, frame->content.whole);
    rf_buf_view_put(&value, frame->auth.whole);
    if ((r = rf_buf_error(&value)) == 0)
        r = mls_ref_hash(kit, "MLS 1.0 Proposal Reference", rf_buf_view(&value), out);
    rf_buf_deinit(&value);
    return r;
}

/* ---- sending ---- */

int mls_frame_sign(const struct mls_kit *kit, const struct mls_epoch *epoch, const struct rf_key *key,
                   const struct mls_content *content, uint16_t wire_format, struct mls_frame *out)
{
    uint8_t head[4], signature[RF_SIGNATURE_MAX_LEN];
    struct rf_view parts[3], in;
    struct rf_buf sig;
    size_t len;
    int r;

    *out = (struct mls_frame){.wire_format = wire_format};
    rf_buf_init(&out->bytes, kit->mem, RF_MLS_INFO_MAX_LEN);
    mls_content_encode(content, &out->bytes);
    if ((r = rf_buf_error(&out->bytes)) != 0)
        return r;
    len = out->bytes.len;
    parts[0] = head_put(head, wire_format);
    parts[1] = rf_buf_view(&out->bytes);
    parts[2] = context_of(epoch, content);
    rf_buf_fixed(&sig, signature, sizeof(signature));
    if ((r = mls_sign(kit, key, "FramedContentTBS", parts, 3, &sig)) != 0)
        return r;
    rf_buf_view_put(&out->bytes, rf_buf_view(&sig));
    if ((r = rf_buf_error(&out->bytes)) != 0)
        return r;
    in = rf_view_of(out->bytes.p, len);
    r = mls_content_decode(&in, &out->content);
    out->auth = (struct mls_auth){.signature = rf_view_of(out->bytes.p + len, out->bytes.len - len)};
    return r;
}

/* auth_put encodes the auth data behind what the frame holds already. */
static int auth_put(struct mls_frame *frame, struct rf_buf *auth)
{
    mls_auth_encode(&frame->auth, frame->content.type, auth);
    frame->auth.whole = rf_buf_view(auth);
    return rf_buf_error(auth);
}

static int public_put(const struct mls_kit *kit, const struct mls_epoch *epoch, struct mls_frame *frame,
                      struct rf_buf *out)
{
    uint8_t tag[MLS_HASH_LEN];
    int r = 0;

    mls_message_head(out, MLS_PUBLIC_MESSAGE);
    rf_buf_view_put(out, frame->content.whole);
    rf_buf_view_put(out, frame->auth.whole);
    if (frame->content.sender.type == MLS_MEMBER) {
        r = membership_tag(kit, epoch, frame, tag);
        mls_put_v(out, rf_view_of(tag, sizeof(tag)));
    }
    return r != 0 ? r : rf_buf_error(out);
}

/* padded: how long the hidden part of `len` bytes becomes. */
static size_t padded(size_t len, size_t pad_to)
{
    if (pad_to == 0) {
        for (size_t step = 256; step < 1024; step *= 2)
            if (len <= step)
                return step;
        pad_to = 1024;
    }
    return (len + pad_to - 1) / pad_to * pad_to;
}

/* seal_content appends the ciphertext to `out`, and says what it was sealed with in `sender`. */
static int seal_content(const struct mls_kit *kit, struct mls_epoch *epoch, const struct mls_frame *frame,
                        const struct mls_private *m, size_t pad_to, struct mls_sender_data *sender,
                        struct rf_buf *out)
{
    struct mls_message_key key;
    struct rf_buf plain, aad;
    size_t pad;
    int r;

    rf_buf_init(&plain, kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&aad, kit->mem, RF_MLS_AAD_MAX_LEN + SMALL_AAD_LEN);
    aad_put(m, true, &aad);
    mls_content_body_encode(frame->content.type, frame->content.body, &plain);
    rf_buf_view_put(&plain, frame->auth.whole);
    pad = padded(plain.len, pad_to) - plain.len;
    if (pad > 0 && rf_buf_error(&plain) == 0) {
        uint8_t *zeros = rf_buf_reserve(&plain, pad);

        if (zeros != NULL)
            memset(zeros, 0, pad);
    }
    sender->leaf = epoch->own;
    rf_rng_fill(kit->rng, sender->reuse_guard, sizeof(sender->reuse_guard));
    if ((r = rf_buf_error(&plain)) == 0 && (r = rf_buf_error(&aad)) == 0 &&
        (r = mls_secret_next(kit, &epoch->messages, epoch->own, kind_of(frame->content.type),
                             &sender->generation, &key)) == 0) {
        guard(&key, sender->reuse_guard);
        r = kit->crypto->ops->aead_seal(kit->crypto, key.key, key.nonce, rf_buf_view(&aad),
                                        rf_buf_view(&plain), out);
    }
    rf_wipe(&key, sizeof(key));
    rf_buf_deinit(&plain);
    rf_buf_deinit(&aad);
    return r;
}

static int seal_sender_data(const struct mls_kit *kit, const struct mls_epoch *epoch,
                            const struct mls_private *m, const struct mls_sender_data *sender,
                            struct rf_buf *out)
{
    uint8_t aad_bytes[SMALL_AAD_LEN], plain_bytes[MLS_SENDER_DATA_LEN];
    struct mls_message_key key;
    struct rf_buf aad, plain;
    int r;

    rf_buf_fixed(&aad, aad_bytes, sizeof(aad_bytes));
    rf_buf_fixed(&plain, plain_bytes, sizeof(plain_bytes));
    aad_put(m, false, &aad);
    mls_sender_data_encode(sender, &plain);
    if ((r = rf_buf_error(&aad)) == 0 && (r = sender_data_key(kit, epoch, m->ciphertext, &key)) == 0)
        r = kit->crypto->ops->aead_seal(kit->crypto, key.key, key.nonce, rf_buf_view(&aad),
                                        rf_buf_view(&plain), out);
    rf_wipe(&key, sizeof(key));
    return r;
}

static int private_put(const struct mls_kit *kit, struct mls_epoch *epoch, struct mls_frame *frame,
                       size_t pad_to, struct rf_buf *out)
{
    uint8_t sealed_sender[MLS_SENDER_DATA_LEN + RF_AEAD_TAG_LEN];
    struct mls_message message = {.wire_format = MLS_PRIVATE_MESSAGE};
    struct mls_sender_data sender = {0};
    struct rf_buf ciphertext, sealed;
    int r;

    rf_buf_init(&ciphertext, kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_fixed(&sealed, sealed_sender, sizeof(sealed_sender));
    message.private = (struct mls_private){.group_id = frame->content.group_id,
                                           .epoch = frame->content.epoch,
                                           .content_type = frame->content.type,
                                           .authenticated_data = frame->content.authenticated_data};
    r = seal_content(kit, epoch, frame, &message.private, pad_to, &sender, &ciphertext);
    message.private.ciphertext = rf_buf_view(&ciphertext);
    if (r == 0 && (r = seal_sender_data(kit, epoch, &message.private, &sender, &sealed)) == 0) {
        message.private.encrypted_sender_data = rf_buf_view(&sealed);
        frame->generation = sender.generation;
        mls_message_encode(&message, out);
        r = rf_buf_error(out);
    }
    rf_buf_deinit(&ciphertext);
    return r;
}

int mls_frame_put(const struct mls_kit *kit, struct mls_epoch *epoch, struct mls_frame *frame, size_t pad_to,
                  struct rf_buf *out)
{
    uint8_t bytes[RF_SIGNATURE_MAX_LEN + MLS_HASH_LEN + 2 * MLS_LEN_MAX];
    size_t before = out->len;
    struct rf_buf auth;
    int r;

    rf_buf_fixed(&auth, bytes, sizeof(bytes));
    if ((r = auth_put(frame, &auth)) == 0)
        r = frame->wire_format == MLS_PUBLIC_MESSAGE ? public_put(kit, epoch, frame, out)
                                                     : private_put(kit, epoch, frame, pad_to, out);
    frame->auth.whole = rf_view_of(NULL, 0);
    if (r != 0)
        out->len = before;
    return r;
}
