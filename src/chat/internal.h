/*
 * internal.h - the engine's inside, shared by the files of this folder only.
 *
 * Way of a change. Every call in ends with chat_leave, which gives the disk one batch of all that changed (save.c). What is to leave the device, and what people are told, waits in the batch until it is on
 * disk. One batch is under way at a time; what changes meanwhile is the next one.
 *
 * What is on disk, by part: see enum chat_part. A conversation's group is kept as a checkpoint (all of the MLS state), the Commits and Proposals that came since (they are taken again at the start) and the number of messages
 * that we encrypted in this epoch (as many generations are passed over at the start, so that none is used twice). Messages of others need not be taken again: their keys can be derived from an older state too.
 * So a message costs its own bytes and a few hundred more, whatever the size of the group.
 */
#ifndef RF_CHAT_INTERNAL_H
#define RF_CHAT_INTERNAL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/region.h"
#include "base/secret_mem.h"
#include "chat/chat.h"
#include "chat/content.h"
#include "crypto/hpke.h"
#include "mls/mls.h"

#define CHAT_S           RF_US_PER_S
#define CHAT_LOG_S       (30 * 24 * 3600) /* lifetime of what we write into logs */
#define CHAT_RING        256              /* entries whose chain values are remembered */
#define CHAT_MAX_CHANGES 64
#define CHAT_MAX_UNSENT  1000
#define CHAT_MAX_PEERS   (RF_CHAT_MAX_CONTACTS + 1000)
#define CHAT_SENT_MAX    300 /* messages of ours in one epoch: then a Commit makes new keys */
/* Sequences of handshakes and Welcomes begin here: they overtake messages that wait, and who has read which of them is the group's to know. */
#define CHAT_HANDSHAKES (UINT64_C(1) << 62)

enum chat_part {
    PART_PRESENCE = 1, /* ours */
    PART_KEYS,         /* own key packages; name: reference */
    PART_PEER,         /* a user that we have to do with; name: user */
    PART_NOTE,         /* how far a device's notes were read; name: device */
    PART_CORE = 10,    /* of a conversation: what struct chat_conv says */
    PART_GROUP,        /* checkpoint */
    PART_HANDSHAKE,    /* Commits and Proposals since; name: u32 */
    PART_SENT,         /* u64 epoch | u32 messages */
    PART_SEEN,         /* which sequences of a device were read; name: device */
    PART_PIECE,        /* a piece of a message that is not whole; name: device | u64 sequence */
    PART_OUT,          /* what is to be sent; name: u64 sequence */
    PART_CHANGE,       /* a change of the group that is wanted; name: u64 */
    PART_ROSTER,       /* the last one known */
    PART_KNOWN         /* who was in the group when our place in it was lost */
};

/* ---- save.c: the way to the disk ---- */

struct chat_after;
typedef void (*chat_after_fn)(struct rf_chat *chat, const struct chat_after *after);
/* What is done when the batch that it stands in is on disk. Conversations are named, since they may be gone by then. */
struct chat_after {
    struct chat_after *next;
    chat_after_fn fn;
    uint8_t conversation[RF_CONVERSATION_LEN];
    uint64_t number, made;
    const void *data; /* in the batch's region */
    rf_chat_done_fn done;
    void *done_arg;
};

struct chat_batch {
    struct rf_region region;
    struct rf_keep_op *ops; /* grows */
    size_t count, cap;
    struct chat_after *first, **last;
};

struct chat_disk {
    struct chat_batch *open, *flying;
    uint64_t token;
    struct rf_timer retry;
    bool failing;
};

/* ---- what a member is ---- */

struct chat_user {
    struct rf_map_node node;  /* in conv->users, by principal */
    struct rf_view principal; /* owned, behind the struct */
    struct rf_view name;      /* into a leaf's certificate */
    uint8_t tag[RF_ROSTER_TAG_LEN];
    size_t device_count;
};
struct chat_leaf {
    struct rf_cert *cert; /* one reference; NULL: blank */
    struct chat_user *user;
};

/* ---- what is to be sent ---- */

enum out_type { OUT_SAY = 1, OUT_HANDSHAKE, OUT_WELCOME, OUT_KNOCK };
struct chat_out {
    struct rf_list list;
    enum out_type type;
    uint64_t sequence; /* of the first piece */
    uint16_t pieces;
    struct rf_buf plain;  /* SAY: items; encrypted when its turn comes */
    struct rf_buf sealed; /* what is cut into parcels; empty: not made yet */
    uint64_t epoch;       /* that it was made in */
    uint64_t made;        /* how many were, when it was; tells one sealing from the next */
    uint64_t sent_ms;
    bool shown;     /* SAY: stands in the history */
    bool durable;   /* sealed is on disk */
    bool tried;     /* it may have been stored */
    uint32_t acked; /* pieces that the home has, */
    uint32_t seen;  /* ... and that we read in the log */
    uint64_t acked_us;
};

/* ---- changes of the group ---- */

enum change_what {
    CHANGE_ADD = 1,
    CHANGE_REMOVE,
    CHANGE_ADMIN,
    CHANGE_MEMBER,
    CHANGE_TITLE,
    CHANGE_TOPIC,
    CHANGE_LEAVE,
    CHANGE_TIDY
};
enum change_step { STEP_NEW = 1, STEP_LOOKUP, STEP_ROSTER, STEP_COMMIT, STEP_WAIT };
struct chat_change {
    struct rf_list list;
    uint64_t id;
    enum change_what what;
    struct rf_buf users; /* list of v8: names (ADD), else principals */
    struct rf_buf text;  /* title, topic, or the note for the inboxes */
    enum change_step step;
    struct rf_view rest;    /* ADD: users that are still to be looked up */
    struct rf_buf packages; /* ADD: found, list of { principal v8 | key package v16 } */
    size_t device_count;    /* of them */
    struct rf_buf roster;   /* that is being stored */
    int error;              /* of a user who could not be brought in; the others are */
    bool saved;
    bool looked; /* ROSTER: the one at the home is known */
    int failures;
    rf_chat_done_fn done;
    void *arg;
};

/* ---- a conversation ---- */

enum { DIRTY_CORE = 1, DIRTY_GROUP = 2, DIRTY_SENT = 4, DIRTY_ROSTER = 8 };

struct chat_ring_place {
    uint8_t digest[CHAT_CHAIN_LEN], chain[CHAT_CHAIN_LEN]; /* of the entry; behind it */
};

struct chat_seen {
    struct rf_map_node node; /* in conv->seen, by device */
    struct rf_id device;
    uint64_t highest, below; /* bit i: highest - 1 - i was read */
};

struct chat_piece {
    struct rf_list list;
    struct rf_id device;
    uint64_t sequence;
    struct parcel parcel; /* bytes behind the struct */
};

struct chat_conv {
    struct rf_map_node node; /* in chat->conversations, by id */
    struct rf_list list;     /* in chat->order */
    struct rf_chat *chat;
    uint8_t id[RF_CONVERSATION_LEN];
    struct rf_id resource;
    enum rf_chat_state state;
    uint8_t nonce[RF_CONVERSATION_NONCE_LEN];
    uint64_t refused_ms; /* since when; 0: it is not */
    bool damaged;        /* not all of its state could be read */
    bool sent_known;     /* PART_SENT came */
    struct rf_buf creator, inviter, note, title, topic, peer;
    bool direct, muted, doubted;
    bool kept; /* on disk: what names it may leave */
    unsigned dirty;

    /* the group: group.c */
    struct rf_mls *group;
    struct chat_leaf *leaves;
    size_t leaf_count;
    struct rf_map users;
    uint8_t admins_hash[RF_SHA256_LEN]; /* of the last shape that was told */
    struct rf_buf fresh;                /* handshakes of the open batch: list of v32 */
    uint32_t handshakes;                /* records of them on disk */
    size_t checkpoint_len, since_len, since_count;
    struct rf_buf saved_group; /* between load and loaded */
    struct rf_list saved_handshakes;
    uint64_t sent_epoch;
    uint32_t sent;
    struct rf_buf roster; /* as last known */
    struct rf_buf known;  /* tags of the users when our place was lost; empty: it was not */
    uint64_t roster_stored_ms;

    /* reading: log.c */
    uint32_t next, log_first, log_next, told_next; /* told_next: as the home said last */
    uint64_t generation;
    uint32_t scan; /* JOINING: index behind what was looked through for a Welcome */
    uint8_t chain[CHAT_CHAIN_LEN];
    bool chain_known;
    struct chat_ring_place *ring; /* CHAT_RING places, by index; NULL until needed */
    uint32_t ring_from;           /* lowest index in it */
    bool watched, fetching;
    bool barred; /* the home does not tell us any more */
    uint32_t window;
    uint64_t pause_us;
    struct rf_timer read_timer, shrunk_timer;
    struct rf_map seen;
    /* the door: door.c */
    bool door_busy, door_wanted, door_all;
    bool knocked;                   /* and nobody has opened yet */
    struct rf_buf knocks, door_out; /* door keys of those who knocked, list of v8; what is being stored */
    uint16_t door_piece, door_pieces;
    uint8_t door_set[DOOR_SET_LEN];
    uint64_t door_epoch; /* earlier ones are over */
    uint64_t door_pause_us, knock_ms;
    struct rf_timer door_timer;
    struct rf_list pieces;
    size_t pieces_len;
    int ahead; /* messages of epochs to come, */
    uint8_t ahead_tag[RF_ROSTER_TAG_LEN];
    bool ahead_several;    /* ... and whether of several users */
    bool door_own;         /* to be written, whether there is one or not */
    uint64_t door_left_ms; /* when somebody else had opened to who knocked */
    bool door_compares;    /* looked at by a member: has the group gone on without us? */

    /* writing: out.c */
    uint64_t sequence, handshake; /* of the next piece */
    struct rf_list outs;
    size_t out_count;
    bool storing;
    uint64_t storing_sequence;
    uint64_t out_pause_us;
    struct rf_timer out_timer;
    uint64_t read_index, delivered_index, told_read, told_delivered;
    struct rf_timer mark_timer;

    /* changing: change.c */
    struct rf_list changes;
    size_t change_count;
    uint64_t change_id;
    bool change_busy;
    struct rf_timer change_timer, tidy_timer;
    uint64_t change_pause_us;
    rf_chat_done_fn accept_done;
    void *accept_arg;
};

/* ---- users that we have to do with: inbox.c, contact.c ---- */

struct chat_note {
    struct rf_list list;
    enum note_type type;
    uint8_t conversation[RF_CONVERSATION_LEN]; /* INVITE */
    uint64_t until_ms;
    struct rf_buf body;
};
struct chat_peer {
    struct rf_map_node node; /* in chat->peers, by name */
    struct rf_list list;     /* in chat->peer_order */
    struct rf_chat *chat;
    struct rf_buf name;
    uint8_t contact; /* enum rf_chat_contact_state; 0: none */
    struct rf_buf note;
    uint64_t since_ms;
    bool has_direct;
    uint8_t direct[RF_CONVERSATION_LEN];
    struct rf_list notes; /* that his inbox should have from us */
    bool notes_changed, writing;
    size_t room; /* bytes that a letter to him may hold */
    uint64_t pause_us;
    struct rf_timer timer;
    rf_chat_done_fn done; /* of the command that waits for his inbox */
    void *done_arg;
    /* presence.c */
    bool watched, asking;
    struct rf_id resource;
    uint8_t availability;
    struct rf_buf status;
    uint64_t status_ms;
    struct rf_timer presence_timer;
};

/* ---- own key packages: keys.c ---- */

#define KEYS_ONE_TIME 4
struct chat_key {
    struct rf_list list;
    uint8_t ref[RF_MLS_SECRET_LEN];
    bool last_resort;
    uint64_t made_ms, used_ms; /* 0: not used */
    struct rf_mls_key_package_secret secret;
    struct rf_buf message;
};
struct chat_keys {
    bool watched, looking; /* our own place: another device of ours may have come */
    struct rf_list all;
    bool stored, storing, changed;
    uint64_t pause_us;
    struct rf_timer timer;
};

struct chat_query {
    struct rf_list list;
    uint64_t token;
    void (*done)(void *arg, const struct rf_keep_answer *answer);
    void *arg;
};

struct rf_chat {
    const struct rf_env *env;
    struct rf_secret_mem secret; /* all memory here comes from it */
    struct rf_mem *mem;
    struct rf_chat_config config;
    struct rf_conf *conf;
    struct rf_trust *
        members; /* trusts whom the document trusts, without its list of revoked nodes and at no time in particular: all members must judge alike */
    uint16_t suite;
    enum rf_dh_group kem;
    struct rf_mls_env mls;
    struct rf_mls_rules rules;
    struct rf_buf credential;
    struct rf_hpke_pair door;
    uint8_t leaf_extensions[80]; /* of our leaves: the door's public key */
    size_t leaf_extensions_len;
    struct rf_view principal; /* borrowed from the identity */
    bool loaded, online, freeing;
    int broken; /* RF_ENOMEM: something could not be written down; nothing more is done */
    unsigned depth;
    struct chat_disk disk;
    struct rf_map conversations, peers;
    struct rf_list order, peer_order;
    struct chat_keys keys;
    struct rf_list queries;
    uint64_t query_token;
    uint64_t made;       /* messages that were sealed, ever: chat_out */
    struct rf_map noted; /* struct chat_seen: highest is the storage_time */
    struct rf_id inbox;
    bool inbox_watched, inbox_busy, inbox_again;
    struct rf_timer inbox_timer;
    uint64_t inbox_pause_us;
    /* presence.c */
    uint8_t availability;
    struct rf_buf status;
    uint64_t status_ms;
    bool presence_stored, presence_storing;
    struct rf_timer presence_timer;
    struct rf_chat_counters counters;
};

/* ---- chat.c ---- */
void chat_enter(struct rf_chat *chat);
void chat_leave(struct rf_chat *chat);
int chat_ready(const struct rf_chat *chat); /* 0 or why no command is taken */
struct chat_conv *chat_conv_find(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN]);
struct rf_map_node *chat_find_id(const struct rf_map *map, const struct rf_id *id);
/* chat_backoff gives the next pause: from 2 s, doubled, to 5 min, with jitter. */
uint64_t chat_backoff(struct rf_chat *chat, uint64_t *pause_us);
void chat_timer(struct rf_chat *chat, struct rf_timer *timer, uint64_t delay_us);
void chat_set(struct rf_buf *buf, struct rf_view v); /* replaces what is in it */
/* chat_principal_of: who a certificate's owner is (rf_principal). */
struct rf_view chat_principal_of(const struct rf_cert *cert);
int chat_resource_of(const struct rf_chat *chat, struct rf_view name, struct rf_id *out);

/* ---- save.c ---- */
void save_init(struct rf_chat *chat);
void save_deinit(struct rf_chat *chat);
void save_flush(struct rf_chat *chat);
struct rf_keep_op *save_op(struct rf_chat *chat, enum rf_keep_op_type type); /* NULL: broken */
struct rf_region *save_region(struct rf_chat *chat); /* of the open batch; only after save_op */
struct rf_view save_copy(struct rf_chat *chat, struct rf_view v);
/* save_state puts a piece of state; conv NULL: the device's own. save_drop removes it. */
void save_state(struct rf_chat *chat, const struct chat_conv *conv, enum chat_part part, struct rf_view name,
                struct rf_view value);
void save_drop(struct rf_chat *chat, const struct chat_conv *conv, enum chat_part part, struct rf_view name);
struct chat_after *save_after(struct rf_chat *chat, const struct chat_conv *conv, chat_after_fn fn);
/* save_done answers a command when the batch is on disk. */
void save_done(struct rf_chat *chat, const struct chat_conv *conv, rf_chat_done_fn done, void *arg, int error,
               const struct rf_keep_name *name);
/* save_event tells when the batch is on disk; copied. */
void save_event(struct rf_chat *chat, const struct rf_chat_event *event);
void save_break(struct rf_chat *chat);

/* ---- conv.c ---- */
int conv_new(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct chat_conv **out);
void conv_free(struct chat_conv *conv);
void conv_encode(const struct chat_conv *conv, struct rf_buf *out);
int conv_decode(struct chat_conv *conv, struct rf_view in);
void conv_changed(struct chat_conv *conv); /* tells, and saves the core */
void conv_set_state(struct chat_conv *conv, enum rf_chat_state state);
/* conv_works: may members' commands work in it? 0, RF_ENOTYET, RF_ECLOSED. */
int conv_works(const struct chat_conv *conv);
bool conv_is_admin(const struct chat_conv *conv, struct rf_view principal);
void conv_event(struct chat_conv *conv, enum rf_chat_event_type type);

/* ---- rules.c ---- */
void rules_init(struct rf_chat *chat);
int rules_conf(struct rf_chat *chat);
/* rules_cert: the certificate of a credential, trusted as members are; one reference. */
int rules_cert(struct rf_chat *chat, struct rf_view credential, struct rf_cert **out);
int rules_credential(const struct rf_cert *cert, struct rf_buf *out);

/* ---- group.c ---- */
int group_create(struct chat_conv *conv, const struct shape *shape);
int group_shape(const struct chat_conv *conv, struct shape *out);
/* group_adopt reads all leaves anew; group_update what a Commit changed. */
int group_adopt(struct chat_conv *conv);
int group_leaf(struct chat_conv *conv, uint32_t leaf);
void group_blank(struct chat_conv *conv, uint32_t leaf);
void group_reset(struct chat_conv *conv); /* without group and members */
struct chat_user *group_user(const struct chat_conv *conv, struct rf_view principal);
/* group_knew: is he in it, or was he when our place was lost? */
bool group_knew(const struct chat_conv *conv, struct rf_view principal);
const struct chat_leaf *group_device(const struct chat_conv *conv, const struct rf_id *device);
void group_handshake(struct chat_conv *conv, struct rf_view message); /* was taken: is kept */
void group_read(struct chat_conv *conv);                              /* a message was */
void group_encode(struct chat_conv *conv);                            /* at the flush */
int group_load_handshake(struct chat_conv *conv, struct rf_view name, struct rf_view value);
int group_restore(struct chat_conv *conv);
int group_profile(struct rf_chat *chat, struct rf_mls_profile *out);
void group_look(struct chat_conv *conv); /* title, topic as the group says */

/* ---- log.c, entry.c ---- */
void log_watch(struct chat_conv *conv, bool on);
void log_kick(struct chat_conv *conv);
void log_init(struct chat_conv *conv);
void log_stop(struct chat_conv *conv);
bool log_caught_up(const struct chat_conv *conv);
void log_doubt(struct chat_conv *conv, const char *text);
/* What the log gave at an index. */
struct chat_entry {
    uint32_t index;
    struct rf_view value;
    const struct rf_signer *signer;
    struct rf_entry entry;
    struct rf_keep_name name;
    struct parcel parcel;
    struct rf_view whole; /* all pieces of the message */
    uint64_t first_sequence;
    uint8_t chain[CHAT_CHAIN_LEN]; /* before it */
};
void entry_take(struct chat_conv *conv, const struct rf_fetched_value *value, uint32_t index);
bool entry_scan(struct chat_conv *conv, const struct rf_fetched_value *value); /* JOINING; true: we are in */
void entry_check_chain(struct chat_conv *conv, uint32_t seen, struct rf_view chain,
                       const struct chat_entry *e);
int seen_load(struct rf_chat *chat, struct rf_map *map, struct rf_view name, struct rf_view value);
bool seen_has(const struct rf_map *map, const struct rf_id *device, uint64_t sequence);
struct chat_seen *seen_add(struct rf_chat *chat, struct rf_map *map, const struct rf_id *device,
                           uint64_t sequence);
void seen_clear(struct rf_chat *chat, struct rf_map *map);
int piece_load(struct chat_conv *conv, struct rf_view name, struct rf_view value);
void pieces_clear(struct chat_conv *conv);
/* piece_take: is the message whole now? Then e->whole stands in `whole`. */
bool piece_take(struct chat_conv *conv, struct chat_entry *e, struct rf_buf *whole);

/* ---- commit.c: what a Commit, a message says ---- */
void commit_taken(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event);
/* commit_removed: the group goes on without us. */
void commit_removed(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event);
/* entry_show puts an entry into the history. */
void entry_show(struct chat_conv *conv, const struct chat_entry *e, struct rf_keep_entry *entry);
/* group_lost: our place in the group is no more: we come in again by the door. */
void group_lost(struct chat_conv *conv);
void say_taken(struct chat_conv *conv, const struct chat_entry *e, struct rf_view data,
               struct rf_view principal, const struct chat_out *own);

/* ---- out.c ---- */
void out_init(struct chat_conv *conv);
size_t out_piece_len(const struct rf_chat *chat); /* bytes that one value may hold */
void out_deinit(struct chat_conv *conv);
int out_say(struct chat_conv *conv, struct rf_view items, bool shown, struct rf_keep_name *name);
int out_message(struct chat_conv *conv, enum out_type type, struct rf_view message, uint64_t *sequence);
struct chat_out *out_find(const struct chat_conv *conv, uint64_t sequence);
void out_remove(struct chat_conv *conv, struct chat_out *out);
void out_unseal(struct chat_conv *conv, struct chat_out *out);
void out_drop(struct chat_conv *conv, enum out_type type); /* all of that type */
void out_kick(struct chat_conv *conv);
int out_load(struct chat_conv *conv, struct rf_view name, struct rf_view value);
void out_mark(struct chat_conv *conv);

/* ---- change.c, roster.c ---- */
void change_init(struct chat_conv *conv);
void change_deinit(struct chat_conv *conv, int error);
int change_new(struct chat_conv *conv, enum change_what what, const struct rf_view *users, size_t user_count,
               struct rf_view text, rf_chat_done_fn done, void *arg);
int change_load(struct chat_conv *conv, struct rf_view name, struct rf_view value);
void change_kick(struct chat_conv *conv);
void change_again(struct chat_conv *conv); /* our place in the group was lost: all begin anew */
struct chat_change *change_front(struct chat_conv *conv); /* the one that is being made; NULL: none */
/* change_committed: a Commit was taken; own: ours, whose Welcome may go out. */
void change_committed(struct chat_conv *conv, bool own, bool beaten, uint32_t index);
int change_leave(struct chat_conv *conv); /* proposes that all devices of this user go */
/* change_moved: a Commit brought these users in, and took those out (lists of principals, v8 each). */
void change_moved(struct chat_conv *conv, bool own, struct rf_view came, struct rf_view gone, uint32_t index);
/* change_tell_own: our other devices are told of this conversation, which they are in since the Commit at `index`. */
void change_tell_own(struct chat_conv *conv, uint32_t index);
void change_tidy_soon(struct chat_conv *conv, bool now);
void change_end(struct chat_conv *conv, struct chat_change *change, int error);
/* roster_next makes the value that the change wants. RF_EEXIST: it is what stands there. */
int roster_next(struct chat_conv *conv, const struct chat_change *change, struct rf_buf *out);
int roster_first(struct chat_conv *conv, struct rf_buf *out);
/* roster_adopt takes a value that was fetched if it is this conversation's, the next one after that known, and signed by whom the group knows as an admin: a home could sign one itself. */
bool roster_adopt(struct chat_conv *conv, const struct rf_fetched_value *value);
void roster_refresh(struct chat_conv *conv);

/* ---- keys.c ---- */
void keys_init(struct rf_chat *chat);
void keys_deinit(struct rf_chat *chat);
int keys_load(struct rf_chat *chat, struct rf_view name, struct rf_view value);
void keys_online(struct rf_chat *chat);
void keys_changed(struct rf_chat *chat); /* certificate: all anew */
struct chat_key *keys_find(struct rf_chat *chat, struct rf_view welcome);
void keys_used(struct rf_chat *chat, struct chat_key *key);

/* ---- letter.c ---- */
/* letter_seal closes `plain` for these door keys (list of v8) of devices; `aad` must be the same to open it. letter_open: RF_ENOTFOUND it is not for us. */
int letter_seal(struct rf_chat *chat, struct rf_view doors, struct rf_view aad, struct rf_view plain,
                struct rf_buf *out);
bool letter_is_for(struct rf_chat *chat, struct rf_view letter,
                   struct rf_view public); /* as it says of itself */
int letter_open(struct rf_chat *chat, struct rf_view aad, struct rf_view letter, struct rf_buf *out);

/* ---- door.c ---- */
void door_init(struct chat_conv *conv);
void door_deinit(struct chat_conv *conv);
/* door_look: nothing in the log lets us in: by the door, then, in a moment. door_soon: the group has changed, and we changed it. door_knocked: somebody wants to come in. */
void door_look(struct chat_conv *conv);
void door_soon(struct chat_conv *conv);
/* door_compare: have the others gone on without us? Our place is given up only when the door of a member shows a later epoch. */
void door_compare(struct chat_conv *conv);
void door_waits(struct chat_conv *conv); /* JOINING, our Commit is made: not for ever */
void door_knocked(struct chat_conv *conv, const struct chat_entry *e);
/* door_entered: our own Commit was taken. door_beaten: another one was. */
void door_entered(struct chat_conv *conv, const struct chat_entry *e);
void door_beaten(struct chat_conv *conv);
void door_leaf_extension(const struct rf_chat *chat, struct rf_buf *out);

/* ---- inbox.c, contact.c, presence.c ---- */
struct chat_peer *peer_find(const struct rf_chat *chat, struct rf_view name);
struct chat_peer *peer_get(struct rf_chat *chat, struct rf_view name); /* makes it; NULL: out of memory */
void peer_free(struct chat_peer *peer);
void peer_save(struct chat_peer *peer);
int peer_load(struct rf_chat *chat, struct rf_view name, struct rf_view value);
/* peer_note: his inbox is to have this; a former one of the same type (and conversation) goes. peer_unnote: not any more. */
int peer_note(struct chat_peer *peer, enum note_type type, const uint8_t conversation[RF_CONVERSATION_LEN],
              struct rf_view body);
void peer_unnote(struct chat_peer *peer, enum note_type type, const uint8_t *conversation);
void peer_kick(struct chat_peer *peer);
void inbox_online(struct rf_chat *chat);
void inbox_take(struct rf_chat *chat, const struct rf_fetched_value *value);
void inbox_stop(struct rf_chat *chat);
void contact_request(struct rf_chat *chat, struct rf_view user, struct rf_view text);
void contact_answer(struct rf_chat *chat, struct rf_view user, bool accepted);
void presence_online(struct rf_chat *chat);
void presence_stop(struct rf_chat *chat);
void presence_watch(struct chat_peer *peer, bool on);
int presence_load(struct rf_chat *chat, struct rf_view value);
void presence_init(struct rf_chat *chat);

#endif
