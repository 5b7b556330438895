/* links.c - the link table: birth and death of links, queries, and what node/ orders. */
#include "link/table.h"

#include "base/assert.h"
#include "base/error.h"

#define X(name, help) {#name, help, offsetof(struct rf_link_counters, name)},
RF_COUNTERS_DEFINE(link, RF_LINK_COUNTERS, X)
#undef X

void rf_link_config_default(struct rf_link_config *config)
{
    *config = (struct rf_link_config){
        .max_message_len = 5000,
        .max_links = 12000,
        .reserved_links = 256,
        .max_handshakes = 1000,
        .max_per_address = 256,
        .accept_per_s_per_address = 50,
        .handshakes_per_s = 200,
        .max_backlog_len = (size_t)1 << 20,
        .max_backlog_total_len = (size_t)128 << 20,
        .connect_timeout_us = 5 * RF_US_PER_S,
        .handshake_timeout_us = 10 * RF_US_PER_S,
        .keepalive_us = 60 * RF_US_PER_S,
        .silence_us = 30 * RF_US_PER_S,
        .datagram_keepalive_us = 25 * RF_US_PER_S,
        .mtu = 1200,
        .max_datagram_queue_len = (size_t)4 << 20,
        .app_expect_us = 10 * RF_US_PER_S,
        .app_idle_us = 300 * RF_US_PER_S,
    };
}

static struct rf_view link_key(const struct rf_map_node *node)
{
    const struct rf_link *link = RF_CONTAINER(node, struct rf_link, node);
    return rf_view_of(&link->id, sizeof link->id);
}

int rf_links_new(const struct rf_env *env, const struct rf_link_config *config,
                 const struct rf_link_host *host, struct rf_links **out)
{
    struct rf_links *links = rf_zalloc(env->mem, sizeof *links);

    if (!links)
        return RF_ENOMEM;
    links->env = env;
    links->config = *config;
    if (links->config.reserved_links > config->max_links / 2)
        links->config.reserved_links = config->max_links / 2;
    links->host = *host;
    rf_map_init(&links->map, env->mem, env->seed, link_key);
    rf_list_init(&links->todo);
    rf_list_init(&links->ended);
    rf_list_init(&links->expected);
    addresses_init(links);
    rf_frame_reader_init(&links->reader, env->mem, config->max_message_len);
    links->scratch = rf_scratch_share(env->scratch, env->mem);
    links->counters = rf_env_counters(env, rf_link_counter_descs, sizeof(*links->counters));
    if (!links->scratch || !links->counters || quiet_init(links)) {
        rf_scratch_leave(links->scratch, env->mem);
        rf_env_counters_close(env, links->counters);
        rf_free(env->mem, links);
        return RF_ENOMEM;
    }
    datagrams_init(links);
    *out = links;
    return 0;
}

void rf_links_free(struct rf_links *links)
{
    struct rf_map_node *node;
    struct rf_mem *mem;

    if (!links)
        return;
    mem = links->env->mem;
    while ((node = rf_map_next(&links->map, NULL)) != NULL)
        link_free(links, RF_CONTAINER(node, struct rf_link, node));
    rf_map_deinit(&links->map);
    quiet_deinit(links);
    datagrams_deinit(links);
    addresses_deinit(links);
    expects_deinit(links);
    rf_frame_reader_deinit(&links->reader);
    rf_scratch_leave(links->scratch, mem);
    rf_env_counters_close(links->env, links->counters);
    if (links->config.engine)
        links->config.engine_ops->engine_free(links->config.engine);
    if (links->config.datagram_engine)
        links->config.datagram_ops->engine_free(links->config.datagram_engine);
    rf_free(mem, links);
}

const struct rf_link_counters *rf_links_counters(const struct rf_links *links)
{
    return links->counters;
}

void rf_links_trim(struct rf_links *links)
{
    RF_ASSERT(!links->ack_link);
    if (!links->scratch->shared)
        rf_scratch_trim(links->scratch);
    queue_trim(links);
}

void rf_links_set_max_message(struct rf_links *links, size_t len)
{
    links->config.max_message_len = len;
}

int rf_links_set_identity(struct rf_links *links, const struct rf_view *certs, size_t cert_count,
                          struct rf_view key_pem)
{
    const struct rf_link_config *config = &links->config;
    int err = config->engine_ops->engine_set_identity(config->engine, certs, cert_count, key_pem);

    if (!err && config->datagram_ops)
        err = config->datagram_ops->engine_set_identity(config->datagram_engine, certs, cert_count, key_pem);
    if (err)
        return err;
    links->renewed = true;
    for (struct rf_map_node *node = NULL; (node = rf_map_next(&links->map, node)) != NULL;)
        RF_CONTAINER(node, struct rf_link, node)->renewed = true;
    return 0;
}

/* ---- one link ---- */

struct rf_link *link_find(const struct rf_links *links, rf_link_id id)
{
    struct rf_map_node *node = rf_map_find(&links->map, rf_view_of(&id, sizeof id));
    return node ? RF_CONTAINER(node, struct rf_link, node) : NULL;
}

int link_new(struct rf_links *links, struct rf_link **out)
{
    struct rf_link *link = rf_zalloc(links->env->mem, sizeof *link);

    if (!link)
        return RF_ENOMEM;
    link->id = ++links->last_id;
    if (rf_map_insert(&links->map, &link->node)) {
        rf_free(links->env->mem, link);
        return RF_ENOMEM;
    }
    rf_list_init(&link->todo);
    rf_list_init(&link->ended);
    rf_list_init(&link->quiet);
    rf_list_init(&link->kept);
    rf_timer_init(&link->timer, link_timer_fired, links);
    rf_buf_init(&link->out, links->env->mem, 2 * links->config.max_backlog_len + FRAME_BUF_MAX_LEN);
    link->purpose = RF_LINK_OVERLAY;
    link->rto_us = RF_US_PER_S;
    *out = link;
    return 0;
}

void link_set_state(struct rf_links *links, struct rf_link *link, enum rf_link_state state)
{
    if (link->state)
        links->state_count[link->state]--;
    if (link->state == RF_LINK_HANDSHAKE && !link->outgoing)
        links->accepting--;
    link->state = (uint8_t)state;
    if (state)
        links->state_count[state]++;
    if (state == RF_LINK_HANDSHAKE && !link->outgoing)
        links->accepting++;
}

/* Everything that only a link in service needs. */
static void release_service(struct rf_links *links, struct rf_link *link)
{
    if (link->channel)
        link_ops(links, link)->channel_free(link->channel);
    link->channel = NULL;
    datagrams_leave(links, link);
    if (links->ack_link != link) /* else node/ may be reading a message in there; rf_links_input does it */
        reader_drop(links, link);
    rf_free(links->env->mem, link->dial);
    link->dial = NULL;
    address_leave(links, link->address);
    link->address = NULL;
    rf_list_remove(&link->quiet);
    if (links->state_count[RF_LINK_UP] == 0)
        quiet_rest(links);
}

void link_free(struct rf_links *links, struct rf_link *link)
{
    RF_ASSERT(links->ack_link != link);
    release_service(links, link);
    datagrams_free(links, link);
    out_discard(links, link);
    kept_drop(links, link);
    rf_cert_release(link->cert);
    rf_timer_stop(links->env->timers, &link->timer);
    rf_list_remove(&link->todo);
    rf_list_remove(&link->ended);
    rf_map_remove(&links->map, &link->node);
    link_set_state(links, link, (enum rf_link_state)0);
    rf_free(links->env->mem, link);
}

void link_end(struct rf_links *links, struct rf_link *link, int reason, bool polite)
{
    size_t mark;

    if (link->state == RF_LINK_CLOSING)
        return;
    if (polite && link->channel && (link->flow_open || link->is_datagrams)) {
        struct rf_buf *wire = out_begin(links, link, &mark);
        (void)link_ops(links, link)->channel_close(link->channel, wire);
        out_end(links, link, mark);
    }
    link->reason = reason;
    link_set_state(links, link, RF_LINK_CLOSING);
    release_service(links, link);
    if (!link->flow_open)
        out_discard(links, link);
    link->want_connect = false;
    link->want_close = link->flow_open;
    link_want(links, link);
    rf_list_push_back(&links->ended, &link->ended);
    if (watch_deadline(links, link, LINGER_US))
        out_discard(links, link); /* no timer to limit the lingering: do without */
}

void report_ended(struct rf_links *links)
{
    while (!rf_list_empty(&links->ended)) {
        struct rf_link *link = RF_LIST_ENTRY(links->ended.next, struct rf_link, ended);
        struct rf_link_info info;

        rf_list_remove(&link->ended);
        link->down_told = true;
        link_info(links, link, &info);
        if (links->host.down)
            links->host.down(links->host.ctx, &info, link->reason);
        kept_drop(links, link);
        rf_cert_release(link->cert);
        link->cert = NULL;
        if (!link->flow_open)
            link_free(links, link);
    }
}

/* ---- queries ---- */

void link_info(const struct rf_links *links, const struct rf_link *link, struct rf_link_info *out)
{
    *out = (struct rf_link_info){
        .id = link->id,
        .state = (enum rf_link_state)link->state,
        .purpose = (enum rf_link_purpose)link->purpose,
        .application = link->application,
        .outgoing = link->outgoing,
        .resumed = link->resumed,
        .remote = link->remote,
        .local = link->local,
        .node_id = link->node_id,
        .cert = link->cert,
        .brief = link->brief,
        .renewed = link->renewed,
        .up_since_us = link->up_since_us,
        .rtt_us = link->srtt_us,
        .message_us = link->message_us,
        .suspect = link->suspect,
        .bytes_in = link->bytes_in,
        .bytes_out = link->bytes_out,
        .frames_in = link->frames_in,
        .frames_out = link->frames_out,
        .backlog_len = link_backlog(link),
        .max_message = message_room(links, link),
        .datagrams = link->is_datagrams,
        .path = link->is_datagrams && link->is_path,
        .base = link->base,
    };
    if (link->datagrams) {
        out->backlog_len = link->datagrams->held_len;
        out->window = link->datagrams->window;
        out->heard_us = link->datagrams->heard_us;
    }
}

int rf_links_info(const struct rf_links *links, rf_link_id id, struct rf_link_info *out)
{
    const struct rf_link *link = link_find(links, id);

    if (!link)
        return RF_ENOTFOUND;
    link_info(links, link, out);
    return 0;
}

void rf_links_each(const struct rf_links *links, void (*fn)(void *arg, const struct rf_link_info *info),
                   void *arg)
{
    for (struct rf_map_node *node = NULL; (node = rf_map_next(&links->map, node)) != NULL;) {
        struct rf_link_info info;
        link_info(links, RF_CONTAINER(node, struct rf_link, node), &info);
        fn(arg, &info);
    }
}

size_t rf_links_count(const struct rf_links *links, enum rf_link_state state)
{
    RF_ASSERT(state >= RF_LINK_CONNECTING && state <= RF_LINK_CLOSING);
    return links->state_count[state];
}

/* ---- orders ---- */

int rf_links_connect(struct rf_links *links, const struct rf_addr *addrs, size_t addr_count,
                     const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
                     rf_link_id *out)
{
    struct rf_link_way ways[DIAL_ADDRS_MAX] = {{.base = 0}};

    if (addr_count > DIAL_ADDRS_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < addr_count; i++)
        ways[i].addr = addrs[i];
    return rf_links_dial(links, ways, addr_count, expect, purpose, application, out);
}

int rf_links_dial(struct rf_links *links, const struct rf_link_way *ways, size_t way_count,
                  const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
                  rf_link_id *out)
{
    struct link_dial *dial;
    struct rf_link *link;
    int err;

    if (way_count == 0 || way_count > DIAL_ADDRS_MAX)
        return RF_EINVAL;
    if (links->map.count >= links->config.max_links)
        return RF_ELIMIT;
    err = dial_new(links, ways, way_count, expect, purpose, application, &dial);
    if (err)
        return err;
    err = link_new(links, &link);
    if (err) {
        rf_free(links->env->mem, dial);
        return err;
    }
    link->outgoing = true;
    link->dial = dial;
    link->purpose = (uint8_t)purpose;
    link->application = application;
    link_set_state(links, link, RF_LINK_CONNECTING);
    if (!dial_next(links, link)) {
        link_free(links, link);
        return ways[way_count - 1].datagrams ? RF_EUNREACHABLE : RF_ENOMEM;
    }
    *out = link->id;
    return 0;
}

int rf_links_expect(struct rf_links *links, const struct rf_id *node, enum rf_link_purpose purpose,
                    uint16_t application)
{
    return expect_add(links, node, purpose, application);
}

void rf_links_slow(struct rf_links *links, rf_link_id id, uint8_t times)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->quiet_times == times)
        return;
    link->quiet_times = times;
    if (link->state == RF_LINK_UP)
        quiet_watch(links, link);
}

void rf_links_lasts(struct rf_links *links, rf_link_id id, uint64_t us, bool second)
{
    struct rf_link *link = link_find(links, id);
    const uint64_t ms = us / RF_US_PER_MS;

    if (!link)
        return;
    link->lasts_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    link->second = second && link->lasts_ms != 0;
    if (link->state == RF_LINK_UP) {
        quiet_watch(links, link);
        watch(links, link);
    }
}

void rf_links_close(struct rf_links *links, rf_link_id id, int reason)
{
    struct rf_link *link = link_find(links, id);

    if (link)
        link_end(links, link, reason, true);
}

void rf_links_recheck(struct rf_links *links)
{
    for (struct rf_map_node *node = NULL; (node = rf_map_next(&links->map, node)) != NULL;) {
        struct rf_link *link = RF_CONTAINER(node, struct rf_link, node);
        int err;

        if (link->state != RF_LINK_UP)
            continue;
        err = rf_trust_cert_again(links->config.trust, link->cert, links->env->now->wall_ms);
        if (err) {
            links->counters->cert_refused++;
            link_end(links, link, err, true);
        }
    }
}
