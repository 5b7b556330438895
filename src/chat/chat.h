/*
 * chat.h - the member's side of conversations (docs/protocol/chat.md): what one device of a user needs to take part in persistent, encrypted chats. A state machine
 * without I/O. It speaks with the overlay through struct rf_chat_net, with its disk through struct rf_keep (chat/keep.h), and tells people's programs by events.
 *
 * The way of things. A device publishes key packages. Somebody creates a conversation (rf_chat_create) and invites users: all their devices are added to the MLS group, and
 * a note goes into each user's inbox. There the conversation is *invited*; the user accepts it (those of accepted contacts are accepted at once) or refuses. From then on everything is in the
 * log: the home gives it an order, every device reads all of it in this order, and what has been read is on disk before it is shown. What is to be sent is on disk before it leaves, and is sent
 * until it stands in the log, once. A device that was away reads what it missed; one that lost its state comes in again by itself.
 *
 * States of a conversation (enum rf_chat_state):
 *   INVITED    a note is in the inbox; nothing is read but that. accept -> JOINING, refuse or leave -> gone
 *   CREATING   ours; its roster is not stored yet -> MEMBER
 *   JOINING    accepted; our Welcome is looked for in the log, or, where there is none for us, we add ourselves by the door -> MEMBER
 *              who is not let in may leave (he goes in to go out, for at most a week, then ENDED) or forget it
 *   MEMBER     reads and writes. leave -> LEAVING; removed by somebody -> ENDED; state lost or forked -> JOINING
 *   LEAVING    we asked to be removed; the next Commit of another member does it -> ENDED; nothing can be sent
 *   ENDED      left, removed or refused: the history can be read, nothing else. rf_chat_forget removes it
 *
 * Timers: reading is tried again after failures (2 s, doubled up to 5 min, with jitter), sending as well; a change that another member was to make (a leaver's removal, a stale door) is made after a
 * random while if nobody did; key packages are stored again when a third of their lifetime is left; the disk is tried again every 5 s.
 *
 * Time: all calls use the time of the env. The one object (node/) sets that: rf_node_chat (node/node.h) before each call.
 *
 * Commands call `done` exactly once unless they return an error themselves, never from inside the command. Of a command that changes the group, done means: it stands in the log. Of a
 * message it means: it is on this device's disk and will be sent; RF_CHAT_EVENT_ENTRY with `own` tells when it is in the log.
 * Callbacks may call commands, but not rf_chat_free.
 */
#ifndef RF_CHAT_CHAT_H
#define RF_CHAT_CHAT_H

#include "base/env.h"
#include "base/error.h"
#include "chat/keep.h"
#include "ident/ident.h"
#include "overlay/usage.h"

struct rf_chat;

#define RF_CHAT_MAX_CONVERSATIONS 1000
#define RF_CHAT_MAX_CONTACTS      2000
#define RF_CHAT_MAX_USERS         1000  /* of a conversation */
#define RF_CHAT_MAX_TEXT          65536 /* bytes of UTF-8 */
#define RF_CHAT_MAX_TITLE         255
#define RF_CHAT_MAX_TOPIC         1024
#define RF_CHAT_MAX_NOTE          280 /* with a contact request, or a presence */
#define RF_CHAT_MAX_MENTIONS      64
#define RF_CHAT_SECRET_LEN        32

#define RF_CHAT_COUNTERS(X)                                                                                  \
    X(entries_read, "entries of logs that were read and understood")                                         \
    X(entries_repeated, "... left out: they had been read at another index")                                 \
    X(entries_undecryptable, "... that this device's keys do not open")                                      \
    X(entries_malformed, "... that are no entry of ours, or whose writer is not who signed them")            \
    X(entries_refused, "... that the conversation's rules forbid")                                           \
    X(entries_missed, "... that had left the log before they were read")                                     \
    X(entries_unverified, "... that the home gave and that did not verify")                                  \
    X(appends, "entries that we appended")                                                                   \
    X(appends_failed, "times an append was not answered, or refused")                                        \
    X(commits_beaten, "changes of ours that another member's came before: made again")                       \
    X(rejoins, "times we came into a conversation again by its door")                                        \
    X(doubts, "contradictions between a home's log and what members saw of it")                              \
    X(notes_refused, "entries of the inbox that are malformed, or not for us")                               \
    X(notes_blocked, "entries of the inbox from users who are blocked")                                      \
    X(key_packages_refused, "key packages of others that do not verify")                                     \
    X(commits_failed, "batches that the disk refused; tried again")                                          \
    X(changes_unfit, "changes of a history that no history can hold; left out")                              \
    X(notes_unsent, "users who were not told of something: we have to do with too many")
RF_COUNTERS(chat, RF_CHAT_COUNTERS)

/* ---- the world ---- */

/*
 * What the engine asks of the overlay. In a node thin wrappers over overlay/usage.h, whose words hold: done exactly once, never from inside the call.
 * store     signs as this device; slot of an array: 4 bytes, 0xffffffff appends
 * lookup    all values of a Kind at a place, surely (rf_store_client_lookup)
 * range     elements first to last of an array
 * cancel    ends all that was given this arg, with RF_ECANCELLED
 */
struct rf_chat_net {
    int (*store)(void *ctx, const struct rf_id *resource, uint32_t kind, struct rf_view slot, bool exists,
                 struct rf_view value, uint32_t lifetime_s, rf_stored_fn done, void *arg);
    int (*lookup)(void *ctx, const struct rf_id *resource, uint32_t kind, rf_fetched_fn done, void *arg);
    int (*range)(void *ctx, const struct rf_id *resource, uint32_t kind, uint32_t first, uint32_t last,
                 rf_fetched_fn done, void *arg);
    void (*cancel)(void *ctx, const void *arg);
    int (*watch)(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation, uint32_t next,
                 rf_watch_fn fn, void *arg);
    void (*known)(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation, uint32_t next);
    void (*unwatch)(void *ctx, const struct rf_id *resource, uint32_t kind);
    void *ctx;
};

enum rf_chat_event_type {
    RF_CHAT_EVENT_CONVERSATION =
        1, /* a conversation's state, title, topic or members changed: look with rf_chat_find */
    RF_CHAT_EVENT_INVITED, /* user invites us; text is his note */
    RF_CHAT_EVENT_ENTRY,   /* an entry of the history: new, or ours that has come to stand in the log */
    RF_CHAT_EVENT_CHANGED, /* an entry was edited, deleted or reacted to: entry.name; what it is now says the history */
    RF_CHAT_EVENT_MARK,   /* user has read, or received, up to mark.index */
    RF_CHAT_EVENT_MISSED, /* count entries had left the log before we came */
    RF_CHAT_EVENT_DOUBT,  /* the home withholds, reorders or forks the log; text says what was seen */
    RF_CHAT_EVENT_REJOINED, /* this device lost its place in the group and came in again by itself; what was said between is lost to it */
    RF_CHAT_EVENT_CONTACT,  /* a contact's state changed; a request: text is what he wrote */
    RF_CHAT_EVENT_PRESENCE, /* of a contact */
    RF_CHAT_EVENT_DISK, /* error: the disk refuses; nothing is read or sent until it takes again (then error 0) */
};
const char *rf_chat_event_name(enum rf_chat_event_type type); /* "entry", ... */

/* ---- what is shown ---- */

enum rf_chat_state {
    RF_CHAT_INVITED = 1,
    RF_CHAT_CREATING,
    RF_CHAT_JOINING,
    RF_CHAT_MEMBER,
    RF_CHAT_LEAVING,
    RF_CHAT_ENDED
};
const char *rf_chat_state_name(
    enum rf_chat_state state); /* "invited", "creating", "joining", "member", "leaving", "ended" */

/* A conversation. Views are borrowed until the next call into the engine. */
struct rf_chat_info {
    uint8_t id[RF_CONVERSATION_LEN];
    enum rf_chat_state state;
    bool direct;  /* a chat of two */
    bool admin;   /* we are */
    bool muted;   /* for this user; nothing else follows from it here */
    bool doubted; /* its home was seen to lie (RF_CHAT_EVENT_DOUBT) */
    struct rf_view title, topic;
    struct rf_view creator; /* principal */
    struct rf_view inviter; /* INVITED: principal */
    struct rf_view note;    /* INVITED: what he wrote */
    struct rf_view peer;    /* direct: the other's principal */
    size_t user_count, device_count;
    uint64_t epoch;      /* of the group */
    uint64_t next_index; /* of the first entry that was not read yet */
    uint64_t
        log_next; /* of the first that the log does not have, as far as known: what lies between is being read */
    uint64_t read_index; /* our own read mark: the next index after it; unread are those from here */
    size_t unsent;       /* messages of ours that are not in the log yet */
};

enum rf_chat_role { RF_CHAT_MEMBER_ROLE = 1, RF_CHAT_ADMIN_ROLE };

/* A user in a conversation. */
struct rf_chat_user {
    struct rf_view principal; /* the user's name, or, in a self-signed overlay, a Node-ID */
    struct rf_view name;      /* as the certificate says it; a claim in a self-signed overlay */
    enum rf_chat_role role;
    size_t device_count;
    bool self;
};

/* An entry's kind in the history (struct rf_keep_entry.kind). */
enum rf_chat_kind {
    RF_CHAT_KIND_TEXT = 1,
    RF_CHAT_KIND_CREATED, /* by sender; text: title */
    RF_CHAT_KIND_JOINED,  /* text: users, one a line, that sender brought in */
    RF_CHAT_KIND_LEFT,    /* text: users that are no longer in; sender: who removed them, or the leaver */
    RF_CHAT_KIND_TITLE,   /* text: the new one */
    RF_CHAT_KIND_TOPIC,   /* likewise */
    RF_CHAT_KIND_ADMINS,  /* text: the admins now, one a line */
    RF_CHAT_KIND_DEVICE,  /* a device of sender came in, went, or came in again: text says which, in words */
    RF_CHAT_KIND_UNREADABLE, /* an entry that cannot be decrypted with this device's keys; sender is who signed it */
    RF_CHAT_KIND_FILE        /* text: its name; content: how to get it (not yet sent by this version) */
};
const char *rf_chat_kind_name(uint16_t kind); /* "text", ...; "unknown" */
#define RF_CHAT_FLAG_OWN       1u             /* written by a device of this user */
#define RF_CHAT_FLAG_UNSENT    2u             /* not in the log yet: index is RF_KEEP_PENDING */
#define RF_CHAT_FLAG_MENTIONED 4u             /* mentions this user */

enum rf_chat_mark { RF_CHAT_MARK_DELIVERED = 1, RF_CHAT_MARK_READ };

enum rf_chat_contact_state {
    RF_CHAT_CONTACT_REQUESTED = 1, /* we asked, he did not answer yet */
    RF_CHAT_CONTACT_ASKING,        /* he asks us */
    RF_CHAT_CONTACT_ACCEPTED,
    RF_CHAT_CONTACT_REFUSED, /* he does not want; or we refused him and he may ask again */
    RF_CHAT_CONTACT_BLOCKED  /* by us: nothing of him is heard or shown */
};
const char *rf_chat_contact_state_name(enum rf_chat_contact_state state);

enum rf_chat_availability {
    RF_CHAT_OFFLINE = 0, /* nothing is stored; as others see it: also invisible */
    RF_CHAT_ONLINE,
    RF_CHAT_AWAY,
    RF_CHAT_BUSY,     /* do not disturb */
    RF_CHAT_INVISIBLE /* ours only */
};
const char *
rf_chat_availability_name(enum rf_chat_availability a); /* "offline", "online", "away", "busy", "invisible" */

struct rf_chat_presence {
    enum rf_chat_availability availability; /* of all his devices the most available one */
    struct rf_view text;
    uint64_t since_ms;
};

struct rf_chat_contact {
    struct rf_view user; /* name */
    enum rf_chat_contact_state state;
    struct rf_view note; /* ASKING: what he wrote */
    uint64_t since_ms;
    struct rf_chat_presence presence; /* ACCEPTED */
    bool has_direct;
    uint8_t direct[RF_CONVERSATION_LEN]; /* the chat of two with him */
};

/* An event; all borrowed for the call. What it does not have is zero or empty. */
struct rf_chat_event {
    enum rf_chat_event_type type;
    bool of_conversation;
    uint8_t conversation[RF_CONVERSATION_LEN];
    struct rf_view user; /* principal, or of contacts and presence the name */
    struct rf_view text;
    int error;
    uint64_t count;
    const struct rf_keep_entry *entry; /* ENTRY; CHANGED: name only */
    bool own;                          /* ENTRY: this device's, it has an index now */
    struct {
        enum rf_chat_mark kind;
        uint64_t index; /* the highest one that was read */
    } mark;
    enum rf_chat_contact_state contact;      /* CONTACT */
    const struct rf_chat_presence *presence; /* PRESENCE */
};
typedef void (*rf_chat_event_fn)(void *arg, const struct rf_chat_event *event);

/* ---- life ---- */

struct rf_chat_config {
    struct rf_crypto *crypto;     /* borrowed, as all here */
    struct rf_conf *conf;         /* held */
    struct rf_identity *identity; /* this device; its certificate may be renewed (rf_chat_renewed) */
    struct rf_trust *trust;       /* the node's */
    struct rf_chat_net net;
    struct rf_keep *keep;
    /* 32 random bytes that are kept apart from the database (HOME/chat.key): with them a device that lost its database comes back into its conversations. Copied. */
    uint8_t secret[RF_CHAT_SECRET_LEN];
    rf_chat_event_fn event;
    void *event_arg;
};
/*
 * rf_chat_new makes the engine; it does nothing until it was loaded and is online. Errors: RF_EUNSUPPORTED the device's key is of a type that MLS has no suite for (RSA), RF_ENOMEM,
 * RF_ECRYPTO.
 */
int rf_chat_new(const struct rf_env *env, const struct rf_chat_config *config, struct rf_chat **out);
/* rf_chat_free wipes and frees it; commands under way end with RF_ECANCELLED, and no answer of the net or the disk comes afterwards. NULL allowed. */
void rf_chat_free(struct rf_chat *chat);
/* rf_chat_load takes a record of the store's load; before the first rf_chat_online. Errors: RF_EFORMAT a state that this version did not write, RF_ENOMEM. */
int rf_chat_load(struct rf_chat *chat, const struct rf_keep_record *record);
/* rf_chat_loaded: that was all. Groups are restored now. Errors: RF_ENOMEM. A conversation whose state is damaged comes in again by its door. */
int rf_chat_loaded(struct rf_chat *chat);
/* rf_chat_online: the node is in the overlay, or is not any more. */
void rf_chat_online(struct rf_chat *chat, bool online);
void rf_chat_configure(struct rf_chat *chat, struct rf_conf *conf);
void rf_chat_renewed(struct rf_chat *chat); /* the identity's certificate is another one */
/* Completions of struct rf_keep. */
void rf_chat_kept(struct rf_chat *chat, uint64_t token, int error);
void rf_chat_answered(struct rf_chat *chat, uint64_t token, const struct rf_keep_answer *answer);
const struct rf_chat_counters *rf_chat_counters(const struct rf_chat *chat);

/* ---- commands ---- */

struct rf_chat_result {
    int error;
    const char *why; /* in words, if there is an error; else "" */
    uint8_t conversation[RF_CONVERSATION_LEN];
    struct rf_keep_name name; /* of a message: what it is called from now on */
};
typedef void (*rf_chat_done_fn)(void *arg, const struct rf_chat_result *result);

/*
 * Users are named in full ("bob@example.org"). Errors that all may return: RF_ENOTFOUND no such conversation; RF_EINVAL an argument; RF_EUNREACHABLE never: what cannot be done offline
 * waits. RF_ENOTYET the conversation is not in a state for this (invited, joining); RF_ECLOSED it has ended, or we are leaving; RF_EFORBIDDEN only an admin may; RF_EBUSY more than 64 changes
 * of this conversation wait; RF_ELIMIT too long or too many; RF_ENOMEM.
 * done's errors besides: RF_ENOTFOUND a user has no device with key packages; RF_ECONFLICT a self-signed overlay in which several claim that name; RF_EREMOTE the home refuses, for good; RF_ECANCELLED.
 */

/*
 * rf_chat_create makes a conversation and invites users. The result's conversation is known at once: id, filled in before it returns.
 * title   UTF-8, up to RF_CHAT_MAX_TITLE bytes; may be empty
 * direct  a chat of two: exactly one user; there is one of these with each: RF_EEXIST, id is that one
 * note    for the inboxes, up to RF_CHAT_MAX_NOTE
 */
int rf_chat_create(struct rf_chat *chat, struct rf_view title, bool direct, const struct rf_view *users,
                   size_t user_count, struct rf_view note, uint8_t id[RF_CONVERSATION_LEN],
                   rf_chat_done_fn done, void *arg);
/* rf_chat_invite brings users in (admins only). Who is in already is passed over. */
int rf_chat_invite(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                   size_t user_count, struct rf_view note, rf_chat_done_fn done, void *arg);
/* rf_chat_accept: an invitation; done when we are a member. rf_chat_refuse: it is gone; the others see us leave. */
int rf_chat_accept(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg);
int rf_chat_refuse(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg);
/*
 * rf_chat_leave: this user leaves, with all devices. done when it is asked for in the log; ENDED when another member's Commit has removed us. The last admin names another one before he goes
 * (RF_EFORBIDDEN), unless he is alone.
 */
int rf_chat_leave(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                  void *arg);
/* rf_chat_kick removes users (admins only). rf_chat_set_role: admin or member (admins only). Users are principals. */
int rf_chat_kick(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                 size_t user_count, rf_chat_done_fn done, void *arg);
int rf_chat_set_role(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view user,
                     enum rf_chat_role role, rf_chat_done_fn done, void *arg);
/* rf_chat_set_title, rf_chat_set_topic (admins only). */
int rf_chat_set_title(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view title,
                      rf_chat_done_fn done, void *arg);
int rf_chat_set_topic(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view topic,
                      rf_chat_done_fn done, void *arg);
/* rf_chat_mute is this user's own. rf_chat_forget removes an ended conversation, or one that
 * we were not let into, and its history from this device. */
int rf_chat_mute(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], bool muted);
int rf_chat_forget(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg);

/* A message to be sent. */
struct rf_chat_text {
    struct rf_view text;            /* UTF-8, 1 to RF_CHAT_MAX_TEXT bytes */
    struct rf_keep_name reply_to;   /* device.len 0: none */
    const struct rf_view *mentions; /* principals */
    size_t mention_count;
};
int rf_chat_send(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_chat_text *text,
                 rf_chat_done_fn done, void *arg);
/* Of an own message (another's: the readers ignore it; an admin may delete anybody's). reaction: UTF-8, up to RF_KEEP_MAX_REACTION bytes; on = false takes it back. */
int rf_chat_edit(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_keep_name *name,
                 struct rf_view text, rf_chat_done_fn done, void *arg);
int rf_chat_delete(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                   const struct rf_keep_name *name, rf_chat_done_fn done, void *arg);
int rf_chat_react(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                  const struct rf_keep_name *name, struct rf_view reaction, bool on, rf_chat_done_fn done,
                  void *arg);
/* rf_chat_mark: everything up to this index was read (or received); lower ones than before change nothing. Others are told, a little later and many at once. */
int rf_chat_mark(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], enum rf_chat_mark kind,
                 uint64_t index);

/*
 * rf_chat_query asks the history (chat/keep.h); the question is copied. done as with commands; the answer is borrowed for the call.
 */
int rf_chat_query(struct rf_chat *chat, const struct rf_keep_query *query,
                  void (*done)(void *arg, const struct rf_keep_answer *answer), void *arg);

/* rf_chat_find: false: no such conversation. rf_chat_each: in the order in which they came to be known. */
bool rf_chat_find(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                  struct rf_chat_info *out);
void rf_chat_each(const struct rf_chat *chat, void (*fn)(void *arg, const struct rf_chat_info *info),
                  void *arg);
/* rf_chat_each_user: the members of a conversation, in no order. Errors: RF_ENOTFOUND. */
int rf_chat_each_user(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                      void (*fn)(void *arg, const struct rf_chat_user *user), void *arg);

/* ---- contacts and presence ---- */

/* rf_chat_contact_add asks a user (note: up to RF_CHAT_MAX_NOTE); one who asks us is accepted. done: his inbox has it. RF_EEXIST is a contact already; RF_EFORBIDDEN blocked by us. */
int rf_chat_contact_add(struct rf_chat *chat, struct rf_view user, struct rf_view note, rf_chat_done_fn done,
                        void *arg);
int rf_chat_contact_accept(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg);
int rf_chat_contact_refuse(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg);
/* rf_chat_contact_block: blocks, also one who is unknown. done: it is on disk. rf_chat_contact_remove: he is forgotten, blocked or not. */
int rf_chat_contact_block(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg);
int rf_chat_contact_remove(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg);
void rf_chat_each_contact(const struct rf_chat *chat,
                          void (*fn)(void *arg, const struct rf_chat_contact *contact), void *arg);

/* rf_chat_set_presence: ours from now on, over restarts. INVISIBLE and OFFLINE store nothing. text: up to RF_CHAT_MAX_NOTE bytes. Errors: RF_EINVAL, RF_ELIMIT, RF_ENOMEM. */
int rf_chat_set_presence(struct rf_chat *chat, enum rf_chat_availability availability, struct rf_view text);
void rf_chat_presence(const struct rf_chat *chat, struct rf_chat_presence *out); /* ours */

#endif
