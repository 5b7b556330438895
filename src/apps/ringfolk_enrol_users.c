/* ringfolk_enrol_users.c - `user`, `invite`, `device` and `revoke`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/ringfolk_enrol.h"
#include "base/assert.h"
#include "enrol/admin.h"
#include "io/password.h"
#include "io/random.h"

#define INVITE_MS         (7 * ENROL_DAY_MS)
#define REVOKE_MAX        64
#define PASSWORD_GOOD_LEN 8

/* ---- helpers ---- */

static int full_name(const struct enrol_data *data, const char *text, char out[RF_ENROL_NAME_SIZE])
{
    int e = rf_enrol_name(rf_view_str(text), data->settings.overlay, out);
    if (e == RF_EMISMATCH)
        return enrol_fail(text, "names of this overlay end in its own name");
    if (e != RF_OK)
        return enrol_fail(text,
                          "a name is made of letters, digits and . _ + - and begins with a letter or digit");
    return ENROL_OK;
}

static int read_password(struct rf_password_job *job)
{
    char line[RF_PASSWORD_MAX_LEN + 1];
    int e = rf_password_read(line, sizeof(line));
    if (e != RF_OK)
        return enrol_fail("--password-stdin", e == RF_ENOTFOUND
                                                  ? "there is nothing on standard input"
                                                  : "a password has 1 to 1024 bytes, in one line");
    size_t len = strlen(line);
    if (len < PASSWORD_GOOD_LEN)
        fprintf(stderr, "ringfolk-enrol: note: a password of less than %d characters is easily guessed\n",
                PASSWORD_GOOD_LEN);
    memcpy(job->password, line, len);
    job->password_len = len;
    rf_wipe(line, sizeof(line));
    return ENROL_OK;
}

/* hash_password reads a password and leaves its encoded hash in job->encoded. */
static int hash_password(struct rf_password_job *job)
{
    memset(job, 0, sizeof(*job));
    if (read_password(job) != ENROL_OK)
        return ENROL_FAILED;
    job->work = RF_PASSWORD_MAKE;
    job->cost = RF_PASSWORD_COST_DEFAULT;
    rf_rng_fill(rf_random_system(), job->salt, sizeof(job->salt));
    rf_password_run(job);
    return job->result == RF_OK ? ENROL_OK
                                : enrol_fail("the password cannot be hashed", rf_error_text(job->result));
}

/* make_invite makes and stores a code. */
static int make_invite(struct enrol_data *data, const struct rf_admin_invite *wish, char *code)
{
    int e = rf_admin_invite(data->store, data->crypto, rf_random_system(), wish, enrol_wall_ms(), code);
    return e == RF_OK ? ENROL_OK : enrol_fail_db(data, "the invite cannot be made", e);
}

static int revoke(struct enrol_data *data, const struct rf_id *ids, size_t count, uint16_t *sequence);

/* ---- user ---- */

static int user_add(struct enrol_data *data, const char *name, bool password)
{
    struct rf_password_job job = {0};
    char code[RF_ENROL_INVITE_CODE_LEN + 1] = "";
    if (password && hash_password(&job) != ENROL_OK)
        return ENROL_FAILED;
    int e = rf_admin_user_add(data->store, name, job.encoded, enrol_wall_ms());
    if (e == RF_EEXIST)
        return enrol_fail(name, "there is such a user already");
    if (e != RF_OK)
        return enrol_fail_db(data, "the user cannot be added", e);
    const struct rf_admin_invite wish = {.user = name, .uses = 1, .lifetime_ms = INVITE_MS};
    if (!password && make_invite(data, &wish, code) != ENROL_OK)
        return ENROL_FAILED;
    if (data->cli->json)
        enrol_print(json_pack("{s:s, s:s*}", "name", name, "invite", password ? NULL : code));
    else if (password)
        printf("%s\n", name);
    else
        printf("%s\ninvite %s\n", name, code);
    return ENROL_OK;
}

static int user_password(struct enrol_data *data, const char *name)
{
    struct rf_password_job job;
    if (hash_password(&job) != ENROL_OK)
        return ENROL_FAILED;
    int e = rf_admin_user_password(data->store, name, job.encoded);
    if (e == RF_ENOTFOUND)
        return enrol_fail(name, "there is no such user");
    if (e != RF_OK)
        return enrol_fail_db(data, "the password cannot be changed", e);
    if (data->cli->json)
        enrol_print(json_pack("{s:s}", "name", name));
    else
        printf("the password of %s is changed\n", name);
    return ENROL_OK;
}

struct device_list {
    struct rf_id ids[REVOKE_MAX];
    size_t count;
    uint64_t wall_ms;
};

static int collect_live(void *ctx, const struct rf_enrol_device *device)
{
    struct device_list *list = ctx;
    if (device->revoked_ms == 0 && device->not_after_ms > list->wall_ms && list->count < REVOKE_MAX)
        list->ids[list->count++] = device->node_id;
    return RF_OK;
}

static int user_disable(struct enrol_data *data, const char *name, bool disabled, bool and_revoke)
{
    struct device_list live = {.wall_ms = enrol_wall_ms()};
    uint16_t sequence = 0;
    int e = rf_admin_user_disable(data->store, name, disabled);
    if (e == RF_ENOTFOUND)
        return enrol_fail(name, "there is no such user");
    if (e == RF_OK && disabled)
        e = data->store->ops->device_each(data->store, name, collect_live, &live);
    if (e != RF_OK)
        return enrol_fail_db(data, "the user cannot be changed", e);
    if (and_revoke && live.count > 0 && revoke(data, live.ids, live.count, &sequence) != ENROL_OK)
        return ENROL_FAILED;
    if (data->cli->json)
        enrol_print(
            json_pack("{s:s, s:b, s:i}", "name", name, "disabled", disabled, "devices", (int)live.count));
    else if (!disabled)
        printf("%s is enabled\n", name);
    else if (and_revoke)
        printf("%s is disabled, %zu devices are revoked\n", name, live.count);
    else
        printf("%s is disabled; %zu devices work until their certificates expire (--revoke ends them now)\n",
               name, live.count);
    return ENROL_OK;
}

struct user_lines {
    struct rf_enrol_user *users; /* kept, for other questions may not be asked while the list is read */
    size_t count, cap;
};

static int keep_user(void *ctx, const struct rf_enrol_user *user)
{
    struct user_lines *lines = ctx;
    if (lines->count == lines->cap) {
        size_t cap = lines->cap ? 2 * lines->cap : 64;
        struct rf_enrol_user *more = realloc(lines->users, cap * sizeof(*more));
        if (!more)
            return RF_ENOMEM;
        lines->users = more;
        lines->cap = cap;
    }
    lines->users[lines->count++] = *user;
    return RF_OK;
}

static int user_list(struct enrol_data *data)
{
    struct user_lines lines = {0};
    char created[ENROL_TIME_SIZE];
    int e = data->store->ops->user_each(data->store, keep_user, &lines);
    for (size_t i = 0; e == RF_OK && i < lines.count; i++) {
        const struct rf_enrol_user *u = &lines.users[i];
        struct device_list live = {.wall_ms = enrol_wall_ms()};
        e = data->store->ops->device_each(data->store, u->name, collect_live, &live);
        enrol_time(u->created_ms, created);
        if (data->cli->json)
            enrol_print(json_pack("{s:s, s:b, s:b, s:i, s:s}", "name", u->name, "disabled", u->disabled,
                                  "password", u->password[0] != '\0', "devices", (int)live.count, "created",
                                  created));
        else
            printf("%-32s %3zu devices  %s  %s%s\n", u->name, live.count, created,
                   u->password[0] ? "password" : "no password", u->disabled ? "  disabled" : "");
    }
    free(lines.users);
    return e == RF_OK ? ENROL_OK : enrol_fail_db(data, "the users cannot be read", e);
}

static int user_command(struct enrol_data *data, const char *verb, const char *text, bool password,
                        bool and_revoke)
{
    char name[RF_ENROL_NAME_SIZE];
    if (strcmp(verb, "list") == 0)
        return user_list(data);
    if (full_name(data, text, name) != ENROL_OK)
        return ENROL_FAILED;
    if (strcmp(verb, "add") == 0)
        return user_add(data, name, password);
    if (strcmp(verb, "password") == 0)
        return user_password(data, name);
    return user_disable(data, name, strcmp(verb, "disable") == 0, and_revoke);
}

struct user_words {
    const char *verb, *name;
    bool password, and_revoke;
};

/* which of the verbs goes with what is told by this table */
static const struct {
    const char *verb;
    bool named, password, revoke;
} verbs[] = {{"add", true, true, false},
             {"list", false, false, false},
             {"disable", true, false, true},
             {"enable", true, false, false},
             {"password", true, true, false}};

enum { USER_VERB, USER_NAME, USER_PASSWORD, USER_REVOKE };
const struct app_option enrol_user_options[] = {
    [USER_VERB] = {"VERB", NULL, "add, list, disable, enable or password (which changes it)", NULL, 0},
    [USER_NAME] = {"NAME", NULL, "alice or alice@OVERLAY", NULL, 0},
    [USER_PASSWORD] = {"--password-stdin", NULL,
                       "read the password from standard input; add without it prints an invite", NULL, 0},
    [USER_REVOKE] = {"--revoke", NULL, "shut the user's devices out at once", NULL, 0},
};
const size_t enrol_user_option_count = RF_COUNT(enrol_user_options);

static int check_user(const struct user_words *w, const char *usage)
{
    for (size_t i = 0; i < RF_COUNT(verbs); i++) {
        if (strcmp(w->verb, verbs[i].verb) != 0)
            continue;
        if (verbs[i].named != (w->name != NULL))
            return enrol_usage(usage, verbs[i].named ? "name one user" : "user list takes no name");
        if ((w->password && !verbs[i].password) || (w->and_revoke && !verbs[i].revoke))
            return enrol_usage(usage, "user %s does not go with these options", w->verb);
        if (strcmp(w->verb, "password") == 0 && !w->password)
            return enrol_usage(usage, "user password needs --password-stdin");
        return ENROL_OK;
    }
    return enrol_usage(usage, "say add, list, disable, enable or password");
}

int enrol_user(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    struct user_words w = {.verb = ""};
    struct app_words words = {.argc = argc, .argv = argv};
    int row, count = 0;
    while ((row = app_next(&words, enrol_user_options, enrol_user_option_count)) != APP_END) {
        if (row == APP_WRONG)
            return enrol_usage(self->usage, "%s", words.wrong);
        if (row == APP_WORD && count++ > 1)
            return enrol_usage(self->usage, "%s is one word too many", words.value);
        if (row == APP_WORD)
            *(count == 1 ? &w.verb : &w.name) = words.value;
        w.password = w.password || row == USER_PASSWORD;
        w.and_revoke = w.and_revoke || row == USER_REVOKE;
    }
    int status = check_user(&w, self->usage);
    if (status != ENROL_OK)
        return status;
    status = data_open(&data, cli, w.and_revoke ? ENROL_STORE | ENROL_SIGNER : ENROL_STORE);
    if (status == ENROL_OK)
        status = user_command(&data, w.verb, w.name, w.password, w.and_revoke);
    data_close(&data);
    return status;
}

/* ---- invite ---- */

/* parse_time reads "7d", "12h", "30m", "90s" or "2w". */
static bool parse_time(const char *text, uint64_t *ms)
{
    static const struct {
        char letter;
        uint64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 24 * 3600000}, {'w', 7 * 24 * 3600000ull}};
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 7)
        return false;
    unsigned long number = strtoul(text, &end, 10);
    for (size_t i = 0; i < RF_COUNT(units); i++)
        if (end[0] == units[i].letter && end[1] == '\0') {
            *ms = number * units[i].ms;
            return *ms > 0 && *ms <= 3650 * ENROL_DAY_MS;
        }
    return false;
}

static int print_invite(struct enrol_data *data, const struct rf_admin_invite *wish)
{
    char code[RF_ENROL_INVITE_CODE_LEN + 1], expires[ENROL_TIME_SIZE];
    if (make_invite(data, wish, code) != ENROL_OK)
        return ENROL_FAILED;
    enrol_time(enrol_wall_ms() + wish->lifetime_ms, expires);
    if (data->cli->json)
        enrol_print(json_pack("{s:s, s:i, s:s, s:s*}", "code", code, "uses", (int)wish->uses, "expires",
                              expires, "user", wish->user));
    else
        printf("%s\n", code);
    return ENROL_OK;
}

enum { INVITE_USES, INVITE_EXPIRES, INVITE_USER };
const struct app_option enrol_invite_options[] = {
    [INVITE_USES] = {"--uses", "N", "how many may enrol with it, 1 to 1000000 (default 1)", NULL, 0},
    [INVITE_EXPIRES] = {"--expires", "TIME", "a number with s, m, h, d or w (default 7d)", NULL, 0},
    [INVITE_USER] = {"--user", "NAME", "for this name only: a new device, a forgotten password", NULL, 0},
};
const size_t enrol_invite_option_count = RF_COUNT(enrol_invite_options);

int enrol_invite(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    struct rf_admin_invite wish = {.uses = 1, .lifetime_ms = INVITE_MS};
    struct app_words words = {.argc = argc, .argv = argv};
    char name[RF_ENROL_NAME_SIZE], rest;
    const char *user = NULL;
    int row;
    while ((row = app_next(&words, enrol_invite_options, enrol_invite_option_count)) != APP_END) {
        const char *value = words.value;
        if (row == APP_WRONG)
            return enrol_usage(self->usage, "%s", words.wrong);
        if (row == APP_WORD)
            return enrol_usage(self->usage, "invite takes no further words");
        if (row == INVITE_USES && (sscanf(value, "%7u%c", &wish.uses, &rest) != 1 || wish.uses < 1 ||
                                   wish.uses > RF_ADMIN_INVITE_USES_MAX || value[0] == '-'))
            return enrol_usage(self->usage, "--uses %s: 1 to 1000000", value);
        if (row == INVITE_EXPIRES && !parse_time(value, &wish.lifetime_ms))
            return enrol_usage(self->usage, "--expires %s: a number with s, m, h, d or w, e.g. 7d", value);
        if (row == INVITE_USER)
            user = value;
    }
    int status = data_open(&data, cli, ENROL_STORE);
    if (status == ENROL_OK && data.settings.self_signed)
        status = enrol_fail("invite", "in a self-signed overlay nobody needs one");
    if (status == ENROL_OK && user && (status = full_name(&data, user, name)) == ENROL_OK)
        wish.user = name;
    if (status == ENROL_OK)
        status = print_invite(&data, &wish);
    data_close(&data);
    return status;
}

/* ---- device ---- */

struct device_lines {
    const struct enrol_data *data;
    size_t count;
};

static int print_device(void *ctx, const struct rf_enrol_device *device)
{
    struct device_lines *lines = ctx;
    const struct enrol_data *data = lines->data;
    lines->count++;
    char id[RF_ID_TEXT_LEN], expires[ENROL_TIME_SIZE], revoked[ENROL_TIME_SIZE] = "";
    rf_id_text(&device->node_id, id);
    enrol_time(device->not_after_ms, expires);
    if (device->revoked_ms != 0)
        enrol_time(device->revoked_ms, revoked);
    if (data->cli->json)
        enrol_print(json_pack("{s:s, s:s, s:s, s:s*}", "node_id", id, "user", device->user, "expires",
                              expires, "revoked", revoked[0] ? revoked : NULL));
    else
        printf("%s  %-32s expires %s%s%s\n", id, device->user, expires, revoked[0] ? "  revoked " : "",
               revoked);
    return RF_OK;
}

static int device_list(const struct enrol_data *data, const char *name)
{
    struct device_lines lines = {.data = data};
    struct rf_enrol_user user;
    int e = data->store->ops->device_each(data->store, name, print_device, &lines);
    if (e == RF_OK && lines.count == 0 && name != NULL)
        e = data->store->ops->user_get(data->store, name, &user);
    if (e == RF_ENOTFOUND)
        return enrol_fail(name, "there is no such user; see user list");
    if (e != RF_OK)
        return enrol_fail_db(data, "the devices cannot be read", e);
    if (lines.count == 0 && !data->cli->json)
        puts("no device has enrolled yet");
    return ENROL_OK;
}

int enrol_device(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    char name[RF_ENROL_NAME_SIZE];
    if (argc < 1 || argc > 2 || strcmp(argv[0], "list") != 0)
        return enrol_usage(self->usage, "say device list, perhaps with a user's name");
    int status = data_open(&data, cli, ENROL_STORE);
    if (status == ENROL_OK && argc == 2)
        status = full_name(&data, argv[1], name);
    if (status == ENROL_OK)
        status = device_list(&data, argc == 2 ? name : NULL);
    data_close(&data);
    return status;
}

/* ---- revoke ---- */

static int revoke(struct enrol_data *data, const struct rf_id *ids, size_t count, uint16_t *sequence)
{
    int e = rf_admin_revoke(data->store, data->crypto, data->mem, &data->signer, ids, count, enrol_wall_ms(),
                            sequence);
    if (e == RF_ENOTFOUND)
        return enrol_fail("revoke", "no device has this Node-ID; see device list");
    if (e == RF_EFORBIDDEN)
        return enrol_fail("revoke", "this is the configuration-signer itself");
    if (e == RF_EEXIST)
        return ENROL_OK;
    return e == RF_OK ? ENROL_OK : enrol_fail_db(data, "revoke", e);
}

int enrol_revoke(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    struct rf_id ids[REVOKE_MAX];
    uint16_t sequence = 0;
    if (argc < 1 || argc > REVOKE_MAX)
        return enrol_usage(self->usage, "name 1 to %d Node-IDs", REVOKE_MAX);
    for (int i = 0; i < argc; i++)
        if (rf_id_parse(argv[i], &ids[i]) != RF_OK)
            return enrol_usage(self->usage, "%s is no Node-ID: 32 hexadecimal digits are needed", argv[i]);
    int status = data_open(&data, cli, ENROL_STORE | ENROL_SIGNER);
    if (status == ENROL_OK)
        status = revoke(&data, ids, (size_t)argc, &sequence);
    for (int i = 0; status == ENROL_OK && i < argc; i++) {
        char id[RF_ID_TEXT_LEN];
        rf_id_text(&ids[i], id);
        if (cli->json)
            enrol_print(json_pack("{s:s, s:o*}", "revoked", id, "sequence",
                                  sequence ? json_integer(sequence) : NULL));
        else if (sequence)
            printf("revoked %s by document %u\n", id, sequence);
        else
            printf("%s was revoked before\n", id);
    }
    data_close(&data);
    return status;
}
