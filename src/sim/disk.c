/* disk.c - virtual disks: rows by (resource, kind, slot); certificates and values are kept once per shard, however many replicas there are. */
#include "base/assert.h"
#include "sim/world.h"

/* One row, or in a commit the order to delete one. Bytes: the key (resource, kind, slot). */
struct sim_row {
    struct rf_map_node node;
    struct sim_blob *cert, *data; /* NULL: delete */
    uint64_t generation, storage_time_ms, expires_ms;
    uint32_t kind;
    uint16_t slot_len;
    uint8_t resource_len, replica_number;
    uint8_t bytes[];
};

static struct rf_view blob_key(const struct rf_map_node *node)
{
    const struct sim_blob *b = RF_CONTAINER(node, struct sim_blob, node);
    return rf_view_of(b->bytes, b->len);
}

static struct rf_view row_key(const struct rf_map_node *node)
{
    const struct sim_row *r = RF_CONTAINER(node, struct sim_row, node);
    return rf_view_of(r->bytes, (size_t)r->resource_len + 4 + r->slot_len);
}

void sim_blobs_init(struct sim_shard *shard)
{
    const uint64_t seed[2] = {1, 2};
    rf_map_init(&shard->blobs, shard->sim->config.mem, seed, blob_key);
}

struct sim_blob *sim_blob_get(struct sim_shard *shard, struct rf_view bytes)
{
    struct rf_map_node *found = rf_map_find(&shard->blobs, bytes);
    struct sim_blob *b = found != NULL ? RF_CONTAINER(found, struct sim_blob, node) : NULL;
    if (b == NULL) {
        b = rf_zalloc(shard->sim->config.mem, sizeof(*b) + bytes.len);
        RF_ASSERT(b != NULL);
        b->len = (uint32_t)bytes.len;
        if (bytes.len > 0)
            memcpy(b->bytes, bytes.p, bytes.len);
        RF_ASSERT(rf_map_insert(&shard->blobs, &b->node) == 0);
    }
    b->refs++;
    return b;
}

void sim_blob_put(struct sim_shard *shard, struct sim_blob *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    rf_map_remove(&shard->blobs, &b->node);
    rf_free(shard->sim->config.mem, b);
}

static void row_free(struct sim_node *n, struct sim_row *row)
{
    sim_blob_put(n->shard, row->cert);
    sim_blob_put(n->shard, row->data);
    rf_free(n->shard->sim->config.mem, row);
}

static uint8_t *put(uint8_t *at, struct rf_view v)
{
    if (v.len > 0)
        memcpy(at, v.p, v.len);
    return at + v.len;
}

static struct sim_row *row_of(struct sim_node *n, const struct rf_persist_op *op)
{
    const struct rf_record *r = &op->record;
    struct sim_row *row =
        rf_zalloc(n->shard->sim->config.mem, sizeof(*row) + r->resource.len + 4 + r->slot.len);
    RF_ASSERT(row != NULL);
    row->kind = r->kind;
    row->resource_len = (uint8_t)r->resource.len;
    row->slot_len = (uint16_t)r->slot.len;
    uint8_t *at = put(row->bytes, r->resource);
    at = put(at, rf_view_of(&row->kind, 4));
    put(at, r->slot);
    if (op->type != RF_PERSIST_PUT)
        return row;
    row->data = sim_blob_get(n->shard, r->stored_data);
    row->cert = sim_blob_get(n->shard, r->cert);
    row->generation = r->generation;
    row->storage_time_ms = r->storage_time_ms;
    row->expires_ms = r->expires_ms;
    row->replica_number = r->replica_number;
    return row;
}

struct sim_commit *sim_disk_prepare(struct sim_node *n, const struct rf_persist_op *ops, size_t count,
                                    uint64_t token)
{
    struct rf_mem *mem = n->shard->sim->config.mem;
    bool disk = n->shard->sim->scenario.disk;
    struct sim_commit *c = rf_zalloc(mem, sizeof(*c));
    RF_ASSERT(c != NULL);
    c->token = token;
    c->count = disk ? count : 0;
    if (c->count == 0)
        return c;
    c->rows = rf_alloc(mem, count * sizeof(c->rows[0]));
    RF_ASSERT(c->rows != NULL);
    for (size_t i = 0; i < count; i++)
        c->rows[i] = row_of(n, &ops[i]);
    return c;
}

void sim_commit_free(struct sim_node *n, struct sim_commit *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->rows[i] != NULL)
            row_free(n, c->rows[i]);
    rf_free(n->shard->sim->config.mem, c->rows);
    rf_free(n->shard->sim->config.mem, c);
}

void sim_disk_commit(struct sim_node *n, struct sim_commit *c)
{
    struct rf_mem *mem = n->shard->sim->config.mem;
    const uint64_t seed[2] = {3, 4};
    if (n->disk == NULL && c->count > 0) {
        n->disk = rf_zalloc(mem, sizeof(*n->disk));
        RF_ASSERT(n->disk != NULL);
        rf_map_init(&n->disk->rows, mem, seed, row_key);
    }
    for (size_t i = 0; i < c->count; i++) {
        struct sim_row *row = c->rows[i];
        struct rf_map_node *old = rf_map_find(&n->disk->rows, row_key(&row->node));
        if (old != NULL) {
            rf_map_remove(&n->disk->rows, old);
            row_free(n, RF_CONTAINER(old, struct sim_row, node));
        }
        if (row->cert == NULL)
            continue;
        RF_ASSERT(rf_map_insert(&n->disk->rows, &row->node) == 0);
        c->rows[i] = NULL;
    }
    sim_commit_free(n, c);
}

void sim_disk_load(struct sim_node *n)
{
    if (n->disk == NULL)
        return;
    for (struct rf_map_node *it = NULL; (it = rf_map_next(&n->disk->rows, it)) != NULL;) {
        const struct sim_row *row = RF_CONTAINER(it, struct sim_row, node);
        const uint8_t *slot = row->bytes + row->resource_len + 4;
        struct rf_record record = {.resource = rf_view_of(row->bytes, row->resource_len),
                                   .kind = row->kind,
                                   .slot = rf_view_of(slot, row->slot_len),
                                   .generation = row->generation,
                                   .storage_time_ms = row->storage_time_ms,
                                   .expires_ms = row->expires_ms,
                                   .replica_number = row->replica_number,
                                   .stored_data = rf_view_of(row->data->bytes, row->data->len),
                                   .cert = rf_view_of(row->cert->bytes, row->cert->len)};
        (void)rf_node_load(n->node, &record); /* expired ones are refused, as on a real disk */
    }
}

void sim_disk_wipe(struct sim_node *n)
{
    if (n->disk == NULL)
        return;
    for (struct rf_map_node *it; (it = rf_map_drain(&n->disk->rows)) != NULL;)
        row_free(n, RF_CONTAINER(it, struct sim_row, node));
    rf_map_deinit(&n->disk->rows);
    rf_free(n->shard->sim->config.mem, n->disk);
    n->disk = NULL;
}
