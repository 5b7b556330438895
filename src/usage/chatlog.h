/*
 * chatlog.h - the Kinds of conversations: roster, log, inbox, presence (docs/protocol/conversations.md). What is in them is encrypted by the members; here is only
 * what a home asks of it.
 */
#ifndef RF_USAGE_CHATLOG_H
#define RF_USAGE_CHATLOG_H

#include "overlay/usage.h"

#define RF_CHATLOG_MAX_BYTES ((size_t)8 << 20) /* of a log at a node; then its oldest entries go */
#define RF_INBOX_MAX_S       (7 * 24 * 3600)
#define RF_PRESENCE_MAX_S    (15 * 60)

int rf_chatlog_kinds(struct rf_store *store); /* RF_EEXIST, RF_ENOMEM */

#endif
