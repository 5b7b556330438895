/*
 * conversation.h - the values of the Kinds of conversations (docs/protocol/conversations.md): the roster, an entry of the log, what stands in an inbox
 * and under presence.
 *
 *   Roster   u8 version (1) | nonce 16 bytes | creator v8 | u32 sequence | previous 32 bytes | admins list16 of Tag | members list16 of Tag
 *   Tag      8 bytes that stand for a user; in ascending order, none twice, none in both lists
 *   Entry    u8 version (1) | u64 sequence | content, to the end
 *   Note     u8 version (1) | content, to the end            inbox and presence
 *
 * Bytes behind what we know of a roster are ignored.
 */
#ifndef RF_WIRE_CONVERSATION_H
#define RF_WIRE_CONVERSATION_H

#include "base/buf.h"

#define RF_CONVERSATION_LEN       16 /* bytes of a conversation's id */
#define RF_CONVERSATION_NONCE_LEN 16
#define RF_ROSTER_TAG_LEN         8
#define RF_ROSTER_HASH_LEN        32
#define RF_ROSTER_MAX_TAGS        7000 /* admins and members */

struct rf_roster {
    struct rf_view nonce;    /* RF_CONVERSATION_NONCE_LEN bytes */
    struct rf_view creator;  /* 1 to 255 bytes: user name, or Node-ID where names are only claims */
    uint32_t sequence;       /* 0: the first */
    struct rf_view previous; /* RF_ROSTER_HASH_LEN bytes: SHA-256 of the roster before; zeros in the first */
    struct rf_view admins;   /* tags, at least one */
    struct rf_view members;  /* tags of those who are no admins */
};
/*
 * rf_roster_decode reads a whole value; views borrow from it. Errors: RF_EVERSION; RF_ESHORT, RF_ELENGTH; RF_EFORMAT no creator, no admin, tags out of
 * order or twice; RF_ELIMIT more than RF_ROSTER_MAX_TAGS.
 */
int rf_roster_decode(struct rf_view value, struct rf_roster *out);
/* rf_roster_encode appends it. RF_EINVAL in `out`: lengths of nonce, creator, previous or tags. */
void rf_roster_encode(const struct rf_roster *roster, struct rf_buf *out);
/* rf_roster_has: is the tag (RF_ROSTER_TAG_LEN bytes) in that list? */
bool rf_roster_has(struct rf_view tags, const uint8_t tag[RF_ROSTER_TAG_LEN]);

struct rf_entry {
    uint64_t
        sequence; /* of the writing device in this conversation, from 1; with its Node-ID the entry's name */
    struct rf_view content; /* encrypted, at least one byte */
};
int rf_entry_decode(struct rf_view value,
                    struct rf_entry *out); /* RF_EVERSION, RF_ESHORT, RF_EFORMAT sequence 0 */
void rf_entry_encode(const struct rf_entry *entry, struct rf_buf *out);

int rf_note_decode(struct rf_view value, struct rf_view *content); /* RF_EVERSION, RF_ESHORT: nothing in it */
void rf_note_encode(struct rf_view content, struct rf_buf *out);

#endif
