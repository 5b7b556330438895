/*
 * fuzz_mls.c - all that MLS reads: messages (decode, encode, compare), ratchet trees, key packages, Welcomes, GroupInfos, saved states; and what a
 * member who has all the keys may send: any proposals, Commits and paths, well signed. Whatever is refused leaves the group as it was. The simulator's
 * backend signs and encrypts, so that a run costs little.
 */
#include <stdlib.h>
#include "base/assert.h"
#include "crypto/fake/fake.h"
#include "mls/bytes.h"
#include "mls/commit.h"
#include "support/mls_world.h"

#define MAX_LEN ((size_t)1 << 20)

static struct rf_rng_seeded rng;
static struct mls_world w; /* device 0 attacks, 1 is attacked, 3 is outside */
static struct rf_buf saved, commit, body, application, welcome, info;

static void make_world(void)
{
    static const struct rf_mls_commit_options options = {.send = {.public_message = true},
                                                         .tree_in_welcome = true};
    struct rf_crypto_fake_config config = {.seed = {1, 2}, .rng = &rng.rng};
    struct rf_mls_change add;
    struct mls_message message;

    rf_rng_seeded_init(&rng, 1);
    mls_world_init(&w, rf_mem_system(), rf_crypto_fake_new(rf_mem_system(), &config), &rng.rng,
                   RF_MLS_SUITE_X25519);
    mls_world_start(&w, 3);
    mls_world_commit(&w, &w.devices[1], NULL, 0, NULL);
    (void)mls_world_device(&w);
    rf_buf_init(&saved, rf_mem_system(), MAX_LEN);
    rf_buf_init(&commit, rf_mem_system(), MAX_LEN);
    rf_buf_init(&body, rf_mem_system(), MAX_LEN);
    rf_buf_init(&application, rf_mem_system(), MAX_LEN);
    rf_buf_init(&welcome, rf_mem_system(), MAX_LEN);
    rf_buf_init(&info, rf_mem_system(), MAX_LEN);
    RF_ASSERT(rf_mls_save(w.devices[1].group, &saved) == 0);
    add = mls_device_add(&w.devices[3]);
    RF_ASSERT(rf_mls_commit(w.devices[0].group, &add, 1, &options, &commit) == 0);
    RF_ASSERT(mls_message_decode(rf_buf_view(&commit), &message) == 0);
    rf_buf_view_put(&body, message.public.content.body);
    rf_buf_view_put(&welcome, rf_buf_view(&w.devices[0].group->pending->welcome));
    rf_mls_commit_drop(w.devices[0].group);
    RF_ASSERT(rf_mls_encrypt(w.devices[0].group, rf_view_str("hello"), rf_view_str("aad"), 1, &application) ==
              0);
    RF_ASSERT(rf_mls_group_info(w.devices[0].group, true, &info) == 0);
}

/* patched changes bytes of a copy: three of the input say where and how; a first byte above 127 cuts it short there. */
static struct rf_view patched(const struct rf_buf *from, struct rf_view in, struct rf_buf *copy)
{
    rf_buf_reset(copy);
    rf_buf_view_put(copy, rf_buf_view(from));
    for (; in.len >= 3; in.p += 3, in.len -= 3) {
        size_t at = ((size_t)(in.p[0] & 0x7f) << 8 | in.p[1]) % copy->len;

        if (in.p[0] > 0x7f && at > 0)
            copy->len = at;
        else
            copy->p[at] ^= in.p[2];
    }
    return rf_buf_view(copy);
}

static void messages(struct rf_view in)
{
    struct mls_message message;
    struct rf_buf again;

    if (mls_message_decode(in, &message) != 0)
        return;
    rf_buf_init(&again, rf_mem_system(), MAX_LEN);
    mls_message_encode(&message, &again);
    RF_ASSERT(rf_view_equal(rf_buf_view(&again), in));
    rf_buf_deinit(&again);
}

static void trees(struct rf_view in)
{
    const struct mls_kit *kit = &w.devices[0].group->kit;
    struct mls_tree tree;
    struct rf_buf again;
    uint8_t hash[MLS_HASH_LEN];

    if (mls_tree_decode(kit, in, &tree) != 0)
        return;
    rf_buf_init(&again, rf_mem_system(), MAX_LEN);
    mls_tree_encode(&tree, &again);
    RF_ASSERT(rf_view_equal(rf_buf_view(&again), in));
    RF_ASSERT(mls_tree_root_hash(kit, &tree, hash) == 0);
    (void)mls_tree_check(kit, &tree);
    rf_buf_deinit(&again);
    mls_tree_deinit(&tree);
}

/* receive gives a message to a copy of the attacked group. */
static void receive(struct rf_view state, struct rf_view message)
{
    struct rf_mls_event event;
    struct rf_mls *group;
    struct rf_buf after;

    if (rf_mls_restore(&w.env, state, w.devices[1].key, &group) != 0)
        return;
    if (rf_mls_process(group, message, &event) != 0 && state.p == saved.p) {
        rf_buf_init(&after, rf_mem_system(), MAX_LEN);
        RF_ASSERT(rf_mls_save(group, &after) == 0);
        RF_ASSERT(rf_view_equal(rf_buf_view(&after), rf_buf_view(&saved)));
        rf_buf_deinit(&after);
    }
    rf_mls_free(group);
}

/* forge signs any body as the attacker's. */
static void forge(uint8_t kind, struct rf_view in)
{
    struct rf_mls *attacker = w.devices[0].group;
    struct mls_content content = {.group_id = rf_buf_view(&attacker->id),
                                  .epoch = attacker->now->context.epoch,
                                  .sender = {kind & 4 ? MLS_NEW_MEMBER_COMMIT : MLS_MEMBER, 0},
                                  .type = kind & 1 ? MLS_COMMIT : MLS_PROPOSAL,
                                  .body = in};
    static const uint8_t tag[MLS_HASH_LEN];
    struct mls_frame frame;
    struct rf_buf message;

    rf_buf_init(&message, rf_mem_system(), MAX_LEN);
    if (mls_frame_sign(&attacker->kit, attacker->now, attacker->key, &content, MLS_PUBLIC_MESSAGE, &frame) ==
        0) {
        frame.auth.confirmation_tag = rf_view_of(tag, sizeof(tag));
        RF_ASSERT(mls_frame_put(&attacker->kit, attacker->now, &frame, 1, &message) == 0);
        receive(rf_buf_view(&saved), rf_buf_view(&message));
    }
    mls_frame_deinit(&frame);
    rf_buf_deinit(&message);
}

static void invitations(uint8_t kind, struct rf_view in)
{
    struct mls_device *d = &w.devices[3];
    struct rf_mls_key_package_info seen;
    struct rf_mls *group = NULL;
    struct rf_buf out;

    rf_buf_init(&out, rf_mem_system(), MAX_LEN);
    if (kind == 0)
        (void)rf_mls_key_package_check(&w.env, in, 1500, 0, &seen);
    else if (kind == 1)
        (void)rf_mls_join(&w.env, in, rf_buf_view(&d->key_package), &d->secret, d->key, rf_view_of(NULL, 0),
                          &group);
    else if (rf_mls_join_external(&w.env, in, rf_view_of(NULL, 0), &d->profile, RF_MLS_NO_LEAF,
                                  rf_view_of(NULL, 0), &out, &group) == 0)
        receive(rf_buf_view(&saved), rf_buf_view(&out));
    rf_mls_free(group);
    rf_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in;
    struct rf_buf copy;

    if (w.devices == NULL)
        make_world();
    if (size < 1)
        return 0;
    in = rf_view_of(data + 1, size - 1);
    rf_buf_init(&copy, rf_mem_system(), MAX_LEN);
    switch (data[0] % 16) {
    case 0:
        messages(in);
        break;
    case 1:
        trees(in);
        break;
    case 2:
        receive(rf_buf_view(&saved), in);
        break;
    case 3:
        receive(rf_buf_view(&saved), patched(&commit, in, &copy));
        break;
    case 4:
        receive(rf_buf_view(&saved), patched(&application, in, &copy));
        break;
    case 5:
        receive(in, rf_buf_view(&application));
        break;
    case 6:
        receive(patched(&saved, in, &copy), rf_buf_view(&commit));
        break;
    case 7:
        invitations(0, patched(&w.devices[3].key_package, in, &copy));
        break;
    case 8:
        invitations(1, patched(&welcome, in, &copy));
        break;
    case 9:
        invitations(2, patched(&info, in, &copy));
        break;
    case 10:
        messages(patched(&commit, in, &copy));
        messages(patched(&welcome, in, &copy));
        messages(patched(&info, in, &copy));
        break;
    case 11:
    case 12:
        forge(1, patched(&body, in, &copy));
        break;
    case 13:
        forge(5, patched(&body, in, &copy));
        break;
    default:
        forge(data[0] / 16, in);
    }
    rf_buf_deinit(&copy);
    return 0;
}
