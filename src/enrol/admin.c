/* admin.c - users, invites, revocation and new versions of the configuration document. */
#include "enrol/admin.h"

#include <stdio.h>
#include "base/assert.h"

#define CHANGE_REGION_MAX_LEN ((size_t)4 * 1024 * 1024)
#define MINUTE_MS             (60 * RF_MS_PER_S)
#define SEQUENCE_COUNT        65535 /* 65535 itself is none (reload.md 1.6) */

/* finish ends a transaction: commits after RF_OK, else rolls back and keeps the first error. */
static int finish(struct rf_enrol_store *store, int error)
{
    if (error == RF_OK)
        return store->ops->commit(store);
    store->ops->rollback(store);
    return error;
}

static void set_password(struct rf_enrol_user *user, const char *password_hash)
{
    snprintf(user->password, sizeof(user->password), "%s", password_hash);
}

int rf_admin_user_add(struct rf_enrol_store *store, const char *name, const char *password_hash,
                      uint64_t wall_ms)
{
    struct rf_enrol_user user;
    RF_ASSERT(strlen(name) < sizeof(user.name) && strlen(password_hash) < sizeof(user.password));
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    e = store->ops->user_get(store, name, &user);
    if (e == RF_ENOTFOUND) {
        memset(&user, 0, sizeof(user));
        snprintf(user.name, sizeof(user.name), "%s", name);
        set_password(&user, password_hash);
        user.created_ms = wall_ms;
        e = store->ops->user_put(store, &user);
    } else if (e == RF_OK)
        e = RF_EEXIST;
    return finish(store, e);
}

int rf_admin_user_disable(struct rf_enrol_store *store, const char *name, bool disabled)
{
    struct rf_enrol_user user;
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    e = store->ops->user_get(store, name, &user);
    if (e == RF_OK) {
        user.disabled = disabled;
        e = store->ops->user_put(store, &user);
    }
    return finish(store, e);
}

int rf_admin_user_password(struct rf_enrol_store *store, const char *name, const char *password_hash)
{
    struct rf_enrol_user user;
    RF_ASSERT(strlen(password_hash) < sizeof(user.password));
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    e = store->ops->user_get(store, name, &user);
    if (e == RF_OK) {
        set_password(&user, password_hash);
        e = store->ops->user_put(store, &user);
    }
    return finish(store, e);
}

int rf_admin_invite(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_rng *secret,
                    const struct rf_admin_invite *wish, uint64_t wall_ms,
                    char code[RF_ENROL_INVITE_CODE_LEN + 1])
{
    struct rf_enrol_invite invite = {.uses_max = wish->uses, .created_ms = wall_ms};
    if (wish->uses < 1 || wish->uses > RF_ADMIN_INVITE_USES_MAX || wish->lifetime_ms < 1)
        return RF_EINVAL;
    invite.expires_ms = wall_ms + wish->lifetime_ms;
    if (wish->user)
        snprintf(invite.user, sizeof(invite.user), "%s", wish->user);
    rf_enrol_invite_code(secret, code);
    int e = rf_enrol_invite_hash(crypto, rf_view_str(code), invite.hash);
    if (e == RF_OK)
        e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    e = store->ops->invite_prune(store, wall_ms);
    if (e == RF_OK)
        e = store->ops->invite_put(store, &invite);
    return finish(store, e);
}

/* ---- the document ---- */

/* put_document signs `draft`, checks the result and stores it as `number`. Inside a transaction. */
static int put_document(struct rf_enrol_store *store, struct rf_mem *mem, struct rf_identity *signer,
                        const struct rf_conf *current, const struct rf_conf *draft, uint64_t number,
                        uint64_t wall_ms)
{
    struct rf_buf xml;
    struct rf_conf *next = NULL;
    struct rf_enrol_document document = {number, draft->sequence, wall_ms};
    rf_buf_init(&xml, mem, RF_CONF_MAX_LEN);
    int e = rf_conf_write(draft, signer, &xml);
    if (e == RF_OK)
        e = rf_conf_parse(signer->crypto, mem, rf_buf_view(&xml), draft->overlay, &next, NULL, 0);
    if (e == RF_OK)
        e = rf_conf_verify_alone(signer->crypto, mem, current, next, wall_ms); /* as every node will */
    if (e == RF_OK)
        e = store->ops->document_put(store, &document, rf_buf_view(&xml));
    if (next)
        rf_conf_release(next);
    rf_buf_deinit(&xml);
    return e;
}

int rf_admin_document_first(struct rf_enrol_store *store, struct rf_identity *signer,
                            const struct rf_conf *draft, uint64_t wall_ms)
{
    struct rf_enrol_document document;
    struct rf_mem *mem = signer->crypto->mem;
    struct rf_buf xml;
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    rf_buf_init(&xml, mem, RF_CONF_MAX_LEN);
    e = store->ops->document_get(store, 0, &document, &xml);
    rf_buf_deinit(&xml);
    if (e == RF_ENOTFOUND)
        e = put_document(store, mem, signer, NULL, draft, 1, wall_ms);
    else if (e == RF_OK)
        e = RF_EEXIST;
    return finish(store, e);
}

/* prune_bad_nodes leaves out the revoked devices whose certificates have expired by themselves (reload.md 6.2). Nodes that the store
 * does not know stay. */
static int prune_bad_nodes(struct rf_enrol_store *store, struct rf_conf *draft, struct rf_region *region,
                           uint64_t wall_ms)
{
    struct rf_id *kept = rf_region_array(region, draft->bad_node_count, sizeof(*kept));
    size_t count = 0;
    if (!kept)
        return RF_ENOMEM;
    for (size_t i = 0; i < draft->bad_node_count; i++) {
        struct rf_enrol_device device;
        int e = store->ops->device_get(store, &draft->bad_nodes[i], &device);
        if (e == RF_OK && device.not_after_ms <= wall_ms)
            continue;
        if (e != RF_OK && e != RF_ENOTFOUND)
            return e;
        kept[count++] = draft->bad_nodes[i];
    }
    draft->bad_nodes = kept;
    draft->bad_node_count = count;
    return RF_OK;
}

/* read_document gets the newest document, and parsed; `conf` is to be released also after an error, if it is not NULL. */
static int read_document(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                         struct rf_enrol_document *document, struct rf_conf **conf)
{
    struct rf_buf xml;
    *conf = NULL;
    rf_buf_init(&xml, mem, RF_CONF_MAX_LEN);
    int e = store->ops->document_get(store, 0, document, &xml);
    if (e == RF_OK)
        e = rf_conf_parse(crypto, mem, rf_buf_view(&xml), (struct rf_view){0}, conf, NULL, 0);
    rf_buf_deinit(&xml);
    return e;
}

/* life_of: how long a document was to live when it was signed; 0: it does not expire. In whole minutes: the document has no milliseconds. */
static uint64_t life_of(const struct rf_conf *conf, const struct rf_enrol_document *document)
{
    if (conf->expiration_ms == UINT64_MAX)
        return 0;
    uint64_t ms = conf->expiration_ms > document->created_ms ? conf->expiration_ms - document->created_ms : 1;
    return (ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS;
}

/* change_document does a change inside a transaction that the caller holds. */
static int change_document(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                           struct rf_identity *signer, rf_admin_change *change, void *ctx, uint64_t wall_ms,
                           uint16_t *sequence)
{
    struct rf_enrol_document document;
    struct rf_conf *current, draft;
    struct rf_region region;
    rf_region_init(&region, mem, CHANGE_REGION_MAX_LEN);
    int e = read_document(store, crypto, mem, &document, &current);
    if (e != RF_OK)
        goto out;
    draft = *current;
    uint64_t life_ms = life_of(current, &document);
    if (life_ms != 0)
        draft.expiration_ms = (wall_ms + life_ms) / RF_MS_PER_S * RF_MS_PER_S;
    e = prune_bad_nodes(store, &draft, &region, wall_ms);
    if (e == RF_OK)
        e = change(ctx, &draft, &region);
    if (e != RF_OK)
        goto out;
    draft.sequence = (uint16_t)((current->sequence + 1) % SEQUENCE_COUNT);
    e = put_document(store, mem, signer, current, &draft, document.number + 1, wall_ms);
    if (e == RF_OK && sequence)
        *sequence = draft.sequence;
out:
    if (current)
        rf_conf_release(current);
    rf_region_deinit(&region);
    return e;
}

int rf_admin_document_change(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                             struct rf_identity *signer, rf_admin_change *change, void *ctx, uint64_t wall_ms,
                             uint16_t *sequence)
{
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    return finish(store, change_document(store, crypto, mem, signer, change, ctx, wall_ms, sequence));
}

int rf_admin_document_due(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                          uint64_t wall_ms)
{
    struct rf_enrol_document document;
    struct rf_conf *conf;
    int e = read_document(store, crypto, mem, &document, &conf);
    if (e == RF_OK && conf->expiration_ms - life_of(conf, &document) / 2 > wall_ms)
        e = RF_EEXIST;
    if (conf)
        rf_conf_release(conf);
    return e;
}

static int no_change(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    (void)ctx;
    (void)draft;
    (void)region;
    return RF_OK;
}

int rf_admin_document_renew(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                            struct rf_identity *signer, uint64_t wall_ms, uint16_t *sequence)
{
    int e = store->ops->begin(store);
    if (e != RF_OK)
        return e;
    e = rf_admin_document_due(store, crypto, mem, wall_ms);
    if (e == RF_OK)
        e = change_document(store, crypto, mem, signer, no_change, NULL, wall_ms, sequence);
    return finish(store, e);
}

/* ---- revocation ---- */

struct revocation {
    struct rf_enrol_store *store;
    const struct rf_identity *signer;
    const struct rf_id *node_ids;
    size_t count;
    uint64_t wall_ms;
};

static bool listed(const struct rf_id *ids, size_t count, const struct rf_id *id)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&ids[i], id))
            return true;
    return false;
}

/* revoke_one marks one device; RF_EEXIST when it is a bad-node already. */
static int revoke_one(struct revocation *r, const struct rf_conf *draft, const struct rf_id *bad_nodes,
                      size_t bad_node_count, const struct rf_id *id)
{
    struct rf_enrol_device device;
    if (rf_cert_has_node_id(r->signer->cert, id))
        return RF_EFORBIDDEN;
    if (id->len != draft->id_len)
        return RF_ENOTFOUND;
    int e = r->store->ops->device_get(r->store, id, &device);
    if (e == RF_ENOTFOUND && draft->self_signed != 0)
        return listed(bad_nodes, bad_node_count, id) ? RF_EEXIST : RF_OK;
    if (e != RF_OK)
        return e;
    if (device.revoked_ms == 0) {
        device.revoked_ms = r->wall_ms;
        e = r->store->ops->device_put(r->store, &device);
        return e;
    }
    /* revoked before: list it again only if somebody took it out and its certificate still lives */
    return listed(bad_nodes, bad_node_count, id) || device.not_after_ms <= r->wall_ms ? RF_EEXIST : RF_OK;
}

static int revoke_change(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    struct revocation *r = ctx;
    struct rf_id *bad = rf_region_array(region, draft->bad_node_count + r->count, sizeof(*bad));
    size_t count = draft->bad_node_count;
    if (!bad)
        return RF_ENOMEM;
    if (count > 0)
        memcpy(bad, draft->bad_nodes, count * sizeof(*bad));
    for (size_t i = 0; i < r->count; i++) {
        int e = revoke_one(r, draft, bad, count, &r->node_ids[i]);
        if (e == RF_EEXIST)
            continue;
        if (e != RF_OK)
            return e;
        bad[count++] = r->node_ids[i];
    }
    if (count == draft->bad_node_count)
        return RF_EEXIST;
    draft->bad_nodes = bad;
    draft->bad_node_count = count;
    return RF_OK;
}

int rf_admin_revoke(struct rf_enrol_store *store, struct rf_crypto *crypto, struct rf_mem *mem,
                    struct rf_identity *signer, const struct rf_id *node_ids, size_t count, uint64_t wall_ms,
                    uint16_t *sequence)
{
    struct revocation r = {store, signer, node_ids, count, wall_ms};
    return rf_admin_document_change(store, crypto, mem, signer, revoke_change, &r, wall_ms, sequence);
}

/* ---- bootstrap nodes ---- */

int rf_admin_bootstrap_add(struct rf_conf *draft, const struct rf_addr *addr, struct rf_region *region)
{
    size_t count = draft->bootstrap_count;
    struct rf_addr *all = rf_region_array(region, count + 1, sizeof(*all));
    if (!all)
        return RF_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (rf_addr_equal(&draft->bootstraps[i], addr))
            return RF_EEXIST;
        all[i] = draft->bootstraps[i];
    }
    all[count] = *addr;
    draft->bootstraps = all;
    draft->bootstrap_count = count + 1;
    return RF_OK;
}

int rf_admin_bootstrap_remove(struct rf_conf *draft, const struct rf_addr *addr, struct rf_region *region)
{
    struct rf_addr *all = rf_region_array(region, draft->bootstrap_count, sizeof(*all));
    size_t count = 0;
    if (!all)
        return RF_ENOMEM;
    for (size_t i = 0; i < draft->bootstrap_count; i++)
        if (!rf_addr_equal(&draft->bootstraps[i], addr))
            all[count++] = draft->bootstraps[i];
    if (count == draft->bootstrap_count)
        return RF_ENOTFOUND;
    draft->bootstraps = all;
    draft->bootstrap_count = count;
    return RF_OK;
}
