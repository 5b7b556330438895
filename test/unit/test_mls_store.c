/* test_mls_store.c - the state as bytes: taken up again at any moment, refused when it is broken; and memory that runs out. */
#include "test_mls.h"

#include "support/mls_world.h"

static struct rf_mls *again(struct mls_world *w, struct mls_device *d)
{
    struct rf_buf saved;
    struct rf_mls *group;

    rf_buf_init(&saved, mls.mem, RF_MLS_INFO_MAX_LEN);
    OK(rf_mls_save(d->group, &saved));
    OK(rf_mls_restore(&w->env, rf_buf_view(&saved), d->key, &group));
    rf_buf_deinit(&saved);
    rf_mls_free(d->group);
    d->group = group;
    return group;
}

/* A crash after each step: before a message is received, between a Commit and its appearance in the log, before the Welcome was sent, while joining. */
static void taken_up_at_any_moment(void **state)
{
    struct rf_mls_change add, update = {.type = RF_MLS_UPDATE};
    struct rf_mls_event event;
    struct mls_device *a, *b, *c;
    struct mls_world w;
    struct rf_buf info;

    (void)state;
    for (uint16_t suite = 1; suite <= 2; suite++) {
        mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, suite);
        mls_world_start(&w, 3);
        a = &w.devices[0];
        b = &w.devices[1];
        c = mls_world_device(&w);
        add = mls_device_add(c);
        for (int i = 0; i < 3; i++) {
            again(&w, a);
            mls_world_say(&w, a, "one");
            again(&w, b);
            mls_world_say(&w, b, "two");
        }
        rf_buf_reset(&w.message);
        OK(rf_mls_propose(b->group, &update, NULL, &w.message)); /* b's new leaf key is in its state only */
        again(&w, b);
        (void)mls_world_append(&w, rf_buf_view(&w.message), RF_MLS_EVENT_PROPOSAL);
        again(&w, b);
        again(&w, a);
        rf_buf_reset(&w.message);
        OK(rf_mls_commit(a->group, &add, 1, NULL, &w.message));
        assert_true(rf_mls_commit_pending(again(&w, a)));
        (void)mls_world_append(&w, rf_buf_view(&w.message), RF_MLS_EVENT_COMMIT_OWN);
        assert_true(rf_mls_welcome(again(&w, a)).len > 0);
        mls_world_welcome(&w, a);
        assert_int_equal(mls_world_agree(&w), 4);
        again(&w, c);
        mls_world_commit(&w, c, NULL, 0, NULL);
        rf_buf_init(&info, mls.mem, 1 << 20);
        OK(rf_mls_group_info(a->group, true, &info));
        rf_mls_free(c->group);
        rf_buf_reset(&w.message);
        OK(rf_mls_join_external(&w.env, rf_buf_view(&info), NOTHING, &c->profile, 3, NOTHING, &w.message,
                                &c->group));
        assert_int_equal(rf_mls_state(again(&w, c)), RF_MLS_JOINING);
        assert_int_equal(rf_mls_process(c->group, rf_buf_view(&info), &event), RF_EINVAL);
        (void)mls_world_append(&w, rf_buf_view(&w.message), RF_MLS_EVENT_COMMIT);
        assert_int_equal(mls_world_agree(&w), 4);
        rf_buf_deinit(&info);
        mls_world_deinit(&w);
    }
}

static void broken_states(void **state)
{
    struct rf_buf saved;
    struct rf_mls *group;
    struct mls_world w;
    size_t refused = 0;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_X25519);
    mls_world_start(&w, 4);
    mls_world_say(&w, &w.devices[1], "hello");
    rf_buf_init(&saved, mls.mem, RF_MLS_INFO_MAX_LEN);
    OK(rf_mls_save(w.devices[0].group, &saved));
    for (size_t i = 0; i < saved.len; i++) {
        assert_true(rf_mls_restore(&w.env, rf_view_of(saved.p, i), w.devices[0].key, &group) < 0);
        saved.p[i] ^= 0x81;
        if (rf_mls_restore(&w.env, rf_buf_view(&saved), w.devices[0].key, &group) == 0) {
            struct rf_mls_event event;

            (void)rf_mls_process(group, rf_buf_view(&w.message),
                                 &event); /* secrets are wrong: nothing worse happens */
            rf_mls_free(group);
        } else {
            refused++;
        }
        saved.p[i] ^= 0x81;
    }
    assert_true(refused > 20);
    saved.p[4] = 1;
    assert_int_equal(rf_mls_restore(&w.env, rf_buf_view(&saved), w.devices[0].key, &group), RF_EVERSION);
    rf_buf_deinit(&saved);
    mls_world_deinit(&w);
}

/* Every allocation that can be refused is refused once: the error is RF_ENOMEM, nothing is lost, and the next try goes well. */
static void refused_memory(void **state)
{
    struct rf_mls_change changes[2];
    struct rf_mls_event event;
    struct rf_mls *group;
    struct rf_buf commit, saved;
    struct mls_world w;
    size_t allowed;
    int r;

    (void)state;
    mls_world_init(&w, mls.mem, mls.crypto, &mls.rng.rng, RF_MLS_SUITE_P256);
    mls_world_start(&w, 3);
    (void)mls_world_device(&w);
    changes[0] = mls_device_add(&w.devices[3]);
    changes[1] = (struct rf_mls_change){.type = RF_MLS_REMOVE, .leaf = 2};
    rf_buf_init(&commit, mls.mem, 1 << 16);
    rf_buf_init(&saved, mls.mem, 1 << 20);
    for (allowed = 0;; allowed++) {
        rf_buf_reset(&commit);
        mls.counting.allowed = allowed;
        r = rf_mls_commit(w.devices[0].group, changes, 2, NULL, &commit);
        mls.counting.allowed = SIZE_MAX;
        if (r == 0)
            break;
        assert_true(r == RF_ENOMEM || r == RF_ECRYPTO);
    }
    assert_true(allowed > 50);
    OK(rf_mls_save(w.devices[1].group, &saved));
    for (allowed = 0;; allowed++) {
        mls.counting.allowed = allowed;
        r = rf_mls_process(w.devices[1].group, rf_buf_view(&commit), &event);
        mls.counting.allowed = SIZE_MAX;
        if (r == 0)
            break;
        assert_int_equal(r, RF_ENOMEM);
    }
    for (allowed = 0;; allowed++) {
        mls.counting.allowed = allowed;
        r = rf_mls_restore(&w.env, rf_buf_view(&saved), w.devices[1].key, &group);
        mls.counting.allowed = SIZE_MAX;
        if (r == 0)
            break;
        assert_int_equal(r, RF_ENOMEM);
    }
    rf_mls_free(group);
    OK(rf_mls_process(w.devices[0].group, rf_buf_view(&commit), &event));
    for (allowed = 0;; allowed++) {
        struct rf_buf tree;

        rf_buf_init(&tree, mls.mem, 1 << 20);
        OK(rf_mls_tree(w.devices[0].group, &tree));
        mls.counting.allowed = allowed;
        r = rf_mls_join(&w.env, rf_mls_welcome(w.devices[0].group), rf_buf_view(&w.devices[3].key_package),
                        &w.devices[3].secret, w.devices[3].key, rf_buf_view(&tree), &w.devices[3].group);
        mls.counting.allowed = SIZE_MAX;
        rf_buf_deinit(&tree);
        if (r == 0)
            break;
        assert_int_equal(r, RF_ENOMEM);
    }
    rf_mls_free(w.devices[2].group); /* was removed, but not told */
    w.devices[2].group = NULL;
    assert_int_equal(mls_world_agree(&w), 3);
    rf_buf_deinit(&commit);
    rf_buf_deinit(&saved);
    mls_world_deinit(&w);
}

int test_mls_store(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_up_at_any_moment),
        cmocka_unit_test(broken_states),
        cmocka_unit_test(refused_memory),
    };

    return cmocka_run_group_tests_name("mls_store", tests, mls_set_up, mls_tear_down);
}
