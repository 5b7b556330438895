/* kinds.h - names of Kinds, models and policies, for the reader and the writer of documents. */
#ifndef RF_CONF_KINDS_H
#define RF_CONF_KINDS_H

#include "conf/conf.h"

const struct rf_kind_def *kinds_registered(uint32_t kind); /* NULL: not a registered one */
uint32_t kinds_by_name(struct rf_view name);               /* 0: not a registered one */
enum rf_policy kinds_policy(struct rf_view name);          /* RF_POLICY_NONE: unknown */
const char *kinds_policy_name(enum rf_policy policy);      /* NULL: unknown */
enum rf_model kinds_model(struct rf_view name);            /* 0: unknown */

#endif
