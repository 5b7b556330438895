/* test_files_net.c - nodes with rf_files, pipes between them, disks in memory. */
#include <stdio.h>
#include <string.h>
#include "test_files.h"

#define PIPE_MAX ((size_t)512 << 10)

struct net net;

static struct net_file *file_of(struct net_node *node, const uint8_t *id)
{
    for (size_t i = 0; i < NET_FILES; i++)
        if (node->disk[i].there && memcmp(node->disk[i].id, id, RF_FILE_ID_LEN) == 0)
            return &node->disk[i];
    return NULL;
}

/* ---- world ---- */

static size_t index_of(const struct net_node *node)
{
    return (size_t)(node - net.nodes);
}

static int w_attach(void *ctx, const struct rf_files_peer *peer, uint64_t token)
{
    struct net_node *node = ctx;
    for (size_t i = 0; i < NET_NODES; i++)
        if (rf_id_equal(&net.nodes[i].id, &peer->node_id) && node->attach_count < 16) {
            node->attaches[node->attach_count].token = token;
            node->attaches[node->attach_count++].peer = i;
            net.quiet = false;
            return 0;
        }
    return RF_EUNREACHABLE;
}

static struct net_conn *conn_of(rf_files_conn id)
{
    return id > 0 && id <= net.conn_count ? &net.conns[id - 1] : NULL;
}

static int other_end(const struct net_conn *conn, const struct net_node *node)
{
    return conn->ends[0] == index_of(node) ? 1 : 0;
}

static size_t w_room(void *ctx, rf_files_conn id)
{
    const struct net_conn *conn = conn_of(id);
    size_t len = conn->to[other_end(conn, ctx)].len;
    return len < PIPE_MAX ? PIPE_MAX - len : 0;
}

static int w_send(void *ctx, rf_files_conn id, struct rf_view bytes)
{
    struct net_node *node = ctx;
    struct net_conn *conn = conn_of(id);
    if (!conn->open)
        return RF_ECLOSED;
    if ((node->vice == NET_MUTE || node->vice == NET_TALKS) && bytes.p[3] > RF_FILE_HAVE)
        return 0;
    struct net_pipe *pipe = &conn->to[other_end(conn, node)];
    if (pipe->len + bytes.len > pipe->cap) {
        pipe->cap = 2 * (pipe->len + bytes.len);
        pipe->p = rf_resize(rf_mem_system(), pipe->p, pipe->cap);
    }
    memcpy(pipe->p + pipe->len, bytes.p, bytes.len);
    pipe->len += bytes.len;
    net.quiet = false;
    return 0;
}

static void w_close(void *ctx, rf_files_conn id)
{
    (void)ctx;
    conn_of(id)->open = false; /* both hear of it with the next step */
    net.quiet = false;
}

static void w_get(void *ctx, struct rf_files_get *job)
{
    rf_list_push_back(&((struct net_node *)ctx)->gets, &job->list);
    net.quiet = false;
}

static void w_put(void *ctx, struct rf_files_put *job)
{
    rf_list_push_back(&((struct net_node *)ctx)->puts, &job->list);
    net.quiet = false;
}

static void w_finish(void *ctx, const uint8_t id[RF_FILE_ID_LEN])
{
    struct net_node *node = ctx;
    memcpy(node->finishing, id, RF_FILE_ID_LEN);
    node->finish_due = true;
    net.quiet = false;
}

static void w_event(void *ctx, const struct rf_files_event *event)
{
    struct net_node *node = ctx;
    node->progress += event->type == RF_FILES_PROGRESS;
    node->stalled += event->type == RF_FILES_STALLED;
    node->no_source += event->type == RF_FILES_NO_SOURCE;
    node->fetched += event->type == RF_FILES_FETCHED;
    node->unreadable += event->type == RF_FILES_UNREADABLE;
    if (event->type == RF_FILES_SOURCE_BAD) {
        node->bad++;
        node->bad_node = event->node;
    }
    if (event->error != 0)
        node->error = event->error;
    assert_true(event->bytes <= event->size);
}

/* ---- disk ---- */

static void do_get(struct net_node *node, struct rf_files_get *job)
{
    struct net_file *f = file_of(node, job->id);
    size_t places[RF_FILE_MAX_DEPTH], count;
    uint8_t proof[RF_FILE_MAX_DEPTH * RF_FILE_HASH_LEN];
    struct rf_file_keys keys;
    uint32_t index = job->index, total = rf_file_chunk_count(&f->shape);
    if (node->read_error != 0) {
        job->error = node->read_error;
        return;
    }
    if (node->vice == NET_SWAPS && total > 1)
        index = (index + 1) % total == total - 1 ? 0 : (index + 1) % total;
    count = rf_file_proof_at(&f->shape, job->index, places);
    for (size_t i = 0; i < count; i++)
        memcpy(proof + i * RF_FILE_HASH_LEN, f->nodes + places[i] * RF_FILE_HASH_LEN, RF_FILE_HASH_LEN);
    if (node->vice == NET_PROOFS)
        proof[1] ^= 1;
    assert_int_equal(rf_file_keys(net.crypto, f->secret, &keys), 0);
    uint32_t len = rf_file_chunk_len(&f->shape, index);
    rf_files_chunk_front(job->channel, job->index, rf_view_of(proof, count * RF_FILE_HASH_LEN),
                         len + RF_AEAD_TAG_LEN, &job->message);
    assert_int_equal(rf_file_seal(net.crypto, &keys, index,
                                  rf_view_of(f->plain + ((uint64_t)index << f->shape.chunk_bits), len),
                                  &job->message),
                     0);
    if (node->vice == NET_FLIPS)
        job->message.p[job->message.len - 20] ^= 1;
}

static void do_put(struct net_node *node, struct rf_files_put *job)
{
    struct net_file *f = file_of(node, job->id);
    uint8_t leaf[RF_FILE_HASH_LEN];
    size_t places[RF_FILE_MAX_DEPTH];
    struct rf_file_keys keys;
    struct rf_buf plain;
    if (f == NULL) {
        job->error = RF_ENOTFOUND;
        return;
    }
    job->error = rf_file_check(net.crypto, &f->shape, f->id, job->index, job->sealed, job->proof, leaf);
    if (job->error != 0)
        return;
    if (node->disk_error != 0) {
        job->error = node->disk_error;
        snprintf(job->why, sizeof(job->why), "No space left on device");
        return;
    }
    size_t count = rf_file_proof_at(&f->shape, job->index, places);
    for (size_t i = 0; i < count; i++)
        memcpy(f->nodes + places[i] * RF_FILE_HASH_LEN, job->proof.p + i * RF_FILE_HASH_LEN,
               RF_FILE_HASH_LEN);
    memcpy(f->nodes + (size_t)job->index * RF_FILE_HASH_LEN, leaf, RF_FILE_HASH_LEN);
    rf_buf_fixed(&plain, f->plain + ((uint64_t)job->index << f->shape.chunk_bits),
                 rf_file_chunk_len(&f->shape, job->index));
    assert_int_equal(rf_file_keys(net.crypto, f->secret, &keys), 0);
    assert_int_equal(rf_file_open(net.crypto, &keys, job->index, job->sealed, &plain), 0);
}

static void do_jobs(struct net_node *node)
{
    struct rf_list gets, puts;
    rf_list_init(&gets);
    rf_list_init(&puts);
    for (; !rf_list_empty(&node->gets); net.quiet = false) {
        struct rf_list *first = node->gets.next;
        rf_list_remove(first);
        rf_list_push_back(&gets, first);
    }
    for (; !rf_list_empty(&node->puts); net.quiet = false) {
        struct rf_list *first = node->puts.next;
        rf_list_remove(first);
        rf_list_push_back(&puts, first);
    }
    RF_LIST_EACH_SAFE(&gets, g)
    {
        struct rf_files_get *job = RF_LIST_ENTRY(g, struct rf_files_get, list);
        rf_list_remove(g);
        do_get(node, job);
        rf_files_got(node->files, job, net.now);
    }
    RF_LIST_EACH_SAFE(&puts, p)
    {
        struct rf_files_put *job = RF_LIST_ENTRY(p, struct rf_files_put, list);
        rf_list_remove(p);
        do_put(node, job);
        rf_files_put_done(node->files, job, net.now);
    }
    if (node->finish_due) {
        node->finish_due = false;
        rf_files_finished(node->files, node->finishing, 0, NULL, net.now);
    }
}

/* ---- steps ---- */

static void do_attaches(struct net_node *node)
{
    for (size_t i = 0; i < node->attach_count; i++) {
        struct net_node *peer = &net.nodes[node->attaches[i].peer];
        rf_files_conn id = 0;
        for (size_t c = 0; c < net.conn_count && peer->up; c++)
            if (net.conns[c].open &&
                (net.conns[c].ends[0] == index_of(node) || net.conns[c].ends[1] == index_of(node)) &&
                (net.conns[c].ends[0] == index_of(peer) || net.conns[c].ends[1] == index_of(peer)))
                id = c + 1;
        if (id == 0 && peer->up) {
            assert_true(net.conn_count < 64);
            net.conns[net.conn_count++] =
                (struct net_conn){.open = true, .ends = {index_of(node), index_of(peer)}};
            id = net.conn_count;
            rf_files_up(node->files, id, &peer->id, true, net.now);
            rf_files_up(peer->files, id, &node->id, false, net.now);
        }
        rf_files_attached(node->files, node->attaches[i].token, id == 0 ? RF_EUNREACHABLE : 0, id, net.now);
        net.quiet = false;
    }
    node->attach_count = 0;
}

static void deliver(struct net_conn *conn, int to)
{
    struct net_pipe *pipe = &conn->to[to];
    struct net_node *from = &net.nodes[conn->ends[1 - to]], *node = &net.nodes[conn->ends[to]];
    size_t len = from->rate != 0 && pipe->len > from->rate ? from->rate : pipe->len;
    if (from->vice == NET_TRICKLES && len > 1)
        len = net.step_us / 1000;
    if (len > pipe->len)
        len = pipe->len;
    if (len == 0 || !node->up || (conn->by_hand && to == 1))
        return;
    net.quiet = false;
    for (size_t at = 0; at < len;) { /* in pieces that are no messages */
        size_t piece = len - at < 16000 ? len - at : 16000;
        rf_files_data(node->files, (rf_files_conn)(conn - net.conns) + 1, rf_view_of(pipe->p + at, piece),
                      net.now);
        at += piece;
    }
    memmove(pipe->p, pipe->p + len, pipe->len - len);
    pipe->len -= len;
}

static void talk(size_t at)
{
    for (size_t i = 0; i < net.conn_count; i++)
        for (uint16_t channel = 0; channel < 8; channel++) {
            const struct net_conn *conn = &net.conns[i];
            const uint8_t have[] = {0, 0, 4, RF_FILE_HAVE, 0, (uint8_t)channel, 0};
            if (conn->open && (conn->ends[0] == at || conn->ends[1] == at))
                (void)w_send(&net.nodes[at], i + 1, rf_view_of(have, sizeof(have)));
        }
}

static void step(void)
{
    net.quiet = true;
    if (net.now.mono_us - net.talk_us >= RF_US_PER_S) {
        net.talk_us = net.now.mono_us;
        for (size_t i = 0; i < NET_NODES; i++)
            if (net.nodes[i].up && net.nodes[i].vice == NET_TALKS)
                talk(i);
    }
    for (size_t i = 0; i < NET_NODES; i++)
        if (net.nodes[i].up) {
            do_attaches(&net.nodes[i]);
            do_jobs(&net.nodes[i]);
            rf_files_turn(net.nodes[i].files, net.now);
        }
    for (size_t i = 0; i < net.conn_count; i++) {
        struct net_conn *conn = &net.conns[i];
        for (int end = 0; end < 2; end++) {
            if (conn->open)
                deliver(conn, end);
            else if (net.nodes[conn->ends[end]].up)
                rf_files_down(net.nodes[conn->ends[end]].files, i + 1, net.now);
        }
    }
    for (size_t i = 0; i < NET_NODES; i++)
        if (net.nodes[i].up)
            rf_files_turn(net.nodes[i].files, net.now);
}

bool net_run(uint64_t max_us, bool (*done)(void *arg), void *arg)
{
    uint64_t end = net.now.mono_us + max_us;
    while (net.now.mono_us < end) {
        step();
        if (done != NULL && done(arg))
            return true;
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < NET_NODES; i++)
            if (net.nodes[i].up && rf_files_deadline(net.nodes[i].files) < next)
                next = rf_files_deadline(net.nodes[i].files);
        for (size_t i = 0; i < NET_NODES; i++)
            if (net.nodes[i].vice == NET_TALKS && net.talk_us + RF_US_PER_S < next)
                next = net.talk_us + RF_US_PER_S;
        if (!net.quiet || next < net.now.mono_us + net.step_us)
            next = net.now.mono_us + net.step_us;
        net.now.mono_us = next < end ? next : end;
    }
    return false;
}

bool net_fetched(void *node)
{
    return ((struct net_node *)node)->fetched > 0;
}

/* ---- life ---- */

void net_start(size_t at, const struct rf_files_config *more)
{
    struct net_node *node = &net.nodes[at];
    const struct rf_files_world world = {node,  w_attach, w_room,   w_send, w_close,
                                         w_get, w_put,    w_finish, w_event};
    struct rf_files_config config = more != NULL ? *more : (struct rf_files_config){0};
    config.mem = &net.mem.mem;
    config.crypto = net.crypto;
    config.jitter = &net.rng.rng;
    memset(&node->id, 0, sizeof(node->id));
    node->id.len = 16;
    node->id.b[0] = (uint8_t)(at + 1);
    config.self = node->id;
    rf_list_init(&node->gets);
    rf_list_init(&node->puts);
    node->net = &net;
    assert_int_equal(rf_files_new(&config, &world, &node->files), 0);
    node->up = true;
}

void net_stop(size_t at)
{
    struct net_node *node = &net.nodes[at];
    if (!node->up)
        return;
    RF_LIST_EACH_SAFE(&node->gets, g)
    {
        rf_files_drop_get(&net.mem.mem, RF_LIST_ENTRY(g, struct rf_files_get, list));
    }
    RF_LIST_EACH_SAFE(&node->puts, p)
    {
        rf_files_drop_put(&net.mem.mem, RF_LIST_ENTRY(p, struct rf_files_put, list));
    }
    rf_files_free(node->files);
    node->up = false;
    node->attach_count = 0;
    for (size_t i = 0; i < net.conn_count; i++)
        if (net.conns[i].ends[0] == at || net.conns[i].ends[1] == at)
            net.conns[i].open = false;
}

int net_set_up(void **state)
{
    (void)state;
    memset(&net, 0, sizeof(net));
    rf_mem_test_init(&net.mem);
    rf_rng_seeded_init(&net.rng, 5);
    net.now.mono_us = 1000000;
    net.step_us = 1000;
    net.crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_non_null(net.crypto);
    for (size_t i = 0; i < NET_NODES; i++)
        net_start(i, NULL);
    return 0;
}

int net_tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < NET_NODES; i++) {
        net_stop(i);
        for (size_t f = 0; f < NET_FILES; f++) {
            rf_free(rf_mem_system(), net.nodes[i].disk[f].plain);
            rf_free(rf_mem_system(), net.nodes[i].disk[f].nodes);
        }
    }
    for (size_t i = 0; i < net.conn_count; i++) {
        rf_free(rf_mem_system(), net.conns[i].to[0].p);
        rf_free(rf_mem_system(), net.conns[i].to[1].p);
    }
    rf_crypto_openssl_free(net.crypto);
    assert_int_equal(net.mem.live_count, 0);
    return 0;
}

static struct net_file *room_for(size_t node, struct rf_file_shape shape)
{
    struct net_file *f = net.nodes[node].disk;
    while (f->there)
        f++;
    assert_true(f < net.nodes[node].disk + NET_FILES);
    f->there = true;
    f->shape = shape;
    f->plain = rf_zalloc(rf_mem_system(), shape.size);
    f->nodes = rf_zalloc(rf_mem_system(), rf_file_node_count(&shape) * RF_FILE_HASH_LEN);
    return f;
}

static void add(size_t node, const struct net_file *f, const uint8_t *have)
{
    struct rf_files_file file = {.shape = f->shape, .have = have};
    memcpy(file.id, f->id, sizeof(file.id));
    memcpy(file.secret, f->secret, sizeof(file.secret));
    assert_int_equal(rf_files_add(net.nodes[node].files, &file), 0);
}

struct net_file *net_make(size_t node, uint64_t size, uint8_t chunk_bits)
{
    struct net_file *f = room_for(node, (struct rf_file_shape){size, chunk_bits});
    struct rf_file_keys keys;
    struct rf_buf sealed;
    rf_rng_fill(&net.rng.rng, f->plain, size);
    rf_rng_fill(&net.rng.rng, f->secret, sizeof(f->secret));
    assert_int_equal(rf_file_keys(net.crypto, f->secret, &keys), 0);
    rf_buf_init(&sealed, rf_mem_system(), (size_t)1 << 20);
    for (uint32_t i = 0; i < rf_file_chunk_count(&f->shape); i++) {
        struct rf_view plain = {f->plain + ((uint64_t)i << chunk_bits), rf_file_chunk_len(&f->shape, i)};
        rf_buf_reset(&sealed);
        assert_int_equal(rf_file_seal(net.crypto, &keys, i, plain, &sealed), 0);
        assert_int_equal(rf_file_leaf(net.crypto, rf_buf_view(&sealed), f->nodes + (size_t)i * 32), 0);
    }
    rf_buf_deinit(&sealed);
    assert_int_equal(rf_file_build(net.crypto, &f->shape, f->nodes), 0);
    size_t root = rf_file_node_count(&f->shape) - 1;
    assert_int_equal(rf_file_id(net.crypto, &f->shape, f->nodes + root * 32, f->id), 0);
    add(node, f, NULL);
    return f;
}

static struct net_file *copy_of(size_t node, const struct net_file *from, bool filled)
{
    struct net_file *f = room_for(node, from->shape);
    memcpy(f->id, from->id, sizeof(f->id));
    memcpy(f->secret, from->secret, sizeof(f->secret));
    if (filled) {
        memcpy(f->plain, from->plain, from->shape.size);
        memcpy(f->nodes, from->nodes, rf_file_node_count(&f->shape) * RF_FILE_HASH_LEN);
    }
    return f;
}

struct net_file *net_give(size_t node, const struct net_file *from, const uint8_t *have)
{
    struct net_file *f = copy_of(node, from, true);
    add(node, f, have);
    return f;
}

struct net_file *net_fetch(size_t node, const struct net_file *from)
{
    static const uint8_t nothing[4096];
    struct net_file *f = copy_of(node, from, false);
    add(node, f, nothing);
    assert_int_equal(rf_files_fetch(net.nodes[node].files, f->id, net.now), 0);
    return f;
}

void net_source(size_t node, const struct net_file *file, size_t source)
{
    const struct rf_files_peer peer = {.node_id = net.nodes[source].id};
    assert_int_equal(rf_files_source(net.nodes[node].files, file->id, &peer, net.now), 0);
}

bool net_same(const struct net_file *a, const struct net_file *b)
{
    return a->shape.size == b->shape.size && memcmp(a->plain, b->plain, a->shape.size) == 0;
}

struct rf_files_info net_info(size_t node, const struct net_file *file)
{
    struct rf_files_info info;
    assert_int_equal(rf_files_info(net.nodes[node].files, file->id, &info), 0);
    return info;
}
