/*
 * mls_peer.c - a device that is told by lines on its standard input what to do with MLS, and answers by lines: one half of
 * test/system/test_mls_peer.py, whose other half is mls_peer.mjs with the same commands. All values in hex.
 *
 *     new SUITE NAME          ok KEY_PACKAGE
 *     create ID               ok
 *     commit [public] [add KEY_PACKAGE | remove LEAF]...   ok COMMIT     (pending until `accept`)
 *     accept                  ok WELCOME|-
 *     join WELCOME            ok
 *     info                    ok GROUP_INFO
 *     external INFO           ok COMMIT           (pending; takes the place of a leaf of ours, if there is one)
 *     propose [public] update|add KEY_PACKAGE|remove LEAF  ok PROPOSAL
 *     process MESSAGE         ok proposal|commit|removed, or ok application DATA
 *     say DATA                ok MESSAGE
 *     state                   ok EPOCH AUTHENTICATOR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/text.h"
#include "crypto/openssl/openssl.h"
#include "mls/mls.h"

#define WORDS_MAX   64
#define MESSAGE_MAX ((size_t)16 << 20)
#define MONTH_S     (UINT64_C(30) * 86400)

static struct rf_mls_env env;
static struct rf_mls_profile profile;
static struct rf_mls_key_package_secret secret;
static struct rf_key *key;
static struct rf_mls *group;
static struct rf_buf key_package, pending, out, name;
static uint16_t suite;

static void fill(void *ctx, void *to, size_t len)
{
    (void)ctx;
    if (getrandom(to, len, 0) != (ssize_t)len)
        abort();
}

static struct rf_rng rng = {fill, NULL};

/* bytes_of decodes a word; it lives until the next line. */
static struct rf_view bytes_of(const char *word)
{
    static struct rf_buf kept[WORDS_MAX];
    static size_t next;
    struct rf_buf *buf = &kept[next++ % WORDS_MAX];

    if (buf->mem == NULL)
        rf_buf_init(buf, rf_mem_system(), MESSAGE_MAX);
    rf_buf_reset(buf);
    if (rf_hex_decode(rf_view_str(word), buf) != 0)
        abort();
    return rf_buf_view(buf);
}

static void answer(const char *word, struct rf_view bytes)
{
    printf("ok%s%s ", word[0] != '\0' ? " " : "", word);
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.p[i]);
    printf("%s\n", bytes.len == 0 ? "-" : "");
}

static int do_new(char **words, size_t count)
{
    uint64_t now = (uint64_t)time(NULL);
    int r;

    if (count != 3)
        return RF_EINVAL;
    suite = (uint16_t)atoi(words[1]);
    rf_buf_str(&name, words[2]);
    if ((r = env.crypto->ops->key_generate(
             env.crypto, suite == RF_MLS_SUITE_P256 ? RF_KEY_P256 : RF_KEY_ED25519, &key)) != 0)
        return r;
    profile = (struct rf_mls_profile){.key = key, .type = RF_MLS_BASIC, .credential = rf_buf_view(&name)};
    r = rf_mls_key_package_new(&env, suite, &profile, now - 3600, now + MONTH_S, false, &secret,
                               &key_package);
    if (r == 0)
        answer("", rf_buf_view(&key_package));
    return r;
}

static int do_create(char **words, size_t count)
{
    uint64_t now = (uint64_t)time(NULL);
    int r = count != 2 ? RF_EINVAL
                       : rf_mls_create(&env, suite, &profile, now - 3600, now + MONTH_S, bytes_of(words[1]),
                                       rf_view_of(NULL, 0), &group);

    if (r == 0)
        answer("", rf_view_of(NULL, 0));
    return r;
}

/* changes_of reads "add X" and "remove N"; "public" is noted. */
static size_t changes_of(char **words, size_t count, struct rf_mls_change *changes, struct rf_mls_send *send)
{
    size_t n = 0;

    for (size_t i = 1; i < count; i++) {
        if (strcmp(words[i], "public") == 0)
            send->public_message = true;
        else if (strcmp(words[i], "update") == 0)
            changes[n++] = (struct rf_mls_change){.type = RF_MLS_UPDATE};
        else if (strcmp(words[i], "add") == 0 && i + 1 < count)
            changes[n++] = (struct rf_mls_change){.type = RF_MLS_ADD, .key_package = bytes_of(words[++i])};
        else if (strcmp(words[i], "remove") == 0 && i + 1 < count)
            changes[n++] = (struct rf_mls_change){.type = RF_MLS_REMOVE, .leaf = (uint32_t)atoi(words[++i])};
    }
    return n;
}

static int do_commit(char **words, size_t count)
{
    struct rf_mls_commit_options options = {.tree_in_welcome = true};
    struct rf_mls_change changes[WORDS_MAX];
    size_t n = changes_of(words, count, changes, &options.send);
    int r;

    rf_buf_reset(&pending);
    if ((r = rf_mls_commit(group, changes, n, &options, &pending)) == 0)
        answer("", rf_buf_view(&pending));
    return r;
}

static int do_accept(char **words, size_t count)
{
    struct rf_mls_event event;
    int r = rf_mls_process(group, rf_buf_view(&pending), &event);

    (void)words;
    (void)count;
    if (r == 0 && event.type != RF_MLS_EVENT_COMMIT_OWN)
        r = RF_EINVAL;
    if (r == 0)
        answer("", rf_mls_welcome(group));
    return r;
}

static int do_join(char **words, size_t count)
{
    int r = count != 2 ? RF_EINVAL
                       : rf_mls_join(&env, bytes_of(words[1]), rf_buf_view(&key_package), &secret, key,
                                     rf_view_of(NULL, 0), &group);

    if (r == 0)
        answer("", rf_view_of(NULL, 0));
    return r;
}

static int do_info(char **words, size_t count)
{
    int r = rf_mls_group_info(group, true, &out);

    (void)words;
    (void)count;
    if (r == 0)
        answer("", rf_buf_view(&out));
    return r;
}

static int do_external(char **words, size_t count)
{
    uint32_t leaf = RF_MLS_NO_LEAF;
    struct rf_view info;
    int r;

    if (count != 2)
        return RF_EINVAL;
    info = bytes_of(words[1]);
    if ((r = rf_key_public(env.crypto, key, &out)) != 0)
        return r;
    (void)rf_mls_info_find_leaf(&env, info, rf_view_of(NULL, 0), rf_buf_view(&out), &leaf);
    rf_mls_free(group);
    group = NULL;
    rf_buf_reset(&pending);
    r = rf_mls_join_external(&env, info, rf_view_of(NULL, 0), &profile, leaf, rf_view_of(NULL, 0), &pending,
                             &group);
    if (r == 0)
        answer("", rf_buf_view(&pending));
    return r;
}

static int do_propose(char **words, size_t count)
{
    struct rf_mls_change changes[WORDS_MAX];
    struct rf_mls_send send = {.public_message = false};
    struct rf_mls_event event;
    int r = changes_of(words, count, changes, &send) == 1 ? rf_mls_propose(group, changes, &send, &out)
                                                          : RF_EINVAL;

    if (r == 0 && (r = rf_mls_process(group, rf_buf_view(&out), &event)) == 0) /* it is in the log */
        answer("", rf_buf_view(&out));
    return r;
}

static int do_process(char **words, size_t count)
{
    struct rf_mls_event event;
    int r = count != 2 ? RF_EINVAL : rf_mls_process(group, bytes_of(words[1]), &event);

    if (r == 0)
        answer(event.type == RF_MLS_EVENT_APPLICATION ? "application"
               : event.type == RF_MLS_EVENT_PROPOSAL  ? "proposal"
               : event.type == RF_MLS_EVENT_REMOVED   ? "removed"
                                                      : "commit",
               event.data);
    return r;
}

static int do_say(char **words, size_t count)
{
    int r = count != 2 ? RF_EINVAL : rf_mls_encrypt(group, bytes_of(words[1]), rf_view_of(NULL, 0), 0, &out);

    if (r == 0)
        answer("", rf_buf_view(&out));
    return r;
}

static int do_state(char **words, size_t count)
{
    char epoch[32];

    (void)words;
    (void)count;
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)rf_mls_epoch(group));
    answer(epoch, rf_view_of(rf_mls_authenticator(group), RF_MLS_SECRET_LEN));
    return 0;
}

static const struct {
    const char *word;
    int (*run)(char **words, size_t count);
    bool in_group;
} commands[] = {
    {"new", do_new, false},           {"create", do_create, false},
    {"commit", do_commit, true},      {"accept", do_accept, true},
    {"join", do_join, false},         {"info", do_info, true},
    {"external", do_external, false}, {"propose", do_propose, true},
    {"process", do_process, true},    {"say", do_say, true},
    {"state", do_state, true},
};

static int run(char **words, size_t count)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (count > 0 && strcmp(words[0], commands[i].word) == 0)
            return commands[i].in_group && group == NULL ? RF_ENOTYET : commands[i].run(words, count);
    return RF_EUNKNOWN;
}

int main(void)
{
    size_t line_cap = 0;
    char *line = NULL, *words[WORDS_MAX];

    env = (struct rf_mls_env){
        .mem = rf_mem_system(), .crypto = rf_crypto_openssl_new(rf_mem_system()), .rng = &rng};
    rf_buf_init(&key_package, env.mem, MESSAGE_MAX);
    rf_buf_init(&pending, env.mem, MESSAGE_MAX);
    rf_buf_init(&out, env.mem, MESSAGE_MAX);
    rf_buf_init(&name, env.mem, 256);
    while (getline(&line, &line_cap, stdin) > 0) {
        size_t count = 0;
        int r;

        for (char *save, *word = strtok_r(line, " \n", &save); word != NULL && count < WORDS_MAX;
             word = strtok_r(NULL, " \n", &save))
            words[count++] = word;
        rf_buf_reset(&out);
        if ((r = run(words, count)) != 0)
            printf("error %s\n", rf_error_text(r));
        fflush(stdout);
    }
    free(line);
    return 0;
}
