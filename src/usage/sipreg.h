/*
 * sipreg.h - the SIP usage's registrations (RFC 7904, reload.md 7.3): the value's codec, the check of the storing peer, our own
 * device kept registered, and the way from an AOR to the devices behind it.
 *
 * Own registration, states: OFF -> WANTED (on and online, not stored, or due) -> STORING -> REGISTERED -> (refresh due) WANTED ...; when
 * switched off while registered: REMOVING -> OFF. One timer: the first Store comes after a short random time, a refresh at 70-80 %
 * of the lifetime, a retry after a failure with a doubling, jittered pause (2 s .. 5 min).
 */
#ifndef RF_USAGE_SIPREG_H
#define RF_USAGE_SIPREG_H

#include "base/env.h"
#include "overlay/usage.h"
#include "wire/dest.h"

#define RF_KIND_SIP_REGISTRATION UINT32_C(0x1)

/* ---- the value ---- */

enum rf_sip_registration_type { RF_SIP_REGISTRATION_URI = 1, RF_SIP_REGISTRATION_ROUTE = 2 };
#define RF_SIP_MAX_DESTS 8
struct rf_sip_registration {
    enum rf_sip_registration_type type;
    struct rf_view uri;                     /* URI: another AOR, or a GRUU */
    struct rf_view contact_prefs;           /* ROUTE: may be empty */
    struct rf_dest dests[RF_SIP_MAX_DESTS]; /* ROUTE: destination list, 1..8; the last names the device */
    size_t dest_count;
};
/* rf_sip_registration_decode: views borrowed from `value`. Errors: RF_EFORMAT, RF_ELIMIT more than 8 destinations. */
int rf_sip_registration_decode(struct rf_view value, uint8_t id_len, struct rf_sip_registration *out);
void rf_sip_registration_encode(const struct rf_sip_registration *registration, struct rf_buf *out);

/*
 * rf_sip_aor_allowed: may this AOR be registered under the Kind's domain restriction (7.3)? No element: any; not enabled: the
 * overlay's own domain only; enabled: the domain matches one of the patterns as a whole.
 * Returns 0, RF_EFORBIDDEN, RF_EFORMAT (not an AOR, or a pattern that does not compile).
 */
int rf_sip_aor_allowed(const struct rf_conf *conf, const struct rf_kind_def *kind, struct rf_view aor);
/* rf_sip_uri_aor cuts scheme, parameters and headers off: "sip:bob@example.org;x=y" -> "bob@example.org". RF_EFORMAT. */
int rf_sip_uri_aor(struct rf_view uri, struct rf_view *out);
/* A GRUU of this overlay, "alice@example.org;gr=...", holds its destination list (base64, '~' for '='). owner: the AOR, into uri.
 * Errors: RF_ENOTFOUND not a GRUU, RF_EFORMAT, RF_ELIMIT. rf_sip_gruu_put appends one. */
int rf_sip_gruu_decode(struct rf_view uri, uint8_t id_len, struct rf_dest out[RF_SIP_MAX_DESTS],
                       struct rf_view *owner, size_t *dest_count);
void rf_sip_gruu_put(struct rf_view aor, const struct rf_dest *dests, size_t dest_count, struct rf_buf *out);

/*
 * rf_sip_prefs_sips: does a device with these contact_prefs want sips (application 5061) and not sip? They are an RFC 2533 filter on the
 * capabilities of RFC 3840, e.g. "(sip.schemes=SIPS)" or "(|(sip.schemes=SIP)(sip.schemes=SIPS))"; other capabilities do not matter.
 * Empty or malformed ones: false.
 */
bool rf_sip_prefs_sips(struct rf_view prefs);

/* rf_sipreg_kinds registers the Kind with its check: well formed, AOR of the signer allowed. RF_EEXIST. */
int rf_sipreg_kinds(struct rf_store *store);

/* ---- own registration and lookups ---- */

struct rf_sipreg;
struct rf_sipreg_config {
    struct rf_store *store;       /* borrowed */
    struct rf_identity *identity; /* borrowed */
    struct rf_crypto *crypto;
    struct rf_conf *conf;      /* held */
    uint32_t lifetime_s;       /* 0 = 3600 */
    const char *contact_prefs; /* copied; NULL: "(sip.schemes=SIP)" */
    /* registered: our registration is acknowledged, or not any more (may be NULL) */
    void (*changed)(void *arg, bool registered);
    void *arg;
};
int rf_sipreg_new(const struct rf_env *env, const struct rf_sipreg_config *config, struct rf_sipreg **out);
void rf_sipreg_free(struct rf_sipreg *reg);
void rf_sipreg_configure(struct rf_sipreg *reg, struct rf_conf *conf);
void rf_sipreg_online(struct rf_sipreg *reg, bool online);
/* rf_sipreg_set: keep our device registered while online (on), or remove the registration (off). */
void rf_sipreg_set(struct rf_sipreg *reg, bool on);
/* rf_sipreg_route: how others reach us; default [our Node-ID]. Copied; stored anew at once if it changed. RF_ELIMIT, RF_ENOMEM. */
int rf_sipreg_route(struct rf_sipreg *reg, const struct rf_dest *dests, size_t dest_count);
/*
 * rf_sipreg_forward: who calls shall look `aor` up instead of finding this device; an empty one: no more. It is stored in place of the route,
 * at once. Copied. Errors: RF_EFORMAT no AOR, RF_EINVAL our own, RF_ENOMEM. rf_sipreg_forwarded: "" when there is none; borrowed.
 */
int rf_sipreg_forward(struct rf_sipreg *reg, struct rf_view aor);
const char *rf_sipreg_forwarded(const struct rf_sipreg *reg);
/* rf_sipreg_remove removes the registration now and tells when it is done (a node that leaves waits for it); switches off. */
int rf_sipreg_remove(struct rf_sipreg *reg, void (*done)(void *arg, int error), void *arg);
bool rf_sipreg_registered(const struct rf_sipreg *reg);

/* One way to reach a device of the user looked up. */
struct rf_sip_contact {
    struct rf_id node_id; /* the last of the destination list */
    struct rf_dest dests[RF_SIP_MAX_DESTS];
    size_t dest_count;
    struct rf_view aor; /* whose registration it came from (after forwarding: the target) */
    struct rf_view contact_prefs;
    uint64_t storage_time_ms, expires_ms;
    const struct rf_signer *signer; /* of the registration; NULL for a GRUU */
};
struct rf_sip_lookup {
    int error;                             /* 0; RF_ENOTFOUND nobody registered; else as in rf_fetch_result */
    const struct rf_sip_contact *contacts; /* distinct, newest first */
    size_t contact_count;
    const struct rf_view *foreign; /* AORs outside this overlay that entries forward to */
    size_t foreign_count;
    size_t dropped_count;  /* entries that did not verify or decode */
    bool partial;          /* a forwarding was not followed: too many, too deep, or an error */
    bool loop;             /* a forwarding leads back to an AOR on its own way ... */
    bool too_far;          /* ... or over the bounds below */
    struct rf_id resource; /* of the AOR asked for */
    struct rf_id responder;
};
/* Bounds of one lookup. */
#define RF_SIP_MAX_DEPTH    4
#define RF_SIP_MAX_AORS     16
#define RF_SIP_MAX_CONTACTS 32
/* rf_sipreg_lookup: from an AOR ("bob@example.org") or GRUU to contacts (7.3 steps 1-5). done exactly once, never from inside this
 * call; all in the result is borrowed. Errors: those of rf_store_client_fetch, RF_EFORMAT. */
int rf_sipreg_lookup(struct rf_sipreg *reg, struct rf_view aor,
                     void (*done)(void *arg, const struct rf_sip_lookup *lookup), void *arg);

#endif
