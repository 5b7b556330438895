/* test_mls_group.c - groups of our own: random histories in which all must agree, races, messages that are late, long absence, deletion. */
#include "test_mls.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/fake/fake.h"
#include "mls/group.h"
#include "support/mls_world.h"

/* ---- random histories ---- */

static struct mls_device *any_member(struct mls_world *w)
{
    for (;;) {
        struct mls_device *d = &w->devices[rf_rng_below(&mls.rng.rng, w->count)];

        if (d->group != NULL)
            return d;
    }
}

static struct mls_device *any_outsider(struct mls_world *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->devices[i].group == NULL)
            return &w->devices[i];
    return NULL;
}

static void append_proposal(struct mls_world *w, struct mls_device *d, const struct rf_mls_change *change)
{
    struct rf_mls_send send = {.public_message = rf_rng_below(&mls.rng.rng, 2) == 0};
    size_t members = 0;

    for (size_t i = 0; i < w->count; i++)
        members += w->devices[i].group != NULL;
    rf_buf_reset(&w->message);
    OK(rf_mls_propose(d->group, change, &send, &w->message));
    assert_int_equal(mls_world_append(w, rf_buf_view(&w->message), RF_MLS_EVENT_PROPOSAL), members - 1);
}

/* A few proposals by several members; some contradict each other, and the committer chooses. */
static void propose_some(struct mls_world *w)
{
    for (uint64_t n = rf_rng_below(&mls.rng.rng, 4); n > 0; n--) {
        struct mls_device *d = any_member(w), *other = any_member(w), *new = any_outsider(w);
        struct rf_mls_change change = {.type = RF_MLS_UPDATE};
        uint64_t kind = rf_rng_below(&mls.rng.rng, 5);

        if (kind == 0 && other != d) {
            change.type = RF_MLS_REMOVE;
            change.leaf = rf_mls_own_leaf(other->group);
        } else if (kind == 1 && new != NULL) {
            change = mls_device_add(new);
        } else if (kind == 2) {
            change.type = RF_MLS_PSK;
            change.epoch = rf_mls_epoch(d->group);
        }
        append_proposal(w, d, &change);
    }
}

/* An application message that is written before a Commit and appended behind it. */
static void late_message(struct mls_device *d, struct rf_buf *late)
{
    rf_buf_reset(late);
    if (rf_mls_proposals(d->group) == 0)
        OK(rf_mls_encrypt(d->group, VIEW("late"), NOTHING, 1, late));
}

static void deliver_late(struct mls_world *w, struct rf_view late, const struct mls_device *writer)
{
    struct rf_mls_event event;

    for (size_t i = 0; i < w->count && late.len > 0; i++) {
        struct mls_device *d = &w->devices[i];
        int r;

        if (d->group == NULL)
            continue;
        r = rf_mls_process(d->group, late, &event);
        if (writer->group == NULL || r == RF_EEXPIRED) /* its writer was removed, or the reader is new */
            assert_true(r == RF_ENOTFOUND || r == RF_EEXPIRED);
        else
            assert_true(r == 0 && event.type == (d == writer ? RF_MLS_EVENT_OWN : RF_MLS_EVENT_APPLICATION));
    }
}

static void one_round(struct mls_world *w, struct rf_buf *late, size_t least)
{
    uint64_t kind = rf_rng_below(&mls.rng.rng, 8);
    struct mls_device *writer, *d, *other, *new;
    struct rf_mls_change changes[2];
    struct rf_mls_commit_options options = {.send = {.public_message = rf_rng_below(&mls.rng.rng, 3) == 0},
                                            .without_path = rf_rng_below(&mls.rng.rng, 2) == 0,
                                            .tree_in_welcome = rf_rng_below(&mls.rng.rng, 2) == 0};
    size_t count = 0;

    mls_world_say(w, any_member(w), "hello");
    writer = any_member(w);
    late_message(writer, late);
    if (kind < 3)
        propose_some(w);
    d = any_member(w);
    other = any_member(w);
    if ((kind == 3 || kind == 4) && (new = any_outsider(w)) != NULL)
        changes[count++] = mls_device_add(new);
    if (kind >= 4 && kind < 6 && other != d && mls_world_agree(w) > least)
        changes[count++] =
            (struct rf_mls_change){.type = RF_MLS_REMOVE, .leaf = rf_mls_own_leaf(other->group)};
    if (kind == 6 && (new = any_outsider(w)) != NULL) {
        mls_world_external(w, new, d, RF_MLS_NO_LEAF);
    } else if (kind == 7 && other != d) {
        mls_world_external(w, other, d, rf_mls_own_leaf(other->group));
        writer = other == writer ? d : writer;
        late->len = 0;
    } else {
        mls_world_commit(w, d, changes, count, &options);
    }
    deliver_late(w, rf_buf_view(late), writer);
    (void)mls_world_agree(w);
}

static void random_history(uint16_t suite, size_t start, size_t devices, int rounds, uint64_t seed)
{
    struct mls_world w;
    struct rf_buf late;

    rf_rng_seeded_init(&mls.rng, seed);
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, suite);
    rf_buf_init(&late, mls.mem, 1 << 16);
    while (w.count < devices)
        (void)mls_world_device(&w);
    mls_world_start(&w, start);
    for (int i = 0; i < rounds; i++)
        one_round(&w, &late, start / 2 + 1);
    rf_buf_deinit(&late);
    mls_world_deinit(&w);
}

static void groups_of_two(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_history((uint16_t)(1 + seed % 2), 2, 4, 12, seed);
}

static void groups_of_ten(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        random_history((uint16_t)(1 + seed % 2), 10, 13, 10, 100 + seed);
}

static void group_of_a_hundred(void **state)
{
    (void)state;
    random_history(RF_MLS_SUITE_P256, 100, 102, 2, 1000);
}

/* The simulator's cheap backend carries all of it, too: many more rounds. */
static void on_the_simulators_backend(void **state)
{
    struct rf_crypto_fake_config config = {.seed = {1, 2}, .rng = &mls.rng.rng};
    struct rf_crypto *real = mls.crypto;

    (void)state;
    mls.crypto = rf_crypto_fake_new(&mls.counting.mem, &config);
    for (uint64_t seed = 1; seed <= 20; seed++)
        random_history((uint16_t)(1 + seed % 2), 2 + seed % 7, 12, 25, 2000 + seed);
    rf_crypto_fake_free(mls.crypto);
    mls.crypto = real;
}

/* ---- races ---- */

static void first_commit_wins(void **state)
{
    struct rf_buf one, two;
    struct rf_mls_event event;
    struct mls_device *a, *b, *c;
    struct rf_mls_change add;
    struct mls_world w;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 3);
    a = &w.devices[0];
    b = &w.devices[1];
    c = &w.devices[2];
    add = mls_device_add(mls_world_device(&w));
    rf_buf_init(&one, mls.mem, 1 << 16);
    rf_buf_init(&two, mls.mem, 1 << 16);
    OK(rf_mls_commit(a->group, &add, 1, NULL, &one));
    OK(rf_mls_commit(b->group, NULL, 0, NULL, &two));
    assert_true(rf_mls_commit_pending(a->group) && rf_mls_commit_pending(b->group));
    /* b's comes first in the log */
    OK(rf_mls_process(a->group, rf_buf_view(&two), &event));
    assert_true(event.type == RF_MLS_EVENT_COMMIT && event.beaten);
    assert_false(rf_mls_commit_pending(a->group));
    assert_int_equal(rf_mls_welcome(a->group).len, 0);
    OK(rf_mls_process(b->group, rf_buf_view(&two), &event));
    assert_true(event.type == RF_MLS_EVENT_COMMIT_OWN && !event.beaten);
    OK(rf_mls_process(c->group, rf_buf_view(&two), &event));
    assert_true(event.type == RF_MLS_EVENT_COMMIT && !event.beaten && event.sender == 1);
    /* then a's, which everybody ignores, its author included */
    assert_int_equal(rf_mls_process(a->group, rf_buf_view(&one), &event), RF_EEXPIRED);
    assert_int_equal(rf_mls_process(b->group, rf_buf_view(&one), &event), RF_EEXPIRED);
    assert_int_equal(rf_mls_process(c->group, rf_buf_view(&one), &event), RF_EEXPIRED);
    (void)mls_world_agree(&w);
    /* made anew, the key package is as good as before */
    rf_buf_reset(&one);
    OK(rf_mls_commit(a->group, &add, 1, NULL, &one));
    for (size_t i = 0; i < 3; i++) {
        OK(rf_mls_process(w.devices[i].group, rf_buf_view(&one), &event));
        assert_true(event.added_count == 1 && event.added[0] == 3 && event.removed_count == 0);
    }
    mls_world_welcome(&w, a);
    assert_int_equal(mls_world_agree(&w), 4);
    rf_buf_deinit(&one);
    rf_buf_deinit(&two);
    mls_world_deinit(&w);
}

static void proposals_and_their_end(void **state)
{
    struct rf_mls_change update = {.type = RF_MLS_UPDATE}, leave = {.type = RF_MLS_REMOVE, .leaf = 1};
    static const struct rf_mls_commit_options alone = {.without_proposals = true};
    struct mls_world w;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_P256);
    mls_world_start(&w, 4);
    append_proposal(&w, &w.devices[1], &update);
    append_proposal(&w, &w.devices[1], &leave); /* leaves by itself: others must commit it */
    append_proposal(&w, &w.devices[2], &update);
    assert_int_equal(rf_mls_proposals(w.devices[3].group), 3);
    rf_buf_reset(&w.message);
    assert_int_equal(rf_mls_encrypt(w.devices[3].group, VIEW("x"), NOTHING, 0, &w.message), RF_EBUSY);
    /* whoever does not take them along lets them die */
    mls_world_commit(&w, &w.devices[0], NULL, 0, &alone);
    assert_int_equal(rf_mls_proposals(w.devices[3].group), 0);
    assert_int_equal(mls_world_agree(&w), 4);
    append_proposal(&w, &w.devices[1], &update);
    append_proposal(&w, &w.devices[1], &leave);
    append_proposal(&w, &w.devices[2], &update);
    /* the one who wants to leave may commit too, but not his own removal */
    rf_buf_reset(&w.message);
    OK(rf_mls_commit(w.devices[1].group, NULL, 0, NULL, &w.message));
    rf_mls_commit_drop(w.devices[1].group);
    mls_world_commit(&w, &w.devices[3], NULL, 0, NULL);
    assert_true(w.devices[1].removed);
    assert_int_equal(mls_world_agree(&w), 3);
    mls_world_deinit(&w);
}

static void context_extensions_and_reinit(void **state)
{
    struct rf_mls_change change = {.type = RF_MLS_EXTENSIONS,
                                   .extensions = VIEW("\xf0\x01\x03"
                                                      "abc")};
    struct rf_mls_change unknown = {.type = RF_MLS_EXTENSIONS,
                                    .extensions = VIEW("\xf0\x02\x03"
                                                       "abc")};
    struct rf_mls_change twice = {.type = RF_MLS_EXTENSIONS, .extensions = VIEW("\xf0\x01\x00\xf0\x01\x00")};
    struct rf_mls_change required = {.type = RF_MLS_EXTENSIONS,
                                     .extensions = VIEW("\x00\x03\x05\x02\xf0\x05\x00\x00")};
    struct rf_mls_change reinit = {.type = RF_MLS_REINIT, .new_group_id = VIEW("next"), .new_suite = 1};
    struct rf_mls_event event;
    struct mls_world w;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_P256);
    mls_world_start(&w, 3);
    mls_world_commit(&w, &w.devices[1], &change, 1, NULL);
    mls_assert_view(rf_mls_extensions(w.devices[2].group), change.extensions);
    rf_buf_reset(&w.message);
    assert_int_equal(rf_mls_commit(w.devices[0].group, &unknown, 1, NULL, &w.message), RF_EUNSUPPORTED);
    assert_int_equal(rf_mls_commit(w.devices[0].group, &required, 1, NULL, &w.message), RF_EUNSUPPORTED);
    assert_int_equal(rf_mls_commit(w.devices[0].group, &twice, 1, NULL, &w.message), RF_EDUPLICATE);
    assert_int_equal(w.message.len, 0);
    OK(rf_mls_commit(w.devices[0].group, &reinit, 1, NULL, &w.message));
    assert_int_equal(mls_world_append(&w, rf_buf_view(&w.message), RF_MLS_EVENT_CLOSED), 3);
    assert_int_equal(rf_mls_process(w.devices[0].group, rf_buf_view(&w.message), &event), RF_ECLOSED);
    assert_int_equal(rf_mls_encrypt(w.devices[0].group, VIEW("x"), NOTHING, 0, &w.message), RF_ECLOSED);
    assert_int_equal(rf_mls_commit(w.devices[0].group, NULL, 0, NULL, &w.message), RF_ECLOSED);
    assert_int_equal(rf_mls_state(w.devices[2].group), RF_MLS_CLOSED);
    mls_world_deinit(&w);
}

/* ---- coming back ---- */

/* A device sleeps through 200 epochs and 10,000 messages, and then reads everything, in the log's order. */
static void two_hundred_epochs_away(void **state)
{
    enum { EPOCHS = 200, EACH = 50 };
    static struct rf_buf log[EPOCHS * (EACH + 1)];
    struct rf_mls *sleeper;
    struct rf_mls_event event;
    size_t count = 0, opened = 0;
    struct mls_world w;
    char text[48];

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_P256);
    mls_world_start(&w, 3);
    sleeper = w.devices[2].group;
    w.devices[2].group = NULL;
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        for (int i = 0; i <= EACH; i++) {
            struct rf_buf *entry = &log[count++];

            rf_buf_init(entry, mls.mem, 1 << 16);
            snprintf(text, sizeof(text), "%d %d", epoch, i);
            if (i < EACH)
                OK(rf_mls_encrypt(w.devices[0].group, rf_view_str(text), NOTHING, 1, entry));
            else
                OK(rf_mls_commit(w.devices[epoch % 4 == 3].group, NULL, 0, NULL, entry));
            if (i == EACH) {
                OK(rf_mls_process(w.devices[0].group, rf_buf_view(entry), &event));
                OK(rf_mls_process(w.devices[1].group, rf_buf_view(entry), &event));
            }
        }
    for (size_t i = 0; i < count; i++) {
        OK(rf_mls_process(sleeper, rf_buf_view(&log[i]), &event));
        if (event.type == RF_MLS_EVENT_APPLICATION) {
            snprintf(text, sizeof(text), "%zu %zu", opened / EACH, opened % EACH);
            mls_assert_view(event.data, rf_view_str(text));
            opened++;
        }
        rf_buf_deinit(&log[i]);
    }
    assert_int_equal(opened, EPOCHS * EACH);
    assert_memory_equal(rf_mls_authenticator(sleeper), rf_mls_authenticator(w.devices[0].group), 32);
    w.devices[2].group = sleeper;
    (void)mls_world_agree(&w);
    mls_world_deinit(&w);
}

/* There is one Commit at a time; one that was dropped, and stood in the log all the same, ends the group for its author. */
static void dropped_commits(void **state)
{
    struct rf_buf first, second, saved;
    struct rf_mls_event event;
    struct mls_device *a;
    struct mls_world w;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 3);
    a = &w.devices[0];
    rf_buf_init(&first, mls.mem, 1 << 16);
    rf_buf_init(&second, mls.mem, 1 << 16);
    rf_buf_init(&saved, mls.mem, 1 << 20);
    OK(rf_mls_commit(a->group, NULL, 0, NULL, &first));
    assert_int_equal(rf_mls_commit(a->group, NULL, 0, NULL, &second), RF_EBUSY);
    rf_mls_commit_drop(a->group);
    OK(rf_mls_commit(a->group, NULL, 0, NULL, &second));
    OK(rf_mls_save(a->group, &saved));
    rf_mls_free(a->group);
    OK(rf_mls_restore(&w.env, rf_buf_view(&saved), a->key, &a->group));
    assert_int_equal(rf_mls_process(a->group, rf_buf_view(&first), &event), RF_ECANCELLED);
    assert_false(rf_mls_commit_pending(a->group));
    assert_int_equal(rf_mls_state(a->group), RF_MLS_REMOVED);
    assert_int_equal(rf_mls_process(a->group, rf_buf_view(&second), &event), RF_ECLOSED);
    for (int i = 1; i < 3; i++) {
        OK(rf_mls_process(w.devices[i].group, rf_buf_view(&first), &event));
        assert_int_equal(rf_mls_process(w.devices[i].group, rf_buf_view(&second), &event), RF_EEXPIRED);
    }
    mls_world_external(&w, a, &w.devices[1], rf_mls_own_leaf(a->group));
    assert_int_equal(mls_world_agree(&w), 3);
    for (int i = 0; i < RF_MLS_DROPPED_MAX; i++) { /* each of them could still come */
        OK(rf_mls_commit(a->group, NULL, 0, NULL, &second));
        rf_mls_commit_drop(a->group);
    }
    assert_int_equal(rf_mls_commit(a->group, NULL, 0, NULL, &second), RF_ELIMIT);
    mls_world_commit(&w, &w.devices[1], NULL, 0, NULL);
    mls_world_commit(&w, a, NULL, 0, NULL);
    rf_buf_deinit(&first);
    rf_buf_deinit(&second);
    rf_buf_deinit(&saved);
    mls_world_deinit(&w);
}

/* A proposal that nobody can commit does not keep the epoch from ending; the others are taken along. */
static void what_cannot_be_committed(void **state)
{
    struct rf_mls_change psk = {.type = RF_MLS_PSK, .psk_id = VIEW("nobody knows")}, add,
                         update = {.type = RF_MLS_UPDATE};
    struct mls_world w;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 4);
    add = mls_device_add(mls_world_device(&w));
    append_proposal(&w, &w.devices[1], &update);
    append_proposal(&w, &w.devices[1], &psk);
    append_proposal(&w, &w.devices[2], &add);
    append_proposal(&w, &w.devices[3], &psk);
    assert_int_equal(rf_mls_proposals(w.devices[0].group), 4);
    mls_world_commit(&w, &w.devices[0], NULL, 0, NULL);
    assert_int_equal(rf_mls_proposals(w.devices[0].group), 0);
    assert_int_equal(mls_world_agree(&w), 5); /* the new one came in */
    mls_world_say(&w, &w.devices[3], "on");
    mls_world_deinit(&w);
}

/* Another life of a device takes the place of the first, which hears who did it: the newcomer's own leaf. */
static void own_place_taken(void **state)
{
    struct rf_mls_event event;
    struct mls_world w;
    struct rf_mls *group;
    struct rf_buf info;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 4);
    rf_buf_init(&info, mls.mem, 1 << 20);
    rf_buf_reset(&w.message);
    OK(rf_mls_group_info(w.devices[0].group, true, &info));
    OK(rf_mls_join_external(&w.env, rf_buf_view(&info), NOTHING, &w.devices[1].profile, 1, NOTHING,
                            &w.message, &group));
    OK(rf_mls_process(w.devices[1].group, rf_buf_view(&w.message), &event));
    assert_true(event.type == RF_MLS_EVENT_REMOVED && event.sender_type == RF_MLS_SENDER_NEW_COMMIT);
    assert_true(event.sender == 1 && event.added[0] == 1 && event.removed[0] == 1);
    rf_buf_deinit(&info);
    rf_mls_free(group);
    mls_world_deinit(&w);
}

/* How many proposals an epoch may hold is the same for all: those of one's own that never came back do not count. */
static void proposals_without_end(void **state)
{
    struct rf_mls_change change = {.type = RF_MLS_PSK};
    struct rf_mls_event event;
    struct mls_world w;
    struct rf_buf id;
    size_t kept = 0;
    int r = 0;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 4);
    rf_buf_init(&id, mls.mem, 1 << 20);
    while (id.len < 900000)
        rf_buf_u64(&id, 0);
    change.psk_id = rf_buf_view(&id);
    for (int i = 0; i < 12; i++) {
        rf_buf_reset(&w.message);
        OK(rf_mls_propose(w.devices[1].group, &change, NULL, &w.message));
    }
    for (; r == 0; kept++) {
        struct rf_mls *author = kept % 2 == 0 ? w.devices[1].group : w.devices[0].group;

        rf_buf_reset(&w.message);
        OK(rf_mls_propose(author, &change, NULL, &w.message));
        r = rf_mls_process(w.devices[1].group, rf_buf_view(&w.message), &event);
        assert_int_equal(rf_mls_process(w.devices[0].group, rf_buf_view(&w.message), &event), r);
        assert_true(kept < 100);
    }
    assert_int_equal(r, RF_ELIMIT);
    assert_int_equal(kept - 1, RF_MLS_PROPOSALS_MAX_LEN / 900000);
    assert_int_equal(rf_mls_proposals(w.devices[1].group), kept - 1);
    rf_buf_deinit(&id);
    mls_world_deinit(&w);
}

/* A device that lost everything comes in again by itself; when it is beaten it tries once more. */
static void rejoin(void **state)
{
    struct rf_mls_event event;
    struct mls_device *lost;
    struct rf_buf info, own, other, key;
    struct mls_world w;
    uint32_t leaf;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 5);
    lost = &w.devices[3];
    rf_mls_free(lost->group);
    lost->group = NULL;
    rf_buf_init(&info, mls.mem, 1 << 20);
    rf_buf_init(&own, mls.mem, 1 << 16);
    rf_buf_init(&other, mls.mem, 1 << 16);
    rf_buf_init(&key, mls.mem, 256);
    OK(rf_key_public(mls.crypto, lost->key, &key));
    OK(rf_mls_group_info(w.devices[0].group, true, &info));
    OK(rf_mls_info_find_leaf(&w.env, rf_buf_view(&info), NOTHING, rf_buf_view(&key), &leaf));
    assert_int_equal(leaf, 3);
    assert_int_equal(rf_mls_join_external(&w.env, rf_buf_view(&info), NOTHING, &lost->profile, RF_MLS_NO_LEAF,
                                          NOTHING, &own, &lost->group),
                     RF_EDUPLICATE); /* its signature key is there already */
    OK(rf_mls_join_external(&w.env, rf_buf_view(&info), NOTHING, &lost->profile, leaf, NOTHING, &own,
                            &lost->group));
    assert_int_equal(rf_mls_state(lost->group), RF_MLS_JOINING);
    assert_int_equal(rf_mls_encrypt(lost->group, VIEW("x"), NOTHING, 0, &other), RF_ENOTYET);
    OK(rf_mls_commit(w.devices[1].group, NULL, 0, NULL, &other)); /* somebody was faster */
    assert_int_equal(rf_mls_process(lost->group, rf_buf_view(&other), &event), RF_ECONFLICT);
    rf_mls_free(lost->group);
    lost->group = NULL;
    (void)mls_world_append(&w, rf_buf_view(&other), RF_MLS_EVENT_COMMIT);
    for (size_t i = 0; i < 5; i++)
        if (i != 3)
            assert_int_equal(rf_mls_process(w.devices[i].group, rf_buf_view(&own), &event), RF_EEXPIRED);
    rf_buf_reset(&info);
    rf_buf_reset(&own);
    OK(rf_mls_group_info(w.devices[4].group, true, &info));
    OK(rf_mls_join_external(&w.env, rf_buf_view(&info), NOTHING, &lost->profile, leaf, NOTHING, &own,
                            &lost->group));
    for (size_t i = 0; i < 5; i++) {
        OK(rf_mls_process(w.devices[i].group, rf_buf_view(&own), &event));
        assert_true(event.added_count == 1 && event.removed_count == 1 && event.sender == 3);
        assert_true(event.added[0] == 3 && event.removed[0] == 3); /* its place was the leftmost blank one */
    }
    assert_int_equal(rf_mls_own_leaf(lost->group), 3);
    assert_int_equal(mls_world_agree(&w), 5);
    mls_world_say(&w, lost, "back");
    mls_world_commit(&w, lost, NULL, 0, NULL);
    (void)mls_world_agree(&w);
    rf_buf_deinit(&info);
    rf_buf_deinit(&own);
    rf_buf_deinit(&other);
    rf_buf_deinit(&key);
    mls_world_deinit(&w);
}

/* Members at leaves 0 and 4 of 8 only; the first adds one with a path: of the ancestors of the new one, one is blank. */
static void blank_above_the_common_ancestor(void **state)
{
    struct rf_mls_change removes[6], add;
    size_t count = 0;
    struct mls_world w;

    (void)state;
    for (uint16_t suite = 1; suite <= 2; suite++) {
        mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, suite);
        mls_world_start(&w, 8);
        for (uint32_t i = count = 0; i < 8; i++)
            if (i != 0 && i != 4)
                removes[count++] = (struct rf_mls_change){.type = RF_MLS_REMOVE, .leaf = i};
        mls_world_commit(&w, &w.devices[0], removes, count, NULL);
        add = mls_device_add(mls_world_device(&w));
        mls_world_commit(&w, &w.devices[0], &add, 1, NULL);
        assert_int_equal(rf_mls_own_leaf(w.devices[8].group), 1);
        assert_int_equal(mls_world_agree(&w), 3);
        for (size_t i = 0; i < 9; i += 4) {
            mls_world_commit(&w, &w.devices[i], NULL, 0, NULL);
            (void)mls_world_agree(&w);
        }
        mls_world_deinit(&w);
    }
}

/* ---- deletion ---- */

/* An allocator that never gives memory back, so that the test can look through all that ever was. */
struct arena {
    struct rf_mem mem;
    uint8_t *at;
    size_t len, cap;
};

static void *arena_resize(void *ctx, void *ptr, size_t size)
{
    struct arena *a = ctx;
    size_t *head, old = ptr != NULL ? ((size_t *)ptr)[-2] : 0;

    if (size == 0)
        return NULL;
    assert_true(a->len + size + 32 < a->cap);
    head = (size_t *)(void *)(a->at + a->len);
    head[0] = size;
    a->len += 16 + (size + 15) / 16 * 16;
    if (ptr != NULL)
        memcpy(head + 2, ptr, old < size ? old : size);
    return head + 2;
}

static size_t times(const struct arena *a, const uint8_t *secret, size_t len)
{
    const uint8_t *at = a->at, *end = a->at + a->len;
    size_t count = 0;

    while ((at = memmem(at, (size_t)(end - at), secret, len)) != NULL) {
        count++;
        at++;
    }
    return count;
}

static void what_is_used_up_is_nowhere(void **state)
{
    struct arena arena = {.mem = {arena_resize, &arena}, .cap = 64 << 20};
    uint8_t init[32], leaf_key[32], sender_data[32], ratchet[32], welcome_init[32], confirmation[32];
    struct rf_mls_event event;
    struct mls_world w;
    struct rf_buf message;
    struct rf_mls *group;

    (void)state;
    arena.at = calloc(1, arena.cap);
    assert_non_null(arena.at);
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_P256);
    (void)mls_world_device(&w);
    (void)mls_world_device(&w);
    w.env.mem = &arena.mem; /* only the groups' */
    mls_world_start(&w, 2);
    group = w.devices[1].group;
    memcpy(welcome_init, w.devices[1].secret.init, 32);
    assert_int_equal(times(&arena, welcome_init, 32), 0);
    mls_world_say(&w, &w.devices[0], "first");
    rf_buf_init(&message, mls.mem, 1 << 16);
    memcpy(init, group->now->secrets.init, 32);
    memcpy(confirmation, group->now->secrets.confirmation, 32);
    memcpy(leaf_key, group->now->keys.key[0], 32);
    memcpy(sender_data, group->now->secrets.sender_data, 32);
    memcpy(ratchet, group->now->messages.ratchets[0]->kind[MLS_APPLICATION_DATA].secret, 32);
    assert_true(times(&arena, init, 32) == 2 &&
                times(&arena, leaf_key, 32) == 1); /* both members know init */
    assert_true(times(&arena, ratchet, 32) == 2);
    mls_world_say(&w, &w.devices[0], "second"); /* the ratchet moves on */
    assert_int_equal(times(&arena, ratchet, 32), 0);
    mls_world_commit(&w, &w.devices[1], NULL, 0, NULL); /* a new leaf key */
    assert_int_equal(times(&arena, init, 32), 0);
    assert_int_equal(times(&arena, confirmation, 32), 0);
    assert_int_equal(times(&arena, leaf_key, 32), 0);
    assert_int_equal(times(&arena, sender_data, 32), 2); /* kept: late messages */
    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++)
        mls_world_commit(&w, &w.devices[0], NULL, 0, NULL);
    assert_int_equal(times(&arena, sender_data, 32), 0);
    /* a Commit that is beaten leaves nothing */
    OK(rf_mls_commit(group, NULL, 0, NULL, &message));
    memcpy(leaf_key, group->pending->next->keys.key[0], 32);
    memcpy(init, group->pending->next->secrets.init, 32);
    rf_buf_reset(&w.message);
    OK(rf_mls_commit(w.devices[0].group, NULL, 0, NULL, &w.message));
    OK(rf_mls_process(group, rf_buf_view(&w.message), &event));
    assert_true(event.beaten && times(&arena, leaf_key, 32) == 0 && times(&arena, init, 32) == 0);
    memcpy(init, group->now->secrets.init, 32);
    memcpy(leaf_key, group->resumptions[2].secret, 32);
    rf_buf_deinit(&message);
    mls_world_deinit(&w);
    assert_true(times(&arena, init, 32) == 0 && times(&arena, leaf_key, 32) == 0);
    free(arena.at);
}

int test_mls_group(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_two),
        cmocka_unit_test(groups_of_ten),
        cmocka_unit_test(group_of_a_hundred),
        cmocka_unit_test(on_the_simulators_backend),
        cmocka_unit_test(first_commit_wins),
        cmocka_unit_test(proposals_and_their_end),
        cmocka_unit_test(dropped_commits),
        cmocka_unit_test(what_cannot_be_committed),
        cmocka_unit_test(own_place_taken),
        cmocka_unit_test(proposals_without_end),
        cmocka_unit_test(context_extensions_and_reinit),
        cmocka_unit_test(rejoin),
        cmocka_unit_test(blank_above_the_common_ancestor),
        cmocka_unit_test(what_is_used_up_is_nowhere),
    };

    return cmocka_run_group_tests_name("mls_group", tests, mls_set_up, mls_tear_down);
}

int test_mls_away(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_hundred_epochs_away)};

    return cmocka_run_group_tests_name("mls_away", tests, mls_set_up, mls_tear_down);
}
