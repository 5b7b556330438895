/* source.c - one node that a file is fetched from: what it is asked for, and when it is left alone. files.h tells the states. */
#include "files/internal.h"

#include "base/timer.h"

#define WINDOW_MIN   ((size_t)2)
#define WINDOW_START ((size_t)4)
#define WINDOW_BYTES ((size_t)4 << 20)
#define AHEAD_US     RF_US_PER_S        /* a window holds what comes in that time */
#define PATIENCE_US  (15 * RF_US_PER_S) /* without a byte */
#define CRAWL_US     (60 * RF_US_PER_S) /* without a chunk */
#define PAUSE_US     (2 * RF_US_PER_S)  /* the first one */
#define PAUSE_MAX_US (60 * RF_US_PER_S)
#define DRY_US       RF_US_PER_S       /* between two questions whether it has more by now */
#define DRY_MAX      5                 /* of these without anything new: others get their turn */
#define STEAL_US     RF_US_PER_S       /* asked elsewhere so long ago: asked here as well */
#define LOOK_US      (RF_US_PER_S / 4) /* while it is given another chance */
#define RANGE_MAX    16                /* chunks of one GET */
#define ROOM         128               /* for a GET */

void source_free(struct rf_files *files, struct source *source)
{
    rf_list_remove(&source->list);
    source->fetch->source_count--;
    rf_free(files->config.mem, source->user);
    rf_free(files->config.mem, source->route);
    rf_free(files->config.mem, source->bits);
    rf_free(files->config.mem, source);
}

/* ---- questions ---- */

static size_t askers_of(const struct fetch *fetch, uint32_t index)
{
    size_t count = 0;
    RF_LIST_EACH(&fetch->sources, it)
    {
        const struct source *s = RF_LIST_ENTRY(it, struct source, list);
        for (size_t i = 0; i < s->ask_count; i++)
            count += s->asks[i].index == index;
    }
    return count;
}

void source_unask(struct source *source, size_t at)
{
    struct fetch *fetch = source->fetch;
    uint32_t index = source->asks[at].index;
    source->asks[at] = source->asks[--source->ask_count];
    if (askers_of(fetch, index) > 0)
        return;
    rf_file_bit_clear(fetch->taken, index);
    RF_LIST_EACH(&fetch->sources, it)
    {
        RF_LIST_ENTRY(it, struct source, list)->dry = false;
    }
}

/* Puts the source at the end of the line. */
void source_rest(struct rf_files *files, struct source *source, bool failed)
{
    struct conn *conn = files_conn(files, source->conn);
    if (source->state == SOURCE_BAD)
        return;
    if (conn != NULL && (source->state == SOURCE_OPENING || source->state == SOURCE_READY)) {
        const struct rf_file_message m = {.type = RF_FILE_CLOSE, .channel = source->channel};
        (void)files_say(files, conn, &m);
    }
    for (size_t i = source->ask_count; i-- > 0;)
        if (!source->asks[i].writing) /* what is at the disk comes back by rf_files_put_done */
            source_unask(source, i);
    if (source->pause_us < PAUSE_US)
        source->pause_us = PAUSE_US;
    source->state = SOURCE_WAITING;
    source->conn = 0;
    source->at_us = files->now.mono_us + (failed ? source->pause_us : PAUSE_US) +
                    rf_rng_below(files->config.jitter, RF_US_PER_S / 2);
    if (failed && (source->pause_us *= 2) > PAUSE_MAX_US)
        source->pause_us = PAUSE_MAX_US;
    rf_list_remove(&source->list);
    rf_list_push_back(&source->fetch->sources, &source->list);
}

static void say_open(struct rf_files *files, struct source *source)
{
    const struct file *file = source->fetch->file;
    struct conn *conn = files_conn(files, source->conn);
    uint8_t access[RF_SHA256_LEN];
    if (conn == NULL ||
        rf_file_access(files->config.crypto, &file->keys, file->id, rf_id_view(&files->config.self),
                       rf_id_view(&conn->peer), access) != 0) {
        source_rest(files, source, true);
        return;
    }
    const struct rf_file_message m = {.type = RF_FILE_OPEN,
                                      .channel = source->channel,
                                      .id = rf_view_of(file->id, sizeof(file->id)),
                                      .access = rf_view_of(access, sizeof(access))};
    source->opening = true;
    (void)files_say(files, conn, &m);
}

void source_begin(struct rf_files *files, struct source *source)
{
    const struct rf_files_peer peer = {.node_id = source->node_id,
                                       .user = rf_view_of(source->user, source->user_len),
                                       .route = rf_view_of(source->route, source->route_len)};
    source->state = SOURCE_ATTACHING;
    source->at_us = files->now.mono_us;
    if (files->world.attach(files->world.ctx, &peer, source->id) != 0 && source->state == SOURCE_ATTACHING)
        source_rest(files, source, true);
}

/* The bytes of the bits of what is here, asked for, or not at the source. */
static uint8_t not_wanted(const struct source *source, size_t byte)
{
    const struct fetch *fetch = source->fetch;
    uint8_t at_source = source->bits != NULL ? source->bits[byte] : 0xff;
    return (uint8_t)(fetch->file->have[byte] | fetch->taken[byte] | (uint8_t)~at_source);
}

static bool is_wanted(const struct source *source, uint32_t index)
{
    return index < source->fetch->file->chunk_count &&
           (not_wanted(source, index / 8) >> (7 - index % 8) & 1) == 0;
}

/* The next chunk to ask for, from the source's cursor on, round the file. */
static bool pick(const struct source *source, uint32_t *out)
{
    uint32_t count = source->fetch->file->chunk_count, at = source->cursor;
    for (uint32_t gone = 0; gone <= count + 8;) {
        if (at >= count)
            at = 0;
        if (at % 8 == 0 && not_wanted(source, at / 8) == 0xff) {
            at += 8;
            gone += 8;
            continue;
        }
        if (is_wanted(source, at)) {
            *out = at;
            return true;
        }
        at++;
        gone++;
    }
    return false;
}

static bool say_get(struct rf_files *files, struct source *source, uint32_t first, uint16_t count)
{
    struct conn *conn = files_conn(files, source->conn);
    const struct rf_file_message m = {
        .type = RF_FILE_GET, .channel = source->channel, .first = first, .count = count};
    if (conn == NULL || files->world.room(files->world.ctx, conn->id) < ROOM || !files_say(files, conn, &m))
        return false;
    for (uint32_t i = 0; i < count; i++)
        source->asks[source->ask_count++] = (struct ask){.index = first + i, .at_us = files->now.mono_us};
    return true;
}

static size_t window_max(const struct source *source)
{
    size_t chunks = WINDOW_BYTES >> source->fetch->file->shape.chunk_bits;
    return chunks < RF_FILES_WINDOW ? chunks : RF_FILES_WINDOW;
}

/* Nobody gives it: one more may be asked, the more patiently the more were asked already. */
static bool is_late(const struct fetch *fetch, uint32_t index, uint64_t now_us)
{
    uint64_t newest_us = 0, wait_us = STEAL_US / 2;
    RF_LIST_EACH(&fetch->sources, it)
    {
        const struct source *s = RF_LIST_ENTRY(it, struct source, list);
        for (size_t i = 0; i < s->ask_count; i++) {
            if (s->asks[i].index != index)
                continue;
            if (s->asks[i].writing)
                return false;
            if (s->asks[i].at_us > newest_us)
                newest_us = s->asks[i].at_us;
            wait_us *= wait_us < RF_US_PER_S * 60 ? 2 : 1;
        }
    }
    return now_us - newest_us >= wait_us;
}

/* What has been due from others for long. */
static bool steal(struct rf_files *files, struct source *source)
{
    const struct ask *oldest = NULL;
    RF_LIST_EACH(&source->fetch->sources, it)
    {
        const struct source *s = RF_LIST_ENTRY(it, struct source, list);
        for (size_t i = 0; s != source && i < s->ask_count; i++) {
            const struct ask *ask = &s->asks[i];
            if ((oldest == NULL || ask->at_us < oldest->at_us) &&
                (source->bits == NULL || rf_file_bit(source->bits, ask->index)) &&
                is_late(source->fetch, ask->index, files->now.mono_us))
                oldest = ask;
        }
    }
    return oldest != NULL && say_get(files, source, oldest->index, 1);
}

void source_pump(struct rf_files *files, struct source *source)
{
    struct fetch *fetch = source->fetch;
    uint32_t first;
    while (!source->dry && source->ask_count < source->window) {
        if (pick(source, &first) && first != source->cursor && source->cursor != 0) {
            /* we have come to where somebody was before us, and who that was may be on the same way: elsewhere we are of more use to each other */
            source->cursor = (uint32_t)rf_rng_below(files->config.jitter, fetch->file->chunk_count);
        }
        if (!pick(source, &first)) {
            source->dry = true;
            break;
        }
        uint16_t count = 1;
        while (count < RANGE_MAX && source->ask_count + count < source->window &&
               is_wanted(source, first + count))
            count++;
        if (source->ask_count == 0)
            source->at_us = files->now.mono_us;
        if (!say_get(files, source, first, count))
            return;
        for (uint32_t i = 0; i < count; i++)
            rf_file_bit_set(fetch->taken, first + i);
        source->cursor = first + count;
    }
    if (source->ask_count == 0 && steal(files, source))
        source->at_us = files->now.mono_us;
}

/* ---- answers ---- */

/* asks[at] came: measures how fast they come, and how many are to be under way. */
void source_came(struct rf_files *files, struct source *source, size_t at)
{
    uint64_t now_us = files->now.mono_us;
    const struct ask *ask = &source->asks[at];
    uint64_t since = source->at_us > ask->at_us ? source->at_us : ask->at_us, gap = now_us - since;
    source->chunk_us = source->chunk_us == 0 ? gap : (7 * source->chunk_us + gap) / 8;
    source->at_us = now_us;
    source->pause_us = PAUSE_US;
    source->dry_count = 0;
    uint64_t target = source->chunk_us == 0 ? RF_FILES_WINDOW : AHEAD_US / source->chunk_us;
    size_t most = window_max(source);
    if (target < most)
        most = target < WINDOW_MIN ? WINDOW_MIN : (size_t)target;
    if (source->window < most)
        source->window++;
    else if (source->window > most)
        source->window--;
}

static int take_have(struct rf_files *files, struct source *source, const struct rf_file_message *m)
{
    uint32_t count = source->fetch->file->chunk_count;
    if (source->state != SOURCE_OPENING && source->state != SOURCE_READY)
        return 0;
    if (m->all) {
        rf_free(files->config.mem, source->bits);
        source->bits = NULL;
    } else {
        if (m->bits.len != rf_file_bits_len(count) ||
            (count % 8 != 0 && (m->bits.p[m->bits.len - 1] & (0xff >> count % 8)) != 0))
            return RF_EFORMAT;
        uint8_t *bits = rf_memdup(files->config.mem, m->bits.p, m->bits.len);
        if (bits == NULL) {
            source_rest(files, source, true);
            return 0;
        }
        rf_free(files->config.mem, source->bits);
        source->bits = bits;
    }
    source->dry = false;
    if (source->state == SOURCE_OPENING) {
        source->state = SOURCE_READY;
        source->window = WINDOW_START;
        source->chunk_us = 0;
        source->dry_count = 0;
    }
    /* who talks of chunks, and gives none of those that are due, is as late as before */
    if (source->opening && source->ask_count == 0)
        source->at_us = files->now.mono_us;
    source->opening = false;
    source->fetch->alone_told = false;
    source_pump(files, source);
    return 0;
}

static void take_miss(struct rf_files *files, struct source *source, uint32_t index)
{
    for (size_t i = 0; i < source->ask_count; i++)
        if (source->asks[i].index == index && !source->asks[i].writing) {
            source_unask(source, i);
            break;
        }
    /* it was to have it: its bits are not what is there, so it is asked again, later */
    source_rest(files, source, true);
}

int source_message(struct rf_files *files, struct source *source, const struct rf_file_message *m)
{
    if (m->type == RF_FILE_HAVE)
        return take_have(files, source, m);
    if (m->type == RF_FILE_MISS) {
        take_miss(files, source, m->first);
        return 0;
    }
    if (m->why == RF_FILE_WHY_UNKNOWN || m->why == RF_FILE_WHY_GONE)
        source->pause_us = PAUSE_MAX_US; /* a source named anew is asked at once all the same */
    source->conn = 0;                    /* the channel is closed already */
    source_rest(files, source, true);
    return 0;
}

/* ---- time ---- */

uint64_t source_slowness(const struct source *source, uint64_t now_us)
{
    size_t due = 0;
    for (size_t i = 0; i < source->ask_count; i++)
        due += !source->asks[i].writing;
    uint64_t waiting = due > 0 ? now_us - source->at_us : 0;
    return waiting > source->chunk_us ? waiting : source->chunk_us;
}

uint64_t source_due(const struct source *source, uint64_t now_us)
{
    uint64_t at = source->at_us;
    switch (source->state) {
    case SOURCE_BAD:
    case SOURCE_ATTACHING:
        return RF_NEVER; /* the shell answers */
    case SOURCE_WAITING:
        return at;
    case SOURCE_OPENING:
        return at + PATIENCE_US;
    case SOURCE_READY:
        break;
    }
    at += source->ask_count == 0 ? STEAL_US : PATIENCE_US;
    return at > now_us ? at : now_us + LOOK_US;
}

void source_turn(struct rf_files *files, struct source *source)
{
    uint64_t now_us = files->now.mono_us;
    const struct conn *conn = files_conn(files, source->conn);
    if (source->state == SOURCE_OPENING && now_us - source->at_us >= PATIENCE_US) {
        files->counters.sources_lost++;
        source_rest(files, source, true);
    }
    if (source->state != SOURCE_READY)
        return;
    size_t due = 0;
    for (size_t i = 0; i < source->ask_count; i++)
        due += !source->asks[i].writing;
    bool silent = conn == NULL || now_us - conn->heard_us >= PATIENCE_US;
    if (due > 0 && now_us - source->at_us >= (silent ? PATIENCE_US : CRAWL_US)) {
        files->counters.sources_lost++;
        source_rest(files, source, true);
        return;
    }
    source_pump(files, source);
    if (source->ask_count > 0 || source->bits == NULL || source->state != SOURCE_READY ||
        now_us - source->at_us < DRY_US)
        return;
    source->at_us = now_us;
    if (source->dry_count++ < DRY_MAX)
        say_open(files, source); /* what has it by now? */
    else
        source_rest(files, source, false);
}

void rf_files_attached(struct rf_files *files, uint64_t token, int error, rf_files_conn id, struct rf_now now)
{
    struct source *source = NULL;
    files->now = now;
    RF_LIST_EACH(&files->fetches, f)
    {
        RF_LIST_EACH(&RF_LIST_ENTRY(f, struct fetch, list)->sources, it)
        {
            struct source *s = RF_LIST_ENTRY(it, struct source, list);
            if (s->id == token && s->state == SOURCE_ATTACHING)
                source = s;
        }
    }
    struct conn *conn = files_conn(files, id);
    if (source == NULL)
        return;
    if (error != 0 || conn == NULL || conn->doomed || source->fetch->state != FETCH_RUNNING) {
        source_rest(files, source, true);
        return;
    }
    source->state = SOURCE_OPENING;
    source->at_us = now.mono_us;
    source->conn = id;
    source->channel = conn->next_channel++;
    say_open(files, source);
}
