/*
 * daemon_udp.c - the node's UDP sockets: one at `listen`, on the port of its TCP listener, which its relay shares; and one at each address that links with supernodes leave from,
 * where `listen` is another one (a client's is 127.0.0.1 if nothing else was said). A computer that moves to another network has its socket there at once. Binding requests of strangers are answered here (their address, as seen from here); the rest is the node's, in an overlay with ICE. Else it is
 * nobody's, dropped and counted. A client has one more, on a port of the kernel's choice, by which it learns how long a NAT keeps a mapping (rf_node_spare).
 */
#include <stdio.h>
#include "apps/daemon.h"
#include "io/random.h"
#include "stun/binding.h"

#define REPLY_LEN 128

#define X(name, help) {#name, help, offsetof(struct rf_datagrams_counters, name)},
RF_COUNTERS_DEFINE(datagrams, RF_DATAGRAMS_COUNTERS, X)
#undef X

struct daemon_udp {
    struct daemon *d;
    uint64_t seed[2];
    struct rf_stun_askers askers;
    struct rf_datagrams_counters counters;
};

/* false: it is no stranger's question. */
static bool answer(struct daemon_udp *u, unsigned base, const struct rf_addr *remote, struct rf_view bytes)
{
    uint8_t reply[REPLY_LEN];
    struct rf_buf out;
    rf_buf_fixed(&out, reply, sizeof(reply));
    int error =
        rf_stun_answer_binding(&u->askers, u->seed, remote, rf_loop_now(u->d->loop)->mono_us, bytes, &out);
    if (error == RF_ELIMIT)
        u->counters.unanswered++;
    if (error != 0)
        return error == RF_ELIMIT;
    u->counters.bindings++;
    rf_udp_send(u->d->udp, base, remote, rf_buf_view(&out), rf_view_of(NULL, 0), 0);
    return true;
}

static void on_input(void *ctx, unsigned base, const struct rf_addr *remote, struct rf_view bytes)
{
    struct daemon_udp *u = ctx;
    if (answer(u, base, remote, bytes))
        return;
    if (rf_node_conf(u->d->node)->no_ice)
        u->counters.nobodys++;
    else
        rf_node_datagram(u->d->node, (uint8_t)base, remote, bytes, *rf_loop_now(u->d->loop));
}

static void on_drain(void *ctx)
{
    rf_flows_drain(((struct daemon_udp *)ctx)->d->flows); /* the node's queue is one */
}

void daemon_udp_send(struct daemon *d, const struct rf_node_out *out)
{
    rf_udp_send(d->udp, out->datagram.base, &out->datagram.remote, out->datagram.head, out->datagram.bytes,
                out->datagram.pad);
}

static void tell_listen(struct daemon *d)
{
    d->udp_told = rf_node_base(d->node, (uint8_t)d->udp_base, &d->config.listen, *rf_loop_now(d->loop)) == 0;
}

/* From 127.0.0.1 nobody else is reached: it is a base only where links leave from it. */
void daemon_udp_tell_node(struct daemon *d)
{
    if (d->udp_open && !rf_addr_is_any(&d->config.listen) && !rf_addr_is_loopback(&d->config.listen))
        tell_listen(d);
}

/* The one whose address is not among these; RF_UDP_BASES: there is none. That of `listen` stays where it is: the address may come back. */
static unsigned base_elsewhere(const struct daemon *d, const struct rf_addr *addrs, size_t count)
{
    for (unsigned i = 0; i < RF_UDP_BASES; i++)
        if (d->udp_at[i].family != 0 && !(d->udp_open && i == d->udp_base) &&
            !rf_addr_ip_among(&d->udp_at[i], addrs, count))
            return i;
    return RF_UDP_BASES;
}

static void close_base(struct daemon *d, unsigned base)
{
    (void)rf_node_base(d->node, (uint8_t)base, NULL, *rf_loop_now(d->loop));
    rf_udp_close(d->udp, base);
    d->udp_at[base] = (struct rf_addr){0};
}

static void open_base(struct daemon *d, struct rf_addr at)
{
    unsigned base;
    struct rf_addr bound;
    at.port = 0;
    if (rf_udp_open(d->udp, &at, &base, &bound) != 0)
        return; /* the next link that comes up tries again */
    d->udp_at[base] = bound;
    if (rf_node_base(d->node, (uint8_t)base, &bound, *rf_loop_now(d->loop)) != 0)
        close_base(d, base);
}

/* Sessions that leave from an address that is gone look for a way from the other one at once: they know their base by its number. */
static void move_base(struct daemon *d, unsigned base, struct rf_addr at)
{
    unsigned now;
    struct rf_addr bound;
    at.port = 0;
    rf_udp_close(d->udp, base);
    d->udp_at[base] = (struct rf_addr){0};
    bool open = rf_udp_open(d->udp, &at, &now, &bound) == 0;
    if (!open || now != base)
        (void)rf_node_base(d->node, (uint8_t)base, NULL, *rf_loop_now(d->loop));
    if (!open)
        return;
    d->udp_at[now] = bound;
    if (rf_node_base(d->node, (uint8_t)now, &bound, *rf_loop_now(d->loop)) != 0)
        close_base(d, now);
}

/* The base of `listen`, while its address is here. */
static void follow_listen(struct daemon *d, bool here)
{
    if (here && !d->udp_told)
        tell_listen(d);
    else if (!here && d->udp_told)
        d->udp_told = rf_node_base(d->node, (uint8_t)d->udp_base, NULL, *rf_loop_now(d->loop)) != 0;
}

/*
 * Other addresses: no need to wait until a link leaves from there. While there is no way out nothing changes: whoever looked for a way then would find none. The new base comes first, so that
 * those of the old one can go on from there.
 */
static void follow_way_out(struct daemon *d, const struct rf_addr *addrs, size_t count)
{
    const struct rf_conf *conf = rf_node_conf(d->node);
    struct rf_addr at = {0};
    bool listens =
        d->udp_open && !rf_addr_is_any(&d->config.listen) && !rf_addr_is_loopback(&d->config.listen);
    bool here = rf_addr_ip_among(&d->config.listen, addrs, count);
    unsigned stranded = base_elsewhere(d, addrs, count);
    if (conf->bootstrap_count == 0 || rf_addresses_way_out(&conf->bootstraps[0], &at) != 0)
        return;
    bool known = rf_addr_ip_among(&at, d->udp_at, RF_UDP_BASES);
    if (!known && stranded < RF_UDP_BASES)
        move_base(d, stranded, at);
    else if (!known && listens && !here)
        open_base(d, at);
    if (listens)
        follow_listen(d, here);
}

struct leaving {
    struct rf_addr from[RF_UDP_BASES];
    size_t count;
};

static void note_link(void *arg, const struct rf_link_info *info, char relation)
{
    struct leaving *l = arg;
    (void)relation;
    if (info->datagrams || info->purpose != RF_LINK_OVERLAY || info->local.family == 0 ||
        rf_addr_ip_among(&info->local, l->from, l->count))
        return;
    if (l->count < RF_COUNT(l->from))
        l->from[l->count++] = info->local;
}

/* Of a client, for learning how long a NAT keeps a mapping: wherever the way out is. */
static void open_spare(struct daemon *d, uint8_t family)
{
    unsigned base;
    struct rf_addr any = {.family = family};
    if (d->udp_spare || d->config.role == RF_NODE_SUPERNODE || daemon_keepalive_max_s(d) == 0 ||
        rf_node_conf(d->node)->no_ice || rf_udp_open(d->udp, &any, &base, NULL) != 0)
        return;
    d->udp_spare = true;
    rf_node_spare(d->node, (int)base, *rf_loop_now(d->loop));
}

void daemon_udp_follow(struct daemon *d)
{
    struct leaving links = {.count = 0};
    rf_node_each_link(d->node, note_link, &links);
    if (links.count > 0)
        open_spare(d, links.from[0].family);
    for (size_t i = 0; i < links.count; i++) {
        unsigned base = 0, unused;
        while (base < RF_UDP_BASES && !rf_addr_same_ip(&d->udp_at[base], &links.from[i]))
            base++;
        if (d->udp_open && base == d->udp_base && !d->udp_told)
            tell_listen(d);
        if (base < RF_UDP_BASES)
            continue;
        if ((unused = base_elsewhere(d, links.from, links.count)) < RF_UDP_BASES)
            close_base(d, unused);
        open_base(d, links.from[i]);
    }
}

void daemon_udp_moved(void *arg)
{
    struct daemon *d = arg;
    struct rf_addr addrs[64];
    size_t count = rf_addresses_list(addrs, RF_COUNT(addrs));
    if (count >= RF_COUNT(addrs) || d->node == NULL)
        return; /* nobody knows whether one is missing */
    follow_way_out(d, addrs, count);
    rf_node_moved(d->node, addrs, count, *rf_loop_now(d->loop));
}

/* Without UDP the node works, over TCP. */
int daemon_udp_open(struct daemon *d)
{
    char text[RF_ADDR_TEXT_LEN];
    struct rf_udp_doorway door = {.input = on_input, .drain = on_drain};
    struct daemon_udp *u = d->udp_door = rf_zalloc(rf_mem_system(), sizeof(*u));
    if (u == NULL)
        return daemon_say("udp", "out of memory", NULL);
    u->d = d;
    rf_rng_fill(rf_random_system(), u->seed, sizeof(u->seed));
    door.ctx = u;
    if (rf_udp_new(rf_mem_system(), d->loop, &door, &d->udp) != 0)
        return daemon_say("udp", "out of memory", NULL);
    int error = rf_udp_open(d->udp, &d->config.listen, &d->udp_base, NULL);
    d->udp_open = error == 0;
    if (d->udp_open)
        d->udp_at[d->udp_base] = d->config.listen;
    if (error != 0) /* nobody looks for a client there */
        rf_log_write(&d->log.log, d->config.role == RF_NODE_CLIENT ? RF_LOG_DEBUG : RF_LOG_WARN, "udp",
                     "%s: %s; without UDP there", rf_addr_text(&d->config.listen, text),
                     error == RF_EEXIST ? "the port is in use" : rf_error_text(error));
    return 0;
}

void daemon_udp_close(struct daemon *d)
{
    rf_udp_free(d->udp);
    d->udp = NULL;
    rf_free(rf_mem_system(), d->udp_door);
    d->udp_door = NULL;
}

void daemon_udp_counters(struct daemon *d,
                         void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                    uint64_t value),
                         void *arg)
{
    for (size_t i = 0; i < rf_udp_counter_count; i++)
        fn(arg, "udp", rf_udp_counter_descs[i].name, rf_udp_counter_descs[i].help,
           rf_counter_get(rf_udp_counters(d->udp), &rf_udp_counter_descs[i]));
    for (size_t i = 0; i < rf_datagrams_counter_count; i++)
        fn(arg, "udp", rf_datagrams_counter_descs[i].name, rf_datagrams_counter_descs[i].help,
           rf_counter_get(&d->udp_door->counters, &rf_datagrams_counter_descs[i]));
}
