/* fetch.c - fetching a file: who is asked, what came, when it is whole. files.h tells the states. */
#include "files/internal.h"

#include "base/timer.h"

#define STALL_US (30 * RF_US_PER_S)
#define SLOW_US  (3 * RF_US_PER_S) /* for a chunk: others may try whether they are faster */

void fetch_free(struct rf_files *files, struct fetch *fetch)
{
    while (!rf_list_empty(&fetch->sources)) {
        struct source *source = RF_LIST_ENTRY(fetch->sources.next, struct source, list);
        source_rest(files, source, false); /* says CLOSE */
        source_free(files, source);
    }
    fetch->file->fetch = NULL;
    rf_list_remove(&fetch->list);
    files->fetch_count--;
    rf_free(files->config.mem, fetch->taken);
    rf_free(files->config.mem, fetch);
}

static void rest_all(struct rf_files *files, struct fetch *fetch)
{
    struct rf_list all;
    rf_list_init(&all);
    while (!rf_list_empty(&fetch->sources)) { /* resting moves them to the end of the line */
        struct rf_list *first = fetch->sources.next;
        rf_list_remove(first);
        rf_list_push_back(&all, first);
    }
    while (!rf_list_empty(&all)) {
        struct rf_list *first = all.next;
        struct source *source = RF_LIST_ENTRY(first, struct source, list);
        rf_list_remove(first);
        rf_list_push_back(&fetch->sources, first);
        if (source->state == SOURCE_OPENING || source->state == SOURCE_READY)
            source_rest(files, source, false);
    }
}

static void stall(struct rf_files *files, struct fetch *fetch, int error, const char *why)
{
    if (fetch->state == FETCH_STALLED)
        return;
    fetch->state = FETCH_STALLED;
    fetch->at_us = files->now.mono_us + STALL_US;
    rest_all(files, fetch);
    files_tell(files, fetch->file, RF_FILES_STALLED, NULL, error, why);
}

static void look_whether_whole(struct rf_files *files, struct fetch *fetch)
{
    if (fetch->state != FETCH_RUNNING || fetch->file->have_count < fetch->file->chunk_count)
        return;
    fetch->state = FETCH_FINISHING;
    rest_all(files, fetch);
    files->world.finish(files->world.ctx, fetch->file->id);
}

/* ---- commands ---- */

int rf_files_fetch(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], struct rf_now now)
{
    struct file *file = files_find(files, id);
    files->now = now;
    if (file == NULL)
        return RF_ENOTFOUND;
    if (file->have == NULL)
        return RF_EEXIST;
    if (file->fetch != NULL) { /* again: it goes on at once */
        if (file->fetch->state == FETCH_STALLED)
            file->fetch->at_us = now.mono_us;
        return 0;
    }
    if (files->fetch_count >= files->config.max_fetches)
        return RF_ELIMIT;
    struct fetch *fetch = rf_zalloc(files->config.mem, sizeof(*fetch));
    uint8_t *taken = rf_zalloc(files->config.mem, rf_file_bits_len(file->chunk_count));
    if (fetch == NULL || taken == NULL) {
        rf_free(files->config.mem, fetch);
        rf_free(files->config.mem, taken);
        return RF_ENOMEM;
    }
    fetch->file = file;
    fetch->state = FETCH_RUNNING;
    fetch->taken = taken;
    fetch->cursor = (uint32_t)rf_rng_below(files->config.jitter, file->chunk_count);
    fetch->told_count = file->have_count;
    rf_list_init(&fetch->sources);
    rf_list_push_back(&files->fetches, &fetch->list);
    files->fetch_count++;
    file->fetch = fetch;
    return 0;
}

static struct source *source_of(const struct fetch *fetch, const struct rf_id *node)
{
    RF_LIST_EACH(&fetch->sources, it)
    {
        struct source *source = RF_LIST_ENTRY(it, struct source, list);
        if (rf_id_equal(&source->node_id, node))
            return source;
    }
    return NULL;
}

static int copy(struct rf_files *files, struct rf_view from, uint8_t **to, size_t *len)
{
    uint8_t *bytes = NULL;
    if (from.len > 0 && (bytes = rf_memdup(files->config.mem, from.p, from.len)) == NULL)
        return RF_ENOMEM;
    rf_free(files->config.mem, *to);
    *to = bytes;
    *len = from.len;
    return 0;
}

int rf_files_source(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN],
                    const struct rf_files_peer *peer, struct rf_now now)
{
    struct file *file = files_find(files, id);
    files->now = now;
    if (file == NULL || file->fetch == NULL)
        return RF_ENOTFOUND;
    if (rf_id_equal(&peer->node_id, &files->config.self))
        return RF_EINVAL;
    struct fetch *fetch = file->fetch;
    struct source *source = source_of(fetch, &peer->node_id);
    if (source == NULL) {
        if (fetch->source_count >= RF_FILES_MAX_SOURCES)
            return RF_ELIMIT;
        source = rf_zalloc(files->config.mem, sizeof(*source));
        if (source == NULL)
            return RF_ENOMEM;
        source->fetch = fetch;
        source->id = files->next_source++;
        source->node_id = peer->node_id;
        source->cursor = fetch->cursor;
        source->at_us = now.mono_us;
        rf_list_push_back(&fetch->sources, &source->list);
        fetch->source_count++;
    } else if (source->state == SOURCE_WAITING && source->pause_us > 0) {
        source->at_us = now.mono_us;
    }
    int error = copy(files, peer->user, &source->user, &source->user_len);
    if (error == 0)
        error = copy(files, peer->route, &source->route, &source->route_len);
    return error;
}

void rf_files_cancel(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN])
{
    struct file *file = files_find(files, id);
    if (file != NULL && file->fetch != NULL)
        fetch_free(files, file->fetch);
}

/* ---- what comes ---- */

static struct source *source_at(const struct rf_files *files, rf_files_conn conn, uint16_t channel)
{
    RF_LIST_EACH(&files->fetches, f)
    {
        RF_LIST_EACH(&RF_LIST_ENTRY(f, struct fetch, list)->sources, it)
        {
            struct source *source = RF_LIST_ENTRY(it, struct source, list);
            if (source->conn == conn && source->channel == channel &&
                (source->state == SOURCE_OPENING || source->state == SOURCE_READY))
                return source;
        }
    }
    return NULL;
}

/* The message's bytes for a job: those of the connection's buffer, if it is alone in it, or a copy. */
static uint8_t *take_bytes(struct rf_files *files, struct conn *conn, struct rf_view whole)
{
    size_t len;
    if (conn->in.p == whole.p && conn->in.len == whole.len)
        return rf_buf_steal(&conn->in, &len);
    return rf_memdup(files->config.mem, whole.p, whole.len);
}

static void put(struct rf_files *files, struct conn *conn, struct source *source, size_t at,
                const struct rf_file_message *m, struct rf_view whole)
{
    struct rf_files_put *job = rf_zalloc(files->config.mem, sizeof(*job));
    if (job == NULL || (job->bytes = take_bytes(files, conn, whole)) == NULL) {
        rf_free(files->config.mem, job);
        source_unask(source, at); /* asked for again */
        return;
    }
    rf_list_init(&job->list);
    memcpy(job->id, source->fetch->file->id, sizeof(job->id));
    job->index = m->first;
    job->source = source->id;
    job->proof = rf_view_of(job->bytes + (m->proof.p - whole.p), m->proof.len);
    job->sealed = rf_view_of(job->bytes + (m->sealed.p - whole.p), m->sealed.len);
    source->asks[at].writing = true;
    files->world.put(files->world.ctx, job);
}

static bool being_written(const struct fetch *fetch, uint32_t index)
{
    RF_LIST_EACH(&fetch->sources, it)
    {
        const struct source *s = RF_LIST_ENTRY(it, struct source, list);
        for (size_t i = 0; i < s->ask_count; i++)
            if (s->asks[i].index == index && s->asks[i].writing)
                return true;
    }
    return false;
}

static int take_chunk(struct rf_files *files, struct conn *conn, struct source *source,
                      const struct rf_file_message *m, struct rf_view whole)
{
    struct fetch *fetch = source->fetch;
    size_t at = 0;
    while (at < source->ask_count && (source->asks[at].index != m->first || source->asks[at].writing))
        at++;
    if (source->state != SOURCE_READY || m->first >= fetch->file->chunk_count)
        return RF_EFORMAT;
    if (at == source->ask_count) { /* taken back meanwhile */
        files->counters.chunks_twice++;
        return 0;
    }
    source_came(files, source, at);
    if (being_written(fetch, m->first) || rf_file_bit(fetch->file->have, m->first)) {
        files->counters.chunks_twice++;
        source_unask(source, at);
    } else {
        put(files, conn, source, at, m, whole);
    }
    source_pump(files, source);
    return 0;
}

int fetch_message(struct rf_files *files, struct conn *conn, struct rf_file_message *m, struct rf_view whole)
{
    struct source *source = source_at(files, conn->id, m->channel);
    if (source == NULL)
        return 0; /* of a channel that is closed */
    return m->type == RF_FILE_CHUNK ? take_chunk(files, conn, source, m, whole)
                                    : source_message(files, source, m);
}

bool fetch_uses(const struct rf_files *files, rf_files_conn conn)
{
    RF_LIST_EACH(&files->fetches, f)
    {
        RF_LIST_EACH(&RF_LIST_ENTRY(f, struct fetch, list)->sources, it)
        {
            if (RF_LIST_ENTRY(it, struct source, list)->conn == conn)
                return true;
        }
    }
    return false;
}

void fetch_conn_down(struct rf_files *files, rf_files_conn conn)
{
    RF_LIST_EACH(&files->fetches, f)
    {
        RF_LIST_EACH_SAFE(&RF_LIST_ENTRY(f, struct fetch, list)->sources, it)
        {
            struct source *source = RF_LIST_ENTRY(it, struct source, list);
            if (source->conn != conn)
                continue;
            files->counters.sources_lost++;
            source_rest(files, source, true);
        }
    }
}

/* ---- what the disk says ---- */

static bool is_wrong(int error)
{
    return error == RF_EMISMATCH || error == RF_ELENGTH || error == RF_EAUTH;
}

static struct source *source_by_number(const struct fetch *fetch, uint64_t number)
{
    RF_LIST_EACH(&fetch->sources, it)
    {
        struct source *source = RF_LIST_ENTRY(it, struct source, list);
        if (source->id == number)
            return source;
    }
    return NULL;
}

/* Who gives what is not of the file is not asked again, and his connection ends. */
static void found_bad(struct rf_files *files, struct source *source, int error)
{
    struct conn *conn = files_conn(files, source->conn);
    files->counters.chunks_wrong++;
    if (source->state == SOURCE_BAD)
        return;
    source_rest(files, source, true);
    source->state = SOURCE_BAD;
    if (conn != NULL)
        files_doom(conn);
    files_tell(files, source->fetch->file, RF_FILES_SOURCE_BAD, &source->node_id, error, NULL);
}

/* A chunk is here: nobody needs to send it any more. */
static void cancel_others(struct rf_files *files, struct fetch *fetch, uint32_t index)
{
    RF_LIST_EACH(&fetch->sources, it)
    {
        struct source *source = RF_LIST_ENTRY(it, struct source, list);
        for (size_t i = 0; i < source->ask_count; i++) {
            struct conn *conn = files_conn(files, source->conn);
            const struct rf_file_message m = {
                .type = RF_FILE_CANCEL, .channel = source->channel, .first = index, .count = 1};
            if (source->asks[i].index != index || source->asks[i].writing)
                continue;
            if (conn != NULL)
                (void)files_say(files, conn, &m);
            source_unask(source, i--);
        }
    }
}

static void is_here(struct rf_files *files, struct file *file, uint32_t index)
{
    if (file->have == NULL || rf_file_bit(file->have, index)) {
        files->counters.chunks_twice++;
        return;
    }
    rf_file_bit_set(file->have, index);
    file->have_count++;
    files->counters.chunks_in++;
    files->counters.bytes_in += rf_file_chunk_len(&file->shape, index);
    if (file->fetch != NULL)
        cancel_others(files, file->fetch, index);
}

void rf_files_put_done(struct rf_files *files, struct rf_files_put *job, struct rf_now now)
{
    struct file *file = files_find(files, job->id);
    files->now = now;
    struct fetch *fetch = file != NULL ? file->fetch : NULL;
    struct source *source = fetch != NULL ? source_by_number(fetch, job->source) : NULL;
    if (file != NULL && job->error == 0)
        is_here(files, file, job->index);
    for (size_t i = 0; source != NULL && i < source->ask_count; i++)
        if (source->asks[i].index == job->index && source->asks[i].writing) {
            source_unask(source, i);
            break;
        }
    if (source != NULL && is_wrong(job->error)) {
        found_bad(files, source, job->error);
    } else if (fetch != NULL && job->error != 0) {
        files->counters.disk_failed++;
        stall(files, fetch, job->error, job->why);
    } else if (source != NULL && source->state == SOURCE_READY) {
        source_pump(files, source);
    }
    if (fetch != NULL)
        look_whether_whole(files, fetch);
    rf_files_drop_put(files->config.mem, job);
}

void rf_files_finished(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], int error, const char *why,
                       struct rf_now now)
{
    struct file *file = files_find(files, id);
    files->now = now;
    if (file == NULL || file->fetch == NULL || file->fetch->state != FETCH_FINISHING)
        return;
    if (error != 0) {
        stall(files, file->fetch, error, why);
        return;
    }
    fetch_free(files, file->fetch);
    rf_free(files->config.mem, file->have);
    file->have = NULL;
    files->counters.fetched++;
    files_tell(files, file, RF_FILES_FETCHED, NULL, 0, NULL);
}

void rf_files_lost(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], const uint8_t *have)
{
    struct file *file = files_find(files, id);
    if (file == NULL || file->have == NULL)
        return;
    for (size_t i = 0; i < rf_file_bits_len(file->chunk_count); i++)
        file->have[i] &= have[i];
    file->have_count = rf_file_bits_count(file->have, file->chunk_count);
    if (file->fetch == NULL)
        return;
    RF_LIST_EACH(&file->fetch->sources, it)
    {
        RF_LIST_ENTRY(it, struct source, list)->dry = false;
    }
}

/* ---- time ---- */

static bool is_active(const struct source *source)
{
    return source->state == SOURCE_ATTACHING || source->state == SOURCE_OPENING ||
           source->state == SOURCE_READY;
}

/* All places are taken: is there a slow one whose place `source` should have, who was never tried or was faster? */
static bool make_way(struct rf_files *files, struct fetch *fetch, const struct source *source)
{
    struct source *slowest = NULL;
    uint64_t most_us = SLOW_US;
    RF_LIST_EACH(&fetch->sources, it)
    {
        struct source *s = RF_LIST_ENTRY(it, struct source, list);
        uint64_t us = source_slowness(s, files->now.mono_us);
        if (s->state != SOURCE_READY || us < most_us)
            continue;
        slowest = s;
        most_us = us;
    }
    if (slowest == NULL ||
        (source->pause_us != 0 && (source->chunk_us == 0 || source->chunk_us * 2 > most_us)))
        return false;
    source_rest(files, slowest, true);
    return true;
}

static void begin_sources(struct rf_files *files, struct fetch *fetch)
{
    size_t active = 0, waiting = 0;
    RF_LIST_EACH(&fetch->sources, it)
    {
        active += is_active(RF_LIST_ENTRY(it, struct source, list));
    }
    RF_LIST_EACH_SAFE(&fetch->sources, it)
    {
        struct source *source = RF_LIST_ENTRY(it, struct source, list);
        if (source->state != SOURCE_WAITING || source->at_us > files->now.mono_us)
            continue;
        if (active >= files->config.max_active && !make_way(files, fetch, source))
            return;
        active -= active >= files->config.max_active;
        source_begin(files, source);
        active += is_active(source);
        waiting++;
    }
    if (active > 0 || waiting > 0 || fetch->source_count == 0 || fetch->alone_told)
        return;
    fetch->alone_told = true;
    files_tell(files, fetch->file, RF_FILES_NO_SOURCE, NULL, RF_EUNREACHABLE, NULL);
}

static void tell_progress(struct rf_files *files, struct fetch *fetch)
{
    if (fetch->file->have_count == fetch->told_count || files->now.mono_us - fetch->told_us < PROGRESS_US)
        return;
    fetch->told_count = fetch->file->have_count;
    fetch->told_us = files->now.mono_us;
    files_tell(files, fetch->file, RF_FILES_PROGRESS, NULL, 0, NULL);
}

void fetch_turn(struct rf_files *files)
{
    RF_LIST_EACH_SAFE(&files->fetches, f)
    {
        struct fetch *fetch = RF_LIST_ENTRY(f, struct fetch, list);
        if (fetch->state == FETCH_STALLED && fetch->at_us <= files->now.mono_us)
            fetch->state = FETCH_RUNNING;
        if (fetch->state != FETCH_RUNNING)
            continue;
        look_whether_whole(files, fetch);
        if (fetch->state != FETCH_RUNNING)
            continue;
        RF_LIST_EACH_SAFE(&fetch->sources, it)
        {
            source_turn(files, RF_LIST_ENTRY(it, struct source, list));
        }
        begin_sources(files, fetch);
        tell_progress(files, fetch);
    }
}

uint64_t fetch_deadline(const struct rf_files *files)
{
    uint64_t due = RF_NEVER;
    RF_LIST_EACH(&files->fetches, f)
    {
        const struct fetch *fetch = RF_LIST_ENTRY(f, struct fetch, list);
        if (fetch->state == FETCH_FINISHING)
            continue;
        if (fetch->state == FETCH_STALLED) {
            due = fetch->at_us < due ? fetch->at_us : due;
            continue;
        }
        size_t active = 0;
        RF_LIST_EACH(&fetch->sources, it)
        {
            active += is_active(RF_LIST_ENTRY(it, struct source, list));
        }
        RF_LIST_EACH(&fetch->sources, it)
        {
            const struct source *source = RF_LIST_ENTRY(it, struct source, list);
            uint64_t at = source_due(source, files->now.mono_us);
            if (at < due && (is_active(source) || active < files->config.max_active))
                due = at;
        }
        if (fetch->told_count != fetch->file->have_count && fetch->told_us + PROGRESS_US < due)
            due = fetch->told_us + PROGRESS_US;
    }
    return due;
}
