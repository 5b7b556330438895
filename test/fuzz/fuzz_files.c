/*
 * fuzz_files.c - what others say about files. The first byte chooses: a reference (decoded, encoded: the same), a name (cleaned: valid), messages (decoded, encoded: the same), or what a peer
 * says to a node that has one file and fetches another from him: nothing of it may be taken for a chunk.
 */
#include "files/files.h"
#include "support/fuzz_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t space[RF_FILE_TELL_MAX + 64];

static void reference(struct rf_view in)
{
    struct rf_file_reference r;
    struct rf_buf buf;
    if (rf_file_reference_decode(in, &r) != 0)
        return;
    RF_ASSERT(rf_file_name_valid(r.name) && memchr(r.name.p, '/', r.name.len) == NULL);
    rf_buf_fixed(&buf, space, sizeof(space));
    rf_file_reference_encode(&r, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_view_equal(rf_buf_view(&buf), in));
}

static void name(struct rf_view in)
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, space, sizeof(space));
    rf_file_name_clean(in, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_file_name_valid(rf_buf_view(&buf)));
    if (rf_file_name_valid(in))
        RF_ASSERT(rf_view_equal(rf_buf_view(&buf), in));
    (void)rf_file_type_valid(in);
}

static void messages(struct rf_view in)
{
    struct rf_file_message m;
    for (struct rf_view before = in; rf_file_message_next(&in, &m) == 0; before = in) {
        struct rf_buf buf;
        rf_buf_fixed(&buf, space, sizeof(space));
        rf_file_message_encode(&m, &buf);
        RF_ASSERT(rf_buf_error(&buf) == 0 &&
                  rf_view_equal(rf_buf_view(&buf), rf_view_of(before.p, before.len - in.len)));
    }
}

/* ---- a node ---- */

struct node {
    struct rf_files *files;
    uint64_t token;
    struct rf_list gets, puts;
    bool closed;
};

static int attach(void *ctx, const struct rf_files_peer *peer, uint64_t token)
{
    (void)peer;
    ((struct node *)ctx)->token = token;
    return 0;
}

static size_t room(void *ctx, rf_files_conn conn)
{
    (void)conn;
    return ((struct node *)ctx)->closed ? 0 : 65536;
}

static int say(void *ctx, rf_files_conn conn, struct rf_view bytes)
{
    struct rf_file_message m;
    (void)conn;
    RF_ASSERT(!((struct node *)ctx)->closed && rf_file_message_next(&bytes, &m) == 0 && bytes.len == 0);
    return 0;
}

static void shut(void *ctx, rf_files_conn conn)
{
    (void)conn;
    ((struct node *)ctx)->closed = true;
}

static void get(void *ctx, struct rf_files_get *job)
{
    rf_list_push_back(&((struct node *)ctx)->gets, &job->list);
}

static void put(void *ctx, struct rf_files_put *job)
{
    rf_list_push_back(&((struct node *)ctx)->puts, &job->list);
}

static void finish(void *ctx, const uint8_t id[RF_FILE_ID_LEN])
{
    (void)ctx;
    (void)id;
    RF_ASSERT(!"no chunk was good");
}

static void event(void *ctx, const struct rf_files_event *e)
{
    (void)ctx;
    RF_ASSERT(e->bytes <= e->size);
}

static void do_jobs(struct node *n, const struct rf_files_file *file, struct rf_crypto *crypto,
                    struct rf_now now)
{
    RF_LIST_EACH_SAFE(&n->gets, it)
    {
        struct rf_files_get *job = RF_LIST_ENTRY(it, struct rf_files_get, list);
        rf_list_remove(it);
        rf_files_chunk_front(job->channel, job->index, rf_view_of(NULL, 0), 32, &job->message);
        (void)rf_buf_reserve(&job->message, 32);
        rf_files_got(n->files, job, now);
    }
    RF_LIST_EACH_SAFE(&n->puts, it)
    {
        struct rf_files_put *job = RF_LIST_ENTRY(it, struct rf_files_put, list);
        uint8_t leaf[RF_FILE_HASH_LEN];
        rf_list_remove(it);
        job->error = rf_file_check(crypto, &file->shape, file->id, job->index, job->sealed, job->proof, leaf);
        RF_ASSERT(job->error != 0);
        rf_files_put_done(n->files, job, now);
    }
}

/* What the peer says first: he may have `whole`, on channel 1. */
static void open_channel(struct node *n, const struct rf_files_file *whole, struct rf_crypto *crypto,
                         struct rf_now now)
{
    static const struct rf_id asker = {.len = 16, .b = {7}}, holder = {.len = 16, .b = {9}};
    struct rf_file_keys keys;
    uint8_t access[RF_SHA256_LEN], bytes[128];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    RF_ASSERT(rf_file_keys(crypto, whole->secret, &keys) == 0 &&
              rf_file_access(crypto, &keys, whole->id, rf_id_view(&asker), rf_id_view(&holder), access) == 0);
    const struct rf_file_message m = {.type = RF_FILE_OPEN,
                                      .channel = 1,
                                      .id = rf_view_of(whole->id, sizeof(whole->id)),
                                      .access = rf_view_of(access, sizeof(access))};
    rf_file_message_encode(&m, &buf);
    rf_files_data(n->files, 1, rf_buf_view(&buf), now);
    RF_ASSERT(rf_files_counters(n->files)->asked == 1);
}

static void node(struct rf_view in)
{
    static const uint8_t nothing[16];
    struct fuzz_env e = {.now = {.mono_us = 1000000}};
    struct node n = {0};
    struct rf_files_file whole = {.id = {1}, .shape = {100000, 14}},
                         part = {.id = {2}, .shape = {100000, 14}, .have = nothing};
    struct rf_files_peer peer = {.node_id = {.len = 16, .b = {7}}};
    const struct rf_files_world world = {&n, attach, room, say, shut, get, put, finish, event};
    fuzz_env_init(&e);
    rf_list_init(&n.gets);
    rf_list_init(&n.puts);
    const struct rf_files_config config = {
        .mem = rf_mem_system(), .crypto = e.crypto, .jitter = &e.rng.rng, .self = {.len = 16, .b = {9}}};
    RF_ASSERT(rf_files_new(&config, &world, &n.files) == 0);
    RF_ASSERT(rf_files_add(n.files, &whole) == 0 && rf_files_add(n.files, &part) == 0);
    RF_ASSERT(rf_files_fetch(n.files, part.id, e.now) == 0);
    RF_ASSERT(rf_files_source(n.files, part.id, &peer, e.now) == 0);
    rf_files_turn(n.files, e.now);
    rf_files_up(n.files, 1, &peer.node_id, true, e.now);
    rf_files_attached(n.files, n.token, 0, 1, e.now);
    open_channel(&n, &whole, e.crypto, e.now);
    while (in.len > 0 && !n.closed) { /* in pieces whose lengths the input says */
        size_t piece = (size_t)in.p[0] * 4 + 1;
        in = rf_view_of(in.p + 1, in.len - 1);
        piece = piece < in.len ? piece : in.len;
        rf_files_data(n.files, 1, rf_view_of(in.p, piece), e.now);
        in = rf_view_of(in.p + piece, in.len - piece);
        do_jobs(&n, &part, e.crypto, e.now);
        rf_files_turn(n.files, e.now);
        e.now.mono_us += 100000;
    }
    rf_files_down(n.files, 1, e.now);
    RF_LIST_EACH_SAFE(&n.gets, it)
    {
        rf_files_drop_get(rf_mem_system(), RF_LIST_ENTRY(it, struct rf_files_get, list));
    }
    RF_LIST_EACH_SAFE(&n.puts, it)
    {
        rf_files_drop_put(rf_mem_system(), RF_LIST_ENTRY(it, struct rf_files_put, list));
    }
    rf_files_free(n.files);
    fuzz_env_deinit(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const targets[])(struct rf_view in) = {reference, name, messages, node};
    if (len > 0)
        targets[data[0] % RF_COUNT(targets)](rf_view_of(data + 1, len - 1));
    return 0;
}
