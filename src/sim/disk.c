/* disk.c - virtual disks: rows by (resource, kind, slot); certificates and values are kept once per shard, however many replicas there are. */
#include "base/assert.h"
#include "sim/world.h"

/*
 * What a row says, but for what differs between replicas: interned, so that those of one shard have it once. Most values are certificates, and the signer's
 * own: where the data contain cert's bytes, at cert_at, these are left out. Bytes: the key (resource, kind, slot).
 */
struct text {
    struct rf_cert *cert;     /* NULL: the order to delete */
    struct rf_interned *data; /* the slot again, then the data: as the storage of a node holds it */
    uint64_t storage_time_ms;
    uint32_t cert_at; /* UINT32_MAX: not in there */
    uint32_t kind;
    uint16_t key_len;
    uint8_t resource_len;
    uint8_t zero[5]; /* all bytes are compared */
    uint8_t bytes[];
};
#define TEXT_HEAD_LEN offsetof(struct text, bytes)

struct sim_row {
    struct rf_map_node node;
    struct rf_interned *blob; /* struct text */
    uint64_t generation, expires_ms;
    uint8_t replica_number;
};

static const struct text *text_of(const struct sim_row *row)
{
    return (const struct text *)(const void *)row->blob->bytes;
}

static struct rf_view row_key(const struct rf_map_node *node)
{
    const struct text *text = text_of(RF_CONTAINER(node, struct sim_row, node));
    return rf_view_of(text->bytes, text->key_len);
}

struct rf_cert *sim_cert_get(struct sim_shard *shard, struct rf_view der)
{
    struct rf_cert *cert;
    uint64_t cost_ns = shard->cost_ns;
    RF_ASSERT(rf_cert_decode(shard->crypto, der, shard->conf->overlay, shard->conf->id_len, &cert) == 0);
    shard->cost_ns = cost_ns;
    return cert;
}

static void row_free(struct sim_node *n, struct sim_row *row)
{
    struct rf_intern *values = &n->shard->values;
    const struct text text = *text_of(row);
    if (rf_intern_put(values, row->blob)) {
        rf_cert_release(text.cert);
        (void)rf_intern_put(values, text.data);
    }
    rf_free(n->shard->mem, row);
}

static uint32_t find_bytes(struct rf_view in, struct rf_view what)
{
    for (size_t at = 0; what.len > 0 && at + what.len <= in.len; at++)
        if (in.p[at] == what.p[0] && memcmp(in.p + at, what.p, what.len) == 0)
            return (uint32_t)at;
    return UINT32_MAX;
}

static struct rf_interned *buf_get(struct sim_shard *shard)
{
    RF_ASSERT(rf_buf_error(&shard->record) == 0);
    struct rf_interned *bytes = rf_intern_get(&shard->values, rf_buf_view(&shard->record));
    RF_ASSERT(bytes != NULL);
    return bytes;
}

/* The slot, then the data without the certificate at cert_at. */
static struct rf_interned *data_get(struct sim_shard *shard, const struct rf_record *r, uint32_t cert_at)
{
    struct rf_buf *buf = &shard->record;
    rf_buf_reset(buf);
    rf_buf_view_put(buf, r->slot);
    if (cert_at == UINT32_MAX) {
        rf_buf_view_put(buf, r->stored_data);
    } else {
        size_t behind = cert_at + r->cert.len;
        rf_buf_put(buf, r->stored_data.p, cert_at);
        rf_buf_put(buf, r->stored_data.p + behind, r->stored_data.len - behind);
    }
    return buf_get(shard);
}

static struct rf_interned *text_get(struct sim_shard *shard, const struct rf_persist_op *op)
{
    const struct rf_record *r = &op->record;
    struct rf_buf *buf = &shard->record;
    struct text text;
    memset(&text, 0, sizeof(text));
    text.kind = r->kind;
    text.resource_len = (uint8_t)r->resource.len;
    text.key_len = (uint16_t)(r->resource.len + 4 + r->slot.len);
    text.cert_at = UINT32_MAX;
    if (op->type == RF_PERSIST_PUT) {
        text.cert = sim_cert_get(shard, r->cert);
        text.storage_time_ms = r->storage_time_ms;
        text.cert_at = find_bytes(r->stored_data, r->cert);
        text.data = data_get(shard, r, text.cert_at);
    }
    rf_buf_reset(buf);
    rf_buf_put(buf, &text, TEXT_HEAD_LEN);
    rf_buf_view_put(buf, r->resource);
    rf_buf_put(buf, &text.kind, 4);
    rf_buf_view_put(buf, r->slot);
    struct rf_interned *blob = buf_get(shard);
    if (blob->refs > 1) { /* it has its references already */
        rf_cert_release(text.cert);
        (void)rf_intern_put(&shard->values, text.data);
    }
    return blob;
}

static struct sim_row *row_of(struct sim_node *n, const struct rf_persist_op *op)
{
    struct sim_row *row = rf_zalloc(n->shard->mem, sizeof(*row));
    RF_ASSERT(row != NULL);
    row->blob = text_get(n->shard, op);
    if (op->type == RF_PERSIST_PUT) {
        row->generation = op->record.generation;
        row->expires_ms = op->record.expires_ms;
        row->replica_number = op->record.replica_number;
    }
    return row;
}

struct sim_commit *sim_disk_prepare(struct sim_node *n, const struct rf_persist_op *ops, size_t count,
                                    uint64_t token)
{
    struct rf_mem *mem = n->shard->mem;
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
    rf_free(n->shard->mem, c->rows);
    rf_free(n->shard->mem, c);
}

void sim_disk_commit(struct sim_node *n, struct sim_commit *c)
{
    struct rf_mem *mem = n->shard->mem;
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
        if (text_of(row)->cert == NULL)
            continue;
        RF_ASSERT(rf_map_insert(&n->disk->rows, &row->node) == 0);
        c->rows[i] = NULL;
    }
    sim_commit_free(n, c);
}

void sim_disk_load(struct sim_node *n)
{
    struct rf_buf data;
    if (n->disk == NULL)
        return;
    rf_buf_init(&data, n->shard->mem, SIZE_MAX);
    for (struct rf_map_node *it = NULL; (it = rf_map_next(&n->disk->rows, it)) != NULL;) {
        const struct sim_row *row = RF_CONTAINER(it, struct sim_row, node);
        const struct text *text = text_of(row);
        const uint8_t *slot = text->bytes + text->resource_len + 4;
        size_t slot_len = text->key_len - text->resource_len - 4u;
        struct rf_view rest = rf_view_of(text->data->bytes + slot_len, text->data->len - slot_len);
        size_t front = text->cert_at < rest.len ? text->cert_at : rest.len;
        rf_buf_reset(&data);
        rf_buf_put(&data, rest.p, front);
        if (text->cert_at != UINT32_MAX)
            rf_buf_view_put(&data, text->cert->x509.der);
        rf_buf_put(&data, rest.p + front, rest.len - front);
        struct rf_record record = {.resource = rf_view_of(text->bytes, text->resource_len),
                                   .kind = text->kind,
                                   .slot = rf_view_of(slot, slot_len),
                                   .generation = row->generation,
                                   .storage_time_ms = text->storage_time_ms,
                                   .expires_ms = row->expires_ms,
                                   .replica_number = row->replica_number,
                                   .stored_data = rf_buf_view(&data),
                                   .cert = text->cert->x509.der};
        (void)rf_node_load(n->node, &record); /* expired ones are refused, as on a real disk */
    }
    rf_buf_deinit(&data);
}

void sim_disk_wipe(struct sim_node *n)
{
    if (n->disk == NULL)
        return;
    for (struct rf_map_node *it; (it = rf_map_drain(&n->disk->rows)) != NULL;)
        row_free(n, RF_CONTAINER(it, struct sim_row, node));
    rf_map_deinit(&n->disk->rows);
    rf_free(n->shard->mem, n->disk);
    n->disk = NULL;
}
