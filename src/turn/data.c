/* data.c - the data path: permissions, channels, what goes which way. */
#include "turn/internal.h"

#define FIRST_CAP 1 /* most allocations talk with one peer */

/* ---- permissions and channels: few, so they are looked through ---- */

static bool grow(struct rf_turn_alloc *a, void **rows, size_t row_len, uint8_t count, uint8_t *cap)
{
    if (count < *cap)
        return true;
    size_t more = *cap == 0 ? FIRST_CAP : *cap * (size_t)2;
    void *p = rf_resize(a->turn->env->mem, *rows, more * row_len);
    if (p == NULL)
        return false;
    *rows = p;
    *cap = (uint8_t)more;
    return true;
}

static struct turn_permission *permission_of(const struct rf_turn_alloc *a, const struct rf_addr *peer)
{
    for (size_t i = 0; i < a->permission_count; i++)
        if (rf_addr_same_ip(&a->permissions[i].addr, peer))
            return a->permissions[i].until_us > turn_now(a->turn) ? &a->permissions[i] : NULL;
    return NULL;
}

/* The row of that address, of one that has run out, or a new one. */
static struct turn_permission *permission_row(struct rf_turn_alloc *a, const struct rf_addr *peer)
{
    struct turn_permission *old = NULL;
    for (size_t i = 0; i < a->permission_count; i++) {
        if (rf_addr_same_ip(&a->permissions[i].addr, peer))
            return &a->permissions[i];
        if (a->permissions[i].until_us <= turn_now(a->turn))
            old = &a->permissions[i];
    }
    if (old != NULL || a->permission_count == TURN_MAX_PEERS)
        return old;
    if (!grow(a, (void **)&a->permissions, sizeof(*a->permissions), a->permission_count, &a->permission_cap))
        return NULL;
    return &a->permissions[a->permission_count++];
}

int turn_permit(struct rf_turn_alloc *a, const struct rf_addr *peer)
{
    struct turn_permission *p = permission_row(a, peer);
    if (p == NULL)
        return RF_ELIMIT;
    *p = (struct turn_permission){.addr = *peer, .until_us = turn_now(a->turn) + TURN_PERMISSION_US};
    p->addr.port = 0;
    return 0;
}

static struct turn_channel *channel_of(const struct rf_turn_alloc *a, uint16_t number)
{
    for (size_t i = 0; i < a->channel_count; i++)
        if (a->channels[i].number == number)
            return a->channels[i].until_us > turn_now(a->turn) ? &a->channels[i] : NULL;
    return NULL;
}

static struct turn_channel *channel_to(const struct rf_turn_alloc *a, const struct rf_addr *peer)
{
    for (size_t i = 0; i < a->channel_count; i++)
        if (rf_addr_equal(&a->channels[i].peer, peer))
            return a->channels[i].until_us > turn_now(a->turn) ? &a->channels[i] : NULL;
    return NULL;
}

static void drop_dead_channels(struct rf_turn_alloc *a)
{
    for (size_t i = 0; i < a->channel_count;)
        if (a->channels[i].until_us <= turn_now(a->turn))
            a->channels[i] = a->channels[--a->channel_count];
        else
            i++;
}

int turn_bind(struct rf_turn_alloc *a, uint16_t number, const struct rf_addr *peer)
{
    drop_dead_channels(a);
    struct turn_channel *c = channel_of(a, number);
    if (c != channel_to(a, peer))
        return RF_ECONFLICT;
    if (c == NULL && a->channel_count == TURN_MAX_PEERS)
        return RF_ELIMIT;
    if (c == NULL && !grow(a, (void **)&a->channels, sizeof(*a->channels), a->channel_count, &a->channel_cap))
        return RF_ENOMEM;
    int error = turn_permit(a, peer);
    if (error != 0)
        return error;
    if (c == NULL)
        c = &a->channels[a->channel_count++];
    *c = (struct turn_channel){
        .peer = *peer, .number = number, .until_us = turn_now(a->turn) + TURN_CHANNEL_US};
    return 0;
}

/* ---- from the client ---- */

static void relay(struct rf_turn_alloc *a, const struct rf_addr *peer, struct rf_view payload,
                  struct rf_turn_act *out)
{
    struct rf_turn *turn = a->turn;
    if (permission_of(a, peer) == NULL) {
        turn->counters.no_permission++;
        return;
    }
    if (!turn_spend(turn, a->user, payload.len))
        return;
    turn->counters.to_peer++;
    turn->counters.to_peer_bytes += payload.len;
    *out =
        (struct rf_turn_act){.type = RF_TURN_TO_PEER, .bytes = payload, .socket = a->socket, .peer = *peer};
}

static void channel_data(struct rf_turn *turn, const struct rf_turn_from *from, struct rf_view datagram,
                         struct rf_turn_act *out)
{
    struct rf_view payload;
    uint16_t number;
    if (rf_turn_channel_decode(datagram, &number, &payload) != 0) {
        turn->counters.malformed++;
        return;
    }
    struct rf_turn_alloc *a = turn_find(turn, from);
    struct turn_channel *c = a != NULL ? channel_of(a, number) : NULL;
    if (c == NULL)
        turn->counters.no_allocation++;
    else
        relay(a, &c->peer, payload, out);
}

static void send_indication(struct rf_turn *turn, struct rf_turn_alloc *alloc, const struct rf_stun_msg *msg,
                            struct rf_turn_act *out)
{
    static const uint16_t known[] = {RF_TURN_XOR_PEER_ADDRESS, RF_TURN_DATA_ATTR};
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    struct rf_addr peer;
    struct rf_view data;
    if (alloc == NULL) {
        turn->counters.no_allocation++;
    } else if (rf_stun_address(msg, RF_TURN_XOR_PEER_ADDRESS, true, &peer) != 0 ||
               !rf_stun_find(msg, RF_TURN_DATA_ATTR, &data) || rf_stun_unknown(msg, known, 2, unknown) > 0) {
        turn->counters.malformed++; /* also DONT-FRAGMENT, which we cannot promise (RFC 8656, section 11.2) */
    } else {
        relay(alloc, &peer, data, out);
    }
}

static void answer(struct rf_turn *turn, const struct rf_turn_from *from, const struct rf_stun_msg *msg,
                   struct rf_turn_act *out)
{
    struct turn_request r = {.turn = turn, .from = from, .msg = msg, .alloc = turn_find(turn, from)};
    turn->counters.requests++;
    rf_buf_fixed(&r.out, turn->reply, sizeof(turn->reply));
    turn_handle(&r);
    if (r.silent || r.out.len == 0)
        return;
    if (r.integrity != RF_HASH_NONE)
        rf_stun_put_integrity(&r.out, turn->crypto, r.integrity, rf_view_of(r.key, r.key_len));
    if (msg->fingerprint_at != 0)
        rf_stun_put_fingerprint(&r.out);
    if (rf_stun_end(&r.out) == 0)
        *out = (struct rf_turn_act){.type = RF_TURN_REPLY, .bytes = rf_buf_view(&r.out)};
}

void rf_turn_client(struct rf_turn *turn, const struct rf_turn_from *from, struct rf_view datagram,
                    struct rf_turn_act *out)
{
    struct rf_stun_msg msg;
    out->type = RF_TURN_NOTHING;
    if (rf_turn_is_channel(datagram))
        channel_data(turn, from, datagram, out);
    else if (rf_stun_decode(datagram, &msg) != 0)
        turn->counters.malformed++;
    else if (msg.class == RF_STUN_REQUEST)
        answer(turn, from, &msg, out);
    else if (msg.class == RF_STUN_INDICATION && msg.method == RF_TURN_SEND)
        send_indication(turn, turn_find(turn, from), &msg, out);
    else if (msg.class != RF_STUN_INDICATION || msg.method != RF_STUN_BINDING) /* that one keeps a NAT open */
        turn->counters.unsolicited++;
}

/* ---- from the peer ---- */

static uint8_t padding(size_t len)
{
    return (uint8_t)((size_t)-len & 3);
}

static void channel_head(const struct rf_turn_alloc *a, uint16_t number, size_t len, struct rf_turn_wrap *out)
{
    out->head[0] = (uint8_t)(number >> 8);
    out->head[1] = (uint8_t)number;
    out->head[2] = (uint8_t)(len >> 8);
    out->head[3] = (uint8_t)len;
    out->head_len = RF_TURN_CHANNEL_HEADER_LEN;
    out->pad = a->from.stream ? padding(len) : 0;
}

/* Data indication: header, XOR-PEER-ADDRESS, DATA whose value is the payload. */
static void indication_head(struct rf_turn_alloc *a, const struct rf_addr *peer, size_t len,
                            struct rf_turn_wrap *out)
{
    uint8_t txn[RF_STUN_TXN_LEN];
    struct rf_buf head;
    rf_rng_fill(a->turn->env->jitter, txn, sizeof(txn));
    rf_buf_fixed(&head, out->head, sizeof(out->head));
    rf_stun_begin(&head, RF_STUN_INDICATION, RF_TURN_DATA, txn);
    rf_stun_put_address(&head, RF_TURN_XOR_PEER_ADDRESS, true, peer);
    rf_buf_u16(&head, RF_TURN_DATA_ATTR);
    rf_buf_u16(&head, (uint16_t)len);
    out->head_len = (uint8_t)head.len;
    out->pad = padding(len);
    size_t body = head.len + len + out->pad - RF_STUN_HEADER_LEN;
    out->head[2] = (uint8_t)(body >> 8);
    out->head[3] = (uint8_t)body;
}

bool rf_turn_peer(struct rf_turn *turn, struct rf_turn_alloc *a, const struct rf_addr *peer, size_t len,
                  struct rf_turn_wrap *out)
{
    if (permission_of(a, peer) == NULL) {
        turn->counters.no_permission++;
        return false;
    }
    if (len > UINT16_MAX - RF_TURN_HEAD_MAX || !turn_spend(turn, a->user, len))
        return false;
    const struct turn_channel *c = channel_to(a, peer);
    if (c != NULL)
        channel_head(a, c->number, len, out);
    else
        indication_head(a, peer, len, out);
    out->to = &a->from;
    turn->counters.to_client++;
    turn->counters.to_client_bytes += len;
    return true;
}
