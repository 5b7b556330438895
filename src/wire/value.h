/*
 * value.h - the values of the registered Kinds: SipRegistration (RFC 7904), TurnServer (RFC 6940), RedirServiceProvider
 * (RFC 7374), AccessControlListItem (RFC 8076); reload.md section 7. (The certificate Kinds hold the DER certificate.)
 */
#ifndef RF_WIRE_VALUE_H
#define RF_WIRE_VALUE_H

#include "base/addr.h"
#include "wire/dest.h"

/* Decoders read a whole value; views and lists are borrowed from it. Errors of all: RF_ESHORT, RF_ELENGTH, RF_EFORMAT,
 * RF_EUNKNOWN type, RF_ELIMIT a destination list is too long. */

enum rf_sip_value_type { RF_SIP_VALUE_URI = 1, RF_SIP_VALUE_ROUTE = 2 };
struct rf_sip_value {
    uint8_t type;                 /* enum rf_sip_value_type */
    struct rf_view uri;           /* URI: another AOR to look up */
    struct rf_view contact_prefs; /* ROUTE: predicate string, may be empty */
    struct rf_view dests;         /* ROUTE: checked list of at least one */
};
int rf_sip_value_decode(struct rf_view value, uint8_t id_len, struct rf_sip_value *out);
void rf_sip_value_encode(const struct rf_sip_value *sip, struct rf_buf *out);

struct rf_turn_value {
    uint8_t iteration;      /* the d of the Resource Name */
    struct rf_addr address; /* RF_EUNKNOWN: a type of address unknown to us */
};
int rf_turn_value_decode(struct rf_view value, struct rf_turn_value *out);
void rf_turn_value_encode(const struct rf_turn_value *turn, struct rf_buf *out);

struct rf_redir_value {
    uint8_t type;              /* of the extension, 0 = none; unknown ones allowed */
    struct rf_view dests;      /* checked list: how to reach the provider */
    struct rf_view name_space; /* UTF-8 */
    uint16_t level, node;
    struct rf_view extension;
};
int rf_redir_value_decode(struct rf_view value, uint8_t id_len, struct rf_redir_value *out);
void rf_redir_value_encode(const struct rf_redir_value *redir, struct rf_buf *out);

struct rf_acl_value {
    bool has_name;                /* the Kind has variable-resource-names enabled */
    struct rf_view resource_name; /* has_name */
    struct rf_view to_user;
    uint32_t kind;
    bool allow_delegation;
};
/* variable_names says whether a ResourceNameExtension is there; the wire does not. */
int rf_acl_value_decode(struct rf_view value, bool variable_names, struct rf_acl_value *out);
void rf_acl_value_encode(const struct rf_acl_value *acl, struct rf_buf *out);
/* ResourceNameExtension alone, from the front of a shared Kind's value (7.6). */
int rf_resource_name_decode(struct rf_view *in, struct rf_view *name);
void rf_resource_name_encode(struct rf_view name, struct rf_buf *out);

#endif
