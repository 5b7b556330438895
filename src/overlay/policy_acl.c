/*
 * policy_acl.c - USER-CHAIN-ACL (RFC 8076, reload.md 7.6): the owner of a resource writes, and whoever a chain of list items leads to
 * from the owner.
 *
 * An item says: its signer lets `to_user` write Kind `kind`, and with allow_delegation lets that user add items. A chain for user u and
 * Kind K runs from an item for u back through the items for its signer, and so on (each with allow_delegation), to an item that its
 * own signer wrote for himself: the root. The root counts only if its signer owns the resource.
 *
 * Owner, without variable names: H(user name) is the Resource-ID. With them: the resource name, told by the value or by the root item,
 * hashes to the Resource-ID and matches one of the Kind's patterns with the owner's name put in.
 */
#include "overlay/policy_acl.h"
#include <regex.h>
#include <stdio.h>
#include "base/error.h"
#include "base/text.h"
#include "wire/value.h"

#define POLICY_PATTERN_LEN 1024

bool policy_acl_variable_names(const struct rf_conf *conf)
{
    const struct rf_kind_def *kind = rf_conf_kind(conf, RF_KIND_ACL);
    return kind != NULL && kind->variable_names;
}

/* ---- who owns a resource ---- */

/* Appends `text` as a regular expression that matches just it. */
static void put_literal(struct rf_buf *out, struct rf_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(".[]{}()\\*+?|^$", text.p[i]) != NULL)
            rf_buf_u8(out, '\\');
        rf_buf_u8(out, text.p[i]);
    }
}

static bool starts_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ^(pattern)$ with $USER and $DOMAIN replaced by the parts of `user`. False: it does not fit, or lacks one of the two. */
static bool build_pattern(const char *pattern, struct rf_view user, char out[POLICY_PATTERN_LEN])
{
    struct rf_view domain = rf_name_domain(user);
    if (domain.len == 0)
        return false;
    struct rf_view local = rf_view_of(user.p, user.len - domain.len - 1);
    bool user_seen = false, domain_seen = false;
    struct rf_buf buf;
    rf_buf_fixed(&buf, out, POLICY_PATTERN_LEN);
    rf_buf_str(&buf, "^(");
    while (*pattern != '\0') {
        if (starts_with(pattern, "$USER")) {
            put_literal(&buf, local);
            pattern += strlen("$USER");
            user_seen = true;
        } else if (starts_with(pattern, "$DOMAIN")) {
            put_literal(&buf, domain);
            pattern += strlen("$DOMAIN");
            domain_seen = true;
        } else {
            rf_buf_u8(&buf, (uint8_t)*pattern++);
        }
    }
    rf_buf_str(&buf, ")$");
    rf_buf_u8(&buf, 0);
    return rf_buf_error(&buf) == 0 && user_seen && domain_seen;
}

static bool name_matches(const struct rf_kind_def *kind, struct rf_view user, struct rf_view name)
{
    char text[256];
    if (name.len == 0 || name.len >= sizeof(text) || memchr(name.p, 0, name.len) != NULL)
        return false;
    memcpy(text, name.p, name.len);
    text[name.len] = '\0';
    for (size_t i = 0; i < kind->name_pattern_count; i++) {
        char pattern[POLICY_PATTERN_LEN];
        regex_t regex;
        if (!build_pattern(kind->name_patterns[i], user, pattern) ||
            regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        bool match = regexec(&regex, text, 0, NULL, 0) == 0;
        regfree(&regex);
        if (match)
            return true;
    }
    return false;
}

/* Does `user` own the resource? `name`: the resource name that the value or item tells, with variable names. */
static bool owns(const struct policy_question *q, struct rf_view user, struct rf_view name)
{
    struct rf_view none = rf_view_of(NULL, 0);
    if (!q->kind->variable_names || name.len == 0)
        return policy_hash_is(q, user, none) == 0;
    return policy_hash_is(q, name, none) == 0 && name_matches(q->kind, user, name);
}

/* ---- chains ---- */

struct chain {
    const struct policy_question *q;
    uint32_t kind;
    size_t count;
    uint8_t seen[POLICY_MAX_ACL_ITEMS / 8]; /* items that the search went through */
};

static bool is_root(const struct policy_acl_item *item)
{
    return rf_view_equal(item->to_user, item->signer_user);
}

/* Marks the first item for `user` not seen yet; false: there is none. */
static bool chain_item(struct chain *c, struct rf_view user, bool delegating, size_t *out)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct policy_acl_item *item = &c->q->acl[i];
        if ((c->seen[i / 8] & (1U << (i % 8))) != 0 || item->kind != c->kind ||
            (delegating && !item->allow_delegation) || !rf_view_equal(item->to_user, user))
            continue;
        c->seen[i / 8] |= (uint8_t)(1U << (i % 8));
        *out = i;
        return true;
    }
    return false;
}

/* A search without recursion: `path` are the items on the way from the signer; an item from which no way leads on is left for good.
 * name: of the resource, where items do not tell it. */
static bool chain_exists(const struct policy_question *q, uint32_t kind, bool delegating, struct rf_view name)
{
    struct chain c = {.q = q, .kind = kind};
    c.count = q->acl_count < POLICY_MAX_ACL_ITEMS ? q->acl_count : POLICY_MAX_ACL_ITEMS;
    uint16_t path[POLICY_MAX_ACL_ITEMS];
    size_t depth = 0;
    for (;;) {
        struct rf_view user = depth == 0 ? q->signer->cert->user : q->acl[path[depth - 1]].signer_user;
        size_t found;
        if (chain_item(&c, user, delegating || depth > 0, &found)) {
            const struct policy_acl_item *item = &q->acl[found];
            if (!is_root(item))
                path[depth++] = (uint16_t)found;
            else if (item->allow_delegation &&
                     owns(q, item->signer_user, item->resource_name.len > 0 ? item->resource_name : name))
                return true;
        } else if (depth-- == 0) {
            return false;
        }
    }
}

/* ---- the slot ---- */

/* Without the resource name in a removal: the owner is who wrote a root item that counts. */
static bool is_owner(const struct policy_question *q, struct rf_view name)
{
    struct rf_view user = q->signer->cert->user;
    if (owns(q, user, name))
        return true;
    for (size_t i = 0; i < q->acl_count && !q->data->exists; i++)
        if (is_root(&q->acl[i]) && rf_view_equal(q->acl[i].signer_user, user) &&
            owns(q, user, q->acl[i].resource_name))
            return true;
    return false;
}

/* A value of a shared array is overwritten by its writer or the owner only; new ones come at the writer's own indices, or are
 * appended, where the storing peer chooses. */
static int check_slot(const struct policy_question *q, bool owner, char *why, size_t why_len)
{
    if (q->kind->model == RF_MODEL_DICTIONARY)
        return policy_key_is_signer(q) == 0
                   ? 0
                   : policy_refuse(why, why_len, "the key is not the signer's Node-ID");
    if (q->kind->model != RF_MODEL_ARRAY || q->role == POLICY_READ)
        return 0;
    if (q->old_there)
        return owner || rf_view_equal(q->old_user, q->signer->cert->user)
                   ? 0
                   : policy_refuse(why, why_len, "another user's value stands at that index");
    if (q->role != POLICY_VALUE || q->data->index == RF_ARRAY_APPEND)
        return 0;
    const struct rf_id *id = &q->signer->node_id;
    uint32_t bits =
        (uint32_t)id->b[id->len - 3] << 16 | (uint32_t)id->b[id->len - 2] << 8 | id->b[id->len - 1];
    return q->data->index >> 8 == bits ? 0
                                       : policy_refuse(why, why_len, "the index is not one of the signer's");
}

/* What the value itself says: its resource name and, for the list, the Kind that the item is about. */
static int read_value(const struct policy_question *q, struct rf_view *name, struct rf_acl_value *item,
                      char *why, size_t why_len)
{
    struct rf_view value = q->data->value;
    int error = 0;
    if (q->kind->id == RF_KIND_ACL) {
        error = rf_acl_value_decode(value, q->kind->variable_names, item);
        *name = item->resource_name;
    } else if (q->kind->variable_names) {
        error = rf_resource_name_decode(&value, name);
    }
    if (error != 0)
        return policy_refuse(why, why_len, "the value does not begin as the Kind's shared values do");
    if (q->kind->variable_names && policy_hash_is(q, *name, rf_view_of(NULL, 0)) != 0)
        return policy_refuse(why, why_len, "the resource name in the value does not hash to the Resource-ID");
    return 0;
}

int policy_chain_check(const struct policy_question *q, char *why, size_t why_len)
{
    struct rf_view name = rf_view_of(NULL, 0);
    struct rf_acl_value item = {.has_name = false};
    bool list = q->kind->id == RF_KIND_ACL;
    if (q->data->exists) {
        int error = read_value(q, &name, &item, why, why_len);
        if (error != 0)
            return error;
    }
    bool owner = is_owner(q, name);
    int error = check_slot(q, owner, why, why_len);
    if (error != 0 || owner)
        return error;
    struct rf_view user = q->signer->cert->user;
    if (!q->data->exists && q->old_there && rf_view_equal(q->old_user, user))
        return 0; /* everybody may take back what is his own, also after he lost the right to add */
    if (list && !q->data->exists && (q->role == POLICY_READ || (q->role == POLICY_COPY && !q->old_there)))
        return 0; /* a removed item gives nobody anything, and does not tell which Kind it was about */
    if (list && q->data->exists && rf_view_equal(item.to_user, user))
        return policy_refuse(why, why_len, "only the owner may store a root item");
    if (!chain_exists(q, list ? item.kind : q->kind->id, list, name))
        return policy_refuse(
            why, why_len, "the signer is not the owner and no chain of the access control list leads to him");
    return 0;
}
