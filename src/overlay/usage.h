/*
 * usage.h - how a usage tells the storage about its Kinds. overlay/ knows no usage by name: usage/ registers rf_usage_kind.
 */
#ifndef RF_OVERLAY_USAGE_H
#define RF_OVERLAY_USAGE_H

#include "conf/conf.h"
#include "wire/stored.h"

/* What a usage may look at when a value is about to be stored. */
struct rf_usage_value {
    const struct rf_conf *conf;
    const struct rf_kind_def *kind;
    struct rf_id resource;
    const struct rf_stored_data *data; /* decoded: key/index, exists, value */
    const struct rf_signer *signer;    /* of the value */
};

struct rf_usage_kind {
    uint32_t kind;
    const char *name;
    bool findable; /* answers Find */
    /*
     * check: is the value well formed and allowed beyond the access policy (e.g. the SIP domain restriction)? Returns 0, RF_EFORBIDDEN or
     * RF_EFORMAT. NULL: every value is. Removals (exists = false) are not shown to it.
     */
    int (*check)(void *arg, const struct rf_usage_value *value, char *why, size_t why_len);
    void *arg;
};

#endif
