/* files.c - the table of files, connections and their input, and the turn of it all. */
#include "files/internal.h"

#include "base/timer.h"

#define MAX_CONNS   64
#define MAX_FILES   10000
#define MAX_ACTIVE  4
#define MAX_FETCHES 16
#define PEER_CONNS  2 /* that one node may open */
#define OUT_SHARE   4 /* one of so many places is for connections of ours */

#define X(name, help) {#name, help, offsetof(struct rf_files_counters, name)},
RF_COUNTERS_DEFINE(files, RF_FILES_COUNTERS, X)
#undef X

/* ---- table ---- */

static struct rf_view file_key(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, struct file, node)->id, RF_FILE_ID_LEN);
}

static struct rf_view conn_key(const struct rf_map_node *node)
{
    const struct conn *conn = RF_CONTAINER(node, struct conn, node);
    return rf_view_of(&conn->id, sizeof(conn->id));
}

struct file *files_find(const struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN])
{
    struct rf_map_node *node = rf_map_find(&files->files, rf_view_of(id, RF_FILE_ID_LEN));
    return node != NULL ? RF_CONTAINER(node, struct file, node) : NULL;
}

struct conn *files_conn(const struct rf_files *files, rf_files_conn id)
{
    struct rf_map_node *node = rf_map_find(&files->conn_map, rf_view_of(&id, sizeof(id)));
    return node != NULL ? RF_CONTAINER(node, struct conn, node) : NULL;
}

uint64_t files_bytes(const struct file *file)
{
    uint32_t last = file->chunk_count - 1;
    uint64_t bytes = (uint64_t)file->have_count << file->shape.chunk_bits;
    if (file->have == NULL || rf_file_bit(file->have, last))
        bytes -= (UINT64_C(1) << file->shape.chunk_bits) - rf_file_chunk_len(&file->shape, last);
    return bytes;
}

static void file_free(struct rf_files *files, struct file *file)
{
    rf_free(files->config.mem, file->have);
    rf_free_secret(files->config.mem, file, sizeof(*file));
}

int rf_files_add(struct rf_files *files, const struct rf_files_file *given)
{
    if (!rf_file_shape_valid(&given->shape))
        return RF_EINVAL;
    if (files_find(files, given->id) != NULL)
        return RF_EEXIST;
    if (files->files.count >= files->config.max_files)
        return RF_ELIMIT;
    struct file *file = rf_zalloc(files->config.mem, sizeof(*file));
    if (file == NULL)
        return RF_ENOMEM;
    memcpy(file->id, given->id, sizeof(file->id));
    file->shape = given->shape;
    file->have_count = file->chunk_count = rf_file_chunk_count(&given->shape);
    int error = rf_file_keys(files->config.crypto, given->secret, &file->keys);
    if (error == 0 && given->have != NULL) {
        file->have = rf_memdup(files->config.mem, given->have, rf_file_bits_len(file->chunk_count));
        file->have_count = rf_file_bits_count(given->have, file->chunk_count);
        error = file->have == NULL ? RF_ENOMEM : 0;
    }
    if (error == 0)
        error = rf_map_insert(&files->files, &file->node);
    if (error != 0)
        file_free(files, file);
    return error;
}

bool rf_files_is(const struct rf_files *files, const struct rf_files_file *given)
{
    const struct file *file = files_find(files, given->id);
    struct rf_file_keys keys;
    if (file == NULL || file->shape.size != given->shape.size ||
        file->shape.chunk_bits != given->shape.chunk_bits || (file->have == NULL) != (given->have == NULL) ||
        (given->have != NULL && memcmp(file->have, given->have, rf_file_bits_len(file->chunk_count)) != 0) ||
        rf_file_keys(files->config.crypto, given->secret, &keys) != 0)
        return false;
    bool same = rf_view_equal_secret(rf_view_of(&keys, sizeof(keys)), rf_view_of(&file->keys, sizeof(keys)));
    rf_wipe(&keys, sizeof(keys));
    return same;
}

void rf_files_remove(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN])
{
    struct file *file = files_find(files, id);
    if (file == NULL)
        return;
    if (file->fetch != NULL)
        fetch_free(files, file->fetch);
    serve_forget(files, file);
    rf_map_remove(&files->files, &file->node);
    file_free(files, file);
}

void files_tell(struct rf_files *files, const struct file *file, enum rf_files_event_type type,
                const struct rf_id *node, int error, const char *why)
{
    struct rf_files_info info;
    struct rf_files_event event = {.type = type, .error = error, .why = why};
    (void)rf_files_info(files, file->id, &info);
    memcpy(event.id, file->id, sizeof(event.id));
    event.bytes = info.bytes;
    event.size = info.size;
    event.source_count = info.active_count;
    if (node != NULL)
        event.node = *node;
    files->world.event(files->world.ctx, &event);
}

int rf_files_info(const struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], struct rf_files_info *out)
{
    const struct file *file = files_find(files, id);
    if (file == NULL)
        return RF_ENOTFOUND;
    const struct fetch *fetch = file->fetch;
    *out = (struct rf_files_info){.size = file->shape.size,
                                  .bytes = files_bytes(file),
                                  .whole = file->have == NULL,
                                  .fetching = fetch != NULL,
                                  .stalled = fetch != NULL && fetch->state == FETCH_STALLED,
                                  .finishing = fetch != NULL && fetch->state == FETCH_FINISHING,
                                  .source_count = fetch != NULL ? fetch->source_count : 0};
    memcpy(out->id, file->id, sizeof(out->id));
    if (fetch == NULL)
        return 0;
    RF_LIST_EACH(&fetch->sources, it)
    {
        out->active_count += RF_LIST_ENTRY(it, struct source, list)->state == SOURCE_READY;
    }
    return 0;
}

/* ---- connections ---- */

void files_doom(struct conn *conn)
{
    conn->doomed = true;
}

static void conn_free(struct rf_files *files, struct conn *conn)
{
    rf_map_remove(&files->conn_map, &conn->node);
    rf_list_remove(&conn->list);
    serve_conn_free(files, conn);
    rf_buf_deinit(&conn->in);
    rf_free(files->config.mem, conn);
}

static void conn_end(struct rf_files *files, struct conn *conn)
{
    rf_files_conn id = conn->id;
    conn_free(files, conn);
    fetch_conn_down(files, id);
    files->world.close(files->world.ctx, id);
}

/* Nobody has a use for it now. */
static bool is_idle(const struct rf_files *files, const struct conn *conn)
{
    return conn->channel_count == 0 && conn->reading == 0 && !fetch_uses(files, conn->id);
}

/* Is there room for one more? If not, the incoming one that has been of no use for longest is closed; `peer`: of his first. */
static bool make_room(struct rf_files *files, const struct rf_id *peer, bool outgoing)
{
    size_t incoming = 0, his = 0, most = files->config.max_conns;
    struct conn *idle = NULL, *his_idle = NULL;
    RF_LIST_EACH(&files->conns, it)
    {
        struct conn *conn = RF_LIST_ENTRY(it, struct conn, list);
        bool is_his = rf_id_equal(&conn->peer, peer);
        if (conn->outgoing)
            continue;
        incoming++;
        his += is_his;
        if (!is_idle(files, conn))
            continue;
        if (idle == NULL || conn->used_us < idle->used_us)
            idle = conn;
        if (is_his && (his_idle == NULL || conn->used_us < his_idle->used_us))
            his_idle = conn;
    }
    if (!outgoing && his >= PEER_CONNS)
        idle = his_idle;
    else if (files->conn_map.count < most && (outgoing || incoming < most - most / OUT_SHARE))
        return true;
    if (idle == NULL)
        return false;
    conn_end(files, idle);
    return true;
}

void rf_files_up(struct rf_files *files, rf_files_conn id, const struct rf_id *peer, bool outgoing,
                 struct rf_now now)
{
    files->now = now;
    struct conn *conn = NULL;
    if (files_conn(files, id) == NULL && make_room(files, peer, outgoing))
        conn = rf_zalloc(files->config.mem, sizeof(*conn));
    if (conn == NULL) {
        files->counters.connections_refused++;
        files->world.close(files->world.ctx, id);
        return;
    }
    conn->id = id;
    conn->peer = *peer;
    conn->outgoing = outgoing;
    conn->heard_us = conn->used_us = now.mono_us;
    rf_list_init(&conn->channels);
    rf_list_init(&conn->wants);
    rf_buf_init(&conn->in, files->config.mem, (size_t)RF_FILE_FRAME_LEN + RF_FILE_TELL_MAX);
    if (rf_map_insert(&files->conn_map, &conn->node) != 0) {
        rf_free(files->config.mem, conn);
        files->world.close(files->world.ctx, id);
        return;
    }
    rf_list_push_back(&files->conns, &conn->list);
    files->counters.connections++;
}

void rf_files_down(struct rf_files *files, rf_files_conn id, struct rf_now now)
{
    files->now = now;
    struct conn *conn = files_conn(files, id);
    if (conn == NULL)
        return;
    conn_free(files, conn);
    fetch_conn_down(files, id);
}

bool files_say(struct rf_files *files, struct conn *conn, const struct rf_file_message *message)
{
    if (conn->doomed)
        return false;
    rf_buf_reset(&files->out);
    rf_file_message_encode(message, &files->out);
    int error = rf_buf_error(&files->out);
    if (error == 0)
        error = files->world.send(files->world.ctx, conn->id, rf_buf_view(&files->out));
    if (error != 0)
        files_doom(conn);
    if (message->type != RF_FILE_REFUSE)
        conn->used_us = files->now.mono_us;
    return error == 0;
}

/* `whole` is the message as it came. */
static void take_message(struct rf_files *files, struct conn *conn, struct rf_file_message *message,
                         struct rf_view whole)
{
    size_t channel_count = conn->channel_count;
    int error = message->type <= RF_FILE_CLOSE ? serve_message(files, conn, message)
                                               : fetch_message(files, conn, message, whole);
    /* what is said of no channel keeps no connection; with one, ours or his, it is not idle */
    if (channel_count > 0 || conn->channel_count > 0)
        conn->used_us = files->now.mono_us;
    if (error != 0) {
        files->counters.bad_messages++;
        files_doom(conn);
    }
}

/* Takes all whole messages out of `in`. */
static void take_messages(struct rf_files *files, struct conn *conn, struct rf_view *in)
{
    struct rf_file_message message;
    while (!conn->doomed) {
        struct rf_view before = *in;
        int error = rf_file_message_next(in, &message);
        if (error == RF_ESHORT)
            return;
        if (error != 0) {
            files->counters.bad_messages++;
            files_doom(conn);
            return;
        }
        take_message(files, conn, &message, rf_view_of(before.p, before.len - in->len));
    }
}

void rf_files_data(struct rf_files *files, rf_files_conn id, struct rf_view bytes, struct rf_now now)
{
    files->now = now;
    struct conn *conn = files_conn(files, id);
    if (conn == NULL || conn->doomed)
        return;
    conn->heard_us = now.mono_us;
    while (bytes.len > 0 && !conn->doomed) {
        if (conn->in.len == 0)
            take_messages(files, conn, &bytes);
        if (conn->doomed || bytes.len == 0)
            return;
        /* what is not whole is kept: as much as that message needs, and no more */
        size_t whole = rf_file_message_len(rf_buf_view(&conn->in));
        size_t need = (whole == 0 ? RF_FILE_FRAME_LEN : whole) - conn->in.len;
        size_t len = bytes.len < need ? bytes.len : need, kept_len = conn->in.len;
        if (whole > conn->in.cap && rf_buf_reserve(&conn->in, need) != NULL)
            conn->in.len = kept_len; /* memory for all of it at once */
        rf_buf_put(&conn->in, bytes.p, len);
        bytes = rf_view_of(bytes.p + len, bytes.len - len);
        if (rf_buf_error(&conn->in) != 0) {
            files_doom(conn);
            return;
        }
        struct rf_view kept = rf_buf_view(&conn->in);
        size_t before = kept.len;
        take_messages(files, conn, &kept);
        if (kept.len < before)
            rf_buf_reset(&conn->in);
    }
}

/* ---- turns ---- */

static void sweep(struct rf_files *files)
{
    for (struct rf_list *it = files->conns.next, *next; it != &files->conns; it = next) {
        struct conn *conn = RF_LIST_ENTRY(it, struct conn, list);
        next = it->next;
        if (!conn->doomed && files->now.mono_us - conn->used_us >= IDLE_US && is_idle(files, conn))
            conn->doomed = true;
        if (!conn->doomed)
            continue;
        conn_end(files, conn);
        next = files->conns.next; /* anything may have happened; what is freed is fewer each time */
    }
}

void rf_files_turn(struct rf_files *files, struct rf_now now)
{
    files->now = now;
    fetch_turn(files);
    serve_pump(files);
    sweep(files);
}

uint64_t rf_files_deadline(const struct rf_files *files)
{
    uint64_t due = fetch_deadline(files), serve = serve_deadline(files);
    if (serve < due)
        due = serve;
    RF_LIST_EACH(&files->conns, it)
    {
        const struct conn *conn = RF_LIST_ENTRY(it, struct conn, list);
        uint64_t idle = conn->doomed ? files->now.mono_us : conn->used_us + IDLE_US;
        if (idle < due && is_idle(files, conn))
            due = idle;
        else if (conn->doomed)
            due = files->now.mono_us;
    }
    return due;
}

/* ---- life ---- */

int rf_files_new(const struct rf_files_config *config, const struct rf_files_world *world,
                 struct rf_files **out)
{
    struct rf_files *files = rf_zalloc(config->mem, sizeof(*files));
    if (files == NULL)
        return RF_ENOMEM;
    files->config = *config;
    files->world = *world;
    if (config->max_conns == 0)
        files->config.max_conns = MAX_CONNS;
    if (config->max_files == 0)
        files->config.max_files = MAX_FILES;
    if (config->max_active == 0)
        files->config.max_active = MAX_ACTIVE;
    if (config->max_fetches == 0)
        files->config.max_fetches = MAX_FETCHES;
    files->next_source = 1;
    rf_map_init(&files->files, config->mem, config->seed, file_key);
    rf_map_init(&files->conn_map, config->mem, config->seed, conn_key);
    rf_list_init(&files->conns);
    rf_list_init(&files->fetches);
    rf_buf_init(&files->out, config->mem, 65536);
    *out = files;
    return 0;
}

void rf_files_free(struct rf_files *files)
{
    struct rf_map_node *node;
    if (files == NULL)
        return;
    while (!rf_list_empty(&files->fetches))
        fetch_free(files, RF_LIST_ENTRY(files->fetches.next, struct fetch, list));
    while (!rf_list_empty(&files->conns))
        conn_free(files, RF_LIST_ENTRY(files->conns.next, struct conn, list));
    while ((node = rf_map_drain(&files->files)) != NULL)
        file_free(files, RF_CONTAINER(node, struct file, node));
    rf_map_deinit(&files->files);
    rf_map_deinit(&files->conn_map);
    rf_buf_deinit(&files->out);
    rf_free(files->config.mem, files);
}

const struct rf_files_counters *rf_files_counters(const struct rf_files *files)
{
    return &files->counters;
}

/* ---- jobs ---- */

void rf_files_chunk_front(uint16_t channel, uint32_t index, struct rf_view proof, size_t sealed_len,
                          struct rf_buf *out)
{
    rf_buf_u24(out, (uint32_t)(1 + 2 + 4 + 2 + proof.len + sealed_len));
    rf_buf_u8(out, RF_FILE_CHUNK);
    rf_buf_u16(out, channel);
    rf_buf_u32(out, index);
    rf_buf_v(out, 2, proof);
}

void rf_files_drop_get(struct rf_mem *mem, struct rf_files_get *job)
{
    if (job != NULL)
        rf_buf_deinit(&job->message);
    rf_free(mem, job);
}

void rf_files_drop_put(struct rf_mem *mem, struct rf_files_put *job)
{
    if (job != NULL)
        rf_free(mem, job->bytes);
    rf_free(mem, job);
}
