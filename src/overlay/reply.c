/*
 * reply.c - answers to our requests: whether they are genuine (2.8), and what follows from them.
 *
 * An Error of a node on the way is not signed by whom we asked: it is remembered as a hint and nothing more (D11).
 */
#include "overlay/internal.h"
#include "wire/method.h"

#define MAX_EXCHANGES 2

/* 2.8 rule 4: who may answer. An Error may always be one of a node on the way. */
static bool may_answer(const struct rf_overlay *o, const struct call *call, const struct rf_id *signer,
                       bool error)
{
    if (call->target.type == RF_DEST_NODE)
        return rf_id_is_wildcard(&call->target.id) || rf_id_equal(signer, &call->target.id);
    if (call->target.type != RF_DEST_RESOURCE || (call->any_responder && !error))
        return true;
    return o->topology == NULL || o->ops->as_close(o->topology, signer, &call->target.id);
}

/* The way of the call, but to the node that answered. */
static void put_way_to(const struct call *call, const struct rf_id *node, struct rf_buf *out)
{
    struct rf_view rest = rf_view_of(call->message, call->message_len);
    struct rf_dest to = rf_dest_node(node), dest;
    struct rf_header header;
    if (rf_header_decode(&rest, node->len, &header) != 0)
        return;
    for (size_t i = 1; i < header.dest_count && rf_dest_next(&header.dests, node->len, &dest) == 0; i++)
        rf_dest_encode(&dest, out);
    rf_dest_encode(&to, out);
}

static void push_to(struct rf_overlay *o, const struct call *call, enum rf_config_update_type type,
                    const struct rf_id *node)
{
    uint8_t bytes[RF_CALL_MAX_DESTS * (2 + RF_ID_MAX_LEN + 1)];
    struct rf_buf dests;
    rf_buf_fixed(&dests, bytes, sizeof(bytes));
    put_way_to(call, node, &dests);
    if (rf_buf_error(&dests) != 0)
        rf_buf_reset(&dests);
    overlay_config_push(o, type, node, rf_buf_view(&dests), call->link);
}

/* The right node says that its documents differ from ours. true: they are being exchanged, the request goes out again after that. */
static bool exchange(struct rf_overlay *o, struct call *call, const struct rf_id *signer, uint16_t error_code)
{
    bool old = error_code == RF_ERROR_CONFIG_TOO_OLD, new = error_code == RF_ERROR_CONFIG_TOO_NEW;
    bool kind = error_code == RF_ERROR_UNKNOWN_KIND && o->config.conf->kind_block_count > 0;
    if ((!old && !new && !kind) || call->config_any || call->exchanges >= MAX_EXCHANGES)
        return false;
    call->exchanges++;
    call->state = CALL_EXCHANGING;
    call->exchange_with = *signer;
    call->error_code = error_code;
    call->error_final = true;
    bool have_it = old && call->sequence != o->config.conf->sequence;
    (void)rf_env_timer_in(o->env, &call->timer, have_it ? 0 : call->interval_us); /* is set: cannot fail */
    if (new || kind)
        push_to(o, call, new ? RF_CONFIG_UPDATE_CONFIG : RF_CONFIG_UPDATE_KIND, signer);
    return true;
}

static void hint(struct rf_overlay *o, struct call *call, const struct rf_message *message)
{
    struct rf_error_body error;
    o->counters->dropped_wrong_responder++;
    if (!rf_code_is_error(message->code) || rf_error_body_decode(message->body, &error) != 0)
        return;
    o->counters->error_hints++;
    if (!call->error_final)
        call->error_code = error.code;
    overlay_log(o, DEBUG, "%s on the way of our %s", rf_error_code_name(error.code),
                rf_code_name(call->code));
}

/* What remains is the end of the call. */
static void finish(struct rf_overlay *o, struct call *call, const struct arrival *a,
                   const struct rf_message *message, const struct rf_signer *signer,
                   const struct rf_error_body *error)
{
    struct rf_region region;
    struct rf_reply reply = {
        .body = message->body,
        .message = message,
        .signer = signer,
        .link = a->link,
        .rtt_us = overlay_now(o) - call->sent_us,
        .transmissions = call->transmissions,
        .hop = calls_hop(call),
        .doubted = call->doubts > 0,
        .region = &region,
    };
    if (error != NULL) {
        reply.error = RF_EREMOTE;
        reply.error_code = error->code;
        reply.error_info = error->info;
    }
    rf_region_init(&region, o->env->mem, OVERLAY_REGION_LEN(a->rest.len));
    calls_end(call, &reply);
    rf_region_deinit(&region);
}

static void take_verified(struct rf_overlay *o, struct call *call, const struct arrival *a,
                          const struct rf_message *message, const struct rf_signer *signer)
{
    struct rf_error_body error;
    if (!may_answer(o, call, &signer->node_id, rf_code_is_error(message->code))) {
        hint(o, call, message);
        detour_refused(call, a, &signer->node_id);
        return;
    }
    if (detour_doubts(call, a, &signer->node_id))
        return;
    if (!rf_code_is_error(message->code)) {
        o->counters->delivered_responses++;
        finish(o, call, a, message, signer, NULL);
        return;
    }
    if (rf_error_body_decode(message->body, &error) != 0) {
        o->counters->dropped_malformed++;
        return;
    }
    o->counters->delivered_responses++;
    if (exchange(o, call, &signer->node_id, error.code))
        return;
    if (error.code == RF_ERROR_REQUEST_TIMEOUT && call->transmissions < call->max_transmissions) {
        call->error_code = error.code; /* busy: the retransmission asks again */
        call->error_final = true;
        return;
    }
    finish(o, call, a, message, signer, &error);
}

void reply_take(struct rf_overlay *o, const struct arrival *a, const struct rf_message *message)
{
    struct call *call = calls_find(o, message->header.transaction_id);
    struct rf_signer signer;
    if (call == NULL || call->state != CALL_WAITING) {
        o->counters->dropped_unexpected++;
        return;
    }
    if (message->code != call->code + 1 && !rf_code_is_error(message->code)) {
        o->counters->dropped_malformed++;
        return;
    }
    if (conns_verify(o, a->conn, message, &signer) != 0) {
        o->counters->dropped_signature++;
        return;
    }
    take_verified(o, call, a, message, &signer);
    rf_signer_deinit(&signer);
}
