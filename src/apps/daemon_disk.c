/*
 * daemon_disk.c - the node's disk: batches of records committed by the disk thread, a few files.
 *
 * Group commit: what arrives while a commit runs is the next commit. Completions reach the node in the order in which it asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon.h"
#include "db/node.h"

struct batch {
    struct rf_list list;
    struct rf_region region;
    struct rf_node_batch batch;
};

struct commit {
    struct rf_work work;
    struct daemon *d;
    struct rf_list batches;
    struct rf_node_batch *all;
    size_t count;
    int error;
    char text[256];
};

struct file_job {
    struct rf_work work;
    struct daemon *d;
    char name[32];
    bool in_store; /* a value of the store's table instead of a file */
    uint8_t *bytes;
    size_t len;
    int error;
    char why[128]; /* the system's words belong to the thread that asked it */
};

/* ---- records ---- */

static struct batch *batch_new(const struct rf_node_out *out)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    rf_region_init(&b->region, rf_mem_system(), (size_t)256 * 1024 * 1024);
    struct rf_persist_op *ops;
    if (rf_persist_copy(&b->region, out->ops, out->op_count, &ops) != 0) {
        rf_region_deinit(&b->region);
        free(b);
        return NULL;
    }
    b->batch = (struct rf_node_batch){.token = out->token, .ops = ops, .op_count = out->op_count};
    return b;
}

static void commit_run(struct rf_work *work)
{
    struct commit *c = (struct commit *)work;
    c->error = c->d->store->ops->apply(c->d->store, c->all, c->count);
    if (c->error != 0)
        snprintf(c->text, sizeof(c->text), "%s", c->d->store->ops->error_text(c->d->store));
}

static void commit_next(struct daemon *d);

static void commit_done(struct rf_work *work)
{
    struct commit *c = (struct commit *)work;
    struct daemon *d = c->d;
    if (c->error != 0)
        rf_log_write(&d->log.log, RF_LOG_ERROR, "disk",
                     "%zu changes were not stored and are refused to their writers: %s", c->count, c->text);
    d->disk_busy = false;
    RF_LIST_EACH_SAFE(&c->batches, it)
    {
        struct batch *b = RF_LIST_ENTRY(it, struct batch, list);
        if (d->node != NULL)
            rf_node_persisted(d->node, b->batch.token, c->error, *rf_loop_now(d->loop));
        rf_list_remove(&b->list);
        rf_region_deinit(&b->region);
        free(b);
    }
    free(c->all);
    free(c);
    commit_next(d);
}

static void commit_next(struct daemon *d)
{
    if (d->disk_busy || rf_list_empty(&d->batches))
        return;
    struct commit *c = calloc(1, sizeof(*c));
    RF_ASSERT(c != NULL); /* a daemon that cannot allocate 100 bytes cannot keep its word either */
    c->d = d;
    c->work.run = commit_run;
    c->work.done = commit_done;
    rf_list_init(&c->batches);
    size_t cap = 0;
    RF_LIST_EACH_SAFE(&d->batches, it)
    {
        cap++;
        rf_list_remove(it);
        rf_list_push_back(&c->batches, it);
    }
    c->all = calloc(cap, sizeof(*c->all));
    RF_ASSERT(c->all != NULL);
    RF_LIST_EACH(&c->batches, it)
    {
        c->all[c->count++] = RF_LIST_ENTRY(it, struct batch, list)->batch;
    }
    d->disk_busy = true;
    rf_worker_post(d->disk, &c->work);
}

void daemon_disk_persist(struct daemon *d, const struct rf_node_out *out)
{
    struct batch *b = batch_new(out);
    if (b == NULL) {
        rf_node_persisted(d->node, out->token, RF_ENOMEM, *rf_loop_now(d->loop));
        return;
    }
    rf_list_push_back(&d->batches, &b->list);
    commit_next(d);
}

/* ---- files and small values ---- */

static void file_run(struct rf_work *work)
{
    struct file_job *j = (struct file_job *)work;
    struct rf_view bytes = rf_view_of(j->bytes, j->len);
    char path[4096];
    if (j->in_store) {
        j->error = j->d->store->ops->put(j->d->store, j->name, bytes);
        if (j->error != 0)
            snprintf(j->why, sizeof(j->why), "%s", j->d->store->ops->error_text(j->d->store));
        return;
    }
    j->error = home_path(j->d->home, j->name, path, sizeof(path));
    if (j->error == 0)
        j->error = rf_file_write(path, bytes, 0644);
    if (j->error != 0)
        snprintf(j->why, sizeof(j->why), "%s", rf_file_why(j->error));
}

static void file_done(struct rf_work *work)
{
    struct file_job *j = (struct file_job *)work;
    if (j->error != 0)
        rf_log_write(&j->d->log.log, RF_LOG_ERROR, "disk", "%s could not be written: %s", j->name, j->why);
    free(j->bytes);
    free(j);
}

static void file_post(struct daemon *d, const char *name, struct rf_view bytes, bool in_store)
{
    struct file_job *j = calloc(1, sizeof(*j));
    uint8_t *copy = malloc(bytes.len + 1);
    if (j == NULL || copy == NULL) {
        free(j);
        free(copy);
        rf_log_write(&d->log.log, RF_LOG_ERROR, "disk", "%s could not be written: out of memory", name);
        return;
    }
    if (bytes.len > 0)
        memcpy(copy, bytes.p, bytes.len);
    j->d = d;
    j->work.run = file_run;
    j->work.done = file_done;
    snprintf(j->name, sizeof(j->name), "%s", name);
    j->in_store = in_store;
    j->bytes = copy;
    j->len = bytes.len;
    rf_worker_post(d->disk, &j->work);
}

void daemon_disk_file(struct daemon *d, const char *name, struct rf_view bytes)
{
    file_post(d, name, bytes, false);
}

void daemon_disk_value(struct daemon *d, const char *key, struct rf_view value)
{
    file_post(d, key, value, true);
}

void daemon_disk_peers(struct daemon *d, const struct rf_addr *peers, size_t count)
{
    struct rf_buf text;
    char addr[RF_ADDR_TEXT_LEN];
    rf_buf_init(&text, rf_mem_system(), 65536);
    for (size_t i = 0; i < count; i++)
        rf_buf_printf(&text, "%s\n", rf_addr_text(&peers[i], addr));
    if (rf_buf_error(&text) == 0)
        file_post(d, "peers", rf_buf_view(&text), true);
    rf_buf_deinit(&text);
}

/* A line each: as seen, own address, milliseconds by TCP kept and lost, by UDP kept and lost, when. */
void daemon_disk_networks(struct daemon *d, const struct rf_node_network *networks, size_t count)
{
    struct rf_buf text;
    char seen[RF_ADDR_TEXT_LEN], local[RF_ADDR_TEXT_LEN];
    rf_buf_init(&text, rf_mem_system(), 65536);
    for (size_t i = 0; i < count; i++) {
        const struct rf_node_network *n = &networks[i];
        rf_buf_printf(&text, "%s %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 "\n",
                      rf_addr_ip_text(&n->seen, seen), rf_addr_ip_text(&n->local, local), n->tcp_kept_ms,
                      n->tcp_lost_ms, n->udp_kept_ms, n->udp_lost_ms, n->learned_ms);
    }
    if (rf_buf_error(&text) == 0)
        file_post(d, "networks", rf_buf_view(&text), true);
    rf_buf_deinit(&text);
}

/* ---- opening ---- */

int daemon_disk_open(struct daemon *d)
{
    char path[4096], why[300];
    rf_list_init(&d->batches);
    if (home_path(d->home, "node.db", path, sizeof(path)) != 0)
        return daemon_say(d->home, "the path is too long", NULL);
    if (rf_node_sqlite_open(rf_mem_system(), path, &d->store, why, sizeof(why)) != 0)
        return daemon_say(path, why, NULL);
    if (rf_worker_new(rf_mem_system(), d->loop, "disk", &d->disk) != 0 ||
        rf_worker_new(rf_mem_system(), d->loop, "web", &d->web) != 0)
        return daemon_say("threads", "the system gives no more", NULL);
    return 0;
}

static int load_record(void *ctx, const struct rf_record *record)
{
    struct daemon *d = ctx;
    int error = rf_node_load(d->node, record);
    /* what expired or is no longer ours is left out; a store that grew beyond its limit must not keep the node down */
    if (error == RF_ELIMIT)
        rf_log_write(&d->log.log, RF_LOG_WARN, "disk", "a stored value is left out: the store is full");
    return error == RF_ENOMEM ? error : 0;
}

static void load_peers(struct daemon *d)
{
    struct rf_buf text;
    rf_buf_init(&text, rf_mem_system(), 65536);
    if (d->store->ops->get(d->store, "peers", &text) == 0) {
        rf_buf_u8(&text, 0);
        char *rest = NULL, *lines[64],
             *line = rf_buf_error(&text) == 0 ? strtok_r((char *)text.p, "\n", &rest) : NULL;
        size_t count = 0;
        for (; line != NULL && count < RF_COUNT(lines); line = strtok_r(NULL, "\n", &rest))
            lines[count++] = line;
        while (count > 0) { /* remembered newest last, so that it is first again */
            struct rf_addr addr;
            if (rf_addr_parse(lines[--count], 0, &addr) == 0)
                rf_node_remember(d->node, &addr);
        }
    }
    rf_buf_deinit(&text);
}

/* An address without a port; rf_addr_parse wants an IPv6 one in brackets. */
static bool take_ip(const char *text, struct rf_addr *out)
{
    char bracketed[RF_ADDR_TEXT_LEN + 8];
    snprintf(bracketed, sizeof(bracketed), strchr(text, ':') != NULL ? "[%s]:0" : "%s:0", text);
    return rf_addr_parse(bracketed, 0, out) == 0;
}

/* Lines that cannot be read are left out: it is learned anew. */
static void load_networks(struct daemon *d)
{
    struct rf_buf text;
    rf_buf_init(&text, rf_mem_system(), 65536);
    if (d->store->ops->get(d->store, "networks", &text) == 0) {
        rf_buf_u8(&text, 0);
        char *rest = NULL, seen[RF_ADDR_TEXT_LEN], local[RF_ADDR_TEXT_LEN],
             *line = rf_buf_error(&text) == 0 ? strtok_r((char *)text.p, "\n", &rest) : NULL;
        for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            struct rf_node_network n = {0};
            if (sscanf(line, "%63s %63s %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64, seen,
                       local, &n.tcp_kept_ms, &n.tcp_lost_ms, &n.udp_kept_ms, &n.udp_lost_ms,
                       &n.learned_ms) == 7 &&
                take_ip(seen, &n.seen) && take_ip(local, &n.local))
                rf_node_load_network(d->node, &n);
        }
    }
    rf_buf_deinit(&text);
}

/* Kinds that came by ConfigUpdate in an earlier life. Without them the node knows those of the document. */
static void load_kinds(struct daemon *d)
{
    struct rf_buf kinds;
    rf_buf_init(&kinds, rf_mem_system(), (size_t)8 * 1024 * 1024);
    int error = d->store->ops->get(d->store, "kinds", &kinds);
    if (error == 0)
        error = rf_node_load_kinds(d->node, rf_buf_view(&kinds));
    if (error != 0 && error != RF_ENOTFOUND)
        rf_log_write(&d->log.log, RF_LOG_WARN, "disk",
                     "the Kinds learned from other nodes cannot be read: %s", rf_error_text(error));
    rf_buf_deinit(&kinds);
}

int daemon_disk_load(struct daemon *d)
{
    load_kinds(d); /* before the records: those of unknown Kinds are left out */
    int error = d->store->ops->load(d->store, load_record, d);
    if (error != 0)
        return daemon_say("node.db",
                          error == RF_EDATABASE ? d->store->ops->error_text(d->store) : rf_error_text(error),
                          NULL);
    load_peers(d);
    load_networks(d);
    return 0;
}

void daemon_disk_close(struct daemon *d)
{
    if (d->web != NULL)
        rf_worker_free(d->web);
    if (d->disk != NULL)
        rf_worker_free(d->disk); /* commits what is left */
    if (d->store != NULL)
        d->store->ops->close(d->store);
    d->web = d->disk = NULL;
    d->store = NULL;
}
