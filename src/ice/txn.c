/* txn.c - transactions: requests of ours that wait for an answer. Over datagrams they are sent again as RFC 8489 says (stun/retry.c); over streams they just wait. */
#include "ice/internal.h"

#define STREAM_WAIT_US (10 * RF_US_PER_S)

struct rf_view ice_key_of_txn(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, const struct ice_txn, node)->id, RF_STUN_TXN_LEN);
}

void ice_txn_begin(struct rf_ice *ice, struct rf_buf *out, uint16_t method, uint8_t id[RF_STUN_TXN_LEN])
{
    rf_rng_fill(ice->env->secret, id, RF_STUN_TXN_LEN);
    rf_buf_fixed(out, ice->build, sizeof(ice->build));
    rf_stun_begin(out, RF_STUN_REQUEST, method, id);
}

static void put_out(struct ice_txn *txn)
{
    struct rf_view bytes = rf_view_of(txn->bytes, txn->len);
    if (txn->stream == 0) {
        ice_emit(txn->ice, txn->way, &txn->to, bytes);
        return;
    }
    struct rf_ice_out out = {.type = RF_ICE_OUT_STREAM, .stream = txn->stream};
    ice_push(txn->ice, &out, bytes);
}

static void fired(struct rf_timer *timer, void *arg)
{
    struct ice_txn *txn = arg;
    struct rf_ice *ice = txn->ice;
    (void)timer;
    if (!txn->once && !txn->cancelled && rf_stun_retry_fired(&txn->retry, ice_now(ice))) {
        ice->counters.retransmissions++;
        put_out(txn);
        if (rf_timer_set(ice->env->timers, &txn->timer, txn->retry.at_us) == 0)
            return;
    }
    txn->ops->timeout(txn);
}

struct ice_txn *ice_txn_send(struct rf_ice *ice, const struct ice_txn_start *start, struct rf_buf *out,
                             const uint8_t id[RF_STUN_TXN_LEN])
{
    rf_stun_put_fingerprint(out);
    if (rf_stun_end(out) != 0)
        return NULL;
    struct rf_view bytes = rf_buf_view(out);
    struct ice_txn *txn = rf_alloc(ice->env->mem, sizeof(*txn) + bytes.len);
    if (txn == NULL)
        return NULL;
    *txn = (struct ice_txn){.ice = ice,
                            .ops = start->ops,
                            .owner = start->owner,
                            .sent_us = ice_now(ice),
                            .to = start->to,
                            .stream = start->stream,
                            .arg = start->arg,
                            .way = start->way,
                            .once = start->once || start->stream != 0,
                            .len = (uint16_t)bytes.len};
    memcpy(txn->id, id, RF_STUN_TXN_LEN);
    memcpy(txn->bytes, bytes.p, bytes.len);
    rf_list_init(&txn->at);
    rf_timer_init(&txn->timer, fired, txn);
    rf_stun_retry_begin(&txn->retry, ice_now(ice), start->rto_us);
    uint64_t at_us = start->stream != 0 ? ice_now(ice) + STREAM_WAIT_US : txn->retry.at_us;
    if (rf_timer_set(ice->env->timers, &txn->timer, at_us) != 0 ||
        rf_map_insert(&ice->txns, &txn->node) != 0) {
        rf_timer_stop(ice->env->timers, &txn->timer);
        rf_free(ice->env->mem, txn);
        return NULL;
    }
    if (start->list != NULL)
        rf_list_push_back(start->list, &txn->at);
    put_out(txn);
    return txn;
}

void ice_txn_free(struct ice_txn *txn)
{
    if (txn == NULL)
        return;
    rf_list_remove(&txn->at);
    rf_map_remove(&txn->ice->txns, &txn->node);
    rf_timer_stop(txn->ice->env->timers, &txn->timer);
    rf_free(txn->ice->env->mem, txn);
}

void ice_txn_free_all(struct rf_list *list)
{
    RF_LIST_EACH_SAFE(list, it)
    ice_txn_free(RF_LIST_ENTRY(it, struct ice_txn, at));
}

void ice_txn_answer(struct rf_ice *ice, const struct ice_in *in, const struct rf_stun_msg *msg)
{
    struct rf_map_node *node = rf_map_find(&ice->txns, rf_view_of(msg->txn, RF_STUN_TXN_LEN));
    struct ice_txn *txn = node == NULL ? NULL : RF_CONTAINER(node, struct ice_txn, node);
    if (txn == NULL || txn->stream != in->stream || !txn->ops->answer(txn, in, msg))
        ice->counters.stray_responses++;
}
