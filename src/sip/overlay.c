/* overlay.c - the node's thread: lookups, connections and their bytes, between rf_node and the SIP thread. */
#include "base/error.h"
#include "sip/bridge.h"
#include "sip/find.h"
#include "sip/node_side.h"

static struct rf_now now_of(struct rf_sip *sip)
{
    return sip->config.now(sip->config.now_ctx);
}

/* ---- notes to the SIP thread ---- */

struct looked_up {
    struct note note; /* extra: the devices */
    uint64_t token;
    int code;
    size_t count;
};

static void run_looked_up(void *core, struct note *note)
{
    struct looked_up *n = (struct looked_up *)note;
    find_looked_up(core, n->token, n->code, note->extra, n->count);
}

struct attached {
    struct note note;
    uint64_t token;
    size_t index;
    int error;
    rf_link_id conn;
};

static void run_attached(void *core, struct note *note)
{
    struct attached *n = (struct attached *)note;
    find_attached(core, n->token, n->index, n->error, n->conn);
}

struct conn_note {
    struct note note; /* extra: user or bytes */
    rf_link_id conn;
    struct rf_id node;
    uint16_t application;
    size_t len;
    bool outgoing;
};

static void run_up(void *core, struct note *note)
{
    struct conn_note *n = (struct conn_note *)note;
    bridge_up(core, n->conn, &n->node, rf_view_of(note->extra, n->len), n->application, n->outgoing);
}

static void run_data(void *core, struct note *note)
{
    struct conn_note *n = (struct conn_note *)note;
    bridge_data(core, n->conn, rf_view_of(note->extra, n->len));
}

static void run_down(void *core, struct note *note)
{
    bridge_down(core, ((struct conn_note *)note)->conn);
}

static struct conn_note *conn_note(struct rf_sip *sip, rf_link_id conn, struct rf_view bytes,
                                   void (*run)(void *owner, struct note *note))
{
    struct conn_note *n = channel_note(sip->to_sip, sizeof(*n), run);
    if (n == NULL)
        return NULL;
    n->conn = conn;
    n->len = bytes.len;
    if (bytes.len > 0 && (n->note.extra = rf_memdup(sip->config.mem, bytes.p, bytes.len)) == NULL) {
        rf_free(sip->config.mem, n);
        return NULL;
    }
    return n;
}

/* ---- connections ---- */

static struct conn_rate *rate_of(struct rf_sip *sip, rf_link_id conn)
{
    RF_LIST_EACH(&sip->conns, it)
    {
        struct conn_rate *c = RF_LIST_ENTRY(it, struct conn_rate, list);
        if (c->id == conn)
            return c;
    }
    return NULL;
}

static void on_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user, bool outgoing)
{
    const struct side *side = ctx;
    struct rf_sip *sip = side->sip;
    struct conn_rate *c = rf_zalloc(sip->config.mem, sizeof(*c));
    struct conn_note *n = c != NULL ? conn_note(sip, conn, user, run_up) : NULL;

    if (n == NULL) {
        rf_free(sip->config.mem, c);
        rf_node_app_close(sip->config.node, conn,
                          now_of(sip)); /* else it would be found again and lead nowhere */
        return;
    }
    c->id = conn;
    c->tokens = CONN_BURST;
    c->last_us = now_of(sip).mono_us;
    rf_list_push_back(&sip->conns, &c->list);
    n->node = *node_id;
    n->application = side->application;
    n->outgoing = outgoing;
    channel_send(sip->to_sip, n);
}

static void on_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    struct rf_sip *sip = ((struct side *)ctx)->sip;
    struct conn_rate *c = rate_of(sip, conn);
    struct conn_note *n;
    struct rf_now now = now_of(sip);

    if (c == NULL)
        return;
    c->tokens += (double)(now.mono_us - c->last_us) * CONN_RATE / (double)RF_US_PER_S;
    c->tokens = c->tokens > CONN_BURST ? CONN_BURST : c->tokens;
    c->last_us = now.mono_us;
    c->tokens -= (double)bytes.len;
    if (c->tokens < 0)
        (void)__atomic_fetch_add(&sip->counters.overlay_flood, 1, __ATOMIC_RELAXED);
    n = c->tokens >= 0 ? conn_note(sip, conn, bytes, run_data) : NULL;
    if (n != NULL)
        channel_send(sip->to_sip, n);
    else
        rf_node_app_close(sip->config.node, conn, now); /* a stream with a hole is of no use */
}

static void on_down(void *ctx, rf_link_id conn, int reason)
{
    struct rf_sip *sip = ((struct side *)ctx)->sip;
    struct conn_rate *c = rate_of(sip, conn);
    struct conn_note *n;

    (void)reason;
    if (c == NULL)
        return;
    rf_list_remove(&c->list);
    rf_free(sip->config.mem, c);
    n = conn_note(sip, conn, rf_view_of(NULL, 0), run_down);
    if (n != NULL)
        channel_send(sip->to_sip, n);
}

/* ---- questions to the node ---- */

static struct pending *pending_new(struct rf_sip *sip, uint64_t token, size_t index)
{
    struct pending *p = rf_zalloc(sip->config.mem, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->sip = sip;
    p->mem = sip->config.mem;
    p->token = token;
    p->index = index;
    rf_list_push_back(&sip->pendings, &p->list);
    return p;
}

static void pending_free(struct pending *p)
{
    rf_list_remove(&p->list);
    rf_free(p->mem, p);
}

/* the SIP code that a lookup without devices means (find.h) */
static int code_of(int error, const struct rf_whois *w)
{
    if (error == RF_ELIMIT && w != NULL)
        return w->loop ? 482 : 483;
    return error == RF_ENOTFOUND && w != NULL && !w->exists ? 404 : 480;
}

static bool device_of(const struct rf_device *from, struct device *out)
{
    if (from->aor.len >= sizeof(out->aor) || from->route.len > sizeof(out->route))
        return false;
    *out = (struct device){.node = from->node_id,
                           .self = from->self,
                           .application = from->application,
                           .route_len = (uint16_t)from->route.len};
    memcpy(out->aor, from->aor.p, from->aor.len);
    if (from->route.len > 0)
        memcpy(out->route, from->route.p, from->route.len);
    return true;
}

static void tell_looked_up(struct rf_sip *sip, uint64_t token, int error, const struct rf_whois *w)
{
    struct looked_up *n = channel_note(sip->to_sip, sizeof(*n), run_looked_up);
    if (n == NULL)
        return; /* the call's own timer ends it */
    size_t max = error == 0 && w->device_count < FIND_MAX_DEVICES ? w->device_count : FIND_MAX_DEVICES;
    struct device *devices = error == 0 ? rf_zalloc(sip->config.mem, max * sizeof(*devices)) : NULL;
    n->token = token;
    n->note.extra = devices;
    for (size_t i = 0; devices != NULL && i < w->device_count && n->count < max; i++)
        n->count += device_of(&w->devices[i], &devices[n->count]);
    n->code = n->count > 0 ? 0 : code_of(error, w);
    channel_send(sip->to_sip, n);
}

static void on_whois(void *arg, const struct rf_whois *w)
{
    struct pending *p = arg;
    if (p->sip != NULL)
        tell_looked_up(p->sip, p->token, w->error, w);
    pending_free(p);
}

void overlay_lookup(struct rf_sip *sip, uint64_t token, const char *aor)
{
    struct pending *p = pending_new(sip, token, 0);
    int error = RF_ENOMEM;
    if (p != NULL)
        error = rf_node_whois(sip->config.node, rf_view_str(aor), now_of(sip), on_whois, p);
    if (error == 0)
        return;
    if (p != NULL)
        pending_free(p);
    tell_looked_up(sip, token, error, NULL);
}

static void tell_attached(struct rf_sip *sip, uint64_t token, size_t index, int error, rf_link_id conn)
{
    struct attached *n = channel_note(sip->to_sip, sizeof(*n), run_attached);
    if (n == NULL)
        return;
    n->token = token;
    n->index = index;
    n->error = error;
    n->conn = conn;
    channel_send(sip->to_sip, n);
}

static void on_attached(void *arg, int error, rf_link_id conn)
{
    struct pending *p = arg;
    if (p->sip != NULL)
        tell_attached(p->sip, p->token, p->index, error, conn);
    pending_free(p);
}

void overlay_attach(struct rf_sip *sip, uint64_t token, size_t index, const struct device *device)
{
    const struct rf_app_target target = {.node_id = device->node,
                                         .user = rf_view_str(device->aor),
                                         .route = {device->route, device->route_len},
                                         .application = device->application};
    struct pending *p = pending_new(sip, token, index);
    int error = RF_ENOMEM;
    if (p != NULL)
        error = rf_node_app_attach(sip->config.node, &target, now_of(sip), on_attached, p);
    if (error == 0)
        return;
    if (p != NULL)
        pending_free(p);
    tell_attached(sip, token, index, error, 0);
}

/* ---- life ---- */

int overlay_open(struct rf_sip *sip)
{
    static const uint16_t applications[RF_COUNT(sip->sides)] = {RF_SIP_APPLICATION, RF_SIPS_APPLICATION};
    for (size_t i = 0; i < RF_COUNT(applications); i++) {
        struct rf_node_app app = {&sip->sides[i], on_up, on_data, on_down};
        int error = rf_node_set_app(sip->config.node, applications[i], &app);
        if (error != 0)
            return error;
        sip->sides[i] = (struct side){sip, applications[i]};
    }
    return 0;
}

void overlay_close(struct rf_sip *sip)
{
    for (size_t i = 0; i < RF_COUNT(sip->sides); i++)
        if (sip->sides[i].application != 0)
            rf_node_unset_app(sip->config.node, sip->sides[i].application);
    RF_LIST_EACH_SAFE(&sip->pendings, it)
    {
        struct pending *p = RF_LIST_ENTRY(it, struct pending, list);
        p->sip = NULL;
        rf_list_remove(&p->list); /* freed when the node answers */
    }
    RF_LIST_EACH_SAFE(&sip->conns, it)
    {
        struct conn_rate *c = RF_LIST_ENTRY(it, struct conn_rate, list);
        rf_list_remove(&c->list);
        rf_free(sip->config.mem, c);
    }
}
