/* mls_world.c - devices with MLS groups around one log. */
#include "support/mls_world.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX_LEN ((size_t)32 << 20)

#define MUST(call) must((call), #call, __LINE__)

static void must(int r, const char *what, int line)
{
    if (r == 0)
        return;
    fprintf(stderr, "mls_world.c:%d: %s: %s\n", line, what, rf_error_text(r));
    abort();
}

static void must_be(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "mls_world.c: %s\n", what);
    abort();
}

void mls_world_init(struct mls_world *w, struct rf_mem *mem, struct rf_crypto *crypto, struct rf_rng *rng,
                    uint16_t suite)
{
    *w = (struct mls_world){.env = {.mem = mem, .crypto = crypto, .rng = rng}, .mem = mem, .suite = suite};
    w->devices = rf_zalloc(mem, MLS_WORLD_DEVICES_MAX * sizeof(*w->devices));
    must_be(w->devices != NULL, "memory");
    rf_buf_init(&w->message, mem, MESSAGE_MAX_LEN);
}

void mls_world_deinit(struct mls_world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        rf_mls_free(w->devices[i].group);
        w->env.crypto->ops->key_free(w->env.crypto, w->devices[i].key);
        rf_buf_deinit(&w->devices[i].key_package);
    }
    rf_free(w->mem, w->devices);
    rf_buf_deinit(&w->message);
}

void mls_world_key_package(struct mls_world *w, struct mls_device *d)
{
    rf_buf_reset(&d->key_package);
    MUST(rf_mls_key_package_new(&w->env, w->suite, &d->profile, 1000, 2000, false, &d->secret,
                                &d->key_package));
}

struct mls_device *mls_world_device(struct mls_world *w)
{
    static const uint16_t extensions[] = {0xf001};
    struct mls_device *d = &w->devices[w->count];
    uint8_t raw[32];

    must_be(w->count < MLS_WORLD_DEVICES_MAX, "too many devices");
    rf_rng_fill(w->env.rng, raw, sizeof(raw));
    raw[0] &= 0x7f; /* below P-256's order */
    MUST(w->env.crypto->ops->key_from_raw(w->env.crypto,
                                          w->suite == RF_MLS_SUITE_P256 ? RF_KEY_P256 : RF_KEY_ED25519,
                                          rf_view_of(raw, sizeof(raw)), &d->key));
    snprintf(d->name, sizeof(d->name), "device %zu", w->count);
    d->profile = (struct rf_mls_profile){.key = d->key,
                                         .type = RF_MLS_BASIC,
                                         .credential = rf_view_str(d->name),
                                         .extensions = extensions,
                                         .extension_count = 1};
    rf_buf_init(&d->key_package, w->mem, 1 << 16);
    w->count++;
    mls_world_key_package(w, d);
    return d;
}

struct rf_mls_change mls_device_add(const struct mls_device *d)
{
    return (struct rf_mls_change){.type = RF_MLS_ADD, .key_package = rf_buf_view(&d->key_package)};
}

void mls_world_start(struct mls_world *w, size_t count)
{
    static const struct rf_mls_commit_options with_tree = {.tree_in_welcome = true};
    struct rf_mls_change *adds = calloc(count, sizeof(*adds));
    uint8_t id[32];

    must_be(adds != NULL, "memory");
    while (w->count < count)
        (void)mls_world_device(w);
    rf_rng_fill(w->env.rng, id, sizeof(id));
    MUST(rf_mls_create(&w->env, w->suite, &w->devices[0].profile, 1000, 2000, rf_view_of(id, sizeof(id)),
                       rf_view_of(NULL, 0), &w->devices[0].group));
    for (size_t i = 1; i < count; i++)
        adds[i - 1] = mls_device_add(&w->devices[i]);
    if (count > 1)
        mls_world_commit(w, &w->devices[0], adds, count - 1, &with_tree);
    free(adds);
}

size_t mls_world_append(struct mls_world *w, struct rf_view message, enum rf_mls_event_type type)
{
    struct rf_mls_event event;
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        struct mls_device *d = &w->devices[i];
        int r;

        if (d->group == NULL || rf_mls_state(d->group) > RF_MLS_MEMBER)
            continue;
        if ((r = rf_mls_process(d->group, message, &event)) != 0) {
            fprintf(stderr, "%s (leaf %u): %s\n", d->name, rf_mls_own_leaf(d->group), rf_error_text(r));
            abort();
        }
        count += event.type == type;
        d->opened += event.type == RF_MLS_EVENT_APPLICATION;
        if (event.type == RF_MLS_EVENT_REMOVED) {
            rf_mls_free(d->group);
            d->group = NULL;
            d->removed = true;
            mls_world_key_package(w, d); /* with fresh keys, to come in again */
        }
    }
    return count;
}

void mls_world_welcome(struct mls_world *w, struct mls_device *d)
{
    struct rf_view welcome = rf_mls_welcome(d->group);
    struct rf_mls_key_package_info info;
    struct rf_buf tree;

    if (welcome.len == 0)
        return;
    rf_buf_init(&tree, w->mem, MESSAGE_MAX_LEN);
    MUST(rf_mls_tree(d->group, &tree));
    for (size_t i = 0; i < w->count; i++) {
        struct mls_device *other = &w->devices[i];

        if (other->group != NULL || (i >= w->absent_from && i < w->absent_to && i % 16 != 0))
            continue;
        MUST(rf_mls_key_package_check(&w->env, rf_buf_view(&other->key_package), 1500, 0, &info));
        if (!rf_mls_welcome_names(welcome, info.ref))
            continue;
        MUST(rf_mls_join(&w->env, welcome, rf_buf_view(&other->key_package), &other->secret, other->key,
                         rf_buf_view(&tree), &other->group));
    }
    rf_buf_deinit(&tree);
    rf_mls_welcome_drop(d->group);
}

void mls_world_commit(struct mls_world *w, struct mls_device *d, const struct rf_mls_change *changes,
                      size_t count, const struct rf_mls_commit_options *options)
{
    rf_buf_reset(&w->message);
    MUST(rf_mls_commit(d->group, changes, count, options, &w->message));
    must_be(mls_world_append(w, rf_buf_view(&w->message), RF_MLS_EVENT_COMMIT_OWN) == 1,
            "a Commit is its author's");
    mls_world_welcome(w, d);
}

void mls_world_external(struct mls_world *w, struct mls_device *d, struct mls_device *helper,
                        uint32_t replaces)
{
    struct rf_buf info;

    rf_buf_init(&info, w->mem, MESSAGE_MAX_LEN);
    MUST(rf_mls_group_info(helper->group, true, &info));
    rf_buf_reset(&w->message);
    rf_mls_free(d->group);
    d->group = NULL;
    MUST(rf_mls_join_external(&w->env, rf_buf_view(&info), rf_view_of(NULL, 0), &d->profile, replaces,
                              rf_view_str("hello"), &w->message, &d->group));
    must_be(mls_world_append(w, rf_buf_view(&w->message), RF_MLS_EVENT_COMMIT_OWN) == 1,
            "who comes in sees it");
    rf_buf_deinit(&info);
}

void mls_world_say(struct mls_world *w, struct mls_device *d, const char *text)
{
    size_t others = 0;

    for (size_t i = 0; i < w->count; i++)
        others += w->devices[i].group != NULL && &w->devices[i] != d;
    rf_buf_reset(&w->message);
    MUST(rf_mls_encrypt(d->group, rf_view_str(text), rf_view_str(d->name), 0, &w->message));
    must_be(mls_world_append(w, rf_buf_view(&w->message), RF_MLS_EVENT_APPLICATION) == others,
            "all others read it");
}

size_t mls_world_agree(const struct mls_world *w)
{
    const struct rf_mls *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        struct rf_mls *group = w->devices[i].group;
        struct rf_mls_identity who;

        if (group == NULL)
            continue;
        count++;
        if (first == NULL)
            first = group;
        must_be(rf_mls_epoch(group) == rf_mls_epoch(first), "the same epoch");
        must_be(memcmp(rf_mls_authenticator(group), rf_mls_authenticator(first), RF_MLS_SECRET_LEN) == 0,
                "the same secrets");
        must_be(rf_mls_member(first, rf_mls_own_leaf(group), &who) &&
                    rf_view_equal(who.credential, rf_view_str(w->devices[i].name)),
                "everybody at his leaf");
    }
    must_be(first != NULL && rf_mls_member_count(first) == count, "all members are here");
    return count;
}
