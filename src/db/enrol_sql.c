/* enrol_sql.c - enrol/store.h in SQL that SQLite and PostgreSQL both understand. Integers are 64 bits; bytes are bytes. */
#include "db/enrol_sql.h"

#include <stdio.h>
#include "base/assert.h"

const char *const sql_statements[SQL_STATEMENT_COUNT] = {
    [SQL_USER_GET] = "SELECT name, password, disabled, created_ms FROM enrol_user WHERE name = $1",
    [SQL_USER_PUT] =
        "INSERT INTO enrol_user(name, password, disabled, created_ms) VALUES($1, $2, $3, $4)"
        " ON CONFLICT(name) DO UPDATE SET password = excluded.password, disabled = excluded.disabled",
    [SQL_USER_EACH] = "SELECT name, password, disabled, created_ms FROM enrol_user ORDER BY name",
    [SQL_INVITE_GET] =
        "SELECT hash, name, uses_max, uses, expires_ms, created_ms FROM enrol_invite WHERE hash = $1",
    [SQL_INVITE_PUT] = "INSERT INTO enrol_invite(hash, name, uses_max, uses, expires_ms, created_ms)"
                       " VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT(hash) DO UPDATE SET uses = excluded.uses",
    [SQL_INVITE_PRUNE] = "DELETE FROM enrol_invite WHERE expires_ms < $1",
    [SQL_DEVICE_GET] =
        "SELECT node_id, name, key_hash, created_ms, not_after_ms, revoked_ms FROM enrol_device"
        " WHERE node_id = $1",
    [SQL_DEVICE_BY_KEY] =
        "SELECT node_id, name, key_hash, created_ms, not_after_ms, revoked_ms FROM enrol_device"
        " WHERE key_hash = $1",
    [SQL_DEVICE_PUT] =
        "INSERT INTO enrol_device(node_id, name, key_hash, created_ms, not_after_ms, revoked_ms)"
        " VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT(node_id) DO UPDATE SET key_hash = excluded.key_hash,"
        " not_after_ms = excluded.not_after_ms, revoked_ms = excluded.revoked_ms",
    [SQL_DEVICE_EACH] =
        "SELECT node_id, name, key_hash, created_ms, not_after_ms, revoked_ms FROM enrol_device"
        " ORDER BY node_id",
    [SQL_DEVICE_EACH_OF] =
        "SELECT node_id, name, key_hash, created_ms, not_after_ms, revoked_ms FROM enrol_device"
        " WHERE name = $1 ORDER BY node_id",
    [SQL_CERT_PUT] =
        "INSERT INTO enrol_cert(serial_hi, serial_lo, node_id, issued_ms, not_before_ms, not_after_ms, der)"
        " VALUES($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    [SQL_DOCUMENT_NUMBER] =
        "SELECT number, sequence, created_ms FROM enrol_document ORDER BY number DESC LIMIT 1",
    [SQL_DOCUMENT_GET] = "SELECT xml FROM enrol_document WHERE number = $1",
    [SQL_DOCUMENT_PUT] =
        "INSERT INTO enrol_document(number, sequence, created_ms, xml) VALUES($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
};

static void put_schema(struct rf_buf *out, const char *blob)
{
    /* names are told apart by their bytes; sorting is by the database's bytes too */
    rf_buf_printf(out, "CREATE TABLE enrol_meta(key TEXT PRIMARY KEY, value BIGINT NOT NULL);"
                       "CREATE TABLE enrol_user(name TEXT PRIMARY KEY, password TEXT NOT NULL,"
                       " disabled BIGINT NOT NULL, created_ms BIGINT NOT NULL);");
    rf_buf_printf(
        out,
        "CREATE TABLE enrol_invite(hash %s PRIMARY KEY, name TEXT NOT NULL, uses_max BIGINT NOT NULL,"
        " uses BIGINT NOT NULL, expires_ms BIGINT NOT NULL, created_ms BIGINT NOT NULL);"
        "CREATE TABLE enrol_device(node_id %s PRIMARY KEY, name TEXT NOT NULL REFERENCES enrol_user(name),"
        " key_hash %s NOT NULL UNIQUE, created_ms BIGINT NOT NULL, not_after_ms BIGINT NOT NULL,"
        " revoked_ms BIGINT NOT NULL);"
        "CREATE INDEX enrol_device_name ON enrol_device(name);",
        blob, blob, blob);
    rf_buf_printf(out,
                  "CREATE TABLE enrol_cert(serial_hi BIGINT NOT NULL, serial_lo BIGINT NOT NULL,"
                  " node_id %s NOT NULL REFERENCES enrol_device(node_id), issued_ms BIGINT NOT NULL,"
                  " not_before_ms BIGINT NOT NULL, not_after_ms BIGINT NOT NULL, der %s NOT NULL,"
                  " PRIMARY KEY(serial_hi, serial_lo));"
                  "CREATE TABLE enrol_document(number BIGINT PRIMARY KEY, sequence BIGINT NOT NULL,"
                  " created_ms BIGINT NOT NULL, xml %s NOT NULL);"
                  "INSERT INTO enrol_meta(key, value) VALUES('version', %d);",
                  blob, blob, blob, SQL_SCHEMA_VERSION);
}

static int sql_says(struct sql *s, int error, const char *text)
{
    snprintf(s->error, sizeof(s->error), "%s", text);
    return error;
}

/* In a transaction of its own, so that of two processes only one makes them. */
int sql_tables(struct sql *s, bool create)
{
    int64_t version = 0;
    struct rf_buf schema;
    rf_buf_init(&schema, s->mem, 8192);
    int e = s->driver->begin(s);
    if (e == RF_OK)
        e = s->driver->version(s, &version);
    if (e == RF_OK && version > SQL_SCHEMA_VERSION)
        e = sql_says(s, RF_EVERSION, "the database was made by a newer version of this program");
    else if (e == RF_OK && version == 0 && !create)
        e = sql_says(s, RF_ENOTFOUND, "the database has no tables of the enrolment server");
    else if (e == RF_OK && version == 0) {
        put_schema(&schema, s->driver->blob);
        e = s->driver->make_tables(s, &schema);
    }
    if (e == RF_OK)
        e = s->driver->commit(s);
    else
        s->driver->rollback(s);
    rf_buf_deinit(&schema);
    return e;
}

/* ---- values ---- */

static struct sql_value of_int(uint64_t i)
{
    return (struct sql_value){.type = SQL_INT, .i = (int64_t)i};
}

static struct sql_value of_text(const char *s)
{
    return (struct sql_value){.type = SQL_TEXT, .v = rf_view_str(s)};
}

static struct sql_value of_blob(struct rf_view v)
{
    return (struct sql_value){.type = SQL_BLOB, .v = v};
}

static struct sql_value of_hash(const uint8_t hash[RF_ENROL_HASH_LEN])
{
    return of_blob(rf_view_of(hash, RF_ENROL_HASH_LEN));
}

/* The take_ functions read a column; a wrong type or length is a damaged database. */
static bool take_int(const struct sql_row *row, size_t at, uint64_t *out)
{
    if (at >= row->count || row->column[at].type != SQL_INT)
        return false;
    *out = (uint64_t)row->column[at].i;
    return true;
}

static bool take_text(const struct sql_row *row, size_t at, char *out, size_t out_size)
{
    if (at >= row->count || row->column[at].type != SQL_TEXT || row->column[at].v.len >= out_size)
        return false;
    memset(out, 0, out_size);
    memcpy(out, row->column[at].v.p, row->column[at].v.len);
    return true;
}

static bool take_hash(const struct sql_row *row, size_t at, uint8_t out[RF_ENROL_HASH_LEN])
{
    if (at >= row->count || row->column[at].type != SQL_BLOB || row->column[at].v.len != RF_ENROL_HASH_LEN)
        return false;
    memcpy(out, row->column[at].v.p, RF_ENROL_HASH_LEN);
    return true;
}

static bool take_id(const struct sql_row *row, size_t at, struct rf_id *out)
{
    memset(out, 0, sizeof(*out));
    return at < row->count && row->column[at].type == SQL_BLOB && rf_id_from(row->column[at].v, out) == RF_OK;
}

static bool read_user(const struct sql_row *row, struct rf_enrol_user *out)
{
    uint64_t disabled = 0;
    bool good = take_text(row, 0, out->name, sizeof(out->name)) &&
                take_text(row, 1, out->password, sizeof(out->password)) && take_int(row, 2, &disabled) &&
                take_int(row, 3, &out->created_ms);
    out->disabled = disabled != 0;
    return good;
}

static bool read_invite(const struct sql_row *row, struct rf_enrol_invite *out)
{
    uint64_t uses_max = 0, uses = 0;
    bool good = take_hash(row, 0, out->hash) && take_text(row, 1, out->user, sizeof(out->user)) &&
                take_int(row, 2, &uses_max) && take_int(row, 3, &uses) &&
                take_int(row, 4, &out->expires_ms) && take_int(row, 5, &out->created_ms);
    out->uses_max = (uint32_t)uses_max;
    out->uses = (uint32_t)uses;
    return good && uses_max <= UINT32_MAX && uses <= uses_max;
}

static bool read_device(const struct sql_row *row, struct rf_enrol_device *out)
{
    return take_id(row, 0, &out->node_id) && take_text(row, 1, out->user, sizeof(out->user)) &&
           take_hash(row, 2, out->key_hash) && take_int(row, 3, &out->created_ms) &&
           take_int(row, 4, &out->not_after_ms) && take_int(row, 5, &out->revoked_ms);
}

/* ---- running ---- */

static struct sql *of(struct rf_enrol_store *store)
{
    return RF_CONTAINER(store, struct sql, store);
}

/* A receiver of rows: `kind` says what to read them into, then either one is kept (out) or each is shown (each_*). */
struct reader {
    struct sql *s;
    size_t seen;
    union {
        struct rf_enrol_user user;
        struct rf_enrol_invite invite;
        struct rf_enrol_device device;
    } row;
    int (*each_user)(void *ctx, const struct rf_enrol_user *user);
    int (*each_device)(void *ctx, const struct rf_enrol_device *device);
    void *ctx;
};

/* run is the driver's, after forgetting what an earlier call said. */
static int run(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count,
               sql_each *each, void *ctx, uint64_t *changed)
{
    s->error[0] = '\0';
    return s->driver->run(s, statement, params, count, each, ctx, changed);
}

static int damaged(struct sql *s, const char *table)
{
    snprintf(s->error, sizeof(s->error), "the table %s holds a row that this program cannot read", table);
    return RF_EDATABASE;
}

static int on_user(void *ctx, const struct sql_row *row)
{
    struct reader *r = ctx;
    r->seen++;
    if (!read_user(row, &r->row.user))
        return damaged(r->s, "enrol_user");
    return r->each_user ? r->each_user(r->ctx, &r->row.user) : RF_OK;
}

static int on_invite(void *ctx, const struct sql_row *row)
{
    struct reader *r = ctx;
    r->seen++;
    return read_invite(row, &r->row.invite) ? RF_OK : damaged(r->s, "enrol_invite");
}

static int on_device(void *ctx, const struct sql_row *row)
{
    struct reader *r = ctx;
    r->seen++;
    if (!read_device(row, &r->row.device))
        return damaged(r->s, "enrol_device");
    return r->each_device ? r->each_device(r->ctx, &r->row.device) : RF_OK;
}

/* get runs a statement with one parameter that finds at most one row. */
static int get(struct sql *s, enum sql_statement statement, struct sql_value key, sql_each *each,
               struct reader *r)
{
    r->s = s;
    int e = run(s, statement, &key, 1, each, r, NULL);
    if (e == RF_OK && r->seen == 0)
        return RF_ENOTFOUND;
    return e;
}

static int put(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count)
{
    return run(s, statement, params, count, NULL, NULL, NULL);
}

/* add inserts a row that must not be there. */
static int add(struct sql *s, enum sql_statement statement, const struct sql_value *params, size_t count)
{
    uint64_t changed = 0;
    int e = run(s, statement, params, count, NULL, NULL, &changed);
    return e == RF_OK && changed == 0 ? RF_ECONFLICT : e;
}

/* ---- the operations ---- */

static void op_free(struct rf_enrol_store *store)
{
    of(store)->driver->close(of(store));
}

static int op_begin(struct rf_enrol_store *store)
{
    of(store)->error[0] = '\0';
    return of(store)->driver->begin(of(store));
}

static int op_commit(struct rf_enrol_store *store)
{
    of(store)->error[0] = '\0';
    return of(store)->driver->commit(of(store));
}

static void op_rollback(struct rf_enrol_store *store)
{
    of(store)->driver->rollback(of(store));
}

static int op_user_get(struct rf_enrol_store *store, const char *name, struct rf_enrol_user *out)
{
    struct reader r = {0};
    int e = get(of(store), SQL_USER_GET, of_text(name), on_user, &r);
    if (e == RF_OK)
        *out = r.row.user;
    return e;
}

static int op_user_put(struct rf_enrol_store *store, const struct rf_enrol_user *user)
{
    const struct sql_value params[] = {of_text(user->name), of_text(user->password), of_int(user->disabled),
                                       of_int(user->created_ms)};
    return put(of(store), SQL_USER_PUT, params, RF_COUNT(params));
}

static int op_user_each(struct rf_enrol_store *store,
                        int (*each)(void *ctx, const struct rf_enrol_user *user), void *ctx)
{
    struct reader r = {.s = of(store), .each_user = each, .ctx = ctx};
    return run(r.s, SQL_USER_EACH, NULL, 0, on_user, &r, NULL);
}

static int op_invite_get(struct rf_enrol_store *store, const uint8_t hash[RF_ENROL_HASH_LEN],
                         struct rf_enrol_invite *out)
{
    struct reader r = {0};
    int e = get(of(store), SQL_INVITE_GET, of_hash(hash), on_invite, &r);
    if (e == RF_OK)
        *out = r.row.invite;
    return e;
}

static int op_invite_put(struct rf_enrol_store *store, const struct rf_enrol_invite *invite)
{
    const struct sql_value params[] = {of_hash(invite->hash),      of_text(invite->user),
                                       of_int(invite->uses_max),   of_int(invite->uses),
                                       of_int(invite->expires_ms), of_int(invite->created_ms)};
    return put(of(store), SQL_INVITE_PUT, params, RF_COUNT(params));
}

static int op_invite_prune(struct rf_enrol_store *store, uint64_t before_ms)
{
    const struct sql_value param = of_int(before_ms);
    return put(of(store), SQL_INVITE_PRUNE, &param, 1);
}

static int op_device_get(struct rf_enrol_store *store, const struct rf_id *node_id,
                         struct rf_enrol_device *out)
{
    struct reader r = {0};
    int e = get(of(store), SQL_DEVICE_GET, of_blob(rf_id_view(node_id)), on_device, &r);
    if (e == RF_OK)
        *out = r.row.device;
    return e;
}

static int op_device_by_key(struct rf_enrol_store *store, const uint8_t key_hash[RF_ENROL_HASH_LEN],
                            struct rf_enrol_device *out)
{
    struct reader r = {0};
    int e = get(of(store), SQL_DEVICE_BY_KEY, of_hash(key_hash), on_device, &r);
    if (e == RF_OK)
        *out = r.row.device;
    return e;
}

static int op_device_put(struct rf_enrol_store *store, const struct rf_enrol_device *device)
{
    struct rf_enrol_device other;
    const struct sql_value params[] = {of_blob(rf_id_view(&device->node_id)),
                                       of_text(device->user),
                                       of_hash(device->key_hash),
                                       of_int(device->created_ms),
                                       of_int(device->not_after_ms),
                                       of_int(device->revoked_ms)};
    /* looked up first: a violated constraint would end PostgreSQL's transaction */
    int e = op_device_by_key(store, device->key_hash, &other);
    if (e == RF_OK && !rf_id_equal(&other.node_id, &device->node_id))
        return RF_ECONFLICT;
    if (e != RF_OK && e != RF_ENOTFOUND)
        return e;
    return put(of(store), SQL_DEVICE_PUT, params, RF_COUNT(params));
}

static int op_device_each(struct rf_enrol_store *store, const char *user,
                          int (*each)(void *ctx, const struct rf_enrol_device *device), void *ctx)
{
    struct reader r = {.s = of(store), .each_device = each, .ctx = ctx};
    if (!user)
        return run(r.s, SQL_DEVICE_EACH, NULL, 0, on_device, &r, NULL);
    const struct sql_value name = of_text(user);
    return run(r.s, SQL_DEVICE_EACH_OF, &name, 1, on_device, &r, NULL);
}

static int op_cert_put(struct rf_enrol_store *store, const struct rf_enrol_cert *cert)
{
    const struct sql_value params[] = {
        of_int(cert->serial_hi), of_int(cert->serial_lo),     of_blob(rf_id_view(&cert->node_id)),
        of_int(cert->issued_ms), of_int(cert->not_before_ms), of_int(cert->not_after_ms),
        of_blob(cert->der)};
    return add(of(store), SQL_CERT_PUT, params, RF_COUNT(params));
}

struct document_reader {
    struct sql *s;
    bool seen;
    struct rf_enrol_document *document; /* NULL: read the text */
    struct rf_buf *xml;
};

static int on_document(void *ctx, const struct sql_row *row)
{
    struct document_reader *r = ctx;
    uint64_t sequence = 0;
    r->seen = true;
    if (!r->document) {
        if (row->count != 1 || row->column[0].type != SQL_BLOB)
            return damaged(r->s, "enrol_document");
        rf_buf_view_put(r->xml, row->column[0].v);
        return rf_buf_error(r->xml);
    }
    bool good = take_int(row, 0, &r->document->number) && take_int(row, 1, &sequence) &&
                take_int(row, 2, &r->document->created_ms);
    r->document->sequence = (uint16_t)sequence;
    return good && sequence < 65535 ? RF_OK : damaged(r->s, "enrol_document");
}

static int op_document_get(struct rf_enrol_store *store, uint64_t known, struct rf_enrol_document *out,
                           struct rf_buf *xml)
{
    struct sql *s = of(store);
    struct document_reader r = {.s = s, .document = out, .xml = xml};
    int e = run(s, SQL_DOCUMENT_NUMBER, NULL, 0, on_document, &r, NULL);
    if (e != RF_OK || !r.seen)
        return e != RF_OK ? e : RF_ENOTFOUND;
    if (out->number == known)
        return RF_OK;
    const struct sql_value number = of_int(out->number);
    r.document = NULL;
    r.seen = false;
    e = run(s, SQL_DOCUMENT_GET, &number, 1, on_document, &r, NULL);
    return e == RF_OK && !r.seen ? RF_EDATABASE : e;
}

static int op_document_put(struct rf_enrol_store *store, const struct rf_enrol_document *document,
                           struct rf_view xml)
{
    const struct sql_value params[] = {of_int(document->number), of_int(document->sequence),
                                       of_int(document->created_ms), of_blob(xml)};
    return add(of(store), SQL_DOCUMENT_PUT, params, RF_COUNT(params));
}

static const struct rf_enrol_store_ops operations = {
    .free = op_free,
    .begin = op_begin,
    .commit = op_commit,
    .rollback = op_rollback,
    .user_get = op_user_get,
    .user_put = op_user_put,
    .user_each = op_user_each,
    .invite_get = op_invite_get,
    .invite_put = op_invite_put,
    .invite_prune = op_invite_prune,
    .device_get = op_device_get,
    .device_by_key = op_device_by_key,
    .device_put = op_device_put,
    .device_each = op_device_each,
    .cert_put = op_cert_put,
    .document_get = op_document_get,
    .document_put = op_document_put,
};

void sql_init(struct sql *s, struct rf_mem *mem, const struct sql_driver *driver)
{
    s->store.ops = &operations;
    s->driver = driver;
    s->mem = mem;
    s->error[0] = '\0';
}

const char *rf_enrol_db_error(const struct rf_enrol_store *store)
{
    return RF_CONTAINER(store, const struct sql, store)->error;
}

int rf_enrol_db_open(struct rf_mem *mem, const char *where, bool create, struct rf_enrol_store **out,
                     char *error, size_t error_len)
{
    struct sql *s = NULL;
    int e = RF_EINVAL;
    if (strncmp(where, "sqlite:", 7) == 0)
        e = sql_sqlite_open(mem, where + 7, create, &s);
    else if (strncmp(where, "postgresql://", 13) == 0 || strncmp(where, "postgres://", 11) == 0)
        e = sql_postgres_open(mem, where, create, &s);
    if (e == RF_OK) {
        *out = &s->store;
        return RF_OK;
    }
    if (error && error_len > 0)
        snprintf(error, error_len, "%s",
                 s && s->error[0] ? s->error
                 : e == RF_EINVAL ? "a database is sqlite:PATH or postgresql://..."
                                  : rf_error_text(e));
    if (s)
        s->driver->close(s);
    return e;
}
