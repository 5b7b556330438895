/*
 * answers.c - answers kept for duplicates of requests (1.4), by transaction ID and signer, for the maximum request lifetime.
 *
 * A request is noted when its handling begins and completed by its answer; meanwhile duplicates are dropped: their answer comes. A
 * duplicate with the same bytes is known again by a keyed hash of them, before any signature is verified. Bounded in count and
 * bytes: the oldest go first. The timer lets them go some seconds late, all that are due then, so that it wakes a node with many clients seldom.
 */
#include "overlay/internal.h"

#define ANSWERS_LATE_US (4 * RF_US_PER_S)

static struct rf_view key_of(const struct rf_map_node *node)
{
    const struct kept_answer *k = RF_CONTAINER(node, struct kept_answer, by_key);
    return rf_view_of(k->key, k->key_len);
}

static struct rf_view print_of(const struct rf_map_node *node)
{
    const struct kept_answer *k = RF_CONTAINER(node, struct kept_answer, by_print);
    return rf_view_of(&k->print, sizeof(k->print));
}

static size_t make_key(uint64_t transaction_id, const struct rf_id *signer, uint8_t key[ANSWER_KEY_MAX_LEN])
{
    memcpy(key, &transaction_id, 8);
    memcpy(key + 8, signer->b, signer->len);
    return 8 + (size_t)signer->len;
}

static size_t size_of(const struct kept_answer *k)
{
    return sizeof(*k) + k->rest_len;
}

static void forget(struct rf_overlay *o, struct kept_answer *k)
{
    rf_map_remove(&o->answers->by_key, &k->by_key);
    if (k->printed)
        rf_map_remove(&o->answers->by_print, &k->by_print);
    rf_list_remove(&k->list);
    o->answers->count--;
    o->answers->byte_count -= size_of(k);
    rf_free(o->env->mem, k->rest);
    rf_free(o->env->mem, k);
}

static struct kept_answer *oldest(struct rf_overlay *o)
{
    if (o->answers == NULL || rf_list_empty(&o->answers->list))
        return NULL;
    return RF_LIST_ENTRY(o->answers->list.next, struct kept_answer, list);
}

static void tables_free(struct rf_overlay *o)
{
    struct answers *answers = o->answers;
    if (answers == NULL)
        return;
    rf_timer_stop(o->env->timers, &answers->timer);
    rf_map_deinit(&answers->by_key);
    rf_map_deinit(&answers->by_print);
    o->answers = NULL;
    rf_free(o->env->mem, answers);
}

static void expire(struct rf_timer *timer, void *arg)
{
    struct rf_overlay *o = arg;
    struct kept_answer *k;
    while ((k = oldest(o)) != NULL && k->expires_us <= overlay_now(o))
        forget(o, k);
    if (k != NULL)
        (void)rf_timer_set(o->env->timers, timer,
                           k->expires_us + ANSWERS_LATE_US); /* else the next answer sets it */
    else
        tables_free(o); /* who answers seldom keeps none: clients are many */
}

static bool tables_new(struct rf_overlay *o)
{
    struct answers *answers = rf_zalloc(o->env->mem, sizeof(*answers));
    if (answers == NULL)
        return false;
    rf_map_init(&answers->by_key, o->env->mem, o->env->seed, key_of);
    rf_map_init(&answers->by_print, o->env->mem, o->env->seed, print_of);
    rf_list_init(&answers->list);
    rf_timer_init(&answers->timer, expire, o);
    o->answers = answers;
    return true;
}

void answers_deinit(struct rf_overlay *o)
{
    struct kept_answer *k;
    while ((k = oldest(o)) != NULL)
        forget(o, k);
    tables_free(o);
}

uint64_t answers_print(const struct rf_overlay *o, const struct rf_message *message, struct rf_view rest)
{
    /* the transaction ID stands in the header: it is mixed into the key of the hash */
    uint64_t seed[2] = {o->env->seed[0] ^ message->header.transaction_id, o->env->seed[1]};
    return rf_hash64(seed, rest);
}

struct kept_answer *answers_find_print(const struct rf_overlay *o, uint64_t print)
{
    struct rf_map_node *node =
        o->answers != NULL ? rf_map_find(&o->answers->by_print, rf_view_of(&print, sizeof(print))) : NULL;
    return node != NULL ? RF_CONTAINER(node, struct kept_answer, by_print) : NULL;
}

struct kept_answer *answers_find(const struct rf_overlay *o, uint64_t transaction_id,
                                 const struct rf_id *signer)
{
    uint8_t key[ANSWER_KEY_MAX_LEN];
    if (o->answers == NULL)
        return NULL;
    struct rf_map_node *node =
        rf_map_find(&o->answers->by_key, rf_view_of(key, make_key(transaction_id, signer, key)));
    return node != NULL ? RF_CONTAINER(node, struct kept_answer, by_key) : NULL;
}

static void make_room(struct rf_overlay *o, const struct kept_answer *spared)
{
    struct kept_answer *k;
    while ((k = oldest(o)) != NULL && k != spared &&
           (o->answers->count > o->config.max_cached_answers ||
            o->answers->byte_count > OVERLAY_ANSWERS_MAX_LEN))
        forget(o, k);
}

void answers_begin(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer, uint64_t print)
{
    uint64_t expires_us = overlay_now(o) + overlay_lifetime_us(o);
    if (o->answers == NULL && !tables_new(o))
        return;
    if (!rf_timer_is_set(&o->answers->timer) &&
        rf_timer_set(o->env->timers, &o->answers->timer, expires_us + ANSWERS_LATE_US) != 0)
        return;
    struct kept_answer *k = rf_zalloc(o->env->mem, sizeof(*k));
    if (k == NULL)
        return;
    k->key_len = make_key(transaction_id, signer, k->key);
    k->print = print;
    k->expires_us = expires_us;
    if (rf_map_insert(&o->answers->by_key, &k->by_key) != 0) {
        rf_free(o->env->mem, k);
        return;
    }
    k->printed = rf_map_insert(&o->answers->by_print, &k->by_print) == 0;
    rf_list_push_back(&o->answers->list, &k->list);
    o->answers->count++;
    o->answers->byte_count += size_of(k);
    make_room(o, k);
}

void answers_keep(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer,
                  struct rf_view rest)
{
    struct kept_answer *k = answers_find(o, transaction_id, signer);
    if (k == NULL || k->answered)
        return;
    k->rest = rf_memdup(o->env->mem, rest.p, rest.len);
    if (k->rest == NULL) {
        forget(o, k);
        return;
    }
    k->rest_len = rest.len;
    k->answered = true;
    o->answers->byte_count += rest.len;
    make_room(o, k);
}

void answers_forget(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer)
{
    struct kept_answer *k = answers_find(o, transaction_id, signer);
    if (k != NULL)
        forget(o, k);
}
