/*
 * fuzz_link.c - one accepted link on the plain engine, and everything a peer, the shell and time can do to it.
 *
 * The first byte: bit 0 a good hello comes first, bit 1 the node echoes, bit 2 the node closes at the third message,
 * bit 3 an APP link, bit 4 output is taken by the byte, bit 5 keep-alives, bit 6 pieces are records, bit 7 messages.
 * The second byte: that many allocations are granted (255: all). Then pieces: a length byte and so many bytes of
 * input; length 0: the next byte says how many quarter seconds pass (255: the connection breaks).
 */
#include "base/error.h"
#include "fuzz_link_node.h"
#include "link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the node ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    (void)ctx;
    fuzz_check(link->cert != NULL, "up without a certificate");
    fuzz_check(++run.ups == 1, "up twice");
}
static void host_message(void *ctx, rf_link_id link, struct rf_view message)
{
    fuzz_check(run.ups == 1 && run.downs == 0, "message outside of life");
    fuzz_message(ctx, link, message);
}
static void host_too_large(void *ctx, rf_link_id link, struct rf_view front)
{
    (void)ctx;
    fuzz_check(run.ups == 1 && run.downs == 0, "message outside of life");
    fuzz_check(front.len >= 40 && front.len <= 5000, "a front that is none");
    if (run.flags & 2)
        (void)rf_links_send(run.links, link, front);
    if (run.flags & 4)
        rf_links_close(run.links, link, RF_ECANCELLED);
}
static void host_app_data(void *ctx, rf_link_id link, struct rf_view bytes)
{
    fuzz_check(run.ups == 1 && run.downs == 0, "bytes outside of life");
    fuzz_app_data(ctx, link, bytes);
}
static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)ctx;
    (void)link;
    fuzz_check(reason < 0 && ++run.downs == 1, "down twice or for no reason");
}
static void host_suspect(void *ctx, rf_link_id link, bool suspect)
{
    struct rf_link_info info;

    (void)ctx;
    fuzz_check(rf_links_info(run.links, link, &info) == 0 && info.suspect == suspect, "suspicion differs");
}

/* ---- the shell ---- */

static void drain(rf_link_id flow, bool *open)
{
    struct rf_flow_action action;
    struct rf_view out;

    for (;;) {
        rf_links_next_action(run.links, &action);
        if (action.type == RF_FLOW_NONE)
            break;
        fuzz_check(action.flow == flow && action.type != RF_FLOW_CONNECT, "strange action");
        *open = *open && action.type != RF_FLOW_CLOSE;
        out = rf_links_output(run.links, flow);
        while (out.len > 0) {
            rf_links_output_done(run.links, flow, (run.flags & 16) ? 1 : out.len);
            out = rf_links_output(run.links, flow);
            if (run.flags & 16)
                break;
        }
    }
}

/* A piece as the peer sends it: raw, as a record of the plain engine, or as a message in a frame in a record. */
static void feed(rf_link_id flow, struct rf_view piece)
{
    static uint8_t wire[300];
    struct rf_buf buf;

    rf_buf_fixed(&buf, wire, sizeof wire);
    if (run.flags & 192) {
        rf_buf_u8(&buf, 1);
        rf_buf_u24(&buf, (uint32_t)piece.len + ((run.flags & 128) ? 8 : 0));
    }
    if (run.flags & 128) {
        rf_buf_u8(&buf, 128);
        rf_buf_u32(&buf, run.messages);
        rf_buf_u24(&buf, (uint32_t)piece.len);
    }
    rf_buf_view_put(&buf, piece);
    rf_links_input(run.links, flow, rf_buf_view(&buf));
}

static void pieces(struct rf_view in, rf_link_id flow, struct rf_now *now, struct rf_timers *timers)
{
    bool open = true;
    uint8_t len, quarters;

    while (open && rf_view_u8(&in, &len) == 0) {
        struct rf_view piece;
        if (len > 0) {
            if (rf_view_take(&in, len < in.len ? len : in.len, &piece))
                break;
            feed(flow, piece);
        } else if (rf_view_u8(&in, &quarters) || quarters == 255) {
            rf_links_closed(run.links, flow, RF_ECLOSED);
            break;
        } else {
            now->mono_us += quarters * RF_US_PER_S / 4;
            rf_timers_run(timers, now->mono_us, 100);
        }
        drain(flow, &open);
    }
}

static void hello(rf_link_id flow)
{
    static const uint8_t head[] = {'R', 'F', 'P', 'L', 1};
    const char *alpn = (run.flags & 8) ? "sip/2" : "reload";
    struct rf_buf buf;

    rf_buf_init(&buf, rf_mem_system(), 10000);
    rf_buf_put(&buf, head, sizeof head);
    fuzz_node_hello(alpn, &buf);
    rf_links_input(run.links, flow, rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

static void one_link(const struct rf_env *env, struct rf_now *now, struct rf_view in)
{
    const struct rf_link_host host = {.up = host_up,
                                      .message = host_message,
                                      .too_large = host_too_large,
                                      .app_data = host_app_data,
                                      .down = host_down,
                                      .suspect = host_suspect};
    struct rf_addr addr = {.family = 4, .ip = {192, 0, 2, 1}};
    struct rf_link_config config;
    rf_link_id flow;

    rf_link_config_default(&config);
    config.engine_ops = &rf_engine_plain;
    config.trust = fuzz_node.trust;
    config.self = (struct rf_id){.len = 16, .b = {1}};
    config.max_backlog_len = 20000;
    config.overlay_hash = (run.flags & 32) ? 1 : 0;
    const struct rf_view own = fuzz_node_cert();
    if (rf_engine_plain.engine_new(env, &own, 1, rf_view_str(""), &config.engine))
        return;
    if (rf_links_new(env, &config, &host, &run.links)) {
        rf_engine_plain.engine_free(config.engine);
        return;
    }
    if (rf_links_accept(run.links, &addr, &addr, &flow) == 0) {
        bool open = true;
        if (run.flags & 1)
            hello(flow);
        drain(flow, &open);
        if (open)
            pieces(in, flow, now, env->timers);
        rf_links_closed(run.links, flow, RF_ECLOSED);
        drain(flow, &open);
        fuzz_check(run.downs == 1, "an end that nobody was told");
    }
    rf_links_free(run.links);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(data, size, one_link);
}
