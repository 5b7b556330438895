/* test_mls_codec.c - the bytes of MLS: lengths, every structure there and back, labels, key schedule, message keys. */
#include "test_mls.h"

#include <time.h>

#include "mls/bytes.h"
#include "mls/codec.h"
#include "mls/leaf.h"
#include "mls/schedule.h"
#include "mls/secret_tree.h"

/* ---- lengths ---- */

static void check_length(const json_t *one)
{
    static uint8_t bytes[4 + (1 << 15)];
    struct rf_view header = rf_json_hex(one, "vlbytes_header"), in, got;
    uint64_t length = rf_json_number(one, "length");
    uint8_t made[MLS_LEN_MAX];

    assert_int_equal(mls_len_bytes(made, (size_t)length), header.len);
    assert_memory_equal(made, header.p, header.len);
    if (length > 1 << 15)
        return;
    memcpy(bytes, header.p, header.len);
    in = rf_view_of(bytes, header.len + (size_t)length);
    OK(mls_take_v(&in, &got));
    assert_int_equal(got.len, length);
    assert_int_equal(in.len, 0);
    in = rf_view_of(bytes, header.len + (size_t)length - (length > 0));
    assert_int_equal(mls_take_v(&in, &got), length > 0 ? RF_EFORMAT : 0);
}

static void lengths(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {{"", 0},
                  {"\x40", 1},
                  {"\x40\x00", 2},
                  {"\x40\x3f", 2},
                  {"\x40\x25", 2},
                  {"\x80\x00", 2},
                  {"\x80\0\0\x01", 4},
                  {"\x80\x00\x3f\xff", 4},
                  {"\xc0", 1},
                  {"\xff\xff\xff\xff", 4},
                  {"\x01", 1},
                  {"\x7f\xff", 2},
                  {"\xbf\xff\xff\xff", 4}};

    (void)state;
    assert_int_equal(rf_json_vector_run("mls/deserialization", check_length), 14);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct rf_view in = rf_view_of(broken[i].bytes, broken[i].len), out;

        assert_int_equal(mls_take_v(&in, &out), RF_EFORMAT);
    }
}

/* ---- structures, there and back ---- */

static struct rf_buf again;

static void same(struct rf_view original)
{
    OK(rf_buf_error(&again));
    mls_assert_view(rf_buf_view(&again), original);
    rf_buf_reset(&again);
}

static void check_mls_message(struct rf_view bytes, uint16_t wire_format)
{
    struct mls_message message;
    uint8_t longer[64 << 10];

    OK(mls_message_decode(bytes, &message));
    assert_int_equal(message.wire_format, wire_format);
    mls_message_encode(&message, &again);
    same(bytes);
    for (size_t cut = 0; cut < bytes.len; cut += 1 + bytes.len / 100)
        assert_true(mls_message_decode(rf_view_of(bytes.p, cut), &message) < 0);
    assert_true(bytes.len < sizeof(longer));
    memcpy(longer, bytes.p, bytes.len);
    longer[bytes.len] = 0;
    assert_int_equal(mls_message_decode(rf_view_of(longer, bytes.len + 1), &message), RF_EFORMAT);
}

static void check_proposal(struct rf_view bytes, uint16_t type)
{
    struct mls_proposal proposal;
    struct rf_view in = bytes;

    OK(mls_proposal_body_decode(&in, type, &proposal));
    assert_int_equal(in.len, 0);
    mls_proposal_body_encode(&proposal, &again);
    same(bytes);
}

static void check_messages(const json_t *one)
{
    struct mls_group_secrets secrets;
    struct mls_commit commit;
    struct rf_view in, bytes;

    check_mls_message(rf_json_hex(one, "mls_welcome"), MLS_WELCOME);
    check_mls_message(rf_json_hex(one, "mls_group_info"), MLS_GROUP_INFO);
    check_mls_message(rf_json_hex(one, "mls_key_package"), MLS_KEY_PACKAGE);
    check_mls_message(rf_json_hex(one, "public_message_application"), MLS_PUBLIC_MESSAGE);
    check_mls_message(rf_json_hex(one, "public_message_proposal"), MLS_PUBLIC_MESSAGE);
    check_mls_message(rf_json_hex(one, "public_message_commit"), MLS_PUBLIC_MESSAGE);
    check_mls_message(rf_json_hex(one, "private_message"), MLS_PRIVATE_MESSAGE);
    check_proposal(rf_json_hex(one, "add_proposal"), MLS_ADD);
    check_proposal(rf_json_hex(one, "update_proposal"), MLS_UPDATE);
    check_proposal(rf_json_hex(one, "remove_proposal"), MLS_REMOVE);
    check_proposal(rf_json_hex(one, "pre_shared_key_proposal"), MLS_PSK);
    check_proposal(rf_json_hex(one, "re_init_proposal"), MLS_REINIT);
    check_proposal(rf_json_hex(one, "external_init_proposal"), MLS_EXTERNAL_INIT);
    check_proposal(rf_json_hex(one, "group_context_extensions_proposal"), MLS_GROUP_CONTEXT_EXTENSIONS);
    in = bytes = rf_json_hex(one, "group_secrets");
    OK(mls_group_secrets_decode(&in, &secrets));
    mls_group_secrets_encode(&secrets, &again);
    same(bytes);
    in = bytes = rf_json_hex(one, "commit");
    OK(mls_commit_decode(&in, &commit));
    mls_commit_encode(&commit, &again);
    same(bytes);
}

static void structures_there_and_back(void **state)
{
    (void)state;
    rf_buf_init(&again, mls.mem, 1 << 20);
    assert_true(rf_json_vector_run("mls/messages", check_messages) >= 6);
    rf_buf_deinit(&again);
}

static void unknown_values(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int error;
    } broken[] = {
        {"\x00\x02\x00\x01", 4, RF_EVERSION},                                      /* MLS 2 */
        {"\x00\x01\x00\x06", 4, RF_EUNKNOWN},                                      /* wire format */
        {"\x00\x01\x00\x02\0\0\0\0\0\0\0\0\0\x04", 14, RF_EUNKNOWN},               /* content type, private */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x05", 14, RF_EUNKNOWN},               /* sender type */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x03\0\x04", 16, RF_EUNKNOWN},         /* content type, public */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x03\0\x02\x00\x08", 18, RF_EUNKNOWN}, /* proposal type */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x03\0\x02\x00\x04\x03", 19, RF_EUNKNOWN},     /* PSK type */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x03\0\x02\x00\x04\x02\x04", 20, RF_EUNKNOWN}, /* usage */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x04\0\x03\x02\x03\x00", 19,
         RF_EUNKNOWN}, /* neither proposal nor reference */
        {"\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x04\0\x03\x00\x02", 18, RF_EFORMAT}, /* optional is 2 */
        {"\x00\x01\x00\x05\x00\x02", 6, RF_EVERSION},                             /* of a key package */
    };
    struct mls_message message;

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_int_equal(mls_message_decode(rf_view_of(broken[i].bytes, broken[i].len), &message),
                         broken[i].error);
}

/* What a stranger sends may hold every value there is: it is walked once. */
static void long_lists(void **state)
{
    struct mls_leaf leaf = {.source = MLS_SOURCE_UPDATE};
    struct rf_buf values, context;
    clock_t begin = clock();
    size_t mark, inner;

    (void)state;
    rf_buf_init(&values, mls.mem, 1 << 20);
    rf_buf_init(&context, mls.mem, 1 << 20);
    for (uint32_t i = 65535; i > 0; i--)
        rf_buf_u16(&values, (uint16_t)i);
    rf_buf_u16(&context, MLS_EXT_REQUIRED_CAPABILITIES);
    mark = mls_open(&context);
    mls_put_v(&context, rf_buf_view(&values));
    mls_put_v(&context, rf_buf_view(&values));
    mls_put_v(&context, rf_buf_view(&values));
    mls_close(&context, mark);
    rf_buf_u16(&context, MLS_EXT_EXTERNAL_SENDERS);
    mark = mls_open(&context);
    inner = mls_open(&context);
    for (int i = 0; i < 20000; i++)
        rf_buf_put(&context, "\x01k\x00\x01\x01n", 6);
    mls_close(&context, inner);
    mls_close(&context, mark);
    for (uint32_t i = 65535; i > 6; i--)
        mls_extension_put(&context, (uint16_t)i, NOTHING);
    OK(rf_buf_error(&context));
    leaf.capabilities.extensions = leaf.capabilities.proposals = leaf.capabilities.credentials =
        rf_buf_view(&values);
    OK(mls_context_extensions_check(&mls.kit[0], NULL, rf_buf_view(&context)));
    OK(mls_leaf_meets(&leaf, rf_buf_view(&context)));
    mls_extension_put(&context, 7, NOTHING);
    assert_int_equal(mls_context_extensions_check(&mls.kit[0], NULL, rf_buf_view(&context)), RF_EDUPLICATE);
    leaf.capabilities.proposals.len -= 2 * MLS_GROUP_CONTEXT_EXTENSIONS + 2;
    assert_int_equal(mls_leaf_meets(&leaf, rf_buf_view(&context)), RF_EUNSUPPORTED);
    assert_true(clock() - begin < CLOCKS_PER_SEC); /* of pairs there are milliards */
    rf_buf_deinit(&values);
    rf_buf_deinit(&context);
}

/* ---- labels ---- */

static void check_expansions(const struct mls_kit *kit, const json_t *one)
{
    const json_t *o = json_object_get(one, "ref_hash");
    uint8_t out[256];
    size_t len;

    OK(mls_ref_hash(kit, rf_json_text(o, "label"), rf_json_hex(o, "value"), out));
    mls_assert_view(rf_view_of(out, 32), rf_json_hex(o, "out"));
    o = json_object_get(one, "expand_with_label");
    len = (size_t)rf_json_number(o, "length");
    OK(mls_expand(kit, rf_json_hex(o, "secret").p, rf_json_text(o, "label"), rf_json_hex(o, "context"), out,
                  len));
    mls_assert_view(rf_view_of(out, len), rf_json_hex(o, "out"));
    o = json_object_get(one, "derive_secret");
    OK(mls_derive(kit, rf_json_hex(o, "secret").p, rf_json_text(o, "label"), out));
    mls_assert_view(rf_view_of(out, 32), rf_json_hex(o, "out"));
    o = json_object_get(one, "derive_tree_secret");
    len = (size_t)rf_json_number(o, "length");
    OK(mls_derive_tree(kit, rf_json_hex(o, "secret").p, rf_json_text(o, "label"),
                       (uint32_t)rf_json_number(o, "generation"), out, len));
    mls_assert_view(rf_view_of(out, len), rf_json_hex(o, "out"));
}

static void check_signing(const struct mls_kit *kit, const json_t *o)
{
    struct rf_view public = rf_json_hex(o, "pub"), content = rf_json_hex(o, "content"),
                   private = rf_json_hex(o, "priv");
    const char *label = rf_json_text(o, "label");
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_key *key;
    struct rf_buf sig;

    OK(mls_verify(kit, public, label, &content, 1, rf_json_hex(o, "signature")));
    OK(kit->crypto->ops->key_from_raw(kit->crypto, kit->suite->key_type, private, &key));
    rf_buf_fixed(&sig, bytes, sizeof(bytes));
    OK(mls_sign(kit, key, label, &content, 1, &sig));
    OK(mls_verify(kit, public, label, &content, 1, rf_buf_view(&sig)));
    assert_int_equal(mls_verify(kit, public, "other", &content, 1, rf_buf_view(&sig)), RF_ESIGNATURE);
    kit->crypto->ops->key_free(kit->crypto, key);
}

static void check_encryption(const struct mls_kit *kit, const json_t *o)
{
    struct rf_view public = rf_json_hex(o, "pub"), context = rf_json_hex(o, "context"),
                   plain = rf_json_hex(o, "plaintext"), in;
    const char *label = rf_json_text(o, "label");
    struct mls_hpke_ciphertext sealed;
    struct rf_hpke_pair pair;
    struct rf_buf out, made;

    memcpy(pair.private, rf_json_hex(o, "priv").p, sizeof(pair.private));
    memcpy(pair.public, public.p, public.len);
    pair.public_len = public.len;
    rf_buf_init(&out, kit->mem, 4096);
    rf_buf_init(&made, kit->mem, 4096);
    OK(mls_decrypt(kit, &pair, label, context, rf_json_hex(o, "kem_output"), rf_json_hex(o, "ciphertext"),
                   &out));
    mls_assert_view(rf_buf_view(&out), plain);
    OK(mls_encrypt(kit, public, label, context, plain, &made));
    in = rf_buf_view(&made);
    OK(mls_hpke_ciphertext_decode(&in, &sealed));
    rf_buf_reset(&out);
    OK(mls_decrypt(kit, &pair, label, context, sealed.kem_output, sealed.ciphertext, &out));
    mls_assert_view(rf_buf_view(&out), plain);
    assert_int_equal(mls_decrypt(kit, &pair, label, NOTHING, sealed.kem_output, sealed.ciphertext, &out),
                     RF_EAUTH);
    rf_buf_deinit(&out);
    rf_buf_deinit(&made);
}

static void check_basics(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);

    check_expansions(kit, one);
    check_signing(kit, json_object_get(one, "sign_with_label"));
    check_encryption(kit, json_object_get(one, "encrypt_with_label"));
}

static void labels(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/crypto-basics", check_basics), 2);
}

/* ---- key schedule ---- */

static void expect32(const uint8_t *got, const json_t *o, const char *key)
{
    mls_assert_view(rf_view_of(got, 32), rf_json_hex(o, key));
}

static void check_epoch(const struct mls_kit *kit, const json_t *e, struct rf_view context, uint8_t init[32])
{
    uint8_t joiner[32], welcome[32], encryption[32], out[256];
    const json_t *x = json_object_get(e, "exporter");
    const uint8_t *psk_secret = rf_json_hex(e, "psk_secret").p;
    struct mls_secrets s;
    struct rf_hpke_pair pair;
    size_t len = (size_t)rf_json_number(x, "length");

    OK(mls_joiner(kit, init, rf_json_hex(e, "commit_secret").p, context, joiner));
    OK(mls_welcome_secret(kit, joiner, psk_secret, welcome));
    OK(mls_epoch_secrets(kit, joiner, psk_secret, context, &s, encryption));
    expect32(joiner, e, "joiner_secret");
    expect32(welcome, e, "welcome_secret");
    expect32(s.init, e, "init_secret");
    expect32(s.sender_data, e, "sender_data_secret");
    expect32(encryption, e, "encryption_secret");
    expect32(s.exporter, e, "exporter_secret");
    expect32(s.authenticator, e, "epoch_authenticator");
    expect32(s.external, e, "external_secret");
    expect32(s.confirmation, e, "confirmation_key");
    expect32(s.membership, e, "membership_key");
    expect32(s.resumption, e, "resumption_psk");
    OK(mls_external_pair(kit, &s, &pair));
    mls_assert_view(mls_pair_public(&pair), rf_json_hex(e, "external_pub"));
    OK(mls_export(kit, &s, rf_json_text(x, "label"), rf_json_hex(x, "context"), out, len));
    mls_assert_view(rf_view_of(out, len), rf_json_hex(x, "secret"));
    memcpy(init, s.init, 32);
}

static void check_schedule(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    const json_t *epochs = json_object_get(one, "epochs");
    struct rf_buf context;
    uint8_t init[32];

    memcpy(init, rf_json_hex(one, "initial_init_secret").p, 32);
    rf_buf_init(&context, kit->mem, 4096);
    for (size_t i = 0; i < json_array_size(epochs); i++) {
        const json_t *e = json_array_get(epochs, i);
        struct mls_group_context gc = {.suite = kit->suite->id, .epoch = i};

        gc.group_id = rf_json_hex(one, "group_id");
        gc.tree_hash = rf_json_hex(e, "tree_hash");
        gc.confirmed_transcript_hash = rf_json_hex(e, "confirmed_transcript_hash");
        rf_buf_reset(&context);
        mls_group_context_encode(&gc, &context);
        mls_assert_view(rf_buf_view(&context), rf_json_hex(e, "group_context"));
        check_epoch(kit, e, rf_buf_view(&context), init);
    }
    rf_buf_deinit(&context);
}

static void check_psks(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    const json_t *psks = json_object_get(one, "psks");
    uint8_t secret[32] = {0};

    for (size_t i = 0; i < json_array_size(psks); i++) {
        const json_t *p = json_array_get(psks, i);
        struct mls_psk_id id = {
            .type = MLS_PSK_EXTERNAL, .id = rf_json_hex(p, "psk_id"), .nonce = rf_json_hex(p, "psk_nonce")};

        OK(mls_psk_next(kit, &id, rf_json_hex(p, "psk"), (uint16_t)i, (uint16_t)json_array_size(psks),
                        secret));
    }
    expect32(secret, one, "psk_secret");
}

static void check_transcript(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    struct rf_view in = rf_json_hex(one, "authenticated_content");
    struct mls_secrets s;
    struct mls_content content;
    struct mls_auth auth;
    uint16_t format;
    uint8_t hash[32];

    OK(mls_take_u16(&in, &format));
    OK(mls_content_decode(&in, &content));
    OK(mls_auth_decode(&in, content.type, &auth));
    OK(mls_confirmed_hash(kit, rf_json_hex(one, "interim_transcript_hash_before"), format, content.whole,
                          auth.signature, hash));
    expect32(hash, one, "confirmed_transcript_hash_after");
    memcpy(s.confirmation, rf_json_hex(one, "confirmation_key").p, 32);
    OK(mls_confirmation_tag(kit, &s, rf_json_hex(one, "confirmed_transcript_hash_after"), hash));
    mls_assert_view(rf_view_of(hash, 32), auth.confirmation_tag);
    OK(mls_interim_hash(kit, rf_json_hex(one, "confirmed_transcript_hash_after"), auth.confirmation_tag,
                        hash));
    expect32(hash, one, "interim_transcript_hash_after");
}

static void schedule(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/key-schedule", check_schedule), 2);
    assert_int_equal(rf_json_vector_run("mls/psk_secret", check_psks), 22);
    assert_int_equal(rf_json_vector_run("mls/transcript-hashes", check_transcript), 2);
}

/* ---- message keys ---- */

static void expect_key(const struct mls_message_key *key, const json_t *g, const char *name,
                       const char *nonce)
{
    mls_assert_view(rf_view_of(key->key, MLS_KEY_LEN), rf_json_hex(g, name));
    mls_assert_view(rf_view_of(key->nonce, MLS_NONCE_LEN), rf_json_hex(g, nonce));
}

static void check_secret_tree(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    const json_t *leaves = json_object_get(one, "leaves");
    uint32_t count = (uint32_t)json_array_size(leaves);
    struct mls_secret_tree tree;
    struct mls_message_key key;

    OK(mls_secret_tree_init(&tree, kit->mem, count, rf_json_hex(one, "encryption_secret").p));
    for (uint32_t i = 0; i < count; i++)
        for (size_t k = 0; k < json_array_size(json_array_get(leaves, i)); k++) {
            const json_t *g = json_array_get(json_array_get(leaves, i), k);
            uint32_t generation = (uint32_t)rf_json_number(g, "generation");

            OK(mls_secret_find(kit, &tree, i, MLS_HANDSHAKE, generation, &key));
            OK(mls_secret_accept(kit, &tree, i, MLS_HANDSHAKE, generation));
            expect_key(&key, g, "handshake_key", "handshake_nonce");
            assert_int_equal(mls_secret_find(kit, &tree, i, MLS_HANDSHAKE, generation, &key), RF_EDUPLICATE);
            OK(mls_secret_find(kit, &tree, i, MLS_APPLICATION_DATA, generation, &key));
            OK(mls_secret_accept(kit, &tree, i, MLS_APPLICATION_DATA, generation));
            expect_key(&key, g, "application_key", "application_nonce");
        }
    mls_secret_tree_deinit(&tree);
}

/* Five messages in all 120 orders: each opens once, with the key that its sender used. */
static void any_order(void **state)
{
    const struct mls_kit *kit = &mls.kit[0];
    uint8_t secret[32] = {7};

    (void)state;
    for (unsigned order = 0; order < 120; order++) {
        struct mls_secret_tree sender, receiver;
        struct mls_message_key sent[5], key;
        uint32_t left[5] = {0, 1, 2, 3, 4}, generation;
        unsigned rest = order;

        OK(mls_secret_tree_init(&sender, kit->mem, 4, secret));
        OK(mls_secret_tree_init(&receiver, kit->mem, 4, secret));
        for (uint32_t i = 0; i < 5; i++) {
            OK(mls_secret_next(kit, &sender, 2, MLS_APPLICATION_DATA, &generation, &sent[i]));
            assert_int_equal(generation, i);
        }
        for (unsigned count = 5; count > 0; rest /= count, count--) {
            uint32_t g = left[rest % count];

            OK(mls_secret_find(kit, &receiver, 2, MLS_APPLICATION_DATA, g, &key));
            OK(mls_secret_find(kit, &receiver, 2, MLS_APPLICATION_DATA, g, &key)); /* looking takes nothing */
            assert_memory_equal(&key, &sent[g], sizeof(key));
            OK(mls_secret_accept(kit, &receiver, 2, MLS_APPLICATION_DATA, g));
            assert_int_equal(mls_secret_find(kit, &receiver, 2, MLS_APPLICATION_DATA, g, &key),
                             RF_EDUPLICATE);
            left[rest % count] = left[count - 1];
        }
        mls_secret_tree_deinit(&sender);
        mls_secret_tree_deinit(&receiver);
    }
}

static void limits_of_generations(void **state)
{
    const struct mls_kit *kit = &mls.kit[1];
    struct mls_secret_tree tree;
    struct mls_message_key key;
    uint8_t secret[32] = {8};

    (void)state;
    OK(mls_secret_tree_init(&tree, kit->mem, 2, secret));
    assert_int_equal(mls_secret_find(kit, &tree, 2, MLS_HANDSHAKE, 0, &key), RF_ENOTFOUND);
    assert_int_equal(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, RF_MLS_FORWARD_MAX + 1, &key), RF_ELIMIT);
    assert_int_equal(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, UINT32_MAX, &key), RF_ELIMIT);
    OK(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, RF_MLS_FORWARD_MAX, &key));
    OK(mls_secret_accept(kit, &tree, 1, MLS_HANDSHAKE, RF_MLS_FORWARD_MAX));
    /* the last RF_MLS_SKIPPED_MAX of those before it are kept */
    assert_int_equal(
        mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, RF_MLS_FORWARD_MAX - RF_MLS_SKIPPED_MAX - 1, &key),
        RF_EDUPLICATE);
    OK(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, RF_MLS_FORWARD_MAX - RF_MLS_SKIPPED_MAX, &key));
    assert_int_equal(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, 2 * RF_MLS_FORWARD_MAX + 2, &key),
                     RF_ELIMIT);
    OK(mls_secret_forget(kit, &tree, 1));
    assert_int_equal(mls_secret_find(kit, &tree, 1, MLS_HANDSHAKE, 0, &key), RF_ENOTFOUND);
    OK(mls_secret_find(kit, &tree, 0, MLS_HANDSHAKE, 0, &key));
    mls_secret_tree_deinit(&tree);
}

static void message_keys(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/secret-tree", check_secret_tree), 6);
}

int test_mls_codec(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),        cmocka_unit_test(structures_there_and_back),
        cmocka_unit_test(unknown_values), cmocka_unit_test(labels),
        cmocka_unit_test(schedule),       cmocka_unit_test(message_keys),
        cmocka_unit_test(any_order),      cmocka_unit_test(limits_of_generations),
        cmocka_unit_test(long_lists),
    };

    return cmocka_run_group_tests_name("mls_codec", tests, mls_set_up, mls_tear_down);
}
