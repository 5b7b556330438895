/*
 * test_mls_reject.c - what a receiver must refuse (section 17 of the reference): every message of the tables is made by a member who has all
 * the keys, so that nothing but the rule in question is broken; the error is the right one, the state stays as it was, and the good message that it was
 * made from is taken afterwards.
 */
#include "test_mls.h"

#include "mls/bytes.h"
#include "mls/commit.h"
#include "support/mls_world.h"

/* A group of four with a blank leaf: 0 attacks, 1 is attacked, 2 stands by, 3 was removed. Device 4 is outside. */
static struct {
    struct mls_world w;
    struct rf_mls *attacker, *victim;
    struct rf_buf before, after, message, body;
} t;

static void begin(uint16_t suite)
{
    struct rf_mls_change removal = {.type = RF_MLS_REMOVE, .leaf = 3};

    mls_world_init(&t.w, mls.mem, mls.crypto, &mls.rng.rng, suite);
    mls_world_start(&t.w, 4);
    mls_world_commit(&t.w, &t.w.devices[0], &removal, 1, NULL);
    mls_world_commit(&t.w, &t.w.devices[1], NULL, 0, NULL);
    (void)mls_world_device(&t.w);
    t.attacker = t.w.devices[0].group;
    t.victim = t.w.devices[1].group;
    rf_buf_init(&t.before, mls.mem, 1 << 20);
    rf_buf_init(&t.after, mls.mem, 1 << 20);
    rf_buf_init(&t.message, mls.mem, 1 << 20);
    rf_buf_init(&t.body, mls.mem, 1 << 20);
    OK(rf_mls_save(t.victim, &t.before));
}

static void end(void)
{
    rf_buf_deinit(&t.before);
    rf_buf_deinit(&t.after);
    rf_buf_deinit(&t.message);
    rf_buf_deinit(&t.body);
    mls_world_deinit(&t.w);
}

static void unchanged(void)
{
    rf_buf_reset(&t.after);
    OK(rf_mls_save(t.victim, &t.after));
    mls_assert_view(rf_buf_view(&t.after), rf_buf_view(&t.before));
}

static void refused(struct rf_view message, int error, const char *name)
{
    struct rf_mls_event event;
    int r = rf_mls_process(t.victim, message, &event);

    if (r != error)
        fail_msg("%s: %s, not %s", name, rf_error_text(r), rf_error_text(error));
    unchanged();
}

/* ---- any bit ---- */

/* Every byte of a message, changed by itself, makes it worthless; then the whole one is taken. */
static void flip_all(struct rf_view message)
{
    struct rf_mls_event event;
    struct rf_buf broken;

    rf_buf_init(&broken, mls.mem, 1 << 20);
    rf_buf_view_put(&broken, message);
    for (size_t i = 0; i < message.len; i++) {
        broken.p[i] ^= (uint8_t)(1u << (i % 8));
        assert_true(rf_mls_process(t.victim, rf_buf_view(&broken), &event) < 0);
        broken.p[i] ^= (uint8_t)(1u << (i % 8));
        if (i % 16 == 0)
            assert_true(rf_mls_process(t.victim, rf_view_of(broken.p, i), &event) < 0);
    }
    rf_buf_u8(&broken, 0);
    refused(rf_buf_view(&broken), RF_EFORMAT, "a byte too many");
    OK(rf_mls_process(t.victim, message, &event));
    rf_buf_deinit(&broken);
}

static void every_byte_counts(void **state)
{
    struct rf_mls_change update = {.type = RF_MLS_UPDATE};

    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct rf_mls_commit_options options = {
            .send = {.public_message = kind % 2 == 0, .authenticated_data = VIEW("aad")}};

        begin((uint16_t)(1 + kind % 2));
        if (kind == 4)
            OK(rf_mls_encrypt(t.attacker, VIEW("data"), VIEW("aad"), 1, &t.message));
        else if (kind < 2)
            OK(rf_mls_commit(t.attacker, NULL, 0, &options, &t.message));
        else
            OK(rf_mls_propose(t.attacker, &update, &options.send, &t.message));
        flip_all(rf_buf_view(&t.message));
        end();
    }
}

/* The same for what one enters a group by. */
static void every_byte_of_an_invitation_counts(void **state)
{
    static const struct rf_mls_commit_options with_tree = {.tree_in_welcome = true};
    struct mls_device *d;
    struct rf_mls_change add;
    struct rf_buf broken, info;
    struct rf_mls *group;

    (void)state;
    begin(RF_MLS_SUITE_X25519);
    d = &t.w.devices[4];
    rf_buf_init(&broken, mls.mem, 1 << 20);
    rf_buf_init(&info, mls.mem, 1 << 20);
    OK(rf_mls_group_info(t.attacker, true, &info));
    for (size_t i = 0; i < info.len; i++) {
        struct rf_mls_event event;

        info.p[i] ^= (uint8_t)(1u << (i % 8));
        rf_buf_reset(&t.message);
        if (rf_mls_join_external(&t.w.env, rf_buf_view(&info), NOTHING, &d->profile, RF_MLS_NO_LEAF, NOTHING,
                                 &t.message, &group) == 0) {
            fail(); /* all of it is signed */
            rf_mls_free(group);
        }
        assert_true(rf_mls_process(t.victim, rf_buf_view(&info), &event) < 0);
        info.p[i] ^= (uint8_t)(1u << (i % 8));
    }
    add = mls_device_add(d);
    rf_buf_reset(&t.message);
    OK(rf_mls_commit(t.attacker, &add, 1, &with_tree, &t.message));
    rf_buf_view_put(&broken, rf_buf_view(&t.attacker->pending->welcome));
    for (size_t i = 0; i < broken.len; i++) {
        broken.p[i] ^= (uint8_t)(1u << (i % 8));
        assert_true(rf_mls_join(&t.w.env, rf_buf_view(&broken), rf_buf_view(&d->key_package), &d->secret,
                                d->key, NOTHING, &group) < 0);
        broken.p[i] ^= (uint8_t)(1u << (i % 8));
    }
    OK(rf_mls_join(&t.w.env, rf_buf_view(&broken), rf_buf_view(&d->key_package), &d->secret, d->key, NOTHING,
                   &group));
    rf_mls_free(group);
    assert_int_equal(rf_mls_join(&t.w.env, rf_buf_view(&broken), rf_buf_view(&t.w.devices[2].key_package),
                                 &d->secret, d->key, NOTHING, &group),
                     RF_ENOTFOUND);
    assert_int_equal(rf_mls_join(&t.w.env, rf_buf_view(&info), rf_buf_view(&d->key_package), &d->secret,
                                 d->key, NOTHING, &group),
                     RF_EINVAL);
    rf_buf_deinit(&broken);
    rf_buf_deinit(&info);
    end();
}

/* ---- frames ---- */

enum frame_fault {
    GOOD,
    OTHER_GROUP,
    OLD_EPOCH,
    NEXT_EPOCH,
    BAD_SIGNATURE,
    BLANK_SENDER,
    FAR_SENDER,
    EXTERNAL_SENDER,
    APPLICATION,
    BAD_PADDING,
    FAR_GENERATION
};

/* frame makes a message of the attacker around t.body with one fault. */
static void frame(uint8_t type, uint16_t wire_format, uint8_t sender_type, enum frame_fault fault)
{
    struct mls_epoch *now = t.attacker->now;
    struct mls_content content = {.group_id =
                                      fault == OTHER_GROUP ? VIEW("other") : rf_buf_view(&t.attacker->id),
                                  .epoch = now->context.epoch + (fault == NEXT_EPOCH) - (fault == OLD_EPOCH),
                                  .sender = {sender_type, fault == BLANK_SENDER ? 3
                                                          : fault == FAR_SENDER ? 77
                                                                                : 0},
                                  .type = type,
                                  .body = rf_buf_view(&t.body)};
    static const uint8_t tag[MLS_HASH_LEN];
    uint32_t generation;
    struct mls_message_key key;
    struct mls_frame f;

    rf_buf_reset(&t.message);
    OK(mls_frame_sign(&t.attacker->kit, now, t.attacker->key, &content, wire_format, &f));
    if (fault == BAD_SIGNATURE)
        f.bytes.p[f.bytes.len - 1] ^= 1;
    f.auth.confirmation_tag = rf_view_of(tag, sizeof(tag));
    for (int i = 0; fault == FAR_GENERATION && i <= RF_MLS_FORWARD_MAX; i++)
        OK(mls_secret_next(&t.attacker->kit, &now->messages, now->own, MLS_APPLICATION_DATA, &generation,
                           &key));
    OK(mls_frame_put(&t.attacker->kit, now, &f, 1, &t.message));
    mls_frame_deinit(&f);
}

/* body_proposal: t.body is a Remove of this leaf, or an Update by somebody. */
static void body_removal(uint32_t leaf)
{
    struct mls_proposal p = {.type = MLS_REMOVE, .removed = leaf};

    rf_buf_reset(&t.body);
    mls_proposal_encode(&p, &t.body);
}

static void frames(void **state)
{
    static const struct {
        const char *name;
        uint8_t type, sender_type;
        enum frame_fault fault;
        int error;
    } rows[] = {
        {"another group", MLS_PROPOSAL, MLS_MEMBER, OTHER_GROUP, RF_EMISMATCH},
        {"an epoch that is over", MLS_PROPOSAL, MLS_MEMBER, OLD_EPOCH, RF_EEXPIRED},
        {"an epoch to come", MLS_PROPOSAL, MLS_MEMBER, NEXT_EPOCH, RF_ENOTYET},
        {"signature", MLS_PROPOSAL, MLS_MEMBER, BAD_SIGNATURE, RF_ESIGNATURE},
        {"a blank leaf", MLS_PROPOSAL, MLS_MEMBER, BLANK_SENDER, RF_ENOTFOUND},
        {"no leaf", MLS_PROPOSAL, MLS_MEMBER, FAR_SENDER, RF_ENOTFOUND},
        {"application data in public", MLS_APPLICATION, MLS_MEMBER, GOOD, RF_EFORBIDDEN},
        {"an external sender where none is allowed", MLS_PROPOSAL, MLS_EXTERNAL, GOOD, RF_ENOTFOUND},
        {"an external sender's Commit", MLS_COMMIT, MLS_EXTERNAL, GOOD, RF_EFORBIDDEN},
        {"an external sender's application data", MLS_APPLICATION, MLS_EXTERNAL, GOOD, RF_EFORBIDDEN},
        {"a newcomer's Remove", MLS_PROPOSAL, MLS_NEW_MEMBER_PROPOSAL, GOOD, RF_EFORBIDDEN},
        {"a newcomer's proposal as one who commits", MLS_PROPOSAL, MLS_NEW_MEMBER_COMMIT, GOOD,
         RF_EFORBIDDEN},
        {"a newcomer's Commit as one who proposes", MLS_COMMIT, MLS_NEW_MEMBER_PROPOSAL, GOOD, RF_EFORBIDDEN},
        {"a newcomer's Commit without a path", MLS_COMMIT, MLS_NEW_MEMBER_COMMIT, GOOD, RF_EINVAL},
    };
    struct rf_mls_event event;
    struct mls_message message;

    (void)state;
    begin(RF_MLS_SUITE_X25519);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].type == MLS_PROPOSAL) {
            body_removal(2);
        } else { /* as a Commit: no proposals, no path */
            rf_buf_reset(&t.body);
            rf_buf_u16(&t.body, 0);
        }
        frame(rows[i].type, MLS_PUBLIC_MESSAGE, rows[i].sender_type, rows[i].fault);
        refused(rf_buf_view(&t.message), rows[i].error, rows[i].name);
    }
    body_removal(2);
    frame(MLS_PROPOSAL, MLS_PUBLIC_MESSAGE, MLS_MEMBER, GOOD);
    t.message.p[t.message.len - 1] ^= 1;
    refused(rf_buf_view(&t.message), RF_EAUTH, "membership tag");
    t.message.p[t.message.len - 1] ^= 1;
    t.message.p[1] = 2;
    refused(rf_buf_view(&t.message), RF_EVERSION, "version");
    t.message.p[1] = 1;
    t.message.p[3] = 6;
    refused(rf_buf_view(&t.message), RF_EUNKNOWN, "wire format");
    t.message.p[3] = 1;
    refused(rf_buf_view(&t.w.devices[4].key_package), RF_EINVAL, "a key package");
    OK(mls_message_decode(rf_buf_view(&t.message), &message));
    OK(rf_mls_process(t.victim, rf_buf_view(&t.message), &event));
    assert_int_equal(rf_mls_process(t.victim, rf_buf_view(&t.message), &event), RF_EDUPLICATE);
    end();
}

/* private_with seals `hidden` as the attacker's application message: a good signature, but what is behind it is free. */
static void private_with_padding(uint8_t last)
{
    struct mls_epoch *now = t.attacker->now;
    struct mls_content content = {.group_id = rf_buf_view(&t.attacker->id),
                                  .epoch = now->context.epoch,
                                  .sender = {MLS_MEMBER, 0},
                                  .type = MLS_APPLICATION,
                                  .body = VIEW("data")};
    struct mls_frame f;
    uint8_t tail[40] = {0};

    /* the signature's field is made longer: what is behind the signature is padding for the reader */
    OK(mls_frame_sign(&t.attacker->kit, now, t.attacker->key, &content, MLS_PRIVATE_MESSAGE, &f));
    tail[sizeof(tail) - 1] = last;
    rf_buf_reset(&t.body);
    rf_buf_view_put(&t.body, f.content.body);
    rf_buf_reset(&t.message);
    {
        struct mls_message_key key, sender_key;
        struct rf_buf plain, aad, sealed, sd_plain, sd_aad;
        uint8_t sender_bytes[12], sd_sealed[28], small[64];
        struct rf_buf sd_out;
        struct mls_sender_data sender = {.leaf = 0};
        struct mls_message m = {.wire_format = MLS_PRIVATE_MESSAGE};

        rf_buf_init(&plain, mls.mem, 4096);
        rf_buf_init(&aad, mls.mem, 4096);
        rf_buf_init(&sealed, mls.mem, 4096);
        rf_buf_fixed(&sd_plain, sender_bytes, sizeof(sender_bytes));
        rf_buf_fixed(&sd_aad, small, sizeof(small));
        rf_buf_fixed(&sd_out, sd_sealed, sizeof(sd_sealed));
        mls_put_v(&plain, content.body);
        mls_put_v(&plain, f.auth.signature);
        rf_buf_put(&plain, tail, sizeof(tail));
        mls_put_v(&aad, content.group_id);
        rf_buf_u64(&aad, content.epoch);
        rf_buf_u8(&aad, MLS_APPLICATION);
        rf_buf_view_put(&sd_aad, rf_buf_view(&aad));
        mls_put_v(&aad, NOTHING);
        OK(mls_secret_next(&t.attacker->kit, &now->messages, 0, MLS_APPLICATION_DATA, &sender.generation,
                           &key));
        OK(mls.crypto->ops->aead_seal(mls.crypto, key.key, key.nonce, rf_buf_view(&aad), rf_buf_view(&plain),
                                      &sealed));
        OK(mls_expand(&t.attacker->kit, now->secrets.sender_data, "key", rf_view_of(sealed.p, 32),
                      sender_key.key, 16));
        OK(mls_expand(&t.attacker->kit, now->secrets.sender_data, "nonce", rf_view_of(sealed.p, 32),
                      sender_key.nonce, 12));
        mls_sender_data_encode(&sender, &sd_plain);
        OK(mls.crypto->ops->aead_seal(mls.crypto, sender_key.key, sender_key.nonce, rf_buf_view(&sd_aad),
                                      rf_buf_view(&sd_plain), &sd_out));
        m.private = (struct mls_private){content.group_id, content.epoch,        MLS_APPLICATION,
                                         NOTHING,          rf_buf_view(&sd_out), rf_buf_view(&sealed)};
        mls_message_encode(&m, &t.message);
        rf_buf_deinit(&plain);
        rf_buf_deinit(&aad);
        rf_buf_deinit(&sealed);
    }
    mls_frame_deinit(&f);
}

static void private_frames(void **state)
{
    struct rf_mls_event event;

    (void)state;
    begin(RF_MLS_SUITE_P256);
    private_with_padding(1);
    refused(rf_buf_view(&t.message), RF_EFORMAT, "padding");
    private_with_padding(0);
    OK(rf_mls_process(t.victim, rf_buf_view(&t.message), &event));
    mls_assert_view(event.data, VIEW("data"));
    rf_buf_reset(&t.before);
    OK(rf_mls_save(t.victim, &t.before));
    refused(rf_buf_view(&t.message), RF_EDUPLICATE, "a generation that was used");
    rf_buf_reset(&t.body);
    rf_buf_str(&t.body, "x");
    frame(MLS_APPLICATION, MLS_PRIVATE_MESSAGE, MLS_MEMBER, BAD_SIGNATURE);
    refused(rf_buf_view(&t.message), RF_ESIGNATURE, "signature inside");
    frame(MLS_APPLICATION, MLS_PRIVATE_MESSAGE, MLS_MEMBER, FAR_GENERATION);
    refused(rf_buf_view(&t.message), RF_ELIMIT, "a generation too far ahead");
    end();
}

/* ---- lists ---- */

/* What a Commit's list may hold, by letters. */

/* add_of: outsider, member, and broken ones. `changed` holds the bytes. */
static void add_of(char what, struct rf_buf *changed, struct mls_proposal *p)
{
    struct mls_message kp;

    rf_buf_view_put(changed, rf_buf_view(&t.w.devices[what == 'm' ? 2 : 4].key_package));
    if (what == 's')
        changed->p[changed->len - 1] ^= 1; /* signature of the key package */
    OK(mls_message_decode(rf_buf_view(changed), &kp));
    if (what == 'i')
        kp.key_package.init_key = kp.key_package.leaf.encryption_key;
    if (what == 'c')
        kp.key_package.suite = 1;
    p->type = MLS_ADD;
    p->add = kp.key_package;
}

/* psk_of: an unknown one, a short nonce, for a branch, for a ReInit, of another group. */
static void psk_of(char what, struct mls_proposal *p)
{
    static const uint8_t nonce[MLS_HASH_LEN];

    p->type = MLS_PSK;
    p->psk = (struct mls_psk_id){.type = what == 'p' || what == 'n' ? MLS_PSK_EXTERNAL : MLS_PSK_RESUMPTION,
                                 .id = what == 'f' ? VIEW("foreign") : rf_buf_view(&t.attacker->id),
                                 .usage = what == 'b'   ? MLS_USAGE_BRANCH
                                          : what == 'r' ? MLS_USAGE_REINIT
                                                        : MLS_USAGE_APPLICATION,
                                 .epoch = 1,
                                 .nonce = rf_view_of(nonce, what == 'n' ? 31 : 32)};
}

/* extensions_of: good, one twice, one that nobody has, required ones that nobody has. */
static void extensions_of(char what, struct mls_proposal *p)
{
    p->type = MLS_GROUP_CONTEXT_EXTENSIONS;
    p->extensions = what == 'G'   ? VIEW("\xf0\x01\x00")
                    : what == 'D' ? VIEW("\xf0\x01\x00\xf0\x01\x00")
                    : what == 'X' ? VIEW("\xf0\x09\x00")
                                  : VIEW("\x00\x03\x05\x00\x02\xf0\x01\x00");
}

static void put_entry(char what)
{
    static const uint8_t ref[MLS_HASH_LEN];
    struct mls_proposal p = {.type = MLS_REMOVE};
    struct rf_buf changed;

    rf_buf_u8(&t.body, what == '?' || what == '!' ? MLS_BY_REFERENCE : MLS_BY_VALUE);
    if (what == '?' || what == '!') {
        mls_put_v(&t.body, what == '?' ? rf_view_of(ref, sizeof(ref))
                                       : rf_view_of(t.victim->cached[0]->ref, MLS_HASH_LEN));
        return;
    }
    rf_buf_init(&changed, mls.mem, 1 << 16);
    if (what >= '0' && what <= '9') {
        p.removed = (uint32_t)(what - '0');
    } else if (strchr("amsic", what) != NULL) {
        add_of(what, &changed, &p);
    } else if (strchr("pnbfr", what) != NULL) {
        psk_of(what, &p);
    } else if (what == 'u') { /* the attacker's own */
        p.type = MLS_UPDATE;
        p.update = *mls_tree_leaf(&t.attacker->now->tree, 0);
    } else if (what == 'R' || what == 'V') {
        p.type = MLS_REINIT;
        p.reinit = (struct mls_reinit){VIEW("next"), what == 'V' ? 0 : 1, 1, NOTHING};
    } else if (what == 'E') {
        p.type = MLS_EXTERNAL_INIT;
        p.kem_output = VIEW("0123");
    } else {
        extensions_of(what, &p);
    }
    mls_proposal_encode(&p, &t.body);
    rf_buf_deinit(&changed);
}

static void lists(void **state)
{
    static const struct {
        const char *list;
        int error;
        const char *name;
    } rows[] = {
        {"", RF_EINVAL, "nothing, and no path"},
        {"2", RF_EINVAL, "a Remove without a path"},
        {"G", RF_EINVAL, "extensions without a path"},
        {"?", RF_ENOTFOUND, "an unknown reference"},
        {"!", RF_ENOTFOUND, "a reference to the victim's own proposal, which stood nowhere"},
        {"u", RF_EINVAL, "the committer's own Update"},
        {"0", RF_EINVAL, "a Remove of the committer"},
        {"3", RF_ENOTFOUND, "a Remove of a blank leaf"},
        {"9", RF_ENOTFOUND, "a Remove of no leaf"},
        {"22", RF_EDUPLICATE, "two Removes of one leaf"},
        {"m", RF_EDUPLICATE, "an Add of a member"},
        {"aa", RF_EDUPLICATE, "two Adds of one client"},
        {"s", RF_ESIGNATURE, "a key package's signature"},
        {"i", RF_EINVAL, "a key package with one key twice"},
        {"c", RF_EUNSUPPORTED, "a key package of another suite"},
        {"p", RF_ENOTFOUND, "an unknown external PSK"},
        {"f", RF_ENOTFOUND, "another group's resumption PSK"},
        {"n", RF_EINVAL, "a PSK's nonce"},
        {"b", RF_EUNSUPPORTED, "a PSK for a branch"},
        {"r", RF_EUNSUPPORTED, "a PSK for a ReInit"},
        {"pp", RF_EDUPLICATE, "a PSK twice"},
        {"RG", RF_EINVAL, "a ReInit and more"},
        {"V", RF_EINVAL, "a ReInit to an older version"},
        {"E", RF_EINVAL, "an external init of a member"},
        {"GG", RF_EDUPLICATE, "extensions twice"},
        {"D", RF_EDUPLICATE, "an extension twice"},
        {"X", RF_EUNSUPPORTED, "an extension that members lack"},
        {"Q", RF_EUNSUPPORTED, "required capabilities that members lack"},
        {"a", RF_EAUTH, "confirmation tag"},
        {"R", RF_EAUTH, "confirmation tag of a ReInit"},
    };

    struct rf_mls_change add;

    (void)state;
    begin(RF_MLS_SUITE_P256);
    add = mls_device_add(&t.w.devices[4]);
    OK(rf_mls_propose(t.victim, &add, NULL, &t.message));
    rf_buf_reset(&t.before);
    OK(rf_mls_save(t.victim, &t.before));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t mark;

        rf_buf_reset(&t.body);
        mark = mls_open(&t.body);
        for (const char *c = rows[i].list; *c != '\0'; c++)
            put_entry(*c);
        mls_close(&t.body, mark);
        rf_buf_u8(&t.body, 0);
        frame(MLS_COMMIT, MLS_PUBLIC_MESSAGE, MLS_MEMBER, GOOD);
        refused(rf_buf_view(&t.message), rows[i].error, rows[i].name);
    }
    end();
}

/* ---- paths ---- */

enum path_fault {
    PATH_GOOD,
    NODE_MISSING,
    NODE_MORE,
    SECRET_MISSING,
    SECRET_BROKEN,
    OTHER_KEY,
    UNUSABLE_KEY,
    PARENT_HASH,
    LEAF_KEY_OLD,
    LEAF_KEY_OTHERS,
    LEAF_SOURCE,
    LEAF_SIGNATURE,
    LEAF_PLACE,
    LEAF_CAPABILITIES,
    LEAF_SIGNER
};

/* put_leaf writes the path's leaf with a fault, signed again. */
static void put_leaf(const struct mls_leaf *good, enum path_fault fault)
{
    struct mls_place place = {rf_buf_view(&t.attacker->id), fault == LEAF_PLACE ? 1 : 0};
    struct mls_leaf leaf = *good;
    uint8_t hash[MLS_HASH_LEN];

    if (fault == PARENT_HASH) {
        memcpy(hash, leaf.parent_hash.p, leaf.parent_hash.len);
        hash[0] ^= 1;
        leaf.parent_hash.p = hash;
    }
    if (fault == LEAF_KEY_OLD)
        leaf.encryption_key = mls_tree_leaf(&t.attacker->now->tree, 0)->encryption_key;
    if (fault == LEAF_KEY_OTHERS)
        leaf.encryption_key = mls_tree_leaf(&t.attacker->now->tree, 2)->encryption_key;
    if (fault == LEAF_SOURCE)
        leaf.source = MLS_SOURCE_UPDATE;
    if (fault == LEAF_CAPABILITIES)
        leaf.capabilities.credentials = VIEW("\x00\x02");
    if (fault == LEAF_SIGNER)
        leaf.signature_key = mls_tree_leaf(&t.attacker->now->tree, 2)->signature_key;
    OK(mls_leaf_sign(&t.attacker->kit, t.attacker->key, &leaf, &place, &t.body));
    if (fault == LEAF_SIGNATURE)
        t.body.p[t.body.len - 1] ^= 1;
}

static void put_node(const struct mls_path_node *node, unsigned number, enum path_fault fault)
{
    static const uint8_t none[2][RF_DH_PUBLIC_MAX_LEN] = {{0}, {4}}; /* zero; not on the curve */
    struct rf_view secrets = node->secrets;
    struct mls_hpke_ciphertext secret;
    bool first = true;
    size_t mark;

    mls_put_v(&t.body, fault == OTHER_KEY && number == 0
                           ? mls_tree_leaf(&t.victim->now->tree, 1)->encryption_key
                       : fault == UNUSABLE_KEY ? rf_view_of(none[t.w.suite - 1], node->encryption_key.len)
                                               : node->encryption_key);
    mark = mls_open(&t.body);
    for (; mls_next_hpke_ciphertext(&secrets, &secret); first = false) {
        if (fault == SECRET_MISSING && number == 0 && first)
            continue;
        mls_put_v(&t.body, secret.kem_output);
        mls_put_v(&t.body, secret.ciphertext);
        if (fault == SECRET_BROKEN && number == 0)
            t.body.p[t.body.len - 1] ^= 1;
    }
    mls_close(&t.body, mark);
}

/* forge_path takes a good Commit of the attacker apart and puts it together again with a fault. */
static void forge_path(enum path_fault fault)
{
    static const struct rf_mls_commit_options options = {.send = {.public_message = true}};
    struct mls_path_node node = {NOTHING, NOTHING};
    struct mls_message message;
    struct mls_commit commit;
    struct rf_view body, nodes;
    unsigned number = 0;
    struct rf_buf good;
    size_t mark;

    rf_buf_init(&good, mls.mem, 1 << 16);
    OK(rf_mls_commit(t.attacker, NULL, 0, &options, &good));
    OK(mls_message_decode(rf_buf_view(&good), &message));
    body = message.public.content.body;
    OK(mls_commit_decode(&body, &commit));
    rf_buf_reset(&t.body);
    mls_put_v(&t.body, commit.proposals);
    rf_buf_u8(&t.body, 1);
    put_leaf(&commit.path.leaf, fault);
    mark = mls_open(&t.body);
    nodes = commit.path.nodes;
    while (mls_next_path_node(&nodes, &node)) {
        if (fault != NODE_MISSING || nodes.len > 0)
            put_node(&node, number, fault);
        number++;
    }
    if (fault == NODE_MORE)
        put_node(&node, number, fault);
    mls_close(&t.body, mark);
    rf_mls_commit_drop(t.attacker);
    rf_buf_deinit(&good);
    frame(MLS_COMMIT, MLS_PUBLIC_MESSAGE, MLS_MEMBER, GOOD);
}

static void paths(void **state)
{
    static const struct {
        enum path_fault fault;
        int error;
        const char *name;
    } rows[] = {
        {PATH_GOOD, RF_EAUTH, "confirmation tag"},
        {NODE_MISSING, RF_EMISMATCH, "a node too few"},
        {NODE_MORE, RF_EMISMATCH, "a node too many"},
        {SECRET_MISSING, RF_EMISMATCH, "a ciphertext too few"},
        {SECRET_BROKEN, RF_EAUTH, "a ciphertext"},
        {OTHER_KEY, RF_EDUPLICATE, "a node's key that is there already"},
        {UNUSABLE_KEY, RF_EFORMAT, "a node's key that nobody can encrypt to"},
        {PARENT_HASH, RF_EMISMATCH, "parent hash"},
        {LEAF_KEY_OLD, RF_EDUPLICATE, "the leaf's old key"},
        {LEAF_KEY_OTHERS, RF_EDUPLICATE, "the key of another leaf"},
        {LEAF_SOURCE, RF_EINVAL, "the leaf's source"},
        {LEAF_SIGNATURE, RF_ESIGNATURE, "the leaf's signature"},
        {LEAF_PLACE, RF_ESIGNATURE, "a leaf signed for another place"},
        {LEAF_CAPABILITIES, RF_EUNSUPPORTED, "a leaf that does not list its own credential"},
        {LEAF_SIGNER, RF_ESIGNATURE, "a leaf with the signature key of another"},
    };

    (void)state;
    for (uint16_t suite = 1; suite <= 2; suite++) {
        begin(suite);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            forge_path(rows[i].fault);
            refused(rf_buf_view(&t.message), rows[i].error, rows[i].name);
        }
        end();
    }
}

/* ---- rules of the application, x509 ---- */

static int no_removal(void *ctx, const struct rf_mls *group, const struct rf_mls_change_seen *change)
{
    (void)ctx;
    (void)group;
    return change->type == RF_MLS_REMOVE && change->sender_type == RF_MLS_SENDER_MEMBER ? RF_EFORBIDDEN : 0;
}

static int not_device_4(void *ctx, const struct rf_mls_identity *who)
{
    (void)ctx;
    return rf_view_equal(who->credential, VIEW("device 4")) ? RF_EUNTRUSTED : 0;
}

static void the_applications_rules(void **state)
{
    static const struct rf_mls_rules rules = {.change = no_removal, .credential = not_device_4};
    struct rf_mls_change removal = {.type = RF_MLS_REMOVE, .leaf = 2}, add;

    (void)state;
    begin(RF_MLS_SUITE_P256);
    OK(rf_mls_commit(t.attacker, &removal, 1, NULL,
                     &t.message)); /* the attacker's program has no such rules */
    t.w.env.rules = &rules;
    refused(rf_buf_view(&t.message), RF_EFORBIDDEN, "a Remove");
    rf_buf_reset(&t.message);
    rf_mls_commit_drop(t.attacker);
    assert_int_equal(rf_mls_commit(t.attacker, &removal, 1, NULL, &t.message), RF_EFORBIDDEN);
    add = mls_device_add(&t.w.devices[4]);
    assert_int_equal(rf_mls_commit(t.attacker, &add, 1, NULL, &t.message), RF_EUNTRUSTED);
    t.w.env.rules = NULL;
    OK(rf_mls_commit(t.attacker, &add, 1, NULL, &t.message));
    t.w.env.rules = &rules;
    refused(rf_buf_view(&t.message), RF_EUNTRUSTED, "an Add");
    end();
}

static int any_successor(void *ctx, const struct rf_mls_identity *old, const struct rf_mls_identity *next)
{
    (void)ctx;
    (void)old;
    (void)next;
    return 0;
}

/* One who adds itself may take its own old place, not somebody else's; unless the application says so. */
static void places_of_others(void **state)
{
    static const struct rf_mls_rules rules = {.successor = any_successor};
    struct rf_mls_event event;
    struct rf_mls *group;
    struct rf_buf info;

    (void)state;
    begin(RF_MLS_SUITE_P256);
    rf_buf_init(&info, mls.mem, 1 << 20);
    OK(rf_mls_group_info(t.attacker, true, &info));
    OK(rf_mls_join_external(&t.w.env, rf_buf_view(&info), NOTHING, &t.w.devices[4].profile, 2, NOTHING,
                            &t.message, &group));
    refused(rf_buf_view(&t.message), RF_EFORBIDDEN, "the place of another");
    t.w.env.rules = &rules;
    OK(rf_mls_process(t.victim, rf_buf_view(&t.message), &event));
    assert_true(event.type == RF_MLS_EVENT_COMMIT && event.sender == 2);
    rf_buf_deinit(&info);
    rf_mls_free(group);
    end();
}

/* One who asks to be added, and the members who do it. */
static void newcomers_proposal(void **state)
{
    struct mls_message kp;
    struct mls_proposal p = {.type = MLS_ADD};
    struct mls_content content;
    struct mls_frame f;

    (void)state;
    begin(RF_MLS_SUITE_X25519);
    OK(mls_message_decode(rf_buf_view(&t.w.devices[4].key_package), &kp));
    p.add = kp.key_package;
    mls_proposal_encode(&p, &t.body);
    content = (struct mls_content){.group_id = rf_buf_view(&t.attacker->id),
                                   .epoch = t.attacker->now->context.epoch,
                                   .sender = {MLS_NEW_MEMBER_PROPOSAL, 0},
                                   .type = MLS_PROPOSAL,
                                   .body = rf_buf_view(&t.body)};
    for (int own = 0; own < 2; own++) { /* signed by somebody else, then by itself */
        rf_buf_reset(&t.message);
        OK(mls_frame_sign(&t.attacker->kit, t.attacker->now, own ? t.w.devices[4].key : t.attacker->key,
                          &content, MLS_PUBLIC_MESSAGE, &f));
        OK(mls_frame_put(&t.attacker->kit, t.attacker->now, &f, 1, &t.message));
        mls_frame_deinit(&f);
        if (!own)
            refused(rf_buf_view(&t.message), RF_ESIGNATURE, "a newcomer's signature");
    }
    (void)mls_world_append(&t.w, rf_buf_view(&t.message), RF_MLS_EVENT_PROPOSAL);
    mls_world_commit(&t.w, &t.w.devices[1], NULL, 0, NULL);
    assert_int_equal(mls_world_agree(&t.w), 4);
    end();
}

/* A certificate is the credential: its key must be the leaf's. */
static void certificates(void **state)
{
    struct rf_x509_spec spec = {
        .common_name = VIEW("a device"), .not_before_ms = 1000, .not_after_ms = 2000000, .serial_lo = 5};
    struct rf_mls_key_package_secret secret;
    struct rf_mls_key_package_info info;
    struct rf_mls_profile profile;
    struct rf_buf spki, cert, chain, kp;
    struct rf_key *key, *other;

    (void)state;
    OK(mls.crypto->ops->key_generate(mls.crypto, RF_KEY_P256, &key));
    OK(mls.crypto->ops->key_generate(mls.crypto, RF_KEY_P256, &other));
    rf_buf_init(&spki, mls.mem, 4096);
    rf_buf_init(&cert, mls.mem, 4096);
    rf_buf_init(&chain, mls.mem, 4096);
    rf_buf_init(&kp, mls.mem, 8192);
    OK(mls.crypto->ops->key_spki(mls.crypto, key, &spki));
    OK(mls.crypto->ops->x509_issue(mls.crypto, &spec, rf_buf_view(&spki), NULL, key, &cert));
    mls_put_v(&chain, rf_buf_view(&cert));
    profile = (struct rf_mls_profile){.key = key, .type = RF_MLS_X509, .credential = rf_buf_view(&chain)};
    OK(rf_mls_key_package_new(&mls.env, RF_MLS_SUITE_P256, &profile, 1, 2, true, &secret, &kp));
    OK(rf_mls_key_package_check(&mls.env, rf_buf_view(&kp), 2, 1, &info));
    assert_true(info.who.type == RF_MLS_X509 && info.last_resort);
    assert_int_equal(rf_mls_key_package_check(&mls.env, rf_buf_view(&kp), 3, 1, &info), RF_EEXPIRED);
    assert_int_equal(rf_mls_key_package_check(&mls.env, rf_buf_view(&kp), 0, 1, &info), RF_ENOTYET);
    profile.key = other;
    assert_int_equal(rf_mls_key_package_new(&mls.env, RF_MLS_SUITE_P256, &profile, 1, 2, false, &secret, &kp),
                     RF_EMISMATCH);
    assert_int_equal(
        rf_mls_key_package_new(&mls.env, RF_MLS_SUITE_X25519, &profile, 1, 2, false, &secret, &kp),
        RF_EINVAL);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&cert);
    rf_buf_deinit(&chain);
    rf_buf_deinit(&kp);
    mls.crypto->ops->key_free(mls.crypto, key);
    mls.crypto->ops->key_free(mls.crypto, other);
}

int test_mls_reject(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(every_byte_of_an_invitation_counts),
        cmocka_unit_test(frames),
        cmocka_unit_test(private_frames),
        cmocka_unit_test(lists),
        cmocka_unit_test(paths),
        cmocka_unit_test(the_applications_rules),
        cmocka_unit_test(certificates),
        cmocka_unit_test(places_of_others),
        cmocka_unit_test(newcomers_proposal),
    };

    return cmocka_run_group_tests_name("mls_reject", tests, mls_set_up, mls_tear_down);
}
