/* test_mls_passive.c - messages, welcomes and whole histories of groups that others made: the vectors of the MLS working group. */
#include "test_mls.h"

#include "mls/bytes.h"
#include "mls/commit.h"

/* ---- message protection ---- */

/* An epoch of the vector: two leaves, the second one sends. */
static void epoch_make(const struct mls_kit *kit, const json_t *one, uint32_t own, struct mls_epoch **out)
{
    struct mls_leaf leaf = {.source = MLS_SOURCE_UPDATE,
                            .signature_key = rf_json_hex(one, "signature_pub"),
                            .credential = {.type = MLS_BASIC}};
    struct mls_group_context gc = {.suite = kit->suite->id, .epoch = rf_json_number(one, "epoch")};
    struct mls_epoch *e = mls_epoch_new(kit->mem);
    struct rf_buf bytes;

    rf_buf_init(&bytes, kit->mem, 4096);
    mls_leaf_encode(&leaf, &bytes);
    OK(mls_tree_init(&e->tree, kit));
    OK(mls_tree_grow_for(&e->tree, 1));
    OK(mls_tree_set_leaf(&e->tree, 0, rf_buf_view(&bytes)));
    OK(mls_tree_set_leaf(&e->tree, 1, rf_buf_view(&bytes)));
    rf_buf_reset(&bytes);
    gc.group_id = rf_json_hex(one, "group_id");
    gc.tree_hash = rf_json_hex(one, "tree_hash");
    gc.confirmed_transcript_hash = rf_json_hex(one, "confirmed_transcript_hash");
    mls_group_context_encode(&gc, &bytes);
    OK(mls_epoch_copy_context(e, rf_buf_view(&bytes)));
    rf_buf_deinit(&bytes);
    e->own = own;
    memcpy(e->secrets.sender_data, rf_json_hex(one, "sender_data_secret").p, 32);
    memcpy(e->secrets.membership, rf_json_hex(one, "membership_key").p, 32);
    OK(mls_secret_tree_init(&e->messages, kit->mem, 2, rf_json_hex(one, "encryption_secret").p));
    *out = e;
}

static void check_opened(const struct mls_kit *kit, const json_t *one, struct rf_view bytes,
                         struct rf_view expected, uint8_t type)
{
    struct mls_message message;
    struct mls_epoch *epoch;
    struct mls_frame frame;

    epoch_make(kit, one, 0, &epoch);
    OK(mls_message_decode(bytes, &message));
    if (message.wire_format == MLS_PUBLIC_MESSAGE) {
        OK(mls_frame_open_public(kit, epoch, &message, &frame));
    } else {
        OK(mls_frame_open_private(kit, epoch, &message.private, &frame));
        OK(mls_frame_accept(kit, epoch, &frame));
    }
    assert_int_equal(frame.content.type, type);
    assert_int_equal(frame.content.sender.index, 1);
    mls_assert_view(frame.content.body, expected);
    mls_frame_deinit(&frame);
    if (message.wire_format == MLS_PRIVATE_MESSAGE)
        assert_int_equal(mls_frame_open_private(kit, epoch, &message.private, &frame), RF_EDUPLICATE);
    mls_epoch_free(epoch);
}

static void check_sent(const struct mls_kit *kit, const json_t *one, struct rf_view body, uint8_t type,
                       uint16_t format)
{
    static const uint8_t tag[32];
    struct mls_content content = {.group_id = rf_json_hex(one, "group_id"),
                                  .epoch = rf_json_number(one, "epoch"),
                                  .sender = {MLS_MEMBER, 1},
                                  .authenticated_data = VIEW("seen"),
                                  .type = type,
                                  .body = body};
    struct mls_epoch *epoch;
    struct mls_frame frame;
    struct mls_message message;
    struct rf_key *key;
    struct rf_buf out;

    epoch_make(kit, one, 1, &epoch);
    rf_buf_init(&out, kit->mem, 1 << 16);
    OK(kit->crypto->ops->key_from_raw(kit->crypto, kit->suite->key_type, rf_json_hex(one, "signature_priv"),
                                      &key));
    OK(mls_frame_sign(kit, epoch, key, &content, format, &frame));
    frame.auth.confirmation_tag = rf_view_of(tag, sizeof(tag));
    OK(mls_frame_put(kit, epoch, &frame, 0, &out));
    mls_frame_deinit(&frame);
    if (type == MLS_APPLICATION && format == MLS_PUBLIC_MESSAGE) {
        mls_epoch_free(epoch);
        epoch_make(kit, one, 0, &epoch);
        OK(mls_message_decode(rf_buf_view(&out), &message));
        assert_int_equal(mls_frame_open_public(kit, epoch, &message, &frame), RF_EFORBIDDEN);
    } else {
        check_opened(kit, one, rf_buf_view(&out), body, type);
    }
    kit->crypto->ops->key_free(kit->crypto, key);
    rf_buf_deinit(&out);
    mls_epoch_free(epoch);
}

static void check_protection(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    struct rf_view proposal = rf_json_hex(one, "proposal"), commit = rf_json_hex(one, "commit"),
                   data = rf_json_hex(one, "application");

    check_opened(kit, one, rf_json_hex(one, "proposal_pub"), proposal, MLS_PROPOSAL);
    check_opened(kit, one, rf_json_hex(one, "proposal_priv"), proposal, MLS_PROPOSAL);
    check_opened(kit, one, rf_json_hex(one, "commit_pub"), commit, MLS_COMMIT);
    check_opened(kit, one, rf_json_hex(one, "commit_priv"), commit, MLS_COMMIT);
    check_opened(kit, one, rf_json_hex(one, "application_priv"), data, MLS_APPLICATION);
    for (uint16_t format = MLS_PUBLIC_MESSAGE; format <= MLS_PRIVATE_MESSAGE; format++) {
        check_sent(kit, one, proposal, MLS_PROPOSAL, format);
        check_sent(kit, one, commit, MLS_COMMIT, format);
        check_sent(kit, one, data, MLS_APPLICATION, format);
    }
}

static void protection(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/message-protection", check_protection), 2);
}

/* ---- histories ---- */

static const json_t *current; /* the case whose PSKs are asked for */

static int psk_of(void *ctx, struct rf_view id, struct rf_buf *out)
{
    const json_t *psks = json_object_get(current, "external_psks");

    (void)ctx;
    for (size_t i = 0; i < json_array_size(psks); i++)
        if (rf_view_equal(rf_json_hex(json_array_get(psks, i), "psk_id"), id)) {
            rf_buf_view_put(out, rf_json_hex(json_array_get(psks, i), "psk"));
            return rf_buf_error(out);
        }
    return RF_ENOTFOUND;
}

static const struct rf_mls_rules psk_rules = {.psk = psk_of};

static void save_and_restore(struct rf_mls **group, const struct rf_key *key)
{
    struct rf_buf saved, again;
    struct rf_mls *other;

    rf_buf_init(&saved, mls.mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&again, mls.mem, RF_MLS_INFO_MAX_LEN);
    OK(rf_mls_save(*group, &saved));
    OK(rf_mls_restore(&mls.env, rf_buf_view(&saved), key, &other));
    OK(rf_mls_save(other, &again));
    mls_assert_view(rf_buf_view(&again), rf_buf_view(&saved));
    rf_mls_free(*group);
    *group = other;
    rf_buf_deinit(&saved);
    rf_buf_deinit(&again);
}

static void follow(const json_t *one, struct rf_mls **group, const struct rf_key *key)
{
    const json_t *epochs = json_object_get(one, "epochs");
    struct rf_mls_event event;

    for (size_t i = 0; i < json_array_size(epochs); i++) {
        const json_t *e = json_array_get(epochs, i), *proposals = json_object_get(e, "proposals");

        for (size_t k = 0; k < json_array_size(proposals); k++) {
            OK(rf_mls_process(*group, rf_json_hex_of(json_array_get(proposals, k)), &event));
            assert_int_equal(event.type, RF_MLS_EVENT_PROPOSAL);
        }
        if (i % 16 == 1)
            save_and_restore(group, key);
        OK(rf_mls_process(*group, rf_json_hex(e, "commit"), &event));
        assert_int_equal(event.type, RF_MLS_EVENT_COMMIT);
        mls_assert_view(rf_view_of(rf_mls_authenticator(*group), 32), rf_json_hex(e, "epoch_authenticator"));
        assert_int_equal(rf_mls_process(*group, rf_json_hex(e, "commit"), &event), RF_EEXPIRED);
    }
}

static void check_passive(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    struct rf_mls_key_package_secret secret;
    struct rf_mls_key_package_info info;
    struct rf_mls *group;
    struct rf_key *key;

    current = one;
    mls.env.rules = &psk_rules;
    memcpy(secret.init, rf_json_hex(one, "init_priv").p, 32);
    memcpy(secret.leaf, rf_json_hex(one, "encryption_priv").p, 32);
    OK(kit->crypto->ops->key_from_raw(kit->crypto, kit->suite->key_type, rf_json_hex(one, "signature_priv"),
                                      &key));
    OK(rf_mls_key_package_check(&mls.env, rf_json_hex(one, "key_package"), 1690000000, 0, &info));
    assert_true(rf_mls_welcome_names(rf_json_hex(one, "welcome"), info.ref));
    OK(rf_mls_join(&mls.env, rf_json_hex(one, "welcome"), rf_json_hex(one, "key_package"), &secret, key,
                   rf_json_hex(one, "ratchet_tree"), &group));
    mls_assert_view(rf_view_of(rf_mls_authenticator(group), 32),
                    rf_json_hex(one, "initial_epoch_authenticator"));
    follow(one, &group, key);
    rf_mls_free(group);
    kit->crypto->ops->key_free(kit->crypto, key);
    mls.env.rules = NULL;
}

static void histories(void **state)
{
    static const struct {
        const char *name;
        size_t least;
    } files[] = {{"mls/passive-client-welcome", 9},         {"mls/passive-client-handling-commit", 10},
                 {"mls/passive-client-random", 1},          {"mls/interop-passive/commit", 20},
                 {"mls/interop-passive/external_join", 12}, {"mls/interop-passive/external_proposals", 15},
                 {"mls/interop-passive/welcome_join", 16}};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_true(rf_json_vector_run(files[i].name, check_passive) >= files[i].least);
}

/* ---- the Welcome by itself: it has no tree ---- */

static void check_welcome(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    struct mls_message welcome, package;
    struct mls_welcome_entry entry;
    struct mls_group_secrets secrets;
    struct mls_group_info info;
    struct mls_secrets s;
    struct rf_hpke_pair pair;
    struct rf_buf plain, sealed;
    struct rf_view in;
    uint8_t zeros[32] = {0}, welcome_secret[32], key[16], nonce[12], encryption[32], tag[32];

    OK(mls_message_decode(rf_json_hex(one, "welcome"), &welcome));
    OK(mls_message_decode(rf_json_hex(one, "key_package"), &package));
    rf_buf_init(&plain, kit->mem, 1 << 16);
    rf_buf_init(&sealed, kit->mem, 1 << 16);
    memcpy(pair.private, rf_json_hex(one, "init_priv").p, 32);
    pair.public_len = package.key_package.init_key.len;
    memcpy(pair.public, package.key_package.init_key.p, pair.public_len);
    assert_true(mls_next_welcome_entry(&welcome.welcome.secrets, &entry));
    OK(mls_decrypt(kit, &pair, "Welcome", welcome.welcome.encrypted_group_info, entry.secrets.kem_output,
                   entry.secrets.ciphertext, &plain));
    in = rf_buf_view(&plain);
    OK(mls_group_secrets_decode(&in, &secrets));
    OK(mls_welcome_secret(kit, secrets.joiner_secret.p, zeros, welcome_secret));
    OK(mls_welcome_key(kit, welcome_secret, key, nonce));
    OK(kit->crypto->ops->aead_open(kit->crypto, key, nonce, NOTHING, welcome.welcome.encrypted_group_info,
                                   &sealed));
    in = rf_buf_view(&sealed);
    OK(mls_group_info_decode(&in, &info));
    OK(mls_verify(kit, rf_json_hex(one, "signer_pub"), "GroupInfoTBS", &info.unsigned_part, 1,
                  info.signature));
    OK(mls_epoch_secrets(kit, secrets.joiner_secret.p, zeros, info.context.whole, &s, encryption));
    OK(mls_confirmation_tag(kit, &s, info.context.confirmed_transcript_hash, tag));
    mls_assert_view(rf_view_of(tag, 32), info.confirmation_tag);
    rf_buf_deinit(&plain);
    rf_buf_deinit(&sealed);
}

static void welcomes(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/welcome", check_welcome), 2);
}

int test_mls_passive(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protection),
        cmocka_unit_test(welcomes),
        cmocka_unit_test(histories),
    };

    return cmocka_run_group_tests_name("mls_passive", tests, mls_set_up, mls_tear_down);
}
