/*
 * siplookup.c - from an AOR to the devices behind it (RFC 7904, reload.md 7.3, "Looking up an AOR").
 *
 * States of a lookup: NEXT (an AOR of the queue is due) -> FETCHING its registrations -> their routes are contacts, their uris go into the
 * queue (or are contacts themselves, when they are GRUUs) -> ... queue empty: told, gone. The queue holds each AOR once, so loops end (and
 * are told, for who calls); depth, AORs and contacts are bounded. Timer: one, at once, so that nothing is told from inside the call that asks.
 */
#include "base/error.h"
#include "base/region.h"
#include "base/text.h"
#include "usage/siplocal.h"

#define LOOKUP_MAX_LEN ((size_t)256 * 1024)

struct lookup_aor {
    struct rf_view aor; /* its domain in lower case */
    unsigned depth;
    const struct lookup_aor *from; /* whose registration forwards here; NULL: the one asked for */
};

struct lookup {
    struct rf_list list;
    struct rf_sipreg *reg;
    struct rf_region region;
    struct rf_timer timer;
    struct lookup_aor aors[RF_SIP_MAX_AORS]; /* all that were met; from `next` on to be fetched */
    size_t aor_count, next;
    struct rf_sip_contact contacts[RF_SIP_MAX_CONTACTS];
    struct rf_signer signers[RF_SIP_MAX_CONTACTS]; /* one reference each, or cert NULL */
    struct rf_view foreign[RF_SIP_MAX_AORS];
    struct rf_sip_lookup result;
    void (*done)(void *arg, const struct rf_sip_lookup *lookup);
    void *arg;
};

static void lookup_end(struct lookup *l, int error)
{
    struct rf_sipreg *reg = l->reg;
    l->result.error = error != 0 ? error : l->result.contact_count == 0 ? RF_ENOTFOUND : 0;
    l->result.contacts = l->contacts;
    l->result.foreign = l->foreign;
    rf_list_remove(&l->list);
    rf_timer_stop(reg->env->timers, &l->timer);
    l->done(l->arg, &l->result);
    for (size_t i = 0; i < l->result.contact_count; i++)
        rf_signer_deinit(&l->signers[i]);
    rf_region_deinit(&l->region);
    rf_free(reg->env->mem, l);
}

static bool same_dests(const struct rf_sip_contact *c, const struct rf_dest *dests, size_t count)
{
    bool same = c->dest_count == count;
    for (size_t i = 0; i < count && same; i++)
        same = rf_dest_equal(&c->dests[i], &dests[i]);
    return same;
}

/* Puts a contact in, newest first. One that is there already stays once, with the newer of both times. */
static int add_contact(struct lookup *l, const struct rf_sip_contact *contact, const struct rf_signer *signer)
{
    struct rf_sip_lookup *r = &l->result;
    const struct rf_dest *last = &contact->dests[contact->dest_count - 1];
    for (size_t i = 0; i < r->contact_count; i++)
        if (same_dests(&l->contacts[i], contact->dests, contact->dest_count)) {
            if (contact->storage_time_ms > l->contacts[i].storage_time_ms)
                l->contacts[i].storage_time_ms = contact->storage_time_ms;
            if (contact->expires_ms > l->contacts[i].expires_ms)
                l->contacts[i].expires_ms = contact->expires_ms;
            return 0;
        }
    if (last->type != RF_DEST_NODE || r->contact_count == RF_SIP_MAX_CONTACTS) {
        r->dropped_count++;
        return 0;
    }
    struct rf_view prefs = rf_region_copy(&l->region, contact->contact_prefs);
    if (prefs.p == NULL && prefs.len > 0)
        return RF_ENOMEM;
    size_t at = r->contact_count++;
    for (; at > 0 && l->contacts[at - 1].storage_time_ms < contact->storage_time_ms; at--) {
        l->contacts[at] = l->contacts[at - 1];
        l->signers[at] = l->signers[at - 1];
    }
    l->contacts[at] = *contact;
    l->contacts[at].node_id = last->id;
    l->contacts[at].contact_prefs = prefs;
    l->signers[at] = (struct rf_signer){.cert = NULL};
    if (signer != NULL) {
        l->signers[at] = *signer;
        rf_cert_hold(signer->cert);
    }
    for (size_t i = 0; i < r->contact_count; i++)
        l->contacts[i].signer = l->signers[i].cert != NULL ? &l->signers[i] : NULL;
    return 0;
}

/* A copy with the domain in lower case (D31); NULL: out of memory. */
static struct rf_view copy_aor(struct lookup *l, struct rf_view aor)
{
    struct rf_view copy = rf_region_copy(&l->region, aor);
    size_t local_len = aor.len - rf_name_domain(aor).len;
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.p;
    for (size_t i = local_len; bytes != NULL && i < copy.len; i++)
        if (bytes[i] >= 'A' && bytes[i] <= 'Z')
            bytes[i] += 'a' - 'A';
    return copy;
}

static int add_aor(struct lookup *l, struct rf_view uri_aor, const struct lookup_aor *from)
{
    unsigned depth = from != NULL ? from->depth + 1 : 0;
    struct rf_view aor = copy_aor(l, uri_aor);
    if (aor.p == NULL)
        return RF_ENOMEM;
    for (const struct lookup_aor *a = from; a != NULL; a = a->from)
        if (rf_view_equal(a->aor, aor))
            l->result.loop = true;
    for (size_t i = 0; i < l->aor_count; i++)
        if (rf_view_equal(l->aors[i].aor, aor))
            return 0; /* met before: a loop, or two ways to one user */
    if (l->aor_count == RF_SIP_MAX_AORS || depth > RF_SIP_MAX_DEPTH) {
        l->result.partial = l->result.too_far = true;
        return 0;
    }
    l->aors[l->aor_count++] = (struct lookup_aor){aor, depth, from};
    return 0;
}

/* A GRUU of this overlay is a contact, anything else is an AOR to look up. */
static int add_uri(struct lookup *l, struct rf_view uri, const struct lookup_aor *from)
{
    struct rf_sip_contact contact = {.dest_count = 0};
    struct rf_view aor;
    int error = rf_sip_gruu_decode(uri, l->reg->config.conf->id_len, contact.dests, &contact.aor,
                                   &contact.dest_count);
    if (error == 0) {
        contact.aor = copy_aor(l, contact.aor);
        return contact.aor.p == NULL ? RF_ENOMEM : add_contact(l, &contact, NULL);
    }
    if (error != RF_ENOTFOUND || rf_sip_uri_aor(uri, &aor) != 0) {
        l->result.dropped_count++;
        return 0;
    }
    return add_aor(l, aor, from);
}

/* ---- fetching ---- */

static void lookup_next(struct lookup *l);

static int take_value(struct lookup *l, const struct lookup_aor *at, const struct rf_fetched_value *value)
{
    struct rf_sip_registration registration;
    if (!value->exists || value->signer == NULL)
        return 0;
    if (rf_sip_registration_decode(value->value, l->reg->config.conf->id_len, &registration) != 0) {
        l->result.dropped_count++;
        return 0;
    }
    if (registration.type == RF_SIP_REGISTRATION_URI)
        return add_uri(l, registration.uri, at);
    struct rf_sip_contact contact = {
        .dest_count = registration.dest_count,
        .aor = at->aor,
        .contact_prefs = registration.contact_prefs,
        .storage_time_ms = value->storage_time_ms,
        .expires_ms = l->reg->env->now->wall_ms + (uint64_t)value->lifetime_s * RF_MS_PER_S,
    };
    memcpy(contact.dests, registration.dests, sizeof(contact.dests));
    for (size_t i = 0; i < contact.dest_count; i++) {
        if (contact.dests[i].id.len == 0 && contact.dests[i].type != RF_DEST_COMPACT)
            contact.dests[i].bytes = rf_region_copy(&l->region, contact.dests[i].bytes);
        else
            contact.dests[i].bytes = rf_view_of(NULL, 0);
        if (contact.dests[i].bytes.p == NULL && contact.dests[i].bytes.len > 0)
            return RF_ENOMEM;
    }
    return add_contact(l, &contact, value->signer);
}

static bool foreign_domain(const struct lookup *l, struct rf_view aor)
{
    struct rf_view domain = rf_name_domain(aor);
    return !rf_view_equal(domain, l->reg->config.conf->overlay);
}

static void add_foreign(struct lookup *l, struct rf_view aor)
{
    if (l->result.foreign_count < RF_SIP_MAX_AORS)
        l->foreign[l->result.foreign_count++] = aor;
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct lookup *l = arg;
    const struct lookup_aor *at = &l->aors[l->next - 1];
    if (result->error == RF_ECANCELLED || l->reg->freeing) {
        lookup_end(l, RF_ECANCELLED);
        return;
    }
    int error = result->error;
    size_t there = 0;
    if (l->next == 1)
        l->result.responder = result->responder;
    else if (error != 0) {
        l->result.partial = true; /* one of several ways */
        error = 0;
    }
    l->result.dropped_count += result->dropped_count;
    for (size_t i = 0; i < result->value_count && error == 0; i++) {
        there += result->values[i].exists;
        error = take_value(l, at, &result->values[i]);
    }
    if (error == 0 && result->error == 0 && there == 0 && foreign_domain(l, at->aor))
        add_foreign(l, at->aor);
    if (error != 0)
        lookup_end(l, error);
    else
        lookup_next(l);
}

static void lookup_next(struct lookup *l)
{
    struct rf_sipreg *reg = l->reg;
    const struct rf_kind_def *kind = rf_conf_kind(reg->config.conf, RF_KIND_SIP_REGISTRATION);
    while (l->next < l->aor_count) {
        const struct lookup_aor *at = &l->aors[l->next++];
        struct rf_id resource;
        if (kind == NULL || rf_sip_aor_allowed(reg->config.conf, kind, at->aor) != 0) {
            add_foreign(l, at->aor);
            continue;
        }
        int error = sipreg_resource(reg, at->aor, &resource);
        if (l->next == 1)
            l->result.resource = resource;
        if (error == 0)
            error =
                rf_store_client_lookup(reg->config.store, &resource, RF_KIND_SIP_REGISTRATION, on_fetched, l);
        if (error != 0)
            lookup_end(l, error);
        return;
    }
    lookup_end(l, 0);
}

static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    lookup_next(arg);
}

int rf_sipreg_lookup(struct rf_sipreg *reg, struct rf_view aor,
                     void (*done)(void *arg, const struct rf_sip_lookup *lookup), void *arg)
{
    struct lookup *l = rf_zalloc(reg->env->mem, sizeof(*l));
    if (l == NULL)
        return RF_ENOMEM;
    l->reg = reg;
    l->done = done;
    l->arg = arg;
    rf_region_init(&l->region, reg->env->mem, LOOKUP_MAX_LEN);
    rf_timer_init(&l->timer, on_timer, l);
    int error = add_uri(l, aor, NULL);
    if (error == 0 && l->aor_count + l->result.contact_count == 0)
        error = RF_EFORMAT;
    if (error == 0)
        error = rf_env_timer_in(reg->env, &l->timer, 0);
    if (error != 0) {
        rf_region_deinit(&l->region);
        rf_free(reg->env->mem, l);
        return error;
    }
    rf_list_push_back(&reg->lookups, &l->list);
    return 0;
}

void sip_lookups_cancel(struct rf_sipreg *reg)
{
    while (!rf_list_empty(&reg->lookups)) {
        struct lookup *l = RF_LIST_ENTRY(reg->lookups.next, struct lookup, list);
        if (rf_timer_is_set(&l->timer))
            lookup_end(l, RF_ECANCELLED);
        else
            rf_store_client_cancel(reg->config.store, l);
    }
}
