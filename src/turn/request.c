/* request.c - Binding, Allocate, Refresh, CreatePermission, ChannelBind. */
#include "turn/internal.h"

#define TRANSPORT_UDP 17

void turn_begin(struct turn_request *r, enum rf_stun_class class)
{
    rf_stun_begin(&r->out, class, r->msg->method, r->msg->txn);
    if (r->turn->software != NULL && class == RF_STUN_SUCCESS)
        rf_stun_put(&r->out, RF_STUN_SOFTWARE, rf_view_str(r->turn->software));
}

void turn_refuse(struct turn_request *r, int code)
{
    struct rf_turn_counters *c = &r->turn->counters;
    if (code == RF_TURN_ALLOCATION_QUOTA_REACHED)
        c->refused_quota++;
    else if (code == RF_TURN_INSUFFICIENT_CAPACITY)
        c->refused_capacity++;
    else if (code == RF_TURN_FORBIDDEN)
        c->refused_peer++;
    else
        c->refused_other++;
    turn_begin(r, RF_STUN_ERROR);
    rf_stun_put_error(&r->out, code);
}

/* false: the answer stands */
static bool all_known(struct turn_request *r)
{
    static const uint16_t known[] = {
        RF_STUN_USERNAME,
        RF_STUN_REALM,
        RF_STUN_NONCE,
        RF_STUN_PASSWORD_ALGORITHM,
        RF_STUN_MESSAGE_INTEGRITY,
        RF_STUN_MESSAGE_INTEGRITY_SHA256,
        RF_TURN_CHANNEL_NUMBER,
        RF_TURN_LIFETIME,
        RF_TURN_XOR_PEER_ADDRESS,
        RF_TURN_REQUESTED_ADDRESS_FAMILY,
        RF_TURN_EVEN_PORT,
        RF_TURN_REQUESTED_TRANSPORT,
        RF_TURN_RESERVATION_TOKEN,
    };
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    size_t count = rf_stun_unknown(r->msg, known, sizeof(known) / sizeof(known[0]), unknown);
    if (count == 0)
        return true;
    turn_refuse(r, RF_STUN_UNKNOWN_ATTRIBUTE);
    rf_stun_put_unknown(&r->out, unknown, count);
    return false;
}

static void binding(struct turn_request *r)
{
    if (!turn_may_ask(r, RF_STUN_BINDING_COST_US) || !all_known(r))
        return;
    r->turn->counters.bindings++;
    turn_begin(r, RF_STUN_SUCCESS);
    rf_stun_put_address(&r->out, RF_STUN_XOR_MAPPED_ADDRESS, true, &r->from->addr);
}

/* ---- Allocate ---- */

static uint32_t wanted_lifetime(const struct turn_request *r)
{
    uint32_t s = TURN_LIFETIME_S, max = r->turn->max_lifetime_s;
    if (rf_stun_u32(r->msg, RF_TURN_LIFETIME, &s) == 0 && s == 0)
        return 0;
    if (s < TURN_LIFETIME_S)
        s = TURN_LIFETIME_S;
    return s < max ? s : max;
}

/* wanted_family: 4 or 6; 0: not one of them. */
static uint8_t wanted_family(const struct turn_request *r)
{
    struct rf_view v;
    if (!rf_stun_find(r->msg, RF_TURN_REQUESTED_ADDRESS_FAMILY, &v))
        return 4;
    return v.len != 4 ? 0 : v.p[0] == 1 ? 4 : v.p[0] == 2 ? 6 : 0;
}

/* The error code of an Allocate that cannot be; 0: it can. */
static int allocate_fault(const struct turn_request *r, bool *even)
{
    struct rf_view transport, port, token, family;
    bool has_port = rf_stun_find(r->msg, RF_TURN_EVEN_PORT, &port);
    if (!rf_stun_find(r->msg, RF_TURN_REQUESTED_TRANSPORT, &transport) || transport.len != 4 ||
        (has_port && port.len != 1))
        return RF_STUN_BAD_REQUEST;
    if (transport.p[0] != TRANSPORT_UDP)
        return RF_TURN_UNSUPPORTED_TRANSPORT;
    if (rf_stun_find(r->msg, RF_TURN_RESERVATION_TOKEN, &token))
        return has_port || rf_stun_find(r->msg, RF_TURN_REQUESTED_ADDRESS_FAMILY, &family)
                   ? RF_STUN_BAD_REQUEST
                   : RF_TURN_INSUFFICIENT_CAPACITY; /* we reserve none, so it is no good one */
    if (has_port && (port.p[0] & 0x80) != 0)
        return RF_TURN_INSUFFICIENT_CAPACITY;
    *even = has_port;
    return wanted_family(r) == 0 ? RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED : 0;
}

static void allocated(struct turn_request *r, struct rf_turn_alloc *alloc)
{
    uint64_t left_us = alloc->expiry.at_us - turn_now(r->turn);
    struct rf_view extra;
    turn_begin(r, RF_STUN_SUCCESS);
    rf_stun_put_address(&r->out, RF_TURN_XOR_RELAYED_ADDRESS, true, &alloc->relayed);
    rf_stun_put_u32(&r->out, RF_TURN_LIFETIME, (uint32_t)((left_us + RF_US_PER_S - 1) / RF_US_PER_S));
    rf_stun_put_address(&r->out, RF_STUN_XOR_MAPPED_ADDRESS, true, &r->from->addr);
    if (rf_stun_find(r->msg, RF_TURN_ADDITIONAL_ADDRESS_FAMILY, &extra)) {
        /* one family per allocation: family 2, then the code 440 */
        static const uint8_t no_second[4] = {2, 0, 4, 40};
        rf_stun_put(&r->out, RF_TURN_ADDRESS_ERROR_CODE, rf_view_of(no_second, sizeof(no_second)));
    }
}

static int code_of(int error)
{
    if (error == RF_ELIMIT)
        return RF_TURN_ALLOCATION_QUOTA_REACHED;
    return error == RF_EUNSUPPORTED ? RF_TURN_ADDRESS_FAMILY_NOT_SUPPORTED : RF_TURN_INSUFFICIENT_CAPACITY;
}

static void allocate(struct turn_request *r)
{
    bool even = false;
    int code = allocate_fault(r, &even);
    if (r->alloc != NULL && memcmp(r->alloc->txn, r->msg->txn, RF_STUN_TXN_LEN) == 0) {
        allocated(r, r->alloc); /* its answer was lost */
        return;
    }
    if (r->alloc != NULL)
        code = RF_TURN_ALLOCATION_MISMATCH;
    if (code == 0) {
        uint32_t lifetime_s = wanted_lifetime(r);
        int error = turn_alloc_new(r, wanted_family(r), even, lifetime_s != 0 ? lifetime_s : TURN_LIFETIME_S,
                                   &r->alloc);
        code = error != 0 ? code_of(error) : 0;
    }
    if (code != 0)
        turn_refuse(r, code);
    else
        allocated(r, r->alloc);
}

/* ---- what needs an allocation ---- */

static void refresh(struct turn_request *r)
{
    uint32_t lifetime_s = wanted_lifetime(r);
    struct rf_view family;
    if (rf_stun_find(r->msg, RF_TURN_REQUESTED_ADDRESS_FAMILY, &family) &&
        wanted_family(r) != r->alloc->relayed.family) {
        turn_refuse(r, RF_TURN_PEER_ADDRESS_FAMILY_MISMATCH);
        return;
    }
    if (lifetime_s == 0)
        turn_alloc_free(r->alloc);
    else if (turn_alloc_keep(r->alloc, lifetime_s) != 0) {
        turn_refuse(r, RF_STUN_SERVER_ERROR);
        return;
    }
    turn_begin(r, RF_STUN_SUCCESS);
    rf_stun_put_u32(&r->out, RF_TURN_LIFETIME, lifetime_s);
}

static int peer_fault(const struct turn_request *r, const struct rf_addr *peer)
{
    if (peer->family != r->alloc->relayed.family)
        return RF_TURN_PEER_ADDRESS_FAMILY_MISMATCH;
    return turn_peer_good(r->turn, peer) ? 0 : RF_TURN_FORBIDDEN;
}

/* All of the peers, or none. */
static int create_permission(struct turn_request *r)
{
    struct rf_addr peer;
    struct rf_view value;
    uint16_t type;
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; rf_stun_next(r->msg, &at, &type, &value);) {
            if (type != RF_TURN_XOR_PEER_ADDRESS)
                continue;
            if (rf_stun_address_of(r->msg, value, true, &peer) != 0)
                return RF_STUN_BAD_REQUEST;
            int code = peer_fault(r, &peer);
            if (code == 0 && pass == 1 && turn_permit(r->alloc, &peer) != 0)
                code = RF_TURN_INSUFFICIENT_CAPACITY;
            if (code != 0)
                return code;
            count++;
        }
    return count > 0 ? 0 : RF_STUN_BAD_REQUEST;
}

static int channel_bind(struct turn_request *r)
{
    struct rf_addr peer;
    uint32_t number;
    if (rf_stun_u32(r->msg, RF_TURN_CHANNEL_NUMBER, &number) != 0 ||
        rf_stun_address(r->msg, RF_TURN_XOR_PEER_ADDRESS, true, &peer) != 0)
        return RF_STUN_BAD_REQUEST;
    number >>= 16;
    if (number < RF_TURN_CHANNEL_MIN || number > RF_TURN_CHANNEL_MAX_OLD)
        return RF_STUN_BAD_REQUEST;
    int code = peer_fault(r, &peer);
    if (code != 0)
        return code;
    int error = turn_bind(r->alloc, (uint16_t)number, &peer);
    return error == 0 ? 0 : error == RF_ECONFLICT ? RF_STUN_BAD_REQUEST : RF_TURN_INSUFFICIENT_CAPACITY;
}

void turn_handle(struct turn_request *r)
{
    uint16_t method = r->msg->method;
    int code = 0;
    if (method == RF_STUN_BINDING) {
        binding(r);
        return;
    }
    if (method != RF_TURN_ALLOCATE && method != RF_TURN_REFRESH && method != RF_TURN_CREATE_PERMISSION &&
        method != RF_TURN_CHANNEL_BIND) {
        if (turn_may_ask(r, RF_STUN_BINDING_COST_US))
            turn_refuse(r, RF_STUN_BAD_REQUEST);
        return;
    }
    if (!turn_authenticate(r) || !all_known(r))
        return;
    if (method == RF_TURN_ALLOCATE) {
        allocate(r);
        return;
    }
    if (r->alloc == NULL) {
        turn_refuse(r, RF_TURN_ALLOCATION_MISMATCH);
        return;
    }
    if (method == RF_TURN_REFRESH) {
        refresh(r);
        return;
    }
    code = method == RF_TURN_CREATE_PERMISSION ? create_permission(r) : channel_bind(r);
    if (code != 0)
        turn_refuse(r, code);
    else
        turn_begin(r, RF_STUN_SUCCESS);
}
