/*
 * daemon_files.c - files between members: the one rf_files, its connections, its thread. daemon_files_ask.c: sharing and fetching as commands see them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon_files_internal.h"
#include "crypto/openssl/openssl.h"
#include "io/random.h"

static struct rf_now now_of(const struct daemon_files *f)
{
    return *rf_loop_now(f->d->loop);
}

/* ---- connections ---- */

struct attaching {
    struct rf_list list;
    struct daemon_files *files; /* NULL: gone meanwhile */
    uint64_t token;
};

static void on_attached(void *arg, int error, rf_link_id conn)
{
    struct attaching *a = arg;
    rf_list_remove(&a->list);
    if (a->files != NULL)
        rf_files_attached(a->files->files, a->token, error, conn, now_of(a->files));
    free(a);
}

static int world_attach(void *ctx, const struct rf_files_peer *peer, uint64_t token)
{
    struct daemon_files *f = ctx;
    const struct rf_app_target target = {.node_id = peer->node_id,
                                         .user = peer->user,
                                         .route = peer->route,
                                         .application = RF_FILES_APPLICATION};
    struct attaching *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return RF_ENOMEM;
    a->files = f;
    a->token = token;
    rf_list_push_back(&f->attachings, &a->list);
    int error = rf_node_app_attach(f->d->node, &target, now_of(f), on_attached, a);
    if (error != 0) {
        rf_list_remove(&a->list);
        free(a);
    }
    return error;
}

static size_t world_room(void *ctx, rf_files_conn conn)
{
    return rf_node_app_room(((struct daemon_files *)ctx)->d->node, conn);
}

static int world_send(void *ctx, rf_files_conn conn, struct rf_view bytes)
{
    struct daemon_files *f = ctx;
    return rf_node_app_send(f->d->node, conn, bytes, now_of(f));
}

static void world_close(void *ctx, rf_files_conn conn)
{
    struct daemon_files *f = ctx;
    rf_node_app_close(f->d->node, conn, now_of(f));
}

static void on_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user, bool outgoing)
{
    struct daemon_files *f = ctx;
    (void)user;
    rf_files_up(f->files, conn, node_id, outgoing, now_of(f));
}

static void on_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    struct daemon_files *f = ctx;
    rf_files_data(f->files, conn, bytes, now_of(f));
}

static void on_down(void *ctx, rf_link_id conn, int reason)
{
    struct daemon_files *f = ctx;
    (void)reason;
    rf_files_down(f->files, conn, now_of(f));
}

/* ---- chunks ---- */

struct chunk_work {
    struct rf_work work;
    struct daemon_files *files;
    struct rf_files_get *get; /* one of both */
    struct rf_files_put *put;
};

static void chunk_run(struct rf_work *work)
{
    struct chunk_work *w = (struct chunk_work *)work;
    if (w->get != NULL)
        rf_filestore_get(w->files->store, w->get);
    else
        rf_filestore_put(w->files->store, w->put);
}

static void chunk_done(struct rf_work *work)
{
    struct chunk_work *w = (struct chunk_work *)work;
    struct daemon_files *f = w->files;
    if (f->closing && w->get != NULL)
        rf_files_drop_get(rf_mem_system(), w->get);
    else if (f->closing)
        rf_files_drop_put(rf_mem_system(), w->put);
    else if (w->get != NULL)
        rf_files_got(f->files, w->get, now_of(f));
    else
        rf_files_put_done(f->files, w->put, now_of(f));
    free(w);
}

static void post_chunk(struct daemon_files *f, struct rf_files_get *get, struct rf_files_put *put)
{
    struct chunk_work *w = calloc(1, sizeof(*w));
    if (w == NULL && get != NULL) {
        get->error = RF_ENOMEM;
        rf_list_push_back(&f->gets, &get->list);
        return;
    }
    if (w == NULL) {
        put->error = RF_ENOMEM;
        snprintf(put->why, sizeof(put->why), "%s", rf_error_text(RF_ENOMEM));
        rf_list_push_back(&f->puts, &put->list);
        return;
    }
    w->files = f;
    w->work.run = chunk_run;
    w->work.done = chunk_done;
    w->get = get;
    w->put = put;
    rf_worker_post(f->worker, &w->work);
}

static void world_get(void *ctx, struct rf_files_get *job)
{
    post_chunk(ctx, job, NULL);
}

static void world_put(void *ctx, struct rf_files_put *job)
{
    post_chunk(ctx, NULL, job);
}

/* ---- the disk's other work ---- */

struct upkeep {
    struct rf_work work;
    struct daemon_files *files;
    enum { UPKEEP_SYNC, UPKEEP_FINISH, UPKEEP_FORGET } what;
    uint8_t id[RF_FILE_ID_LEN];
    int error;
    char why[600];
    struct rf_filestore_file file;
    uint8_t *have; /* owned; after an error what the store has still; NULL: not known, or all */
};

static void upkeep_run(struct rf_work *work)
{
    struct upkeep *u = (struct upkeep *)work;
    if (u->what == UPKEEP_FORGET)
        rf_filestore_forget(u->files->store, u->id);
    else if (u->what == UPKEEP_SYNC)
        u->error = rf_filestore_sync(u->files->store, u->id);
    else
        u->error = rf_filestore_finish(u->files->store, u->id, &u->file);
    if (u->error == 0)
        return;
    snprintf(u->why, sizeof(u->why), "%s", rf_filestore_why(u->files->store));
    if (rf_filestore_look(u->files->store, u->id, &u->file) != 0 || u->file.file.have == NULL)
        return;
    size_t len = rf_file_bits_len(rf_file_chunk_count(&u->file.file.shape));
    u->have = malloc(len); /* without memory it is told with the next error */
    if (u->have != NULL)
        memcpy(u->have, u->file.file.have, len);
}

static void upkeep_done(struct rf_work *work)
{
    struct upkeep *u = (struct upkeep *)work;
    struct daemon_files *f = u->files;
    if (u->what == UPKEEP_SYNC && u->error != 0)
        rf_log_write(&f->d->log.log, RF_LOG_WARN, "files", "%s", u->why);
    if (u->have != NULL && !f->closing)
        rf_files_lost(f->files, u->id, u->have);
    free(u->have);
    if (u->what == UPKEEP_FINISH && !f->closing) {
        struct known *known = files_known(f, u->id);
        if (u->error == 0 && known != NULL)
            files_set_path(known, u->file.path);
        rf_files_finished(f->files, u->id, u->error, u->why, now_of(f));
    }
    rf_wipe(&u->file, sizeof(u->file));
    free(u);
}

static int post_upkeep(struct daemon_files *f, int what, const uint8_t *id)
{
    struct upkeep *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return RF_ENOMEM;
    u->files = f;
    u->work.run = upkeep_run;
    u->work.done = upkeep_done;
    u->what = what;
    memcpy(u->id, id, sizeof(u->id));
    rf_worker_post(f->worker, &u->work);
    return 0;
}

static void world_finish(void *ctx, const uint8_t id[RF_FILE_ID_LEN])
{
    struct daemon_files *f = ctx;
    struct known *known = files_known(f, id);
    if (post_upkeep(f, UPKEEP_FINISH, id) == 0 || known == NULL)
        return;
    known->unfinished = f->unfinished = true;
}

int files_post_forget(struct daemon_files *f, const uint8_t *id)
{
    return post_upkeep(f, UPKEEP_FORGET, id);
}

void files_post_sync(struct daemon_files *f, const uint8_t *id)
{
    (void)post_upkeep(f, UPKEEP_SYNC, id);
}

static void take_all(struct rf_list *from, struct rf_list *to)
{
    rf_list_init(to);
    while (!rf_list_empty(from)) {
        struct rf_list *first = from->next;
        rf_list_remove(first);
        rf_list_push_back(to, first);
    }
}

/* What could not be posted is answered, not from inside. */
static void give_back(struct daemon_files *f)
{
    struct rf_list gets, puts;
    take_all(&f->gets, &gets);
    take_all(&f->puts, &puts);
    RF_LIST_EACH_SAFE(&gets, it)
    {
        rf_list_remove(it);
        rf_files_got(f->files, RF_LIST_ENTRY(it, struct rf_files_get, list), now_of(f));
    }
    RF_LIST_EACH_SAFE(&puts, it)
    {
        rf_list_remove(it);
        rf_files_put_done(f->files, RF_LIST_ENTRY(it, struct rf_files_put, list), now_of(f));
    }
    bool unfinished = f->unfinished;
    f->unfinished = false;
    RF_LIST_EACH(&f->knowns, it)
    {
        struct known *known = RF_LIST_ENTRY(it, struct known, list);
        if (!unfinished)
            return;
        if (known->unfinished)
            rf_files_finished(f->files, known->id, RF_ENOMEM, rf_error_text(RF_ENOMEM), now_of(f));
        known->unfinished = false;
    }
}

static void drop_jobs(struct daemon_files *f)
{
    RF_LIST_EACH_SAFE(&f->gets, it)
    {
        rf_list_remove(it);
        rf_files_drop_get(rf_mem_system(), RF_LIST_ENTRY(it, struct rf_files_get, list));
    }
    RF_LIST_EACH_SAFE(&f->puts, it)
    {
        rf_list_remove(it);
        rf_files_drop_put(rf_mem_system(), RF_LIST_ENTRY(it, struct rf_files_put, list));
    }
}

/* ---- what is known ---- */

struct known *files_known(const struct daemon_files *f, const uint8_t id[RF_FILE_ID_LEN])
{
    RF_LIST_EACH(&f->knowns, it)
    {
        struct known *known = RF_LIST_ENTRY(it, struct known, list);
        if (memcmp(known->id, id, sizeof(known->id)) == 0)
            return known;
    }
    return NULL;
}

void files_set_path(struct known *known, const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return;
    free(known->path);
    known->path = copy;
}

struct known *files_add_known(struct daemon_files *f, const struct rf_filestore_file *file)
{
    struct known *known = files_known(f, file->file.id);
    if (known != NULL) {
        files_set_path(known, file->path);
    } else {
        known = calloc(1, sizeof(*known));
        if (known == NULL || (known->path = strdup(file->path)) == NULL) {
            free(known);
            return NULL;
        }
        memcpy(known->id, file->file.id, sizeof(known->id));
        rf_list_init(&known->list);
        rf_list_push_back(&f->knowns, &known->list);
    }
    snprintf(known->name, sizeof(known->name), "%s", file->name);
    snprintf(known->type, sizeof(known->type), "%s", file->type);
    known->fetched = file->fetched;
    return known;
}

void files_drop_known(struct known *known)
{
    if (known == NULL)
        return;
    rf_list_remove(&known->list);
    free(known->path);
    free(known);
}

void daemon_files_each(struct daemon *d, void (*fn)(void *arg, const struct daemon_file_known *known),
                       void *arg)
{
    RF_LIST_EACH(&d->files->knowns, it)
    {
        const struct known *k = RF_LIST_ENTRY(it, struct known, list);
        struct daemon_file_known known = {
            .name = k->name, .type = k->type, .path = k->path, .fetched = k->fetched};
        memcpy(known.id, k->id, sizeof(known.id));
        if (rf_files_info(d->files->files, k->id, &known.info) == 0)
            fn(arg, &known);
    }
}

/* ---- life ---- */

static void loaded(void *ctx, const struct rf_filestore_file *file)
{
    struct daemon_files *f = ctx;
    int error = rf_files_add(f->files, &file->file);
    if (error != 0 || files_add_known(f, file) == NULL)
        rf_log_write(&f->d->log.log, RF_LOG_WARN, "files", "%s is left out: %s", file->name,
                     rf_error_text(error != 0 ? error : RF_ENOMEM));
}

static int open_store(struct daemon_files *f)
{
    char dir[4096];
    size_t damaged;
    if (home_path(f->d->home, "files", dir, sizeof(dir)) != 0)
        return daemon_say(f->d->home, "the path is too long", NULL);
    f->crypto = rf_crypto_openssl_new(rf_mem_system());
    if (f->crypto == NULL)
        return daemon_say("files", "out of memory", NULL);
    int error = rf_filestore_open(rf_mem_system(), f->crypto, dir, &f->store);
    if (error != 0)
        return daemon_say(dir, rf_file_why(error), NULL);
    error = rf_filestore_load(f->store, loaded, f, &damaged);
    if (error != 0)
        return daemon_say(dir, rf_filestore_why(f->store), NULL);
    if (damaged > 0)
        rf_log_write(&f->d->log.log, RF_LOG_WARN, "files", "%zu records of files are damaged and left out",
                     damaged);
    return 0;
}

int daemon_files_open(struct daemon *d)
{
    struct daemon_files *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return daemon_say("files", "out of memory", NULL);
    d->files = f;
    f->d = d;
    rf_list_init(&f->attachings);
    rf_list_init(&f->knowns);
    rf_list_init(&f->fetchings);
    rf_list_init(&f->events);
    rf_list_init(&f->looks);
    rf_list_init(&f->begins);
    rf_list_init(&f->shares);
    rf_list_init(&f->gets);
    rf_list_init(&f->puts);
    struct rf_node_status status;
    rf_node_status(d->node, &status);
    struct rf_files_config config = {
        .mem = rf_mem_system(), .crypto = d->crypto, .jitter = &d->jitter.rng, .self = status.node_id};
    rf_rng_fill(rf_random_system(), config.seed, sizeof(config.seed));
    const struct rf_files_world world = {f,         world_attach, world_room,   world_send, world_close,
                                         world_get, world_put,    world_finish, files_event};
    if (rf_files_new(&config, &world, &f->files) != 0)
        return daemon_say("files", "out of memory", NULL);
    if (open_store(f) != 0)
        return 1;
    if (rf_worker_new(rf_mem_system(), d->loop, "files", &f->worker) != 0)
        return daemon_say("threads", "the system gives no more", NULL);
    const struct rf_node_app app = {f, on_up, on_data, on_down};
    int error = rf_node_set_app(d->node, RF_FILES_APPLICATION, &app);
    if (error != 0)
        return daemon_say("files", rf_error_text(error), NULL);
    return daemon_files_commands(d);
}

uint64_t daemon_files_turn(struct daemon *d)
{
    struct daemon_files *f = d->files;
    if (f == NULL)
        return RF_NEVER;
    struct rf_now now = now_of(f);
    uint64_t due = files_ask_turn(f, now);
    give_back(f);
    rf_files_turn(f->files, now);
    files_tell_events(f);
    uint64_t next = rf_files_deadline(f->files);
    if (!rf_list_empty(&f->events) || !rf_list_empty(&f->gets) || !rf_list_empty(&f->puts) || f->unfinished)
        next = now.mono_us;
    return next < due ? next : due;
}

void daemon_files_close(struct daemon *d)
{
    struct daemon_files *f = d->files;
    if (f == NULL)
        return;
    f->closing = true;
    rf_node_unset_app(d->node, RF_FILES_APPLICATION);
    for (size_t i = 0; i < RF_COUNT(f->commands); i++)
        rf_control_remove(d->control, &f->commands[i]);
    if (f->worker != NULL)
        rf_worker_free(f->worker); /* finishes what it has; its answers are dropped */
    RF_LIST_EACH_SAFE(&f->attachings, it)
    {
        rf_list_remove(it);
        RF_LIST_ENTRY(it, struct attaching, list)->files = NULL; /* freed when the node answers */
    }
    files_ask_close(f);
    drop_jobs(f);
    rf_files_free(f->files);
    rf_filestore_close(f->store);
    rf_crypto_openssl_free(f->crypto);
    while (!rf_list_empty(&f->knowns))
        files_drop_known(RF_LIST_ENTRY(f->knowns.next, struct known, list));
    free(f);
    d->files = NULL;
}

void daemon_files_counters(struct daemon *d,
                           void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                      uint64_t value),
                           void *arg)
{
    const struct rf_files_counters *counters = rf_files_counters(d->files->files);
    for (size_t i = 0; i < rf_files_counter_count; i++)
        fn(arg, "files", rf_files_counter_descs[i].name, rf_files_counter_descs[i].help,
           rf_counter_get(counters, &rf_files_counter_descs[i]));
}
