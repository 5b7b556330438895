/*
 * binding_help.c - home helps a client to find out how long its NAT keeps what is idle, and is silent over their link for as long as that allows (docs/protocol/bindings.md).
 *
 * A client asks over its own link (exp_a), and gets a token. With that it sends a question by a connection that it makes for it, or by a datagram: "say something here after so long". What
 * comes is one small piece; by datagram it is said three times, a second apart, unless the client has heard it, and what was asked was as long as all of that. So nobody gets
 * more than he sent, only who is linked with us gets anything, and only where his link comes from.
 *
 * States of one who is helped: READY (a question may come; HOLD_US) -> WAITING (the time that it named runs) -> by datagram SAYING (again) -> READY. It ends when nothing comes in READY, with its connection, and
 * when it asks for a new token. At most HELPED_MAX at once: the others are asked to come later.
 */
#include "node/binding.h"

#define HELPED_MAX  256
#define HOLD_US     (30 * RF_US_PER_S)
#define AGAIN_US    RF_US_PER_S
#define SHORTEST_US (RF_US_PER_S / 2)

enum step { READY, WAITING, SAYING };
struct helped {
    struct rf_map_node by_token;
    struct rf_list list;
    struct binding_help *help;
    struct rf_id node;
    uint8_t token[RF_BINDING_TOKEN_LEN];
    enum step step;
    bool datagram;
    rf_link_id link; /* 0: it has not been made */
    uint8_t base, said;
    struct rf_addr remote;
    uint64_t wait_us;
    struct binding_reader reader;
    struct rf_timer timer;
};

struct binding_help {
    struct rf_node *node;
    struct rf_map by_token;
    struct rf_list all;
};

static struct rf_view token_key(const struct rf_map_node *node)
{
    const struct helped *h = RF_CONTAINER(node, struct helped, by_token);
    return rf_view_of(h->token, sizeof(h->token));
}

static struct binding_help *get(struct rf_node *node)
{
    struct binding_help *help = node->binding_help;
    if (help != NULL)
        return help;
    help = rf_zalloc(node->env.mem, sizeof(*help));
    if (help == NULL)
        return NULL;
    help->node = node;
    rf_map_init(&help->by_token, node->env.mem, node->env.seed, token_key);
    rf_list_init(&help->all);
    return node->binding_help = help;
}

static void end(struct helped *h)
{
    struct rf_node *node = h->help->node;
    rf_link_id link = h->link;
    rf_timer_stop(&node->timers, &h->timer);
    rf_map_remove(&h->help->by_token, &h->by_token);
    rf_list_remove(&h->list);
    rf_free(node->env.mem, h);
    if (link != 0)
        rf_links_close(node->links, link, RF_ECLOSED);
}

static void arm(struct helped *h, enum step step, uint64_t us)
{
    h->step = step;
    if (rf_env_timer_in(&h->help->node->env, &h->timer, us) != 0)
        end(h);
}

/* The time that it named is over, or it is. */
static void due(struct rf_timer *timer, void *arg)
{
    struct helped *h = arg;
    struct rf_node *node = h->help->node;
    (void)timer;
    if (h->step == READY) {
        end(h);
        return;
    }
    node->counters.bindings_shown += h->step == WAITING;
    if (!h->datagram) {
        (void)binding_link_send(node, h->link, RF_BINDING_LAST, h->token, h->wait_us);
        arm(h, READY, HOLD_US);
        return;
    }
    binding_piece_send(node, h->base, &h->remote, RF_BINDING_LAST, h->token, h->wait_us);
    if (++h->said < RF_BINDING_ANSWERS)
        arm(h, SAYING, AGAIN_US);
    else
        arm(h, READY, HOLD_US);
}

/* ---- over the overlay ---- */

static struct helped *find_by_node(const struct binding_help *help, const struct rf_id *id)
{
    RF_LIST_EACH(&help->all, it)
    {
        struct helped *h = RF_LIST_ENTRY(it, struct helped, list);
        if (rf_id_equal(&h->node, id))
            return h;
    }
    return NULL;
}

/* NULL: there is no room, or no memory. */
static struct helped *helped_new(struct rf_node *node, const struct rf_id *id, bool datagram)
{
    struct binding_help *help = get(node);
    if (help == NULL)
        return NULL;
    struct helped *h = find_by_node(help, id);
    if (h != NULL)
        end(h);
    h = help->by_token.count < HELPED_MAX ? rf_zalloc(node->env.mem, sizeof(*h)) : NULL;
    if (h == NULL)
        return NULL;
    h->help = help;
    h->node = *id;
    h->datagram = datagram;
    rf_rng_fill(node->env.secret, h->token, sizeof(h->token));
    rf_timer_init(&h->timer, due, h);
    if (rf_env_timer_in(&node->env, &h->timer, HOLD_US) != 0 ||
        rf_map_insert(&help->by_token, &h->by_token) != 0) {
        rf_timer_stop(&node->timers, &h->timer);
        rf_free(node->env.mem, h);
        return NULL;
    }
    rf_list_push_back(&help->all, &h->list);
    return h;
}

static void give(struct rf_node *node, const struct rf_request *request, bool datagram,
                 struct rf_binding_said *said)
{
    const struct rf_id *them = &request->signer.node_id;
    said->outcome = RF_BINDING_LATER;
    if (!datagram && (!rf_links_handshake_room(node->links) || node_dials_full(node)))
        return;
    struct helped *h = helped_new(node, them, datagram);
    if (h == NULL)
        return;
    if (!datagram && rf_links_expect(node->links, them, RF_LINK_APP, BINDING_APPLICATION) != 0) {
        end(h);
        return;
    }
    memcpy(said->token, h->token, sizeof(h->token));
    said->outcome = RF_BINDING_GIVEN;
}

/* The client's own link, and it is one of ours? */
static bool is_clients(const struct rf_node *node, const struct rf_request *request,
                       struct rf_link_info *link)
{
    const struct visitor *v = node_admit_visitor(node, &request->signer.node_id);
    return node->role == RF_NODE_SUPERNODE && v != NULL && v->kind != VISITOR_PEER && request->link != 0 &&
           rf_id_equal(&request->link_node, &request->signer.node_id) &&
           rf_links_info(node->links, request->link, link) == 0;
}

bool node_binding_asked(struct rf_node *node, struct rf_request *request)
{
    struct rf_binding_ask ask;
    struct rf_binding_said said = {0};
    struct rf_link_info link;
    uint8_t bytes[64];
    struct rf_buf buf;
    if (!rf_binding_is_ask(request->message->body))
        return false;
    if (rf_binding_ask_decode(request->message->body, &ask) != 0 || !is_clients(node, request, &link)) {
        node->counters.bindings_refused++;
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN,
                               "home is asked that, by its client, over their own link");
        return true;
    }
    uint64_t silent_us = ask.silent_ms * RF_US_PER_MS;
    /* what it says is all that we know; if it vanishes it has its place for as long */
    silent_us = silent_us > node->silence_max_us ? node->silence_max_us : silent_us;
    silent_us = silent_us > BINDING_LONGEST_US ? BINDING_LONGEST_US : silent_us;
    rf_links_lasts(node->links, request->link, silent_us, false);
    said.silent_ms = (uint32_t)(silent_us / RF_US_PER_MS);
    said.seen = link.remote;
    if (ask.wants != RF_BINDING_NOTHING)
        give(node, request, ask.wants == RF_BINDING_DATAGRAM, &said);
    node->counters.bindings_refused += said.outcome == RF_BINDING_LATER;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_binding_said_encode(&said, &buf);
    (void)rf_overlay_answer(node->overlay, request, rf_buf_view(&buf), NULL, 0); /* it will ask again */
    return true;
}

/* ---- what is looked at ---- */

/* wait_us 0: it has heard. */
static void question(struct helped *h, uint64_t wait_us)
{
    wait_us = wait_us > BINDING_LONGEST_US ? BINDING_LONGEST_US : wait_us;
    h->said = 0;
    h->wait_us = wait_us;
    if (wait_us < SHORTEST_US)
        arm(h, READY, HOLD_US);
    else
        arm(h, WAITING, wait_us);
}

static struct helped *find_by_link(const struct rf_node *node, rf_link_id link)
{
    if (node->binding_help == NULL)
        return NULL;
    RF_LIST_EACH(&node->binding_help->all, it)
    {
        struct helped *h = RF_LIST_ENTRY(it, struct helped, list);
        if (h->link == link)
            return h;
    }
    return NULL;
}

bool binding_help_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    struct helped *h = node->binding_help != NULL ? find_by_node(node->binding_help, &link->node_id) : NULL;
    if (h == NULL || h->datagram || h->link != 0)
        return false;
    h->link = link->id;
    rf_links_lasts(node->links, link->id, BINDING_LONGEST_US + 2 * HOLD_US, false);
    return true;
}

void binding_help_link_down(struct rf_node *node, rf_link_id link)
{
    struct helped *h = find_by_link(node, link);
    if (h == NULL)
        return;
    h->link = 0;
    end(h);
}

void binding_help_data(struct rf_node *node, rf_link_id link, struct rf_view bytes)
{
    struct helped *h = find_by_link(node, link);
    struct rf_binding_piece piece;
    int error = 0;
    while (h != NULL && bytes.len > 0 && binding_read(&h->reader, &bytes, &piece, &error)) {
        bool good = error == 0 && piece.kind == RF_BINDING_QUESTION &&
                    memcmp(piece.token, h->token, sizeof(h->token)) == 0;
        if (good) {
            question(h, piece.wait_ms * RF_US_PER_MS);
        } else {
            node->counters.bindings_malformed++;
            end(h);
        }
        h = find_by_link(node, link);
    }
}

void binding_help_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote,
                           const struct rf_binding_piece *piece, size_t len)
{
    struct rf_view token = rf_view_of(piece->token, sizeof(piece->token));
    struct rf_map_node *found =
        node->binding_help != NULL ? rf_map_find(&node->binding_help->by_token, token) : NULL;
    struct helped *h = found != NULL ? RF_CONTAINER(found, struct helped, by_token) : NULL;
    struct rf_link_info link;
    bool theirs = h != NULL && h->datagram && len >= RF_BINDING_QUESTION_LEN &&
                  rf_links_info(node->links, rf_overlay_link_of(node->overlay, &h->node), &link) == 0 &&
                  rf_addr_same_ip(remote, &link.remote);
    if (!theirs) {
        node->counters.bindings_strangers++;
        return;
    }
    h->base = base;
    h->remote = *remote;
    if (piece->wait_ms * RF_US_PER_MS >= SHORTEST_US)
        binding_piece_send(node, base, remote, RF_BINDING_NOTED, h->token, piece->wait_ms * RF_US_PER_MS);
    question(h, piece->wait_ms * RF_US_PER_MS);
}

void binding_help_deinit(struct rf_node *node)
{
    struct binding_help *help = node->binding_help;
    if (help == NULL)
        return;
    RF_LIST_EACH_SAFE(&help->all, it)
    {
        struct helped *h = RF_LIST_ENTRY(it, struct helped, list);
        rf_timer_stop(&node->timers, &h->timer);
        rf_free(node->env.mem, h);
    }
    rf_map_deinit(&help->by_token);
    rf_free(node->env.mem, help);
    node->binding_help = NULL;
}
