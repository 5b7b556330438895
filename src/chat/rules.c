/*
 * rules.c - who may be in a group and what may be changed in it, as MLS asks (mls/mls.h). Every member must judge alike, whenever he reads: so nothing here asks the clock, the overlay, or what only this device
 * knows, but the certificates and the group itself. Whether a certificate has expired or is revoked is asked where something is done with it: when a key package is used, and by the
 * homes, which take nothing signed with such a one.
 */
#include "chat/internal.h"
#include "mls/bytes.h"

int rules_conf(struct rf_chat *chat)
{
    const struct rf_conf *conf = chat->conf;
    struct rf_trust_config config = {
        .overlay = conf->overlay,
        .id_len = conf->id_len,
        .roots = conf->roots,
        .root_count = conf->root_count,
        .self_signed = conf->self_signed,
    };
    return rf_trust_configure(chat->members, &config);
}

int rules_credential(const struct rf_cert *cert, struct rf_buf *out)
{
    mls_put_v(out, cert->x509.der);
    for (size_t i = 0; i < cert->chain_count; i++)
        mls_put_v(out, cert->chain[i]);
    return rf_buf_error(out);
}

int rules_cert(struct rf_chat *chat, struct rf_view credential, struct rf_cert **out)
{
    struct rf_view certs[1 + RF_CERT_MAX_CHAIN];
    struct rf_cert *cert = NULL;
    size_t count = 0;
    int error = 0;
    while (error == 0 && credential.len > 0)
        error = count == RF_COUNT(certs) ? RF_ELIMIT : mls_take_v(&credential, &certs[count++]);
    if (error == 0 && count == 0)
        error = RF_EFORMAT;
    if (error == 0)
        error = rf_cert_decode(chat->config.crypto, certs[0], chat->conf->overlay, chat->conf->id_len, &cert);
    if (error != 0)
        return error;
    uint64_t when_ms = cert->x509.not_before_ms; /* of its own time */
    error = cert->node_id_count == 1
                ? rf_trust_cert(chat->members, certs[0], certs + 1, count - 1, when_ms, out)
                : RF_EUNSUPPORTED;
    rf_cert_release(cert);
    return error;
}

static int cert_of(struct rf_chat *chat, const struct rf_mls_identity *who, struct rf_cert **out)
{
    return who->type == RF_MLS_X509 ? rules_cert(chat, who->credential, out) : RF_EFORBIDDEN;
}

static int rule_credential(void *ctx, const struct rf_mls_identity *who)
{
    struct rf_cert *cert = NULL;
    int error = cert_of(ctx, who, &cert);
    rf_cert_release(cert);
    return error;
}

/* The same device, perhaps with a renewed certificate. */
static int rule_successor(void *ctx, const struct rf_mls_identity *old, const struct rf_mls_identity *next)
{
    struct rf_cert *a = NULL, *b = NULL;
    int error = cert_of(ctx, old, &a);
    if (error == 0)
        error = cert_of(ctx, next, &b);
    if (error == 0 && (!rf_id_equal(&a->node_ids[0], &b->node_ids[0]) ||
                       !rf_view_equal(chat_principal_of(a), chat_principal_of(b))))
        error = RF_EFORBIDDEN;
    rf_cert_release(a);
    rf_cert_release(b);
    return error;
}

static int leaf_cert(struct rf_chat *chat, const struct rf_mls *group, uint32_t leaf, struct rf_cert **out)
{
    struct rf_mls_identity who;
    return rf_mls_member(group, leaf, &who) ? cert_of(chat, &who, out) : RF_ENOTFOUND;
}

static bool is_admin(struct rf_chat *chat, const struct rf_mls *group, struct rf_view principal)
{
    struct shape shape;
    struct rf_view id = rf_mls_id(group);
    uint8_t tag[RF_ROSTER_TAG_LEN];
    return id.len == RF_CONVERSATION_LEN && shape_find(rf_mls_extensions(group), &shape) == 0 &&
           rf_conversation_tag(chat->config.crypto, id.p, principal, tag) == 0 &&
           rf_roster_has(shape.admins, tag);
}

/* Is this user in the group already, with whichever device? */
static bool has_user(struct rf_chat *chat, const struct rf_mls *group, struct rf_view principal)
{
    for (uint32_t i = 0; i < rf_mls_leaf_count(group); i++) {
        struct rf_cert *cert = NULL;
        bool same =
            leaf_cert(chat, group, i, &cert) == 0 && rf_view_equal(chat_principal_of(cert), principal);
        rf_cert_release(cert);
        if (same)
            return true;
    }
    return false;
}

static int add_by(struct rf_chat *chat, const struct rf_mls *group, struct rf_view by,
                  const struct rf_mls_change_seen *change)
{
    struct rf_cert *cert = NULL;
    int error = cert_of(chat, &change->who, &cert);
    if (error == 0 && !rf_view_equal(chat_principal_of(cert), by) && !is_admin(chat, group, by))
        error = RF_EFORBIDDEN;
    rf_cert_release(cert);
    return error;
}

static int remove_by(struct rf_chat *chat, const struct rf_mls *group, struct rf_view by, uint32_t leaf)
{
    struct rf_cert *cert = NULL;
    int error = leaf_cert(chat, group, leaf, &cert);
    if (error == 0 && !rf_view_equal(chat_principal_of(cert), by) && !is_admin(chat, group, by))
        error = RF_EFORBIDDEN;
    rf_cert_release(cert);
    return error;
}

static int shape_by(struct rf_chat *chat, const struct rf_mls *group, struct rf_view by,
                    struct rf_view extensions)
{
    struct shape before, next;
    int error = shape_find(extensions, &next);
    if (error == 0)
        error = shape_find(rf_mls_extensions(group), &before);
    if (error != 0)
        return RF_EFORBIDDEN;
    return is_admin(chat, group, by) && next.sequence >= before.sequence ? 0 : RF_EFORBIDDEN;
}

/* One who adds himself must be a user of the group, who comes in again, or with another device. */
static int change_by_new(struct rf_chat *chat, const struct rf_mls *group,
                         const struct rf_mls_change_seen *change)
{
    struct rf_cert *cert = NULL;
    if (change->type == RF_MLS_REMOVE)
        return 0; /* rule_successor was asked */
    if (change->type != RF_MLS_EXTERNAL_INIT)
        return RF_EFORBIDDEN;
    if (rf_mls_state(group) == RF_MLS_JOINING)
        return 0; /* it is ourselves; the members will judge */
    int error = cert_of(chat, &change->who, &cert);
    if (error == 0 && !has_user(chat, group, chat_principal_of(cert)))
        error = RF_EFORBIDDEN;
    rf_cert_release(cert);
    return error;
}

static int rule_change(void *ctx, const struct rf_mls *group, const struct rf_mls_change_seen *change)
{
    struct rf_chat *chat = ctx;
    struct rf_cert *cert = NULL;
    if (change->sender_type == RF_MLS_SENDER_NEW_COMMIT)
        return change_by_new(chat, group, change);
    if (change->sender_type != RF_MLS_SENDER_MEMBER)
        return RF_EFORBIDDEN;
    int error = leaf_cert(chat, group, change->sender, &cert);
    if (error != 0)
        return error;
    struct rf_view by = chat_principal_of(cert);
    switch (change->type) {
    case RF_MLS_UPDATE:
        break;
    case RF_MLS_ADD:
        error = add_by(chat, group, by, change);
        break;
    case RF_MLS_REMOVE:
        error = remove_by(chat, group, by, change->leaf);
        break;
    case RF_MLS_EXTENSIONS:
        error = shape_by(chat, group, by, change->extensions);
        break;
    default:
        error = RF_EFORBIDDEN;
    }
    rf_cert_release(cert);
    return error;
}

void rules_init(struct rf_chat *chat)
{
    chat->rules = (struct rf_mls_rules){
        .credential = rule_credential,
        .successor = rule_successor,
        .change = rule_change,
        .members_only = true,
        .ctx = chat,
    };
    chat->mls = (struct rf_mls_env){
        .mem = chat->env->mem,
        .crypto = chat->config.crypto,
        .rng = chat->env->secret,
        .rules = &chat->rules,
    };
}
