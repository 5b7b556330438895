/*
 * fuzz_link_datagram.c - the doors for datagrams on the plain engine: a path link, addressed links and strangers, and everything a peer, the
 * shell and time can do to them.
 *
 * The first byte: bit 0 a good hello comes over the path first, bit 1 the node echoes, bit 2 the node closes at the third message, bit 3 an APP
 * path, bit 4 the shell takes no datagrams until the end, bit 5 keep-alives; with an APP path: its bytes are a stream, bit 6 pieces are
 * records of the link, bit 7 data frames.
 * The second byte: that many allocations are granted (255: all). Then pieces: a length byte and so many bytes; lengths from 128 on come from a
 * stranger's address (of which there are four), the others over the path; length 0: the next byte says how many quarter seconds pass (255:
 * the path is gone, 254: it changed).
 */
#include "base/error.h"
#include "fuzz_link_node.h"
#include "link/link.h"

#define TAG UINT32_C(0x01020304)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static rf_link_id path;
static uint32_t last_number; /* of a record */

/* ---- the node ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    (void)ctx;
    fuzz_check(link->cert != NULL && link->datagrams && link->max_message > 0, "up without what it needs");
    run.ups++;
}
static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)ctx;
    fuzz_check(reason < 0, "down for no reason");
    run.downs += link->id == path;
}

/* ---- the shell ---- */

static void drain(void)
{
    struct rf_flow_action action;
    volatile uint8_t sum = 0;

    do {
        rf_links_next_action(run.links, &action);
        fuzz_check(action.type == RF_FLOW_NONE || action.type == RF_FLOW_DATAGRAM ||
                       action.type == RF_FLOW_CLOSE,
                   "strange action");
        if (action.type == RF_FLOW_DATAGRAM) {
            fuzz_check(action.bytes.len > 0 && action.bytes.len <= 1200, "datagram of no good length");
            fuzz_check((action.addr.family == 0) == (action.flow == path), "address of a path");
            for (size_t i = 0; i < action.bytes.len; i++)
                sum = (uint8_t)(sum + action.bytes.p[i]);
        }
    } while (action.type != RF_FLOW_NONE);
}

static void put_head(struct rf_buf *buf, uint8_t type, uint32_t number, size_t len)
{
    rf_buf_u8(buf, type);
    rf_buf_u32(buf, TAG);
    rf_buf_u32(buf, number);
    rf_buf_u16(buf, (uint16_t)len);
}

/* A piece as the peer sends it: raw, as a record, or as a message in a frame in a record. */
static void feed(struct rf_view piece, bool strange)
{
    static uint8_t wire[300];
    struct rf_buf buf;
    struct rf_addr from = {.family = 4, .port = 5000, .ip = {198, 51, 100, piece.p[0] & 3}};

    rf_buf_fixed(&buf, wire, sizeof wire);
    if (!strange && (run.flags & 192))
        put_head(&buf, 23, ++last_number, piece.len + ((run.flags & 128) ? 8 : 0));
    if (!strange && (run.flags & 128)) {
        rf_buf_u8(&buf, 128);
        rf_buf_u32(&buf, last_number);
        rf_buf_u24(&buf, (uint32_t)piece.len);
    }
    rf_buf_view_put(&buf, piece);
    if (strange)
        rf_links_datagram_from(run.links, 1, &from, rf_buf_view(&buf));
    else
        rf_links_datagram(run.links, path, rf_buf_view(&buf));
}

static void pieces(struct rf_view in, struct rf_now *now, struct rf_timers *timers)
{
    uint8_t len, quarters;

    while (rf_view_u8(&in, &len) == 0) {
        struct rf_view piece;
        const size_t want = len & 127;
        if (want > 0) {
            if (in.len == 0 || rf_view_take(&in, want < in.len ? want : in.len, &piece))
                break;
            feed(piece, len & 128);
        } else if (rf_view_u8(&in, &quarters) || quarters == 255) {
            rf_links_closed(run.links, path, RF_ECLOSED);
        } else if (quarters == 254) {
            rf_links_path_changed(run.links, path, NULL, NULL, 1000);
        } else {
            now->mono_us += quarters * RF_US_PER_S / 4;
            rf_timers_run(timers, now->mono_us, 100);
        }
        if (!(run.flags & 16))
            drain();
    }
}

static void hello(void)
{
    static const uint8_t head[] = {'R', 'F', 'P', 'D', 1, 0, 0};
    const char *alpn = !(run.flags & 8) ? "reload" : run.flags & 32 ? "ringfolk-stream" : "sip/2";
    struct rf_buf buf, body;

    rf_buf_init(&body, rf_mem_system(), 10000);
    rf_buf_init(&buf, rf_mem_system(), 10000);
    fuzz_node_hello(alpn, &body);
    put_head(&buf, 22, 0, sizeof head + 4 + body.len);
    rf_buf_put(&buf, head, sizeof head);
    rf_buf_u16(&buf, (uint16_t)body.len);
    rf_buf_u16(&buf, 0);
    rf_buf_view_put(&buf, rf_buf_view(&body));
    rf_links_datagram(run.links, path, rf_buf_view(&buf));
    rf_buf_deinit(&buf);
    rf_buf_deinit(&body);
}

static void one_life(const struct rf_env *env, struct rf_now *now, struct rf_view in)
{
    const struct rf_link_host host = {
        .up = host_up, .message = fuzz_message, .app_data = fuzz_app_data, .down = host_down};
    const struct rf_link_path way = {.server = true,
                                     .expect = &fuzz_node.id,
                                     .purpose = (run.flags & 8) ? RF_LINK_APP : RF_LINK_OVERLAY,
                                     .application = (run.flags & 8) ? 5060 : 0};
    const struct rf_view own = fuzz_node_cert();
    struct rf_link_config config;

    path = 0;
    last_number = 0;
    rf_link_config_default(&config);
    config.datagram_ops = &rf_engine_plain_datagram;
    config.trust = fuzz_node.trust;
    config.self = (struct rf_id){.len = 16, .b = {1}};
    config.max_backlog_len = 20000;
    config.max_datagram_queue_len = 20000;
    config.overlay_hash = (run.flags & 32) ? 1 : 0;
    if (config.datagram_ops->engine_new(env, &own, 1, rf_view_str(""), &config.datagram_engine))
        return;
    if (rf_links_new(env, &config, &host, &run.links)) {
        config.datagram_ops->engine_free(config.datagram_engine);
        return;
    }
    if (rf_links_attach_path(run.links, &way, &path) == 0) {
        if (run.flags & 1)
            hello();
        pieces(in, now, env->timers);
        rf_links_closed(run.links, path, RF_ECLOSED);
        drain();
        fuzz_check(run.downs == 1, "an end that nobody was told");
    }
    rf_links_free(run.links);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(data, size, one_life);
}
