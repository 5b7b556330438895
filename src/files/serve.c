/*
 * serve.c - what others ask for: who may have it, and chunk after chunk as they have room for it.
 *
 * A question is remembered as a range; a chunk is read when the connection has room for it, and what was read is sent at once. So a reader who is slow costs what stands in his connection, and one who asks for much a few numbers.
 */
#include "files/internal.h"

#include "base/timer.h"

#define CHANNELS_MAX ((size_t)16)   /* of a connection */
#define WANTS_MAX    ((size_t)512)  /* ranges */
#define WANTED_MAX   ((size_t)1024) /* chunks */
#define WRONG_MAX    ((size_t)16)   /* questions for what he may not have */
#define READING_MAX  ((size_t)4)    /* jobs for one connection at once */
#define READING_ALL  ((size_t)16)
#define UNREAD_US    (60 * RF_US_PER_S)
#define BURST_S      0.25 /* of send_rate */

static struct channel *channel_of(const struct conn *conn, uint16_t number)
{
    RF_LIST_EACH(&conn->channels, it)
    {
        struct channel *channel = RF_LIST_ENTRY(it, struct channel, list);
        if (channel->number == number)
            return channel;
    }
    return NULL;
}

static void drop_want(struct rf_files *files, struct conn *conn, struct want *want)
{
    conn->wanted -= want->count;
    conn->want_count--;
    rf_list_remove(&want->list);
    rf_free(files->config.mem, want);
}

static void drop_channel(struct rf_files *files, struct conn *conn, struct channel *channel)
{
    RF_LIST_EACH_SAFE(&conn->wants, it)
    {
        struct want *want = RF_LIST_ENTRY(it, struct want, list);
        if (want->channel == channel->number)
            drop_want(files, conn, want);
    }
    conn->channel_count--;
    rf_list_remove(&channel->list);
    rf_free(files->config.mem, channel);
}

void serve_conn_free(struct rf_files *files, struct conn *conn)
{
    while (!rf_list_empty(&conn->channels))
        drop_channel(files, conn, RF_LIST_ENTRY(conn->channels.next, struct channel, list));
}

static void refuse(struct rf_files *files, struct conn *conn, uint16_t channel, enum rf_file_why why)
{
    const struct rf_file_message m = {.type = RF_FILE_REFUSE, .channel = channel, .why = (uint8_t)why};
    (void)files_say(files, conn, &m);
}

void serve_forget(struct rf_files *files, const struct file *file)
{
    RF_LIST_EACH(&files->conns, it)
    {
        struct conn *conn = RF_LIST_ENTRY(it, struct conn, list);
        RF_LIST_EACH_SAFE(&conn->channels, c)
        {
            struct channel *channel = RF_LIST_ENTRY(c, struct channel, list);
            if (channel->file != file)
                continue;
            refuse(files, conn, channel->number, RF_FILE_WHY_GONE);
            drop_channel(files, conn, channel);
        }
    }
}

/* ---- questions ---- */

static bool may_have(struct rf_files *files, const struct conn *conn, const struct file *file,
                     struct rf_view access)
{
    uint8_t wanted[RF_SHA256_LEN];
    if (rf_file_access(files->config.crypto, &file->keys, file->id, rf_id_view(&conn->peer),
                       rf_id_view(&files->config.self), wanted) != 0)
        return false;
    return rf_view_equal_secret(access, rf_view_of(wanted, sizeof(wanted)));
}

static struct channel *channel_new(struct rf_files *files, struct conn *conn, uint16_t number,
                                   struct file *file)
{
    struct channel *channel =
        conn->channel_count < CHANNELS_MAX ? rf_zalloc(files->config.mem, sizeof(*channel)) : NULL;
    if (channel == NULL)
        return NULL;
    channel->number = number;
    channel->file = file;
    rf_list_push_back(&conn->channels, &channel->list);
    conn->channel_count++;
    return channel;
}

static int take_open(struct rf_files *files, struct conn *conn, const struct rf_file_message *m)
{
    struct channel *channel = channel_of(conn, m->channel);
    struct file *file = files_find(files, m->id.p);
    if (file == NULL || !may_have(files, conn, file, m->access)) {
        files->counters.asked_wrong++;
        if (channel != NULL)
            drop_channel(files, conn, channel);
        refuse(files, conn, m->channel, RF_FILE_WHY_UNKNOWN);
        return ++conn->wrong > WRONG_MAX ? RF_EFORBIDDEN : 0;
    }
    if (channel != NULL && channel->file != file)
        return RF_EFORMAT;
    if (file->unread_us > files->now.mono_us) {
        if (channel != NULL)
            drop_channel(files, conn, channel);
        refuse(files, conn, m->channel, RF_FILE_WHY_GONE);
        return 0;
    }
    if (channel == NULL && (channel = channel_new(files, conn, m->channel, file)) == NULL) {
        files->counters.asked_busy++;
        refuse(files, conn, m->channel, RF_FILE_WHY_BUSY);
        return 0;
    }
    files->counters.asked++;
    const struct rf_file_message have = {
        .type = RF_FILE_HAVE,
        .channel = m->channel,
        .all = file->have == NULL,
        .bits = rf_view_of(file->have, file->have != NULL ? rf_file_bits_len(file->chunk_count) : 0)};
    (void)files_say(files, conn, &have);
    return 0;
}

static int take_get(struct rf_files *files, struct conn *conn, const struct rf_file_message *m)
{
    const struct channel *channel = channel_of(conn, m->channel);
    if (channel == NULL)
        return 0; /* it was refused or has gone meanwhile */
    if (m->first >= channel->file->chunk_count || m->count > channel->file->chunk_count - m->first)
        return RF_EFORMAT;
    struct want *want = conn->want_count < WANTS_MAX && conn->wanted + m->count <= WANTED_MAX
                            ? rf_zalloc(files->config.mem, sizeof(*want))
                            : NULL;
    if (want == NULL)
        return RF_ELIMIT;
    *want = (struct want){.channel = m->channel, .first = m->first, .count = m->count};
    rf_list_init(&want->list);
    rf_list_push_back(&conn->wants, &want->list);
    conn->want_count++;
    conn->wanted += m->count;
    return 0;
}

/* Takes first .. last - 1 out of one range: what is left of it stays. */
static int cut(struct rf_files *files, struct conn *conn, struct want *want, uint32_t first, uint32_t last)
{
    uint32_t end = want->first + want->count;
    if (first >= end || last <= want->first)
        return 0;
    if (first > want->first && last < end) { /* from the middle: two are left */
        struct want *rest = conn->want_count < WANTS_MAX ? rf_zalloc(files->config.mem, sizeof(*rest)) : NULL;
        if (rest == NULL)
            return RF_ELIMIT;
        *rest = (struct want){.channel = want->channel, .first = last, .count = end - last};
        rf_list_init(&rest->list);
        rf_list_push_front(&want->list, &rest->list);
        conn->want_count++;
        conn->wanted -= last - first;
        want->count = first - want->first;
        return 0;
    }
    uint32_t from = first > want->first ? first : want->first, to = last < end ? last : end;
    conn->wanted -= to - from;
    want->count -= to - from;
    if (from == want->first)
        want->first = to;
    if (want->count == 0)
        drop_want(files, conn, want);
    return 0;
}

static int take_cancel(struct rf_files *files, struct conn *conn, const struct rf_file_message *m)
{
    int error = 0;
    for (struct rf_list *it = conn->wants.next, *next; it != &conn->wants && error == 0; it = next) {
        struct want *want = RF_LIST_ENTRY(it, struct want, list);
        next = it->next;
        if (want->channel == m->channel)
            error = cut(files, conn, want, m->first, m->first + m->count);
    }
    return error;
}

int serve_message(struct rf_files *files, struct conn *conn, const struct rf_file_message *m)
{
    if (m->type == RF_FILE_OPEN)
        return take_open(files, conn, m);
    if (m->type == RF_FILE_GET)
        return take_get(files, conn, m);
    if (m->type == RF_FILE_CANCEL)
        return take_cancel(files, conn, m);
    struct channel *channel = channel_of(conn, m->channel);
    if (channel != NULL)
        drop_channel(files, conn, channel);
    return 0;
}

/* ---- answers ---- */

static size_t message_len(const struct file *file, uint32_t index)
{
    size_t places[RF_FILE_MAX_DEPTH];
    return RF_FILE_CHUNK_FRONT + rf_file_proof_at(&file->shape, index, places) * RF_FILE_HASH_LEN +
           rf_file_chunk_len(&file->shape, index) + RF_AEAD_TAG_LEN;
}

static void miss(struct rf_files *files, struct conn *conn, uint16_t channel, uint32_t index,
                 enum rf_file_why why)
{
    const struct rf_file_message m = {
        .type = RF_FILE_MISS, .channel = channel, .first = index, .why = (uint8_t)why};
    (void)files_say(files, conn, &m);
}

/* Takes tokens for `len` bytes; false: not now. */
static bool within_rate(struct rf_files *files, size_t len)
{
    double rate = (double)files->config.send_rate;
    if (files->config.send_rate == 0)
        return true;
    files->send_tokens += (double)(files->now.mono_us - files->send_tokens_us) * rate / (double)RF_US_PER_S;
    files->send_tokens_us = files->now.mono_us;
    if (files->send_tokens > rate * BURST_S)
        files->send_tokens = rate * BURST_S;
    if (files->send_tokens < 0)
        return false;
    files->send_tokens -= (double)len;
    return true;
}

static bool post(struct rf_files *files, struct conn *conn, const struct file *file, uint16_t channel,
                 uint32_t index, size_t len)
{
    struct rf_files_get *job = rf_zalloc(files->config.mem, sizeof(*job));
    if (job == NULL)
        return false;
    rf_list_init(&job->list);
    memcpy(job->id, file->id, sizeof(job->id));
    job->index = index;
    job->channel = channel;
    job->conn = conn->id;
    rf_buf_init(&job->message, files->config.mem, len);
    conn->reading++;
    conn->reading_len += len;
    files->reading++;
    files->world.get(files->world.ctx, job);
    return true;
}

/* The first chunk that this connection wants; false: none, or not now. */
static bool serve_one(struct rf_files *files, struct conn *conn)
{
    if (conn->doomed || rf_list_empty(&conn->wants) || conn->reading >= READING_MAX ||
        files->reading >= READING_ALL)
        return false;
    struct want *want = RF_LIST_ENTRY(conn->wants.next, struct want, list);
    const struct file *file = channel_of(conn, want->channel)->file;
    uint32_t index = want->first;
    uint16_t channel = want->channel;
    size_t len = message_len(file, index), room = files->world.room(files->world.ctx, conn->id);
    if (room < conn->reading_len + len)
        return false;
    bool here = file->have == NULL || rf_file_bit(file->have, index);
    if (here && !within_rate(files, len))
        return false;
    if (here && !post(files, conn, file, channel, index, len)) {
        files->send_tokens += files->config.send_rate != 0 ? (double)len : 0;
        return false;
    }
    want->first++;
    want->count--;
    conn->wanted--;
    if (want->count == 0)
        drop_want(files, conn, want);
    if (!here)
        miss(files, conn, channel, index, RF_FILE_WHY_NOT_HERE);
    return true;
}

void serve_pump(struct rf_files *files)
{
    bool more = true;
    while (more) {
        more = false;
        RF_LIST_EACH(&files->conns, it)
        {
            more |= serve_one(files, RF_LIST_ENTRY(it, struct conn, list));
        }
        if (!rf_list_empty(&files->conns)) { /* another is the first next time */
            struct rf_list *first = files->conns.next;
            rf_list_remove(first);
            rf_list_push_back(&files->conns, first);
        }
    }
}

uint64_t serve_deadline(const struct rf_files *files)
{
    if (files->config.send_rate == 0 || files->send_tokens >= 0)
        return RF_NEVER; /* what waits waits for room, and that shows by output or input */
    RF_LIST_EACH(&files->conns, it)
    {
        if (!rf_list_empty(&RF_LIST_ENTRY(it, struct conn, list)->wants))
            return files->now.mono_us + RF_US_PER_S / 50;
    }
    return RF_NEVER;
}

static void unreadable(struct rf_files *files, struct file *file, int error)
{
    bool told = file->unread_us > files->now.mono_us;
    files->counters.chunks_unreadable++;
    file->unread_us = files->now.mono_us + UNREAD_US;
    serve_forget(files, file);
    if (!told)
        files_tell(files, file, RF_FILES_UNREADABLE, NULL, error, NULL);
}

void rf_files_got(struct rf_files *files, struct rf_files_get *job, struct rf_now now)
{
    files->now = now;
    struct file *file = files_find(files, job->id);
    struct conn *conn = files_conn(files, job->conn);
    files->reading--;
    if (conn != NULL) {
        conn->reading--;
        conn->reading_len -= job->message.max;
    }
    const struct channel *channel = conn != NULL ? channel_of(conn, job->channel) : NULL;
    int error = job->error != 0 ? job->error : rf_buf_error(&job->message);
    if (error == RF_ENOMEM) {
        if (channel != NULL && channel->file == file)
            miss(files, conn, job->channel, job->index, RF_FILE_WHY_BUSY);
    } else if (error != 0) {
        if (file != NULL)
            unreadable(files, file, error);
    } else if (channel != NULL && channel->file == file && !conn->doomed) {
        files->counters.chunks_out++;
        files->counters.bytes_out += rf_file_chunk_len(&file->shape, job->index);
        conn->used_us = now.mono_us;
        if (files->world.send(files->world.ctx, conn->id, rf_buf_view(&job->message)) != 0)
            files_doom(conn);
    }
    rf_files_drop_get(files->config.mem, job);
}
