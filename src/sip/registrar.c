/* registrar.c - where the user's phones are. */
#include "sip/registrar.h"
#include <stdio.h>
#include "base/error.h"

struct registrar {
    struct rf_list bindings;
    size_t count;
};

int registrar_new(struct core *core, struct registrar **out)
{
    struct registrar *r = rf_zalloc(core->mem, sizeof(*r));
    if (r == NULL)
        return RF_ENOMEM;
    rf_list_init(&r->bindings);
    *out = r;
    return 0;
}

static void binding_free(struct core *core, struct binding *b)
{
    rf_list_remove(&b->list);
    core->registrar->count--;
    rf_free(core->mem, b->contact);
    rf_free(core->mem, b->call_id);
    rf_free(core->mem, b);
}

void registrar_free(struct core *core, struct registrar *r)
{
    if (r == NULL)
        return;
    RF_LIST_EACH_SAFE(&r->bindings, it)
    {
        binding_free(core, RF_LIST_ENTRY(it, struct binding, list));
    }
    rf_free(core->mem, r);
}

static void expire(struct core *core)
{
    uint64_t now = tmr_jiffies();
    RF_LIST_EACH_SAFE(&core->registrar->bindings, it)
    {
        struct binding *b = RF_LIST_ENTRY(it, struct binding, list);
        if (b->until_ms <= now)
            binding_free(core, b);
    }
}

size_t registrar_each(struct core *core, void (*fn)(void *arg, const struct binding *binding), void *arg)
{
    size_t n = 0;
    if (core->registrar == NULL)
        return 0;
    expire(core);
    RF_LIST_EACH(&core->registrar->bindings, it)
    {
        fn(arg, RF_LIST_ENTRY(it, struct binding, list));
        n++;
    }
    return n;
}

bool registrar_knows(struct core *core, const struct sip_msg *msg)
{
    expire(core);
    RF_LIST_EACH(&core->registrar->bindings, it)
    {
        const struct binding *b = RF_LIST_ENTRY(it, struct binding, list);
        if (b->flow.tp == msg->tp && sa_cmp(&b->flow.addr, &msg->src, SA_ALL))
            return true;
    }
    return false;
}

static struct binding *find(struct core *core, struct rf_view contact)
{
    RF_LIST_EACH(&core->registrar->bindings, it)
    {
        struct binding *b = RF_LIST_ENTRY(it, struct binding, list);
        if (rf_view_equal(rf_view_str(b->contact), contact))
            return b;
    }
    return NULL;
}

/* ---- one REGISTER ---- */

struct change {
    struct core *core;
    const struct sip_msg *msg;
    uint32_t default_s;
    int code; /* 0: good so far */
};

static char *copy(struct core *core, struct rf_view v)
{
    char *s = rf_alloc(core->mem, v.len + 1);
    if (s != NULL) {
        memcpy(s, v.p, v.len);
        s[v.len] = '\0';
    }
    return s;
}

static struct binding *add(struct change *c, struct rf_view contact)
{
    struct core *core = c->core;
    struct binding *b;
    if (core->registrar->count >= core->limits.phones) {
        c->code = 503;
        return NULL;
    }
    b = rf_zalloc(core->mem, sizeof(*b));
    if (b == NULL || (b->contact = copy(core, contact)) == NULL) {
        rf_free(core->mem, b);
        c->code = 500;
        return NULL;
    }
    rf_list_push_back(&core->registrar->bindings, &b->list);
    core->registrar->count++;
    return b;
}

/* older than what we have of the same registration (10.3, step 7) */
static bool outdated(const struct binding *b, const struct sip_msg *msg)
{
    return b->call_id != NULL && rf_view_equal(rf_view_str(b->call_id), view_of_pl(&msg->callid)) &&
           msg->cseq.num <= b->cseq;
}

static void set(struct change *c, struct rf_view contact, uint32_t expires_s)
{
    struct core *core = c->core;
    struct binding *b = find(core, contact);
    if (b != NULL && outdated(b, c->msg)) {
        if (c->msg->cseq.num != b->cseq)
            c->code = 500; /* out of order; the same number is a retransmission and just answered again */
        return;
    }
    if (expires_s == 0) {
        if (b != NULL)
            binding_free(core, b);
        return;
    }
    if (expires_s < REGISTRAR_MIN_S) {
        c->code = 423;
        return;
    }
    if (b == NULL && (b = add(c, contact)) == NULL)
        return;
    char *call_id = copy(core, view_of_pl(&c->msg->callid));
    rf_free(core->mem, b->call_id);
    b->call_id = call_id;
    b->cseq = c->msg->cseq.num;
    b->flow = flow_of_phone(c->msg);
    b->until_ms =
        tmr_jiffies() + (uint64_t)(expires_s < REGISTRAR_MAX_S ? expires_s : REGISTRAR_MAX_S) * 1000;
}

static bool each_contact(const struct sip_hdr *hdr, const struct sip_msg *msg, void *arg)
{
    struct change *c = arg;
    struct sip_addr addr;
    struct pl value;
    uint32_t expires_s = c->default_s;

    (void)msg;
    if (sip_addr_decode(&addr, &hdr->val) != 0 || pl_strcasecmp(&addr.uri.scheme, "sip") != 0 ||
        addr.auri.l > 512 || !aor_uri_clean(view_of_pl(&addr.auri))) {
        c->code = 400;
        return true;
    }
    if (msg_param_decode(&addr.params, "expires", &value) == 0)
        expires_s = pl_u32(&value);
    set(c, view_of_pl(&addr.auri), expires_s);
    return c->code != 0;
}

static int apply(struct core *core, const struct sip_msg *msg)
{
    const struct sip_hdr *first = sip_msg_hdr(msg, SIP_HDR_CONTACT);
    struct change c = {.core = core, .msg = msg, .default_s = REGISTRAR_MAX_S};

    if (pl_isset(&msg->expires))
        c.default_s = pl_u32(&msg->expires);
    if (first != NULL && pl_strcmp(&first->val, "*") == 0) {
        if (!pl_isset(&msg->expires) || c.default_s != 0)
            return 400;
        RF_LIST_EACH_SAFE(&core->registrar->bindings, it)
        {
            binding_free(core, RF_LIST_ENTRY(it, struct binding, list));
        }
        return 0;
    }
    (void)sip_msg_hdr_apply(msg, true, SIP_HDR_CONTACT, each_contact, &c);
    return c.code;
}

/* 0 or the code that refuses it: the AOR must be our user's at our overlay (or this node's address) */
static int check_target(struct core *core, const struct sip_msg *msg)
{
    char aor[AOR_MAX];
    const struct uri *to = &msg->to.uri;
    struct pl host;

    if (!stack_is_host(core, msg, &msg->uri.host) || !stack_is_host(core, msg, &to->host))
        return 404;
    pl_set_str(&host, core->domain);
    if (aor_from_uri(view_of_pl(&to->user), view_of_pl(&host), aor) != 0)
        return 404;
    return strcmp(aor, core->aor) == 0 ? 0 : 403; /* somebody else's phones register elsewhere */
}

void registrar_request(struct core *core, const struct sip_msg *msg)
{
    int code = check_target(core, msg);
    struct mbuf *mb;

    expire(core);
    if (code == 0)
        code = apply(core, msg);
    if (code == 423) {
        (void)sip_replyf(core->phones, msg, 423, "Interval Too Brief",
                         "Min-Expires: %d\r\nContent-Length: 0\r\n\r\n", REGISTRAR_MIN_S);
        return;
    }
    if (code != 0) {
        msg_refuse(core->phones, msg, code);
        return;
    }
    COUNT(core, phone_registered);
    mb = mbuf_alloc(512);
    if (mb == NULL)
        return;
    uint64_t now = tmr_jiffies();
    RF_LIST_EACH(&core->registrar->bindings, it)
    {
        const struct binding *b = RF_LIST_ENTRY(it, struct binding, list);
        (void)mbuf_printf(mb, "Contact: <%s>;expires=%u\r\n", b->contact,
                          (unsigned)((b->until_ms - now + 999) / 1000));
    }
    (void)sip_replyf(core->phones, msg, 200, "OK", "%bContent-Length: 0\r\n\r\n", mb->buf, mb->end);
    mem_deref(mb);
}
