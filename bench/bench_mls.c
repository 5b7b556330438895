/*
 * bench_mls.c - what MLS costs: application messages, and Commits, joins and removals in groups of 2, 10, 100 and 1,000 members. All members' work is done here, by one
 * thread; each figure is of one member. CPU time.
 *
 *     bench_mls [suite, default 2: P-256] [largest group, default 1000]
 *
 * Of 1,000 members each 16th takes part; the others never made a Commit, so each path has up to 15 ciphertexts more than in a group where all have.
 *
 * Lines `NAME VALUE`: mls.N.encrypt_us, decrypt_us (200 bytes), commit_make_us and commit_take_us (an empty Commit after everybody has made one), commit_bytes,
 * first_make_us and first_bytes (the first Commit after all were added at once), add_make_us, add_take_us (one member more, without a path), remove_make_us, remove_take_us,
 * join_us (by Welcome, key package checked before), state_bytes, save_us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/openssl/openssl.h"
#include "support/mls_world.h"

#define SAY     200 /* messages */
#define REPEAT  8   /* Commits of each kind */
#define MAX_LEN ((size_t)16 << 20)

static uint64_t seed = 1;

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(int r)
{
    if (r != 0) {
        fprintf(stderr, "bench_mls: %s\n", rf_error_text(r));
        exit(1);
    }
}

static void print(size_t members, const char *name, double value)
{
    printf("mls.%zu.%s %.1f\n", members, name, value);
    fflush(stdout);
}

static void messages(struct mls_world *w, size_t members)
{
    static const char text[201] = {'x'};
    struct rf_buf sent[SAY];
    struct rf_mls_event event;
    double begin = cpu_us();

    for (int i = 0; i < SAY; i++) {
        rf_buf_init(&sent[i], w->mem, MAX_LEN);
        must(rf_mls_encrypt(w->devices[0].group, rf_view_of(text, 200), rf_view_of(NULL, 0), 0, &sent[i]));
    }
    print(members, "encrypt_us", (cpu_us() - begin) / SAY);
    begin = cpu_us();
    for (int i = 0; i < SAY; i++)
        must(rf_mls_process(w->devices[members > 100 ? 16 : 1].group, rf_buf_view(&sent[i]), &event));
    print(members, "decrypt_us", (cpu_us() - begin) / SAY);
    for (int i = 0; i < SAY; i++)
        rf_buf_deinit(&sent[i]);
}

/* commit: one Commit by device `by`; adds its times for the author and, on the average, for another member. */
static size_t commit(struct mls_world *w, size_t by, const struct rf_mls_change *change,
                     const struct rf_mls_commit_options *options, double *make_us, double *take_us)
{
    struct rf_mls_event event;
    double begin = cpu_us();
    size_t others = 0;

    rf_buf_reset(&w->message);
    must(rf_mls_commit(w->devices[by].group, change, change != NULL ? 1 : 0, options, &w->message));
    must(rf_mls_process(w->devices[by].group, rf_buf_view(&w->message), &event));
    *make_us += cpu_us() - begin;
    begin = cpu_us();
    for (size_t i = 0; i < w->count; i++)
        if (i != by && w->devices[i].group != NULL) {
            must(rf_mls_process(w->devices[i].group, rf_buf_view(&w->message), &event));
            others++;
            if (event.type == RF_MLS_EVENT_REMOVED) {
                rf_mls_free(w->devices[i].group);
                w->devices[i].group = NULL;
            }
        }
    *take_us += (cpu_us() - begin) / (double)others;
    return w->message.len;
}

static void commits(struct mls_world *w, size_t members)
{
    static const struct rf_mls_commit_options partial = {.without_path = true};
    double make = 0, take = 0, bytes = 0, joins = 0, begin;
    struct rf_mls_change change;

    bytes = (double)commit(w, 0, NULL, NULL, &make, &take);
    print(members, "first_make_us", make);
    print(members, "first_bytes", bytes);
    for (size_t i = 1; i < members; i++)
        if (w->devices[i].group != NULL)
            (void)commit(w, i, NULL, NULL, &make, &take);
    make = take = bytes = 0;
    for (size_t i = 0; i < REPEAT; i++)
        bytes += (double)commit(w, members > 100 ? 16 * i : i % members, NULL, NULL, &make, &take);
    print(members, "commit_make_us", make / REPEAT);
    print(members, "commit_take_us", take / REPEAT);
    print(members, "commit_bytes", bytes / REPEAT);
    make = take = 0;
    for (size_t i = 0; i < REPEAT; i++) {
        change = mls_device_add(mls_world_device(w));
        (void)commit(w, 0, &change, &partial, &make, &take);
        begin = cpu_us();
        mls_world_welcome(w, &w->devices[0]);
        joins += cpu_us() - begin;
    }
    print(members, "add_make_us", make / REPEAT);
    print(members, "add_take_us", take / REPEAT);
    print(members, "join_us", joins / REPEAT);
    make = take = 0;
    for (size_t i = 0; i < REPEAT; i++) {
        change = (struct rf_mls_change){.type = RF_MLS_REMOVE,
                                        .leaf = rf_mls_own_leaf(w->devices[members + i].group)};
        (void)commit(w, 0, &change, NULL, &make, &take);
    }
    print(members, "remove_make_us", make / REPEAT);
    print(members, "remove_take_us", take / REPEAT);
}

static void state(struct mls_world *w, size_t members)
{
    struct rf_buf saved;
    double begin = cpu_us();

    rf_buf_init(&saved, w->mem, MAX_LEN);
    must(rf_mls_save(w->devices[0].group, &saved));
    print(members, "save_us", cpu_us() - begin);
    print(members, "state_bytes", (double)saved.len);
    rf_buf_deinit(&saved);
}

static void group(struct rf_crypto *crypto, uint16_t suite, size_t members)
{
    struct rf_rng_seeded rng;
    struct mls_world w;

    rf_rng_seeded_init(&rng, seed++);
    mls_world_init(&w, rf_mem_system(), crypto, &rng.rng, suite);
    if (members >
        100) { /* the others are in the tree, but do nothing: all nodes from the fourth level up are filled by these */
        w.absent_from = 1;
        w.absent_to = members;
    }
    mls_world_start(&w, members);
    messages(&w, members);
    commits(&w, members);
    state(&w, members);
    if (members <= 100)
        (void)mls_world_agree(&w);
    mls_world_deinit(&w);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {2, 10, 100, 1000};
    struct rf_crypto *crypto = rf_crypto_openssl_new(rf_mem_system());
    size_t largest = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (sizes[i] <= largest)
            group(crypto, argc > 1 && argv[1][0] == '1' ? RF_MLS_SUITE_X25519 : RF_MLS_SUITE_P256, sizes[i]);
    rf_crypto_openssl_free(crypto);
    return 0;
}
