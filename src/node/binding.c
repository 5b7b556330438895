/*
 * binding.c - a client learns how long the NAT in front of it keeps an idle connection, and an idle mapping of datagrams, so that keep-alives are sent only as often as that needs. Why so:
 * docs/decisions/0025-binding-lifetimes.md; what goes over the wire: docs/protocol/bindings.md; the search itself: binding_search.h.
 *
 * Nothing that is in use is risked: what is tried is a connection with home made for that, or a socket for datagrams that serves nothing else. Home says something there after the time that is
 * tried (binding_help.c): if it is heard the NAT has kept it. One thing is tried at a time, and only while there is room for one more flow; where flows are few nothing is.
 *
 * States. RESTING: nothing to do, or the timer runs until it is begun. ASKING: home is asked for its help, and told how long our link may be silent. OPENING: the connection is being made, or home
 * has not noted our datagram yet. TRYING: until home's piece comes (kept) or GRACE_US after its time (lost, if home then still answers).
 *
 * What is known is used at once: home is told how long our link may be silent (binding_safe), and is silent that long; we are a little longer, so that home's sign of life comes first. If ours is
 * due nevertheless, or home has to be dialled anew because of a link that was silent before, the binding was lost: the time is halved at once, home is told, and learning begins anew.
 *
 * A network is known by the address that home sees us at and the house that our own is in; NETWORKS of them are remembered, over restarts as well. Of another one with the same house the time is only
 * where the search begins.
 */
#include "node/binding.h"

#define NETWORKS      8
#define GRACE_US      (4 * RF_US_PER_S)
#define NOTED_US      RF_US_PER_S
#define NOTED_TRIES   5
#define SOON_US       RF_US_PER_S
#define PATIENCE_US   RF_US_PER_S /* home's sign of life is on its way */
#define SLEPT_US      (5 * RF_US_PER_S)
#define BREAKS_MAX    6 /* the wait before it is learned anew doubles so often */
#define DOUBT_US      (3600 * RF_US_PER_S)
#define DATAGRAMS_MAX 5 /* times keepalive_us: RFC 4787, REQ-5, wants no more of a NAT */

enum what { TCP, UDP, WHATS };
enum step { RESTING, ASKING, OPENING, TRYING };

struct binding {
    struct rf_node *node;
    uint64_t usual_us, most_us;
    enum step step;
    enum what what;
    struct binding_search searches[WHATS];
    struct rf_timer timer;
    rf_call_id call;
    rf_link_id told_call_link; /* of `call`: whom it is about, */
    uint32_t asked_ms;         /* ... and what it says */
    uint64_t lag_us;           /* of the monotonic clock behind the other one */
    uint8_t token[RF_BINDING_TOKEN_LEN];
    rf_link_id link; /* that is tried */
    int spare;       /* base for datagrams; -1: none */
    struct rf_addr remote;
    struct binding_reader reader;
    uint64_t tried_us;
    uint64_t doubted_us;    /* what is known of datagrams, 0: never */
    uint64_t not_before_us; /* nothing is tried; 0: there was no home yet */
    uint8_t sent, breaks;
    bool missed;       /* the last try: counts when home answers again */
    bool no_datagrams; /* of this network: home does not get them */
    bool deaf;         /* this home does not know the question */
    /* home, and what it was told */
    rf_link_id home_link;
    struct rf_id home;
    uint64_t told_us;
    bool suspect;
    bool counted; /* that this link was lost */
    /* networks; the first is where we are, if `here` */
    struct rf_node_network networks[NETWORKS];
    size_t network_count;
    bool here;
    bool sure; /* home has said so, over the link that there is now */
};

/* ---- pieces ---- */

void binding_piece_send(struct rf_node *node, uint8_t base, const struct rf_addr *remote, uint8_t kind,
                        const uint8_t token[RF_BINDING_TOKEN_LEN], uint64_t wait_us)
{
    struct rf_binding_piece piece = {.kind = kind, .wait_ms = (uint32_t)(wait_us / RF_US_PER_MS)};
    struct node_out *o = node_out_new(node, RF_NODE_OUT_DATAGRAM);
    uint8_t *bytes = o != NULL ? rf_region_alloc(&o->region, RF_BINDING_PIECE_LEN) : NULL;
    struct rf_buf buf;
    if (bytes == NULL) {
        node_out_free(node, o);
        return;
    }
    memcpy(piece.token, token, sizeof(piece.token));
    rf_buf_fixed(&buf, bytes, RF_BINDING_PIECE_LEN);
    rf_binding_piece_encode(&piece, &buf);
    o->out.datagram.base = base;
    o->out.datagram.remote = *remote;
    o->out.datagram.bytes = rf_buf_view(&buf);
    if (kind == RF_BINDING_QUESTION)
        o->out.datagram.pad = RF_BINDING_QUESTION_LEN - RF_BINDING_PIECE_LEN;
}

bool binding_read(struct binding_reader *r, struct rf_view *in, struct rf_binding_piece *out, int *error)
{
    size_t len = sizeof(r->bytes) - r->len < in->len ? sizeof(r->bytes) - r->len : in->len;
    memcpy(r->bytes + r->len, in->p, len);
    r->len += len;
    *in = rf_view_of(in->p + len, in->len - len);
    if (r->len < sizeof(r->bytes))
        return false;
    r->len = 0;
    *error = rf_binding_piece_decode(rf_view_of(r->bytes, sizeof(r->bytes)), out) != 0 ? RF_EFORMAT : 0;
    return true;
}

int binding_link_send(struct rf_node *node, rf_link_id link, uint8_t kind,
                      const uint8_t token[RF_BINDING_TOKEN_LEN], uint64_t wait_us)
{
    struct rf_binding_piece piece = {.kind = kind, .wait_ms = (uint32_t)(wait_us / RF_US_PER_MS)};
    uint8_t bytes[RF_BINDING_PIECE_LEN];
    struct rf_buf buf;
    memcpy(piece.token, token, sizeof(piece.token));
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_binding_piece_encode(&piece, &buf);
    return rf_links_app_send(node->links, link, rf_buf_view(&buf));
}

/* ---- networks ---- */

static bool same_house(const struct rf_addr *a, const struct rf_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 3 : 8) == 0;
}

static uint32_t ms_of(uint64_t us)
{
    return (uint32_t)(us / RF_US_PER_MS);
}

/* How long the NAT keeps an idle mapping, with a margin, by what is known of where we were last; 0: unknown. */
static uint64_t datagrams_safe_us(const struct binding *b)
{
    return b->here ? binding_safe(&b->searches[UDP]) : 0;
}

static void keep_networks(struct binding *b)
{
    struct node_out *o = node_out_new(b->node, RF_NODE_OUT_NETWORKS);
    struct rf_node_network *copy =
        o != NULL ? rf_region_array(&o->region, b->network_count, sizeof(*copy)) : NULL;
    if (copy == NULL) {
        node_out_free(b->node, o);
        return; /* with the next thing that is learned */
    }
    memcpy(copy, b->networks, b->network_count * sizeof(*copy));
    o->out.networks = copy;
    o->out.network_count = b->network_count;
}

/* Something was learned of where we are. */
static void note(struct binding *b)
{
    struct rf_node_network *n = &b->networks[0];
    if (!b->here)
        return;
    n->tcp_kept_ms = ms_of(b->searches[TCP].kept_us);
    n->tcp_lost_ms = ms_of(b->searches[TCP].lost_us);
    n->udp_kept_ms = ms_of(b->searches[UDP].kept_us);
    n->udp_lost_ms = ms_of(b->searches[UDP].lost_us);
    n->learned_ms = b->node->now.wall_ms;
    path_idle_limit(b->node, datagrams_safe_us(b));
    keep_networks(b);
}

static void search_of(struct binding *b, enum what what, const struct rf_node_network *n, bool known)
{
    struct binding_search *s = &b->searches[what];
    uint64_t usual_us = what == TCP ? b->usual_us : b->usual_us / 2;
    uint64_t most_us =
        what == TCP || b->most_us < DATAGRAMS_MAX * b->usual_us ? b->most_us : DATAGRAMS_MAX * b->usual_us;
    uint64_t kept_us = n == NULL ? 0 : (what == TCP ? n->tcp_kept_ms : n->udp_kept_ms) * RF_US_PER_MS;
    uint64_t lost_us = n == NULL ? 0 : (what == TCP ? n->tcp_lost_ms : n->udp_lost_ms) * RF_US_PER_MS;
    binding_search_init(s, b->usual_us / 4, most_us, kept_us != 0 ? kept_us : usual_us);
    if (known && kept_us != 0)
        binding_kept(s, kept_us < most_us ? kept_us : most_us);
    if (known && lost_us > s->kept_us) {
        binding_lost(s, lost_us);
        binding_lost(s, lost_us);
    }
}

static uint64_t a_while(const struct binding *b)
{
    return rf_rng_between(b->node->env.jitter, 2 * b->usual_us, 4 * b->usual_us);
}

/* A link that is lost again and again must not put it off for ever. */
static void put_off(struct binding *b, uint64_t us)
{
    b->not_before_us = b->node->now.mono_us + us;
}

static uint64_t until_begun(const struct binding *b)
{
    uint64_t now_us = b->node->now.mono_us;
    return b->not_before_us > now_us + SOON_US ? b->not_before_us - now_us : SOON_US;
}

/* Home sees us at that address: is it where we were? */
static void adopt(struct binding *b, const struct rf_addr *seen, const struct rf_addr *local)
{
    struct rf_node_network now = {.seen = *seen, .local = *local};
    const struct rf_node_network *like = NULL;
    size_t at = 0;
    if (seen->family == 0 || local->family == 0)
        return;
    b->sure = true;
    if (b->here && rf_addr_same_ip(seen, &b->networks[0].seen) && same_house(local, &b->networks[0].local))
        return;
    now.seen.port = now.local.port = 0;
    for (size_t i = b->network_count; i-- > 0;)
        if (same_house(local, &b->networks[i].local))
            like = &b->networks[i];
    while (at < b->network_count &&
           !(rf_addr_same_ip(seen, &b->networks[at].seen) && same_house(local, &b->networks[at].local)))
        at++;
    bool known = at < b->network_count;
    if (known)
        like = &b->networks[at];
    for (enum what what = TCP; what < WHATS; what++)
        search_of(b, what, like, known);
    if (known)
        now = b->networks[at];
    else if (b->network_count < NETWORKS)
        at = b->network_count++;
    else
        at = NETWORKS - 1;
    memmove(&b->networks[1], &b->networks[0], at * sizeof(b->networks[0]));
    b->networks[0] = now;
    b->here = true;
    if (b->breaks > 0) /* that was elsewhere */
        put_off(b, a_while(b));
    b->breaks = 0;
    b->no_datagrams = b->missed = false;
    path_idle_limit(b->node, datagrams_safe_us(b));
}

void rf_node_load_network(struct rf_node *node, const struct rf_node_network *network)
{
    struct binding *b = node->binding;
    if (b == NULL || b->network_count == NETWORKS || network->seen.family == 0 || network->local.family == 0)
        return;
    b->networks[b->network_count++] = *network;
}

/* ---- what is to be done ---- */

static bool is_client(const struct rf_node *node)
{
    return node->role != RF_NODE_SUPERNODE && !node->leaving && !node->left && !node->revoked &&
           node->home.len > 0;
}

/* How long home's link may be silent, by what is known; 0: as long as any, which is what is right for as much as was tried. */
static uint64_t silence(const struct binding *b)
{
    const struct binding_search *s = &b->searches[TCP];
    uint64_t safe_us = binding_safe(s);
    bool shorter = s->lost_us != 0 || s->halved_us != 0;
    return b->here && b->sure && (safe_us > b->usual_us || shorter) ? safe_us : 0;
}

/* Is there something to learn, and room for it? */
static bool wants(const struct binding *b, enum what *what)
{
    const struct rf_node *node = b->node;
    *what = TCP;
    if (node_path_thrifty(node) || b->deaf)
        return false;
    if (!b->here || binding_next(&b->searches[TCP]) != 0)
        return true;
    *what = UDP;
    return b->spare >= 0 && node_path_usable(node) && !b->no_datagrams &&
           binding_next(&b->searches[UDP]) != 0;
}

static void later(struct binding *b, uint64_t us)
{
    b->step = RESTING;
    (void)rf_env_timer_in(&b->node->env, &b->timer, us); /* without memory it is learned another time */
}

/* What is being tried is over, for whatever reason. */
static void drop(struct binding *b)
{
    rf_link_id link = b->link;
    b->link = 0;
    b->reader.len = 0;
    if (b->step == TRYING && b->what == UDP) /* no more of it */
        binding_piece_send(b->node, (uint8_t)b->spare, &b->remote, RF_BINDING_QUESTION, b->token, 0);
    b->step = RESTING;
    rf_timer_stop(&b->node->timers, &b->timer);
    if (link != 0)
        rf_links_close(b->node->links, link, RF_ECLOSED);
}

static void give_up(struct binding *b)
{
    drop(b);
    later(b, a_while(b));
}

/* ---- home is asked, and told ---- */

static int ask(struct binding *b, uint8_t wanted, void (*done)(void *arg, const struct rf_reply *reply))
{
    struct rf_node *node = b->node;
    struct rf_binding_ask body = {.wants = wanted, .silent_ms = ms_of(silence(b))};
    uint8_t bytes[32];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_binding_ask_encode(&body, &buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ,
                           .body = rf_buf_view(&buf),
                           .link = b->home_link,
                           .max_transmissions = 3,
                           .done = done,
                           .arg = b};
    rf_call_to_node(&call, &b->home);
    b->told_call_link = b->home_link;
    b->asked_ms = body.silent_ms;
    return rf_overlay_call(node->overlay, &call, &b->call);
}

/* Has the computer slept since this was asked last? Then nobody sent any signs of life, and what was lost says nothing. Nor does it after the clock was set. */
static bool slept(struct binding *b)
{
    const struct rf_now *now = &b->node->now;
    uint64_t lag_us = now->wall_ms * RF_US_PER_MS - now->mono_us, before_us = b->lag_us;
    b->lag_us = lag_us;
    return lag_us - before_us > SLEPT_US && before_us - lag_us > SLEPT_US; /* one of them went round */
}

/* Its answer; false: it is none, or home has changed. */
static bool take(struct binding *b, const struct rf_reply *reply, struct rf_binding_said *said)
{
    struct rf_link_info link;
    b->deaf = b->deaf || (reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_INVALID_MESSAGE);
    if (b->deaf && !b->sure)
        path_idle_limit(b->node, 0); /* where we are it will never say */
    if (reply->error != 0 || b->told_call_link != b->home_link ||
        rf_binding_said_decode(reply->body, said) != 0 ||
        rf_links_info(b->node->links, b->home_link, &link) != 0)
        return false;
    b->told_us = (said->silent_ms < b->asked_ms ? said->silent_ms : b->asked_ms) * RF_US_PER_MS;
    rf_links_lasts(b->node->links, b->home_link,
                   b->told_us != 0 ? b->told_us + b->usual_us / 6 + PATIENCE_US : 0, b->told_us != 0);
    b->counted = false;
    (void)slept(b);
    adopt(b, &said->seen, &link.local);
    return true;
}

static void told(void *arg, const struct rf_reply *reply)
{
    struct binding *b = arg;
    struct rf_binding_said said;
    if (b->call == 0)
        return; /* called off */
    b->call = 0;
    (void)take(b, reply, &said);
}

/* Home is to know, if it makes a difference. */
static void tell(struct binding *b)
{
    uint64_t us = silence(b);
    bool other = us < b->told_us || us > b->told_us + b->told_us / 8;
    if (b->call == 0 && b->home_link != 0 && other && !b->deaf)
        (void)ask(b, RF_BINDING_NOTHING, told); /* if it cannot be told, with the next question */
}

/* ---- trying ---- */

static void finish(struct binding *b)
{
    drop(b);
    tell(b);
    later(b, SOON_US); /* the next thing to learn, if there is one */
}

static void question(struct binding *b)
{
    struct rf_node *node = b->node;
    b->tried_us = binding_next(&b->searches[b->what]);
    if (b->tried_us == 0) {
        finish(b);
        return;
    }
    node->counters.bindings_tried++;
    b->sent = 1;
    if (b->what == TCP) {
        b->step = TRYING;
        if (binding_link_send(node, b->link, RF_BINDING_QUESTION, b->token, b->tried_us) != 0 ||
            rf_env_timer_in(&node->env, &b->timer, b->tried_us + GRACE_US) != 0)
            give_up(b);
        return;
    }
    b->step = OPENING;
    binding_piece_send(node, (uint8_t)b->spare, &b->remote, RF_BINDING_QUESTION, b->token, b->tried_us);
    if (rf_env_timer_in(&node->env, &b->timer, NOTED_US) != 0)
        give_up(b);
}

static void kept(struct binding *b)
{
    binding_kept(&b->searches[b->what], b->tried_us);
    note(b);
    if (b->what == TCP)
        tell(b);
    question(b);
}

/* Home is there and helps: what was not heard from it was lost on the way. */
static void open_way(struct binding *b)
{
    struct rf_node *node = b->node;
    if (!node_redial_home_addr(node, &b->remote) || node_cap_take(node, FLOW_OTHER) != 0) {
        give_up(b);
        return;
    }
    if (b->what == UDP) {
        question(b);
        return;
    }
    b->step = OPENING;
    if (rf_links_connect(node->links, &b->remote, 1, &b->home, RF_LINK_APP, BINDING_APPLICATION, &b->link) !=
        0) {
        b->link = 0;
        give_up(b);
    }
}

static void helped(void *arg, const struct rf_reply *reply)
{
    struct binding *b = arg;
    struct rf_binding_said said;
    if (b->call == 0)
        return; /* called off */
    b->call = 0;
    enum what what = b->what, now;
    bool answered = take(b, reply, &said);
    if (answered && b->missed) {
        binding_lost(&b->searches[what], b->tried_us);
        note(b);
    }
    b->missed = false;
    if (answered && silence(b) != b->told_us)
        tell(b);
    bool more = wants(b, &now);
    if (answered && !more) { /* it is a network that is known */
        drop(b);
        return;
    }
    if (!answered || said.outcome != RF_BINDING_GIVEN) {
        drop(b);
        later(b, answered && b->sure && said.outcome == RF_BINDING_NOT ? until_begun(b) : a_while(b));
        return;
    }
    if (now != what) { /* enough is known of this */
        later(b, SOON_US);
        return;
    }
    memcpy(b->token, said.token, sizeof(b->token));
    open_way(b);
}

static void begin(struct binding *b)
{
    enum what what;
    if (!is_client(b->node) || b->home_link == 0)
        return;
    if (b->call != 0) {
        later(b, SOON_US);
        return;
    }
    bool more = wants(b, &what);
    if (!more && b->sure) {
        b->missed = false;
        tell(b);
        return; /* all is known, or nothing can be learned here */
    }
    if (b->deaf || (!more && b->network_count == 0))
        return;
    bool where =
        (!b->sure && b->network_count > 0) || until_begun(b) > SOON_US; /* nothing but where we are */
    uint8_t wanted = what == TCP ? RF_BINDING_CONNECTION : RF_BINDING_DATAGRAM;
    b->missed = b->missed && what == b->what;
    b->what = what;
    wanted = !more || where ? RF_BINDING_NOTHING : wanted;
    b->step = ASKING;
    if (ask(b, wanted, helped) != 0)
        give_up(b);
}

static void due(struct rf_timer *timer, void *arg)
{
    struct binding *b = arg;
    (void)timer;
    if (b->step == RESTING) {
        begin(b);
    } else if (b->step == TRYING) {
        b->missed = true;
        drop(b);
        begin(b);
    } else if (b->step == OPENING && b->what == UDP && b->sent++ < NOTED_TRIES) {
        binding_piece_send(b->node, (uint8_t)b->spare, &b->remote, RF_BINDING_QUESTION, b->token,
                           b->tried_us);
        if (rf_env_timer_in(&b->node->env, &b->timer, NOTED_US) != 0)
            give_up(b);
    } else {
        b->no_datagrams = b->what == UDP;
        give_up(b);
    }
}

/* ---- what comes ---- */

static bool is_ours(const struct binding *b, const struct rf_binding_piece *piece)
{
    return memcmp(piece->token, b->token, sizeof(b->token)) == 0 && piece->wait_ms == ms_of(b->tried_us);
}

bool node_binding_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    struct binding *b = node->binding;
    if (link->purpose != RF_LINK_APP || link->application != BINDING_APPLICATION)
        return false;
    if (b != NULL && link->id == b->link) {
        rf_links_lasts(node->links, link->id, BINDING_LONGEST_US, false);
        question(b);
    } else if (!binding_help_link_up(node, link)) {
        rf_links_close(node->links, link->id, RF_EUNSUPPORTED);
    }
    return true;
}

bool node_binding_link_down(struct rf_node *node, const struct rf_link_info *link)
{
    struct binding *b = node->binding;
    if (link->purpose != RF_LINK_APP || link->application != BINDING_APPLICATION)
        return false;
    binding_help_link_down(node, link->id);
    if (b != NULL &&
        b->link == link->id) { /* home ended it, or it never came: that says nothing of the NAT */
        b->link = 0;
        give_up(b);
    }
    return true;
}

bool node_binding_data(struct rf_node *node, rf_link_id link, struct rf_view bytes)
{
    struct binding *b = node->binding;
    struct rf_binding_piece piece;
    struct rf_link_info info;
    int error = 0;
    if (rf_links_info(node->links, link, &info) != 0 || info.application != BINDING_APPLICATION)
        return false;
    if (b == NULL || link != b->link) {
        binding_help_data(node, link, bytes);
        return true;
    }
    while (b->step == TRYING && link == b->link && bytes.len > 0 &&
           binding_read(&b->reader, &bytes, &piece, &error))
        if (error == 0 && piece.kind == RF_BINDING_LAST && is_ours(b, &piece))
            kept(b);
        else
            node->counters.bindings_malformed++;
    return true;
}

bool node_binding_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote,
                           struct rf_view bytes)
{
    struct binding *b = node->binding;
    struct rf_binding_piece piece;
    if (!rf_binding_is_piece(bytes))
        return b != NULL && (int)base == b->spare; /* that is for nothing else */
    if (rf_binding_piece_decode(bytes, &piece) != 0) {
        node->counters.bindings_malformed++;
    } else if (piece.kind == RF_BINDING_QUESTION) {
        binding_help_datagram(node, base, remote, &piece, bytes.len);
    } else if (b == NULL || b->what != UDP || (int)base != b->spare || !rf_addr_equal(remote, &b->remote) ||
               !is_ours(b, &piece)) {
        node->counters.bindings_strangers++;
    } else if (piece.kind == RF_BINDING_NOTED && b->step == OPENING) {
        b->step = TRYING;
        if (rf_env_timer_in(&node->env, &b->timer, b->tried_us + GRACE_US) != 0)
            give_up(b);
    } else if (piece.kind == RF_BINDING_LAST && b->step == TRYING) {
        kept(b);
    }
    return true;
}

/* ---- what is in use ---- */

static void call_off(struct binding *b)
{
    rf_call_id call = b->call;
    b->call = 0; /* what it is told now does not concern us */
    if (call != 0)
        rf_overlay_cancel(b->node->overlay, call);
}

/* A binding was lost that should have been there. */
static void broken(struct binding *b, enum what what, uint64_t used_us)
{
    binding_broken(&b->searches[what], used_us);
    b->node->counters.bindings_broken++;
    b->counted = b->counted || what == TCP;
    b->breaks += b->breaks < BREAKS_MAX;
    note(b);
    call_off(b);
    b->missed = false;
    drop(b);
    tell(b);
    put_off(b, a_while(b) << b->breaks);
    later(b, until_begun(b));
}

void node_binding_late(void *ctx, rf_link_id link)
{
    struct binding *b = ((struct rf_node *)ctx)->binding;
    if (b != NULL && link == b->home_link && b->told_us != 0 && !b->counted && !slept(b))
        broken(b, TCP, b->told_us);
}

void node_binding_suspect(struct rf_node *node, rf_link_id link, bool suspect)
{
    struct binding *b = node->binding;
    if (b != NULL && link == b->home_link)
        b->suspect = suspect;
}

/* Its other end may as well have gone. So what is known of datagrams is looked at once more, not more than once in DOUBT_US. */
void node_binding_doubt(struct rf_node *node)
{
    struct binding *b = node->binding;
    if (b == NULL || b->searches[UDP].kept_us == 0 ||
        (b->doubted_us != 0 && node->now.mono_us - b->doubted_us < DOUBT_US))
        return;
    struct binding_search *s = &b->searches[UDP];
    b->doubted_us = node->now.mono_us;
    binding_search_init(s, s->least_us, s->most_us, s->kept_us);
    path_idle_limit(node, datagrams_safe_us(b));
    if (b->home_link != 0 && b->step == RESTING && !rf_timer_is_set(&b->timer))
        later(b, a_while(b));
}

uint16_t node_binding_idle_s(const struct rf_node *node)
{
    const struct binding *b = node->binding;
    uint64_t us = b != NULL && b->sure && is_client(node) ? datagrams_safe_us(b) : 0;
    return us / RF_US_PER_S < UINT16_MAX ? (uint16_t)(us / RF_US_PER_S) : UINT16_MAX;
}

void node_binding_look(struct rf_node *node)
{
    struct binding *b = node->binding;
    if (b == NULL)
        return;
    rf_link_id link = is_client(node) ? rf_overlay_link_of(node->overlay, &node->home) : 0;
    if (link == b->home_link)
        return;
    bool lost = link != 0 && b->suspect && !b->counted && b->told_us != 0 &&
                rf_id_equal(&b->home, &node->home) && !slept(b);
    uint64_t used_us = b->told_us;
    b->suspect = b->counted = b->deaf = b->missed = b->sure = false;
    call_off(b);
    b->home_link = link;
    b->home = node->home;
    b->told_us = 0;
    drop(b);
    if (lost)
        broken(b, TCP, used_us);
    if (link != 0 && b->not_before_us == 0)
        put_off(b, a_while(b));
    if (link != 0 && !lost)
        later(b, b->network_count > 0 ? rf_rng_between(node->env.jitter, SOON_US, b->usual_us / 3 + SOON_US)
                                      : until_begun(b));
}

bool node_binding_yield(struct rf_node *node)
{
    struct binding *b = node->binding;
    if (node_binding_flows(node) == 0)
        return false;
    give_up(b);
    return true;
}

size_t node_binding_flows(const struct rf_node *node)
{
    const struct binding *b = node->binding;
    return b != NULL && b->what == UDP && (b->step == OPENING || b->step == TRYING);
}

/* ---- life ---- */

void rf_node_spare(struct rf_node *node, int base, struct rf_now now)
{
    struct binding *b = node_enter(node, now)->binding;
    if (b == NULL)
        return;
    if (node_binding_flows(node) > 0)
        give_up(b);
    b->spare = base;
}

void rf_node_bindings(const struct rf_node *node, struct rf_node_bindings *out)
{
    const struct binding *b = node->binding;
    *out = (struct rf_node_bindings){0};
    if (b == NULL || !b->here)
        return;
    out->known = true;
    out->learning = b->step != RESTING || rf_timer_is_set(&b->timer);
    out->tcp_kept_us = b->searches[TCP].kept_us;
    out->tcp_lost_us = b->searches[TCP].lost_us;
    out->udp_kept_us = b->searches[UDP].kept_us;
    out->udp_lost_us = b->searches[UDP].lost_us;
    out->silent_us = b->told_us;
}

int node_binding_init(struct rf_node *node, const struct rf_node_config *config)
{
    if (config->keepalive_max_s == 0)
        return 0;
    struct binding *b = node->binding = rf_zalloc(node->env.mem, sizeof(*b));
    if (b == NULL)
        return RF_ENOMEM;
    b->node = node;
    b->usual_us = node->keepalive_us;
    b->most_us = config->keepalive_max_s * RF_US_PER_S;
    b->most_us = b->most_us > BINDING_LONGEST_US ? BINDING_LONGEST_US : b->most_us;
    b->spare = -1;
    for (enum what what = TCP; what < WHATS; what++)
        search_of(b, what, NULL, false);
    rf_timer_init(&b->timer, due, b);
    return 0;
}

void node_binding_deinit(struct rf_node *node)
{
    struct binding *b = node->binding;
    binding_help_deinit(node);
    if (b == NULL)
        return;
    rf_timer_stop(&node->timers, &b->timer);
    rf_free(node->env.mem, b);
    node->binding = NULL;
}
