/* enrol_store.c - enrol/store.h in memory. */
#include "support/enrol_store.h"

#include <stdlib.h>
#include "base/assert.h"

static struct memory_store *of(struct rf_enrol_store *s)
{
    return RF_CONTAINER(s, struct memory_store, store);
}

static bool fails(struct memory_store *m)
{
    return ++m->calls == m->fail_at;
}

static int op_begin(struct rf_enrol_store *s)
{
    struct memory_store *m = of(s);
    RF_ASSERT(!m->open);
    if (fails(m))
        return m->fail_with;
    m->before = m->now;
    m->open = true;
    return RF_OK;
}

static void op_rollback(struct rf_enrol_store *s)
{
    struct memory_store *m = of(s);
    if (m->open)
        m->now = m->before;
    m->open = false;
}

static int op_commit(struct rf_enrol_store *s)
{
    struct memory_store *m = of(s);
    RF_ASSERT(m->open);
    if (fails(m)) {
        op_rollback(s);
        return m->fail_with;
    }
    m->open = false;
    m->commits++;
    return RF_OK;
}

static void op_free(struct rf_enrol_store *s)
{
    op_rollback(s);
}

static struct rf_enrol_user *find_user(struct memory_store *m, const char *name)
{
    for (size_t i = 0; i < m->now.user_count; i++)
        if (strcmp(m->now.users[i].name, name) == 0)
            return &m->now.users[i];
    return NULL;
}

static int op_user_get(struct rf_enrol_store *s, const char *name, struct rf_enrol_user *out)
{
    if (fails(of(s)))
        return of(s)->fail_with;
    const struct rf_enrol_user *user = find_user(of(s), name);
    if (user)
        *out = *user;
    return user ? RF_OK : RF_ENOTFOUND;
}

static int op_user_put(struct rf_enrol_store *s, const struct rf_enrol_user *user)
{
    struct memory_store *m = of(s);
    struct rf_enrol_user *old = find_user(m, user->name);
    RF_ASSERT(m->open && (old || m->now.user_count < MEMORY_ROWS));
    if (fails(m))
        return m->fail_with;
    *(old ? old : &m->now.users[m->now.user_count++]) = *user;
    return RF_OK;
}

static int op_user_each(struct rf_enrol_store *s, int (*each)(void *ctx, const struct rf_enrol_user *user),
                        void *ctx)
{
    for (size_t i = 0; i < of(s)->now.user_count; i++) {
        int e = each(ctx, &of(s)->now.users[i]);
        if (e != RF_OK)
            return e;
    }
    return RF_OK;
}

static struct rf_enrol_invite *find_invite(struct memory_store *m, const uint8_t *hash)
{
    for (size_t i = 0; i < m->now.invite_count; i++)
        if (memcmp(m->now.invites[i].hash, hash, RF_ENROL_HASH_LEN) == 0)
            return &m->now.invites[i];
    return NULL;
}

static int op_invite_get(struct rf_enrol_store *s, const uint8_t hash[RF_ENROL_HASH_LEN],
                         struct rf_enrol_invite *out)
{
    if (fails(of(s)))
        return of(s)->fail_with;
    const struct rf_enrol_invite *invite = find_invite(of(s), hash);
    if (invite)
        *out = *invite;
    return invite ? RF_OK : RF_ENOTFOUND;
}

static int op_invite_put(struct rf_enrol_store *s, const struct rf_enrol_invite *invite)
{
    struct memory_store *m = of(s);
    struct rf_enrol_invite *old = find_invite(m, invite->hash);
    RF_ASSERT(m->open && (old || m->now.invite_count < MEMORY_ROWS));
    if (fails(m))
        return m->fail_with;
    *(old ? old : &m->now.invites[m->now.invite_count++]) = *invite;
    return RF_OK;
}

static int op_invite_prune(struct rf_enrol_store *s, uint64_t before_ms)
{
    struct memory_tables *t = &of(s)->now;
    size_t kept = 0;
    for (size_t i = 0; i < t->invite_count; i++)
        if (t->invites[i].expires_ms >= before_ms)
            t->invites[kept++] = t->invites[i];
    t->invite_count = kept;
    return RF_OK;
}

static int op_device_get(struct rf_enrol_store *s, const struct rf_id *node_id, struct rf_enrol_device *out)
{
    struct memory_store *m = of(s);
    if (fails(m))
        return m->fail_with;
    for (size_t i = 0; i < m->now.device_count; i++)
        if (rf_id_equal(&m->now.devices[i].node_id, node_id)) {
            *out = m->now.devices[i];
            return RF_OK;
        }
    return RF_ENOTFOUND;
}

static int op_device_by_key(struct rf_enrol_store *s, const uint8_t key_hash[RF_ENROL_HASH_LEN],
                            struct rf_enrol_device *out)
{
    struct memory_store *m = of(s);
    if (fails(m))
        return m->fail_with;
    for (size_t i = 0; i < m->now.device_count; i++)
        if (memcmp(m->now.devices[i].key_hash, key_hash, RF_ENROL_HASH_LEN) == 0) {
            *out = m->now.devices[i];
            return RF_OK;
        }
    return RF_ENOTFOUND;
}

static int op_device_put(struct rf_enrol_store *s, const struct rf_enrol_device *device)
{
    struct memory_store *m = of(s);
    RF_ASSERT(m->open);
    if (fails(m))
        return m->fail_with;
    size_t at = m->now.device_count;
    for (size_t i = 0; i < m->now.device_count; i++) {
        bool same = rf_id_equal(&m->now.devices[i].node_id, &device->node_id);
        if (same)
            at = i;
        else if (memcmp(m->now.devices[i].key_hash, device->key_hash, RF_ENROL_HASH_LEN) == 0)
            return RF_ECONFLICT;
    }
    RF_ASSERT(at < MEMORY_ROWS);
    m->now.devices[at] = *device;
    m->now.device_count += at == m->now.device_count;
    return RF_OK;
}

static int op_device_each(struct rf_enrol_store *s, const char *user,
                          int (*each)(void *ctx, const struct rf_enrol_device *device), void *ctx)
{
    struct memory_store *m = of(s);
    if (fails(m))
        return m->fail_with;
    for (size_t i = 0; i < m->now.device_count; i++) {
        int e = !user || strcmp(user, m->now.devices[i].user) == 0 ? each(ctx, &m->now.devices[i]) : RF_OK;
        if (e != RF_OK)
            return e;
    }
    return RF_OK;
}

static int op_cert_put(struct rf_enrol_store *s, const struct rf_enrol_cert *cert)
{
    struct memory_store *m = of(s);
    RF_ASSERT(m->open && m->now.cert_count < MEMORY_ROWS && cert->der.len <= MEMORY_DER_LEN);
    if (fails(m))
        return m->fail_with;
    struct memory_cert *row = &m->now.certs[m->now.cert_count];
    for (size_t i = 0; i < m->now.cert_count; i++)
        if (m->now.certs[i].cert.serial_hi == cert->serial_hi &&
            m->now.certs[i].cert.serial_lo == cert->serial_lo)
            return RF_ECONFLICT;
    row->cert = *cert;
    memcpy(row->der, cert->der.p, cert->der.len);
    row->cert.der = rf_view_of(row->der, cert->der.len);
    m->now.cert_count++;
    return RF_OK;
}

static int op_document_get(struct rf_enrol_store *s, uint64_t known, struct rf_enrol_document *out,
                           struct rf_buf *xml)
{
    struct memory_store *m = of(s);
    if (fails(m))
        return m->fail_with;
    if (m->now.document_count == 0)
        return RF_ENOTFOUND;
    const struct memory_document *row = &m->now.documents[m->now.document_count - 1];
    *out = row->document;
    if (out->number != known)
        rf_buf_put(xml, row->xml, row->len);
    return rf_buf_error(xml);
}

static int op_document_put(struct rf_enrol_store *s, const struct rf_enrol_document *document,
                           struct rf_view xml)
{
    struct memory_store *m = of(s);
    RF_ASSERT(m->open && m->now.document_count < MEMORY_DOCUMENTS && xml.len <= MEMORY_XML_LEN);
    if (fails(m))
        return m->fail_with;
    for (size_t i = 0; i < m->now.document_count; i++)
        if (m->now.documents[i].document.number == document->number)
            return RF_ECONFLICT;
    struct memory_document *row = &m->now.documents[m->now.document_count++];
    row->document = *document;
    row->len = xml.len;
    memcpy(row->xml, xml.p, xml.len);
    return RF_OK;
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

struct memory_store *memory_store_new(void)
{
    struct memory_store *m = calloc(1, sizeof(*m));
    RF_ASSERT(m);
    m->store.ops = &operations;
    m->fail_with = RF_EDATABASE;
    return m;
}

void memory_store_free(struct memory_store *m)
{
    free(m);
}
