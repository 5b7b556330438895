/* siplocal.h - what sipreg.c and siplookup.c share. Not for others. */
#ifndef RF_USAGE_SIPLOCAL_H
#define RF_USAGE_SIPLOCAL_H

#include "base/list.h"
#include "usage/sipreg.h"

enum sipreg_state { SIPREG_OFF = 1, SIPREG_WANTED, SIPREG_STORING, SIPREG_REGISTERED, SIPREG_REMOVING };

struct rf_sipreg {
    const struct rf_env *env; /* borrowed */
    struct rf_sipreg_config config;
    char *contact_prefs; /* owned */
    char *forward;       /* owned; NULL: none */
    bool on, online, freeing;
    enum sipreg_state state;
    bool told;             /* what config.changed was told last */
    bool changed;          /* the route changed, or it was switched, while a Store was under way */
    struct rf_dest *dests; /* owned; NULL: just ourselves */
    size_t dest_count;
    struct rf_timer timer;
    uint64_t pause_us;
    uint64_t expires_us; /* of what is stored; 0 = nothing */
    void (*removed)(void *arg, int error);
    void *removed_arg;
    struct rf_list lookups; /* struct lookup of siplookup.c */
};

int sipreg_resource(const struct rf_sipreg *reg, struct rf_view aor, struct rf_id *out);
void sip_lookups_cancel(struct rf_sipreg *reg);

#endif
