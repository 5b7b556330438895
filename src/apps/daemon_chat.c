/*
 * daemon_chat.c - the shell of a member's conversations: HOME/chat.key, HOME/chat.db behind a thread of its own, the commands of control/.
 *
 * chat.key holds two secrets of 32 bytes: the one that chat.db is sealed with, and the one with which a device that lost chat.db comes back into its conversations. They are kept apart from the
 * database so that a copy of it alone opens nothing.
 *
 * The engine gives jobs (commits and questions) into a queue; all that are there go to the thread together, and come back together. What arrives meanwhile is the next round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "apps/daemon.h"
#include "base/secret_mem.h"
#include "control/chat.h"
#include "crypto/openssl/openssl.h"
#include "db/chat.h"
#include "io/random.h"
#include "node/chat.h"

#define KEY_FILE_LEN ((size_t)RF_CHAT_KEY_LEN + RF_CHAT_SECRET_LEN)

struct daemon_chat {
    struct daemon *d;
    struct rf_secret_mem secret_mem;
    struct rf_keep_queue queue;
    struct rf_crypto *crypto; /* the disk thread's */
    struct rf_keep_store *store;
    struct rf_worker *disk;
    struct rf_control_chat *control;
    bool busy;       /* a round is in the thread */
    bool upkeep_due; /* when there is nothing else to do */
    bool complained; /* of the disk, since it took something last */
};

struct round {
    struct rf_work work;
    struct daemon_chat *chat;
    struct rf_list jobs; /* empty: upkeep */
    bool more;           /* of upkeep */
    char why[256];       /* the store's words belong to its thread */
};

/* ---- rounds of the disk thread ---- */

static void round_run(struct rf_work *work)
{
    struct round *r = (struct round *)work;
    struct rf_keep_store *store = r->chat->store;
    if (rf_list_empty(&r->jobs)) {
        r->more = store->ops->upkeep(store);
        return;
    }
    rf_keep_jobs_run(&r->chat->queue, store, &r->jobs);
    RF_LIST_EACH(&r->jobs, it)
    {
        const struct rf_keep_job *job = RF_LIST_ENTRY(it, struct rf_keep_job, list);
        if (r->why[0] == '\0' && !job->is_query && job->error != 0 && job->error != RF_ECANCELLED)
            snprintf(r->why, sizeof(r->why), "%s",
                     job->error == RF_EDATABASE ? store->ops->error_text(store) : rf_error_text(job->error));
    }
}

static void complain(struct daemon_chat *chat, const char *why)
{
    if (why[0] != '\0' && !chat->complained)
        rf_log_write(&chat->d->log.log, RF_LOG_ERROR, "chat",
                     "chat.db takes nothing, so nothing of conversations is read or sent until it does: %s",
                     why);
    else if (why[0] == '\0' && chat->complained)
        rf_log_write(&chat->d->log.log, RF_LOG_INFO, "chat", "chat.db takes what is written again");
    chat->complained = why[0] != '\0';
}

/* tells the engine what came of the jobs, and frees them; true: there was a commit among them */
static bool answer(struct daemon_chat *chat, struct rf_list *jobs)
{
    bool wrote = false;
    RF_LIST_EACH_SAFE(jobs, it)
    {
        struct rf_keep_job *job = RF_LIST_ENTRY(it, struct rf_keep_job, list);
        struct rf_chat *engine = chat->d->node != NULL ? daemon_chat_engine(chat->d) : NULL;
        wrote |= !job->is_query;
        rf_keep_queue_told(&chat->queue, job);
        if (engine != NULL && job->is_query)
            rf_chat_answered(engine, job->token, &job->answer);
        else if (engine != NULL)
            rf_chat_kept(engine, job->token, job->error);
        rf_list_remove(&job->list);
        rf_keep_job_free(job);
    }
    return wrote;
}

static void round_done(struct rf_work *work)
{
    struct round *r = (struct round *)work;
    struct daemon_chat *chat = r->chat;
    chat->busy = false;
    if (rf_list_empty(&r->jobs)) {
        chat->upkeep_due = r->more;
    } else if (answer(chat, &r->jobs)) {
        complain(chat, r->why);
        chat->upkeep_due = true;
    }
    free(r);
}

void daemon_chat_turn(struct daemon *d)
{
    struct daemon_chat *chat = d->chat;
    if (chat == NULL || chat->busy || (rf_list_empty(&chat->queue.jobs) && !chat->upkeep_due))
        return;
    struct round *r = calloc(1, sizeof(*r));
    RF_ASSERT(r !=
              NULL); /* as with the node's disk: a daemon that cannot allocate this cannot keep its word */
    r->work.run = round_run;
    r->work.done = round_done;
    r->chat = chat;
    rf_list_init(&r->jobs);
    rf_keep_queue_take(&chat->queue, &r->jobs);
    chat->busy = true;
    rf_worker_post(chat->disk, &r->work);
}

/* ---- events ---- */

static void on_event(void *arg, const struct rf_chat_event *event)
{
    struct daemon_chat *chat = arg;
    if (event->type == RF_CHAT_EVENT_DOUBT)
        rf_log_write(&chat->d->log.log, RF_LOG_WARN, "chat", "conversation %02x%02x%02x: %.*s",
                     event->conversation[0], event->conversation[1], event->conversation[2],
                     (int)event->text.len, (const char *)event->text.p);
    if (chat->control != NULL)
        rf_control_chat_event(chat->control, event);
}

static struct rf_chat *control_engine(void *ctx)
{
    return daemon_chat_engine(ctx);
}

struct rf_chat *daemon_chat_engine(struct daemon *d)
{
    return rf_node_chat(d->node, *rf_loop_now(d->loop));
}

void daemon_chat_counters(struct daemon *d,
                          void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                     uint64_t value),
                          void *arg)
{
    struct rf_chat *engine = daemon_chat_engine(d);
    for (size_t i = 0; engine != NULL && i < rf_chat_counter_count; i++)
        fn(arg, "chat", rf_chat_counter_descs[i].name, rf_chat_counter_descs[i].help,
           rf_counter_get(rf_chat_counters(engine), &rf_chat_counter_descs[i]));
}

/* ---- opening ---- */

/* 0, or 1 after having said why */
static int make_key(const char *path, uint8_t key[KEY_FILE_LEN])
{
    rf_rng_fill(rf_random_system(), key, KEY_FILE_LEN);
    int error = rf_file_write(path, rf_view_of(key, KEY_FILE_LEN), 0600);
    return error == 0 ? 0
                      : daemon_say(path, rf_file_why(error), "a ringfolkd must be able to write to its home");
}

static int read_key(const struct daemon *d, uint8_t key[KEY_FILE_LEN])
{
    char path[4096], db[4096];
    struct rf_buf bytes;
    if (home_path(d->home, "chat.key", path, sizeof(path)) != 0 ||
        home_path(d->home, "chat.db", db, sizeof(db)) != 0)
        return daemon_say(d->home, "the path is too long", NULL);
    rf_buf_init(&bytes, rf_mem_system(), KEY_FILE_LEN + 1);
    const char *why = "";
    int error = rf_file_read_secret(path, KEY_FILE_LEN, &bytes, &why), status;
    if (error == RF_ENOTFOUND && access(db, F_OK) == 0)
        status = daemon_say(path, "it is missing, and without it nobody can read chat.db",
                            "put it back from a backup; or move chat.db away, to begin without its history");
    else if (error == RF_ENOTFOUND)
        status = make_key(path, key);
    else if (error == RF_EFORBIDDEN)
        status = daemon_say(path, why, "it is to be yours alone: chmod 600, chown");
    else if (error != 0 || bytes.len != KEY_FILE_LEN)
        status = daemon_say(path, error != 0 ? why : "it is damaged: it has 64 bytes",
                            "put it back from a backup; or move it and chat.db away, to begin anew");
    else
        status = (memcpy(key, bytes.p, KEY_FILE_LEN), 0);
    if (bytes.p != NULL)
        rf_wipe(bytes.p, bytes.cap);
    rf_buf_deinit(&bytes);
    return status;
}

static int open_store(struct daemon_chat *chat, const uint8_t key[KEY_FILE_LEN])
{
    char path[4096], why[400];
    if (home_path(chat->d->home, "chat.db", path, sizeof(path)) != 0)
        return daemon_say(chat->d->home, "the path is too long", NULL);
    if ((chat->crypto = rf_crypto_openssl_new(rf_mem_system())) == NULL)
        return daemon_say("crypto", "out of memory", NULL);
    if (rf_chat_sqlite_open(&chat->secret_mem.mem, chat->crypto, rf_random_system(), path, key, &chat->store,
                            why, sizeof(why)) != 0)
        return daemon_say(path, why, NULL);
    if (rf_worker_new(rf_mem_system(), chat->d->loop, "chat", &chat->disk) != 0)
        return daemon_say("threads", "the system gives no more", NULL);
    return 0;
}

static int load_record(void *ctx, const struct rf_keep_record *record)
{
    return rf_chat_load(daemon_chat_engine(ctx), record);
}

static int load(struct daemon_chat *chat)
{
    struct rf_keep_store *store = chat->store;
    int error = store->ops->load(store, load_record, chat->d);
    if (error == RF_EDATABASE)
        return daemon_say("chat.db", store->ops->error_text(store), NULL);
    if (error == 0)
        error = rf_chat_loaded(daemon_chat_engine(chat->d));
    return error == 0 ? 0
                      : daemon_say("chat.db", rf_error_text(error),
                                   error == RF_EFORMAT ? "a newer ringfolkd wrote it: use that one" : NULL);
}

/* the engine, on the store; 0 also where this device can have none */
static int open_engine(struct daemon_chat *chat, const uint8_t key[KEY_FILE_LEN])
{
    struct daemon *d = chat->d;
    struct rf_node_chat_config config = {.keep = &chat->queue.keep, .event = on_event, .event_arg = chat};
    memcpy(config.secret, key + RF_CHAT_KEY_LEN, RF_CHAT_SECRET_LEN);
    int error = rf_node_open_chat(d->node, &config, *rf_loop_now(d->loop));
    rf_wipe(config.secret, sizeof(config.secret));
    if (error == RF_EUNSUPPORTED) {
        rf_log_write(
            &d->log.log, RF_LOG_WARN, "chat",
            "this device takes no part in conversations: its key is of a type that they have no use for");
        return 0;
    }
    return error == 0 ? load(chat) : daemon_say("chat", rf_error_text(error), NULL);
}

int daemon_chat_open(struct daemon *d)
{
    uint8_t key[KEY_FILE_LEN];
    struct daemon_chat *chat = calloc(1, sizeof(*chat));
    if (chat == NULL)
        return daemon_say("chat", "out of memory", NULL);
    chat->d = d;
    d->chat = chat;
    rf_secret_mem_init(&chat->secret_mem, rf_mem_system());
    rf_keep_queue_init(&chat->queue, &chat->secret_mem.mem);
    struct rf_control_chat_config config = {
        .mem = rf_mem_system(), .control = d->control, .engine = control_engine, .ctx = d};
    int status = read_key(d, key);
    if (status == 0)
        status = open_store(chat, key);
    if (status == 0)
        status = open_engine(chat, key);
    rf_wipe(key, sizeof(key));
    if (status == 0 && rf_control_chat_new(&config, &chat->control) != 0)
        status = daemon_say("chat", "out of memory", NULL);
    return status;
}

/* ---- closing ---- */

void daemon_chat_finish(struct daemon *d)
{
    struct daemon_chat *chat = d->chat;
    if (chat == NULL || chat->disk == NULL)
        return;
    rf_worker_free(chat->disk); /* what is in it is done, and the engine was told */
    chat->disk = NULL;
    for (int i = 0; i < 100 && !rf_list_empty(&chat->queue.jobs); i++) { /* and what came of that */
        struct rf_list jobs;
        rf_list_init(&jobs);
        rf_keep_queue_take(&chat->queue, &jobs);
        rf_keep_jobs_run(&chat->queue, chat->store, &jobs);
        (void)answer(chat, &jobs);
    }
}

void daemon_chat_close(struct daemon *d)
{
    struct daemon_chat *chat = d->chat;
    if (chat == NULL)
        return;
    rf_control_chat_free(chat->control);
    rf_keep_queue_deinit(&chat->queue);
    if (chat->store != NULL)
        chat->store->ops->close(chat->store);
    rf_crypto_openssl_free(chat->crypto);
    free(chat);
    d->chat = NULL;
}
