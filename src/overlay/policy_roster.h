/* policy_roster.h - the access policies of conversations and inboxes (docs/protocol/conversations.md). */
#ifndef RF_OVERLAY_POLICY_ROSTER_H
#define RF_OVERLAY_POLICY_ROSTER_H

#include "overlay/policy_acl.h"

/* RINGFOLK-ROSTER: rosters themselves, and what those write who stand in them. */
int policy_roster_check(const struct policy_question *q, char *why, size_t why_len);
/* RINGFOLK-INBOX: one entry of each device; the owner removes. */
int policy_inbox_check(const struct policy_question *q, char *why, size_t why_len);

#endif
