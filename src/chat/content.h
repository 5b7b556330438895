/*
 * content.h - every byte that members of a conversation give each other (docs/protocol/chat.md), and what of it stands on their disks. Decoders look at their input only; what they give are views
 * into it. Errors of all: RF_EVERSION; RF_ESHORT, RF_ELENGTH, RF_EFORMAT malformed; RF_ELIMIT. Encoders leave theirs in the builder.
 *
 *   Parcel     u8 type | u16 piece | u16 pieces | bytes                what an entry of the log holds: a message, or a piece of one
 *   Welcome    u32 index | chain 32 bytes | MLSMessage                  index: of the Commit that it belongs to; chain: behind that entry
 *   Say        u8 version (1) | u64 sent_ms | u32 seen | chain 32 bytes | list of Item      an application message; seen: entries below this index were read, chain is theirs
 *   Item       u8 type | body v24
 *   Shape      u8 version (1) | u8 flags | u32 sequence | roster hash 32 bytes | admins v16 of Tag | title v8 | topic v16     extension RF_CHAT_SHAPE of the GroupContext
 *   Offer      u16 suite | door key v8 | last resort v16 | list v16 of v16      value of KEY-PACKAGE, in a Note
 *   Letter     u8 version (1) | recipients v16 of Recipient | sealed bytes, to the end      value of INBOX, in a Note
 *   Recipient  key id 4 bytes | enc v8 | sealed key 32 bytes      enc: its length tells the KEM
 *   Door       u64 epoch | u32 next | chain 32 bytes | Letter of a GroupInfo        all pieces of CONVERSATION-DOOR together
 *   DoorPiece  set 8 bytes | u16 piece | u16 pieces | bytes                         a value of it, in a Note; set: which belong together
 */
#ifndef RF_CHAT_CONTENT_H
#define RF_CHAT_CONTENT_H

#include "base/buf.h"
#include "base/error.h"
#include "chat/keep.h"
#include "wire/conversation.h"

#define CHAT_CHAIN_LEN 32

/* ---- parcels ---- */

enum parcel_type {
    PARCEL_MLS = 1,
    PARCEL_WELCOME = 2,
    PARCEL_KNOCK = 3 /* a door key: a device of a member's wants to come in by the door */
};
#define PARCEL_HEAD_LEN 5
#define PARCEL_MAX_LEN                                                                                       \
    47000 /* bytes in one entry of a log, at most; less where the overlay's messages are shorter */
#define PARCEL_MAX_PIECES 512
struct parcel {
    uint8_t type;
    uint16_t piece, pieces; /* from 0; at least 1 */
    struct rf_view bytes;
};
int parcel_decode(struct rf_view in, struct parcel *out);
void parcel_encode(const struct parcel *parcel, struct rf_buf *out);

struct welcome {
    uint32_t index;
    struct rf_view chain, message;
};
int welcome_decode(struct rf_view in, struct welcome *out);
void welcome_encode(const struct welcome *welcome, struct rf_buf *out);

/* ---- application messages ---- */

enum item_type {
    ITEM_TEXT = 1,    /* UTF-8 */
    ITEM_REPLY = 2,   /* Name: the text answers it */
    ITEM_MENTION = 3, /* principal */
    ITEM_EDIT = 4,    /* Name: the text takes its place */
    ITEM_DELETE = 5,  /* Name */
    ITEM_REACT = 6,   /* u8 on | Name | reaction, to the end */
    ITEM_MARK = 7,    /* u8 kind | u64 index */
    ITEM_SYNC = 8     /* of a user's devices among themselves; see sync.c */
};
/* A Name in an item: device v8 | u64 sequence. */
int name_decode(struct rf_view *in, struct rf_keep_name *out);
void name_encode(const struct rf_keep_name *name, struct rf_buf *out);

#define SAY_MAX_ITEMS 256 /* each becomes a change of the history, an event */
struct say {
    uint64_t sent_ms;
    uint32_t seen;
    struct rf_view chain;
    struct rf_view items;
};
int say_decode(struct rf_view in, struct say *out); /* looks through all items; RF_EFORMAT: also sent_ms 0 */
/* say_begin writes all but the items; item_put adds one. */
void say_begin(uint64_t sent_ms, uint32_t seen, const uint8_t chain[CHAT_CHAIN_LEN], struct rf_buf *out);
void item_put(enum item_type type, struct rf_view body, struct rf_buf *out);
/* item_next takes one from the front: RF_ENOTFOUND none is left. */
int item_next(struct rf_view *items, uint8_t *type, struct rf_view *body);

struct item_react {
    bool on;
    struct rf_keep_name name;
    struct rf_view reaction;
};
int item_react_decode(struct rf_view body, struct item_react *out);

/* ---- the group's shape ---- */

#define RF_CHAT_SHAPE    0xf001 /* ExtensionType, of private use */
#define RF_CHAT_DOOR_KEY 0xf002 /* ExtensionType of leaves: the public key that the door is opened for */
#define SHAPE_DIRECT     1u
struct shape {
    uint8_t flags;
    uint32_t sequence; /* of the roster */
    struct rf_view roster_hash, admins, title, topic;
};
int shape_decode(struct rf_view in, struct shape *out);
void shape_encode(const struct shape *shape, struct rf_buf *out);
/* shape_find decodes it out of a GroupContext's extensions (encoded without their length). RF_ENOTFOUND there is none. shape_extensions makes such a list. */
int shape_find(struct rf_view extensions, struct shape *out);
void shape_extensions(const struct shape *shape, struct rf_buf *out);

/* ---- key packages in the overlay ---- */

struct offer {
    uint16_t suite;
    struct rf_view door;        /* public key */
    struct rf_view last_resort; /* MLSMessage */
    struct rf_view packages;    /* list of v16 */
};
int offer_decode(struct rf_view in, struct offer *out);
void offer_encode(const struct offer *offer, struct rf_buf *out);

/* ---- notes in inboxes ---- */

enum note_type {
    NOTE_REQUEST = 1,  /* text: wants to be a contact */
    NOTE_INVITE = 2,   /* struct invite */
    NOTE_ACCEPTED = 3, /* the request */
    NOTE_REFUSED = 4
};
struct invite {
    struct rf_view nonce; /* with the creator the conversation's id */
    struct rf_view creator;
    bool direct;
    uint32_t from; /* index of the Commit that added the invited */
    struct rf_view title, text;
};
int invite_decode(struct rf_view in, struct invite *out);
void invite_encode(const struct invite *invite, struct rf_buf *out);
/* The inside of a letter: u8 version (1) | list of { u8 type | body v16 }. note_next: RF_ENOTFOUND none is left. */
int notes_check(struct rf_view in, struct rf_view *list);
int note_next(struct rf_view *list, uint8_t *type, struct rf_view *body);
void note_put(enum note_type type, struct rf_view body, struct rf_buf *out);

struct door_head {
    uint64_t epoch;
    uint32_t next;
    struct rf_view chain, letter;
};
struct door_piece {
    struct rf_view set, bytes;
    uint16_t piece, pieces;
};
#define DOOR_SET_LEN    8
#define DOOR_MAX_PIECES 16
int door_piece_decode(struct rf_view in, struct door_piece *out);
void door_piece_encode(const struct door_piece *piece, struct rf_buf *out);
int door_decode(struct rf_view in, struct door_head *out);
void door_encode(const struct door_head *door, struct rf_buf *out);

#endif
