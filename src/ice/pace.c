/*
 * pace.c - when a new transaction may begin (RFC 8445, sections 6.1.4.2, 14): one at a time over all sessions.
 *
 * What others made us do (triggered checks, nominations) and what gathers candidates goes first, ICE_MIN_US apart; ordinary checks are ta_us apart. Sessions take turns.
 */
#include "ice/internal.h"

static bool has_triggered(const struct rf_ice *ice)
{
    RF_LIST_EACH(&ice->active, it)
    RF_LIST_EACH(&RF_LIST_ENTRY(it, struct rf_ice_session, active)->triggered, pair_at)
    if (ice_pair_usable(RF_LIST_ENTRY(pair_at, struct ice_pair, trigger)))
        return true;
    return false;
}

static void to_the_end(struct rf_ice *ice, struct rf_ice_session *s)
{
    rf_list_remove(&s->active);
    rf_list_push_back(&ice->active, &s->active);
}

static bool job_next(struct rf_ice *ice)
{
    if (rf_list_empty(&ice->jobs))
        return false;
    struct ice_job *job = RF_LIST_ENTRY(ice->jobs.next, struct ice_job, at);
    rf_list_remove(&job->at);
    job->run(job);
    return true;
}

static bool triggered_next(struct rf_ice *ice)
{
    RF_LIST_EACH(&ice->active, it)
    {
        struct rf_ice_session *s = RF_LIST_ENTRY(it, struct rf_ice_session, active);
        RF_LIST_EACH(&s->triggered, pair_at)
        {
            struct ice_pair *pair = RF_LIST_ENTRY(pair_at, struct ice_pair, trigger);
            if (!ice_pair_usable(pair))
                continue;
            rf_list_remove(&pair->trigger);
            to_the_end(ice, s);
            ice_check_send(pair);
            return true;
        }
    }
    return false;
}

static struct ice_pair *ordinary_next(struct rf_ice *ice)
{
    RF_LIST_EACH(&ice->active, it)
    {
        struct rf_ice_session *s = RF_LIST_ENTRY(it, struct rf_ice_session, active);
        struct ice_pair *pair = ice_pair_next(s);
        if (pair != NULL) {
            to_the_end(ice, s);
            return pair;
        }
    }
    return NULL;
}

static void fire(struct rf_timer *timer, void *arg)
{
    struct rf_ice *ice = arg;
    uint64_t now_us = ice_now(ice);
    (void)timer;
    if (now_us < ice->next_any_us) {
        ice_pace_kick(ice);
        return;
    }
    bool did = triggered_next(ice) || job_next(ice);
    if (!did && now_us >= ice->next_check_us) {
        struct ice_pair *pair = ordinary_next(ice);
        did = pair != NULL;
        if (did) {
            ice->next_check_us = now_us + ice->config.ta_us;
            ice_check_send(pair);
        }
    }
    if (did)
        ice->next_any_us = now_us + ICE_MIN_US;
    else if (now_us >= ice->next_check_us)
        return; /* nothing to do until somebody kicks */
    ice_pace_kick(ice);
}

void ice_pace_init(struct rf_ice *ice)
{
    rf_timer_init(&ice->pace, fire, ice);
}

void ice_pace_kick(struct rf_ice *ice)
{
    bool jobs = !rf_list_empty(&ice->jobs);
    if (!jobs && rf_list_empty(&ice->active))
        return;
    uint64_t at_us = ice->next_any_us;
    if (!jobs && !has_triggered(ice) && at_us < ice->next_check_us)
        at_us = ice->next_check_us;
    if (at_us < ice_now(ice))
        at_us = ice_now(ice);
    if (rf_timer_is_set(&ice->pace) && ice->pace.at_us <= at_us)
        return;
    (void)rf_timer_set(ice->env->timers, &ice->pace, at_us); /* no memory: the next kick tries again */
}

void ice_job_queue(struct rf_ice *ice, struct ice_job *job)
{
    if (rf_list_empty(&job->at))
        rf_list_push_back(&ice->jobs, &job->at);
    ice_pace_kick(ice);
}
