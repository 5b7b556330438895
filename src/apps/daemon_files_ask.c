/* daemon_files_ask.c - sharing and fetching as commands see them: reading a file, looking up who may have it, telling how far it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon_files_internal.h"
#include "io/random.h"

#define LOOK_US      (30 * RF_US_PER_S) /* between two lookups of the names */
#define LOOK_SOON_US (5 * RF_US_PER_S)  /* ... while nobody gives anything */
#define SYNC_US      (5 * RF_US_PER_S)

static struct rf_now now_of(const struct daemon_files *f)
{
    return *rf_loop_now(f->d->loop);
}

/* ---- sharing ---- */

struct share {
    struct rf_work work;
    struct rf_list list;
    struct daemon_files *files;
    struct rf_filestore_import *import;
    struct rf_filestore_file file;
    char *path;
    char type[RF_FILE_MAX_TYPE + 1];
    bool small;
    uint8_t secret[RF_FILE_SECRET_LEN];
    daemon_file_fn fn;
    void *arg;
    int error;
    char why[600];
};

static void share_run(struct rf_work *work)
{
    struct share *s = (struct share *)work;
    struct rf_filestore *store = s->files->store;
    s->error = 0;
    if (s->import == NULL)
        s->error =
            rf_filestore_import_begin(store, s->path, s->type, RF_FILE_BITS, s->small, s->secret, &s->import);
    if (s->error == 0)
        s->error = rf_filestore_import_step(store, s->import, &s->file);
    if (s->error != 0 && s->error != RF_EAGAIN)
        snprintf(s->why, sizeof(s->why), "%s", rf_filestore_why(store));
}

static void share_end(struct share *s)
{
    rf_list_remove(&s->list);
    rf_filestore_import_end(s->import);
    free(s->path);
    rf_wipe(s, sizeof(*s));
    free(s);
}

/* It is read: into the table with it. */
static void shared(struct share *s, struct daemon_file_said *said, struct rf_buf *reference)
{
    struct rf_file_reference r;
    rf_filestore_import_reference(s->import, &r);
    rf_file_reference_encode(&r, reference);
    s->error = rf_buf_error(reference);
    if (s->error == 0 && !r.small)
        s->error = rf_files_add(s->files->files, &s->file.file);
    if (s->error == 0 && !r.small && files_add_known(s->files, &s->file) == NULL) {
        s->error = RF_ENOMEM;
        rf_files_remove(s->files->files, r.id);
    }
    if (s->error != 0 && !r.small)
        (void)files_post_forget(s->files, r.id); /* it was not shared: no record of it comes back */
    memcpy(said->id, r.id, sizeof(said->id));
    said->news = DAEMON_FILE_DONE;
    said->reference = rf_buf_view(reference);
    said->path = s->path;
    rf_wipe(&r, sizeof(r));
}

static void share_done(struct rf_work *work)
{
    struct share *s = (struct share *)work;
    struct daemon_file_said said = {.news = DAEMON_FILE_PROGRESS};
    struct rf_buf reference;
    char name[RF_FILE_MAX_NAME + 1] = "";
    if (s->files->closing)
        s->error = RF_ECANCELLED;
    rf_buf_init(&reference, rf_mem_system(), RF_FILE_SMALL_LEN);
    if (s->import != NULL) {
        struct rf_file_reference r;
        rf_filestore_import_reference(s->import, &r);
        memcpy(name, r.name.p, r.name.len);
        said.bytes = rf_filestore_import_done(s->import, &said.size);
    }
    said.name = name;
    bool more = s->error == RF_EAGAIN;
    if (s->error == 0)
        shared(s, &said, &reference);
    if (s->error != 0 && !more) {
        said.news = DAEMON_FILE_FAILED;
        said.error = s->error;
        said.why = s->why[0] != 0 ? s->why : rf_error_text(s->error);
    }
    if (s->fn != NULL)
        s->fn(s->arg, &said);
    if (reference.p != NULL)
        rf_wipe(reference.p, reference.cap);
    rf_buf_deinit(&reference);
    if (more)
        rf_worker_post(s->files->worker, &s->work);
    else
        share_end(s);
}

int daemon_files_share(struct daemon *d, const char *path, const char *type, bool small, daemon_file_fn fn,
                       void *arg)
{
    struct share *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->path = strdup(path)) == NULL) {
        free(s);
        return RF_ENOMEM;
    }
    s->files = d->files;
    s->work.run = share_run;
    s->work.done = share_done;
    snprintf(s->type, sizeof(s->type), "%s", type);
    s->small = small;
    s->fn = fn;
    s->arg = arg;
    rf_list_push_back(&d->files->shares, &s->list);
    rf_rng_fill(rf_random_system(), s->secret, sizeof(s->secret));
    rf_worker_post(d->files->worker, &s->work);
    return 0;
}

/* ---- fetching ---- */

static struct fetching *fetching_of(const struct daemon_files *f, const uint8_t *id)
{
    RF_LIST_EACH(&f->fetchings, it)
    {
        struct fetching *g = RF_LIST_ENTRY(it, struct fetching, list);
        if (memcmp(g->id, id, sizeof(g->id)) == 0)
            return g;
    }
    return NULL;
}

static void fetching_free(struct fetching *g)
{
    rf_list_remove(&g->list);
    for (size_t i = 0; i < g->name_count; i++)
        free(g->names[i]);
    free(g->names);
    free(g);
}

static void say_cancelled(const struct daemon_files *f, const uint8_t *id, daemon_file_fn fn, void *arg)
{
    const struct known *known = files_known(f, id);
    struct daemon_file_said said = {.news = DAEMON_FILE_FAILED,
                                    .name = known != NULL ? known->name : "",
                                    .error = RF_ECANCELLED,
                                    .why = "it was stopped, or somebody else asked for it again"};
    memcpy(said.id, id, sizeof(said.id));
    if (fn != NULL)
        fn(arg, &said);
}

/* Ends what we tell of a fetch; rf_files knows of it still, or has forgotten it. */
static void drop_fetching(const struct daemon_files *f, const uint8_t *id)
{
    struct fetching *g = fetching_of(f, id);
    if (g == NULL)
        return;
    daemon_file_fn fn = g->fn;
    void *arg = g->arg;
    fetching_free(g);
    say_cancelled(f, id, fn, arg);
}

struct begin {
    struct rf_work work;
    struct rf_list list;
    struct daemon_files *files;
    struct rf_file_reference reference;
    uint8_t *bytes; /* that it points into */
    size_t bytes_len;
    char *to;
    struct fetching *fetching;
    struct rf_filestore_file file;
    uint8_t *have; /* a copy of file's */
    bool lost;     /* the store knows nothing of it any more */
    int error;
    char why[600], path[RF_FILESTORE_PATH_MAX];
};

static void begin_run(struct rf_work *work)
{
    struct begin *b = (struct begin *)work;
    struct rf_filestore *store = b->files->store;
    if (b->reference.small) {
        b->error = rf_filestore_save_small(store, &b->reference, b->to, b->path);
    } else {
        b->error = rf_filestore_begin(store, &b->reference, b->to, &b->file);
        if (b->error == 0 && b->file.file.have != NULL) {
            size_t len = rf_file_bits_len(rf_file_chunk_count(&b->file.file.shape));
            b->have = malloc(len);
            if (b->have != NULL)
                memcpy(b->have, b->file.file.have, len);
            b->file.file.have = b->have;
            b->error = b->have == NULL ? RF_ENOMEM : 0;
        }
    }
    if (b->error == 0)
        return;
    snprintf(b->why, sizeof(b->why), "%s", rf_filestore_why(store));
    b->lost = !b->reference.small && rf_filestore_look(store, b->reference.id, &b->file) != 0;
}

static void begin_end(struct begin *b)
{
    rf_list_remove(&b->list);
    if (b->bytes != NULL)
        rf_wipe(b->bytes, b->bytes_len);
    free(b->bytes);
    free(b->to);
    free(b->have);
    rf_wipe(&b->file, sizeof(b->file));
    rf_wipe(&b->reference, sizeof(b->reference));
    free(b);
}

/* The store has it; the table gets it, and the fetch begins. True: it goes on, and `fetching` is kept. */
static bool begun(struct begin *b)
{
    struct daemon_files *f = b->files;
    struct rf_files_info info;
    bool there = rf_files_info(f->files, b->reference.id, &info) == 0;
    if (there &&
        !rf_files_is(f->files, &b->file.file)) { /* the user has removed it, or it was of a wrong reference */
        rf_files_remove(f->files, b->reference.id);
        drop_fetching(f, b->reference.id);
        there = false;
    }
    if (!there)
        b->error = rf_files_add(f->files, &b->file.file);
    if (b->error == 0 && files_add_known(f, &b->file) == NULL)
        b->error = RF_ENOMEM;
    if (b->error != 0 || b->file.whole)
        return false;
    b->error = rf_files_fetch(f->files, b->reference.id, now_of(f));
    if (b->error != 0)
        return false;
    drop_fetching(f, b->reference.id);
    rf_list_push_back(&f->fetchings, &b->fetching->list);
    return true;
}

static void begin_done(struct rf_work *work)
{
    struct begin *b = (struct begin *)work;
    struct fetching *g = b->fetching;
    char name[RF_FILE_MAX_NAME + 1] = "";
    memcpy(name, b->reference.name.p, b->reference.name.len);
    bool goes_on = false;
    if (b->files->closing)
        b->error = RF_ECANCELLED;
    else if (b->error == 0 && !b->reference.small)
        goes_on = begun(b);
    if (b->lost && !b->files->closing) {
        rf_files_remove(b->files->files, b->reference.id);
        drop_fetching(b->files, b->reference.id);
        files_drop_known(files_known(b->files, b->reference.id));
    }
    struct daemon_file_said said = {.news = b->error != 0 ? DAEMON_FILE_FAILED : DAEMON_FILE_DONE,
                                    .name = name,
                                    .size = b->reference.shape.size,
                                    .error = b->error,
                                    .path = b->reference.small ? b->path : b->file.path};
    said.why = b->error == 0 ? NULL : b->why[0] != 0 ? b->why : rf_error_text(b->error);
    said.bytes = b->error == 0 ? said.size : 0;
    if (!b->reference.small)
        memcpy(said.id, b->reference.id, sizeof(said.id));
    if (!goes_on) {
        if (g->fn != NULL)
            g->fn(g->arg, &said);
        fetching_free(g);
    }
    begin_end(b);
}

static struct fetching *fetching_new(const uint8_t *id, const char *const *names, size_t name_count)
{
    struct fetching *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    rf_list_init(&g->list);
    memcpy(g->id, id, sizeof(g->id));
    g->names = calloc(name_count + 1, sizeof(*g->names));
    for (size_t i = 0; g->names != NULL && i < name_count; i++)
        if ((g->names[i] = strdup(names[i])) != NULL)
            g->name_count++;
        else
            break;
    if (g->names != NULL && g->name_count == name_count)
        return g;
    fetching_free(g);
    return NULL;
}

int daemon_files_fetch(struct daemon *d, struct rf_view reference, const char *to, const char *const *names,
                       size_t name_count, daemon_file_fn fn, void *arg)
{
    if (name_count > DAEMON_FILE_MAX_NAMES)
        return RF_ELIMIT;
    struct begin *b = calloc(1, sizeof(*b));
    int error = RF_ENOMEM;
    if (b == NULL)
        return RF_ENOMEM;
    rf_list_init(&b->list);
    b->bytes = malloc(reference.len + 1);
    b->bytes_len = reference.len;
    b->to = strdup(to);
    if (b->bytes == NULL || b->to == NULL)
        goto fail;
    memcpy(b->bytes, reference.p, reference.len);
    error = rf_file_reference_decode(rf_view_of(b->bytes, reference.len), &b->reference);
    if (error != 0)
        goto fail;
    b->fetching = fetching_new(b->reference.id, names, name_count);
    if (b->fetching == NULL) {
        error = RF_ENOMEM;
        goto fail;
    }
    b->fetching->fn = fn;
    b->fetching->arg = arg;
    b->files = d->files;
    b->work.run = begin_run;
    b->work.done = begin_done;
    rf_list_push_back(&d->files->begins, &b->list);
    rf_worker_post(d->files->worker, &b->work);
    return 0;
fail:
    begin_end(b);
    return error;
}

void daemon_files_unhear(struct daemon *d, const void *arg)
{
    RF_LIST_EACH(&d->files->fetchings, it)
    {
        struct fetching *g = RF_LIST_ENTRY(it, struct fetching, list);
        if (g->arg == arg)
            g->fn = NULL;
    }
    RF_LIST_EACH(&d->files->begins, it)
    {
        struct fetching *g = RF_LIST_ENTRY(it, struct begin, list)->fetching;
        if (g->arg == arg)
            g->fn = NULL;
    }
    RF_LIST_EACH(&d->files->shares, it)
    {
        struct share *share = RF_LIST_ENTRY(it, struct share, list);
        if (share->arg == arg)
            share->fn = NULL;
    }
}

int daemon_files_cancel(struct daemon *d, const uint8_t id[RF_FILE_ID_LEN])
{
    struct daemon_files *f = d->files;
    struct fetching *g = fetching_of(f, id);
    if (g == NULL)
        return RF_ENOTFOUND;
    rf_files_cancel(f->files, id);
    files_post_sync(f, id);
    drop_fetching(f, id);
    return 0;
}

int daemon_files_forget(struct daemon *d, const uint8_t id[RF_FILE_ID_LEN])
{
    struct daemon_files *f = d->files;
    if (files_known(f, id) == NULL)
        return RF_ENOTFOUND;
    int error = files_post_forget(f, id);
    if (error != 0)
        return error;
    rf_files_remove(f->files, id);
    drop_fetching(f, id);
    files_drop_known(files_known(f, id));
    return 0;
}

/* ---- who may have it ---- */

struct look {
    struct rf_list list;
    struct daemon_files *files; /* NULL: gone */
    uint8_t id[RF_FILE_ID_LEN];
};

static void on_whois(void *arg, const struct rf_whois *w)
{
    struct look *look = arg;
    struct daemon_files *f = look->files;
    for (size_t i = 0; f != NULL && w->error == 0 && i < w->device_count; i++) {
        const struct rf_device *device = &w->devices[i];
        const struct rf_files_peer peer = {
            .node_id = device->node_id, .user = device->aor, .route = device->route};
        if (!device->self)
            (void)rf_files_source(f->files, look->id, &peer, now_of(f)); /* full: enough of them */
    }
    rf_list_remove(&look->list);
    free(look);
}

static void look_up(struct daemon_files *f, struct fetching *g, struct rf_now now)
{
    for (size_t i = 0; i < g->name_count; i++) {
        struct look *look = calloc(1, sizeof(*look));
        if (look == NULL)
            return;
        look->files = f;
        memcpy(look->id, g->id, sizeof(look->id));
        rf_list_push_back(&f->looks, &look->list);
        if (rf_node_whois(f->d->node, rf_view_str(g->names[i]), now, on_whois, look) != 0) {
            rf_list_remove(&look->list);
            free(look);
        }
    }
}

uint64_t files_ask_turn(struct daemon_files *f, struct rf_now now)
{
    uint64_t due = RF_NEVER;
    RF_LIST_EACH(&f->fetchings, it)
    {
        struct fetching *g = RF_LIST_ENTRY(it, struct fetching, list);
        struct rf_files_info info;
        bool active = rf_files_info(f->files, g->id, &info) == 0 && info.active_count > 0;
        if (g->sync_us == 0)
            g->sync_us = now.mono_us + SYNC_US;
        if (g->look_us <= now.mono_us) {
            g->looked_us = now.mono_us;
            g->look_us = now.mono_us + (active ? LOOK_US : LOOK_SOON_US);
            look_up(f, g, now);
        }
        if (g->sync_us <= now.mono_us) {
            g->sync_us = now.mono_us + SYNC_US;
            files_post_sync(f, g->id);
        }
        due = g->look_us < due ? g->look_us : due;
        due = g->sync_us < due ? g->sync_us : due;
    }
    return due;
}

/* ---- news ---- */

struct event {
    struct rf_list list;
    struct rf_files_event event;
    char why[200];
};

/* From inside rf_files: told later. */
void files_event(void *ctx, const struct rf_files_event *event)
{
    struct daemon_files *f = ctx;
    struct event *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return; /* one piece of news less; what counts can be asked for */
    e->event = *event;
    snprintf(e->why, sizeof(e->why), "%s",
             event->why != NULL  ? event->why
             : event->error != 0 ? rf_error_text(event->error)
                                 : "");
    rf_list_push_back(&f->events, &e->list);
}

static void tell(struct daemon_files *f, const struct event *e)
{
    static const enum daemon_file_news news[] = {
        [RF_FILES_PROGRESS] = DAEMON_FILE_PROGRESS,   [RF_FILES_STALLED] = DAEMON_FILE_STALLED,
        [RF_FILES_NO_SOURCE] = DAEMON_FILE_NO_SOURCE, [RF_FILES_SOURCE_BAD] = DAEMON_FILE_BAD,
        [RF_FILES_FETCHED] = DAEMON_FILE_DONE,
    };
    const struct known *known = files_known(f, e->event.id);
    struct fetching *g = fetching_of(f, e->event.id);
    if (e->event.type == RF_FILES_UNREADABLE) {
        rf_log_write(&f->d->log.log, RF_LOG_WARN, "files", "%s is not given to others: %s",
                     known != NULL ? known->path : "a file",
                     e->event.error == RF_EMISMATCH ? "it was changed since it was shared" : e->why);
        return;
    }
    if (e->event.type == RF_FILES_STALLED)
        rf_log_write(&f->d->log.log, RF_LOG_WARN, "files", "%s; fetching goes on when that is mended",
                     e->why);
    if (g == NULL)
        return;
    struct daemon_file_said said = {.news = news[e->event.type],
                                    .name = known != NULL ? known->name : "",
                                    .bytes = e->event.bytes,
                                    .size = e->event.size,
                                    .source_count = e->event.source_count,
                                    .node = e->event.node,
                                    .error = e->event.error,
                                    .why = e->why,
                                    .path = known != NULL ? known->path : NULL};
    memcpy(said.id, e->event.id, sizeof(said.id));
    daemon_file_fn fn = g->fn;
    void *arg = g->arg;
    if (said.news == DAEMON_FILE_DONE)
        fetching_free(g);
    if (fn != NULL)
        fn(arg, &said);
}

void files_tell_events(struct daemon_files *f)
{
    while (!rf_list_empty(&f->events)) {
        struct event *e = RF_LIST_ENTRY(f->events.next, struct event, list);
        rf_list_remove(&e->list);
        tell(f, e);
        free(e);
    }
}

void files_ask_close(struct daemon_files *f)
{
    while (!rf_list_empty(&f->fetchings)) {
        struct fetching *g = RF_LIST_ENTRY(f->fetchings.next, struct fetching, list);
        say_cancelled(f, g->id, g->fn, g->arg);
        fetching_free(g);
    }
    while (!rf_list_empty(&f->events)) {
        struct event *e = RF_LIST_ENTRY(f->events.next, struct event, list);
        rf_list_remove(&e->list);
        free(e);
    }
    RF_LIST_EACH_SAFE(&f->looks, it)
    {
        rf_list_remove(it);
        RF_LIST_ENTRY(it, struct look, list)->files = NULL; /* freed when the node answers */
    }
}
