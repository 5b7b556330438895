/*
 * retry.c - when a request over UDP is sent again: after RTO, 2 RTO, 4 RTO, ... until Rc were sent, then Rm x RTO of waiting (RFC 8489, section 6.2.1).
 * With the defaults: at 0, 500, 1500, 3500, 7500, 15500, 31500 ms, given up at 39500 ms.
 */
#include "stun/internal.h"

void rf_stun_retry_begin(struct rf_stun_retry *retry, uint64_t now_us, uint64_t rto_us)
{
    *retry = (struct rf_stun_retry){.at_us = now_us + rto_us, .rto_us = rto_us, .sent = 1};
}

bool rf_stun_retry_fired(struct rf_stun_retry *retry, uint64_t now_us)
{
    if (retry->sent >= RF_STUN_RC)
        return false;
    retry->sent++;
    uint64_t wait_us =
        retry->sent == RF_STUN_RC ? RF_STUN_RM * retry->rto_us : retry->rto_us << (retry->sent - 1);
    retry->at_us = now_us + wait_us;
    return true;
}
