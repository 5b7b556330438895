/*
 * mls.h - MLS (RFC 9420): a group of devices whose messages only its members of the moment can read. One object per group and device, a state
 * machine without I/O: messages of the conversation's log go in one after another in the log's order, and each says what it was.
 *
 * The way of things. A device publishes key packages (rf_mls_key_package_new). Somebody creates a group (rf_mls_create), adds members with
 * a Commit (rf_mls_commit) and hands each the Welcome that came with it (rf_mls_join). A Commit of our own is only *pending* until it is
 * seen in the log: rf_mls_process recognises it there and goes over to the next epoch; when another valid Commit of the same epoch
 * comes first, ours is beaten and forgotten, and whoever wanted it makes a new one. Proposals die with their epoch. Application
 * messages are read in their epoch and in the RF_MLS_PAST_EPOCHS before. A device that lost its state comes in again by itself
 * (rf_mls_join_external).
 *
 * States of a group: joining (an external Commit of ours is pending, nothing can be read yet) -> member -> removed, or closed by a ReInit.
 * Every function says what it does in a state where it cannot work: RF_ENOTYET joining, RF_ECLOSED removed or closed.
 *
 * A message that is refused changes nothing (RFC 9420 leaves a group unusable otherwise). Whether a Commit is valid depends on the log's
 * messages alone: no clock is asked, and the caller's rules must not ask one either.
 *
 * Durability: a message that this file appends to a buffer must not leave before rf_mls_save's result is on disk: a generation that is
 * used twice gives two messages away, and a Commit whose state is lost locks its author out. Secrets are wiped when they are used
 * up (RFC 9420, section 9.2), all memory of a group when it is freed; what rf_mls_save writes holds secrets and is the caller's to encrypt.
 *
 * Suites: 0x0001 (X25519, Ed25519), 0x0002 (P-256, ECDSA); both AES-128-GCM and SHA-256. Not built: creating the groups that follow a ReInit, or a
 * branch; PSKs of those usages are refused (RF_EUNSUPPORTED). Custom proposal types are refused (RF_EUNKNOWN).
 */
#ifndef RF_MLS_MLS_H
#define RF_MLS_MLS_H

#include "base/buf.h"
#include "base/rng.h"
#include "crypto/crypto.h"

#define RF_MLS_SUITE_X25519 0x0001
#define RF_MLS_SUITE_P256   0x0002

#define RF_MLS_SECRET_LEN        32
#define RF_MLS_PAST_EPOCHS       2    /* epochs whose application messages are still read */
#define RF_MLS_FORWARD_MAX       1000 /* generations that a message may be ahead of its sender's last one */
#define RF_MLS_SKIPPED_MAX       64 /* keys kept for messages that were overtaken, for each sender and kind */
#define RF_MLS_RESUMPTIONS_MAX   32 /* epochs whose resumption secret is kept */
#define RF_MLS_MESSAGE_MAX_LEN   ((size_t)1 << 20)  /* an MLSMessage */
#define RF_MLS_INFO_MAX_LEN      ((size_t)16 << 20) /* a GroupInfo, a Welcome, a tree, a saved state */
#define RF_MLS_AAD_MAX_LEN       ((size_t)64 << 10) /* authenticated data */
#define RF_MLS_PROPOSALS_MAX     4096 /* of one epoch that stood in the log; as many of ours may wait to */
#define RF_MLS_PROPOSALS_MAX_LEN ((size_t)8 << 20) /* their bytes together */
#define RF_MLS_DROPPED_MAX       64                /* Commits of ours that may be dropped in one epoch */
#define RF_MLS_GROUP_ID_MAX_LEN  255

enum rf_mls_credential_type { RF_MLS_BASIC = 1, RF_MLS_X509 = 2 };

/* Who a leaf claims to be. Views are borrowed for the call. */
struct rf_mls_identity {
    uint16_t suite;
    enum rf_mls_credential_type type;
    struct rf_view
        credential; /* basic: the identity; x509: certificates, each a length of mls/bytes.h and DER, end entity first */
    struct rf_view
        signature_key; /* 32 bytes of Ed25519, or 65 of P-256; of x509 checked to be the end entity's */
};

/* A change that somebody proposes, for the application's rules. Views are borrowed for the call. */
enum rf_mls_change_type {
    RF_MLS_ADD = 1,
    RF_MLS_UPDATE = 2,
    RF_MLS_REMOVE = 3,
    RF_MLS_PSK = 4,
    RF_MLS_REINIT = 5,
    RF_MLS_EXTERNAL_INIT = 6,
    RF_MLS_EXTENSIONS = 7
};
enum rf_mls_sender_type {
    RF_MLS_SENDER_MEMBER = 1,
    RF_MLS_SENDER_EXTERNAL = 2,   /* of the group's external_senders */
    RF_MLS_SENDER_NEW = 3,        /* asks to be added */
    RF_MLS_SENDER_NEW_COMMIT = 4, /* adds itself */
};
struct rf_mls_change_seen {
    enum rf_mls_change_type type;
    enum rf_mls_sender_type sender_type;
    uint32_t sender;            /* leaf of a member, place of an external sender */
    uint32_t leaf;              /* remove: who; update: the sender */
    struct rf_mls_identity who; /* add, update, external_init: the new one */
    struct rf_view extensions;  /* extensions: the new list, encoded without its length */
};

struct rf_mls;

/*
 * The application's part of the rules, called while a message is examined; must not call the group but for the functions that only look.
 * Each gives 0, or an error that refuses the message. NULL: everything is allowed. They must give the same answer at every member.
 */
struct rf_mls_rules {
    /* May this one be a member? Asked for every leaf of a tree that is joined, and for each that is added or changed. */
    int (*credential)(void *ctx, const struct rf_mls_identity *who);
    /* May `next` take the place of `old` (Update, Commit, external Commit that removes)? Asked when credential or signature key differ. NULL: yes, but an
     * external Commit replaces a leaf of the same credential only. */
    int (*successor)(void *ctx, const struct rf_mls_identity *old, const struct rf_mls_identity *next);
    /* May this change be made? Asked for each proposal when it is committed. */
    int (*change)(void *ctx, const struct rf_mls *group, const struct rf_mls_change_seen *change);
    /* psk appends the external pre-shared key of this ID. Not to be used where members may know different ones. NULL: there are none. */
    int (*psk)(void *ctx, struct rf_view id, struct rf_buf *out);
    bool
        members_only; /* a proposal of one who is no member is RF_EFORBIDDEN when it comes: it is not kept, nor waited for */
    void *ctx;
};

/* What every group of a device is given. The struct and all it points to are borrowed for the group's life. */
struct rf_mls_env {
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    struct rf_rng *rng;               /* secrets */
    const struct rf_mls_rules *rules; /* NULL: none */
};

/* What a device says of itself in its leaves. Borrowed for the call. */
struct rf_mls_profile {
    const struct rf_key *key; /* signature key of the suite's type; borrowed as long as the group lives */
    enum rf_mls_credential_type type;
    struct rf_view credential; /* as in rf_mls_identity */
    const uint16_t
        *extensions; /* types beyond RFC 9420's that we understand: all that the groups' contexts may hold */
    size_t extension_count;
    struct rf_view
        leaf_extensions; /* of the leaf, encoded without the list's length; their types must be among the above or RFC 9420's */
};

/* ---- key packages (key_package.c) ---- */

/* What a device keeps for a published key package. Wipe it when it has been used up (rf_wipe). */
struct rf_mls_key_package_secret {
    uint8_t init[RF_DH_PRIVATE_LEN];
    uint8_t leaf[RF_DH_PRIVATE_LEN];
};

/*
 * rf_mls_key_package_new appends a KeyPackage as an MLSMessage.
 * not_before_s, not_after_s  seconds since 1970
 * last_resort                marks it as one that may be used more than once
 * Errors: RF_EUNKNOWN suite, RF_EINVAL the key does not fit the suite, RF_ENOMEM, RF_ECRYPTO. RFC 9420, section 10.
 */
int rf_mls_key_package_new(const struct rf_mls_env *env, uint16_t suite, const struct rf_mls_profile *profile,
                           uint64_t not_before_s, uint64_t not_after_s, bool last_resort,
                           struct rf_mls_key_package_secret *secret, struct rf_buf *out);
/* What a key package says. Views into the message. */
struct rf_mls_key_package_info {
    struct rf_mls_identity who;
    uint64_t not_before_s, not_after_s;
    bool last_resort;
    uint8_t ref[RF_MLS_SECRET_LEN]; /* KeyPackageRef: what a Welcome names it by */
};
/*
 * rf_mls_key_package_check examines one before it is used: signatures, keys, lifetime, credential by the rules.
 * max_lifetime_s   longer ones are refused; 0: any
 * Errors: RF_EFORMAT, RF_EVERSION, RF_EUNKNOWN suite or credential; RF_EINVAL contents; RF_ESIGNATURE; RF_EUNSUPPORTED capabilities;
 * RF_EXPIRED: RF_EEXPIRED, RF_ENOTYET; RF_ELIMIT lifetime; those of the rules. Section 10.1.
 */
int rf_mls_key_package_check(const struct rf_mls_env *env, struct rf_view message, uint64_t now_s,
                             uint64_t max_lifetime_s, struct rf_mls_key_package_info *out);

/* ---- coming in (group.c, welcome.c, external.c) ---- */

/*
 * rf_mls_create makes a group of ourselves, epoch 0.
 * not_before_s, not_after_s  lifetime of our first leaf, seconds since 1970; as for a key package
 * id           up to RF_MLS_GROUP_ID_MAX_LEN bytes, copied; random ones, 32 of them, unless something else makes it unique
 * extensions   of the GroupContext, encoded without the list's length, copied; may be empty
 * Errors: RF_EUNKNOWN suite, RF_EINVAL, RF_EUNSUPPORTED the profile lacks an extension, RF_ENOMEM, RF_ECRYPTO. Section 11.
 */
int rf_mls_create(const struct rf_mls_env *env, uint16_t suite, const struct rf_mls_profile *profile,
                  uint64_t not_before_s, uint64_t not_after_s, struct rf_view id, struct rf_view extensions,
                  struct rf_mls **out);
/*
 * rf_mls_join enters by a Welcome (an MLSMessage) that was made for `key_package` (an MLSMessage of ours, with its secret).
 * key    signature key of the key package; borrowed as long as the group lives
 * tree   ratchet_tree, where the Welcome holds none; else empty
 * Errors: RF_ENOTFOUND the Welcome is for other key packages, or our leaf is not in the tree; RF_EUNKNOWN suite; RF_EAUTH it does not open, or the
 * confirmation tag is wrong; RF_EUNSUPPORTED a PSK that we cannot have, a group's extension; RF_EMISMATCH tree hash, parent hashes, path secret; RF_EINVAL
 * the tree; RF_ESIGNATURE; those of the codec and the rules. Section 12.4.3.1.
 */
int rf_mls_join(const struct rf_mls_env *env, struct rf_view welcome, struct rf_view key_package,
                const struct rf_mls_key_package_secret *secret, const struct rf_key *key, struct rf_view tree,
                struct rf_mls **out);
/* rf_mls_welcome_names: the Welcome has an entry for the key package with this ref. */
bool rf_mls_welcome_names(struct rf_view welcome, const uint8_t ref[RF_MLS_SECRET_LEN]);
/*
 * rf_mls_join_external appends a Commit by which we add ourselves, and gives the group in the state `joining`.
 * group_info   MLSMessage with external_pub, of the current epoch
 * tree         where it holds none; else empty
 * replaces     leaf to be removed with it: the one that this device had before; RF_MLS_NO_LEAF: none
 * Errors: as rf_mls_join; RF_ENOTFOUND no external_pub, or no such leaf. Section 12.4.3.2.
 */
#define RF_MLS_NO_LEAF UINT32_MAX
int rf_mls_join_external(const struct rf_mls_env *env, struct rf_view group_info, struct rf_view tree,
                         const struct rf_mls_profile *profile, uint32_t replaces,
                         struct rf_view authenticated_data, struct rf_buf *commit, struct rf_mls **out);
/* rf_mls_info_find_leaf: the leaf with this signature key in a GroupInfo's tree, to be replaced. Errors: codec, RF_ENOTFOUND. */
int rf_mls_info_find_leaf(const struct rf_mls_env *env, struct rf_view group_info, struct rf_view tree,
                          struct rf_view signature_key, uint32_t *leaf);

/* rf_mls_free wipes and frees a group; NULL allowed. */
void rf_mls_free(struct rf_mls *group);

/* ---- what comes from the log (process.c) ---- */

enum rf_mls_event_type {
    RF_MLS_EVENT_APPLICATION, /* `data` was written by `sender` */
    RF_MLS_EVENT_OWN, /* an application message or a proposal of ours came back; nothing else is in the event */
    RF_MLS_EVENT_PROPOSAL,   /* somebody else's: kept for this epoch */
    RF_MLS_EVENT_COMMIT,     /* the next epoch has begun */
    RF_MLS_EVENT_COMMIT_OWN, /* ... by our pending Commit: its Welcome may be sent now */
    RF_MLS_EVENT_REMOVED,    /* the Commit removed us: the group can do nothing more */
    RF_MLS_EVENT_CLOSED      /* a ReInit was committed: the group can do nothing more but export */
};
struct rf_mls_event {
    enum rf_mls_event_type type;
    enum rf_mls_sender_type sender_type;
    uint32_t sender; /* leaf: of a member in the message's epoch; of one who added itself in the new epoch */
    uint64_t epoch;  /* of the message */
    struct rf_view authenticated_data,
        data;    /* borrowed from the message and from the group, until that is next called, or freed */
    bool beaten; /* a Commit of ours was pending and lost */
    enum rf_mls_change_type change; /* a proposal: what it wants; */
    uint32_t leaf;                  /* ... remove: of whom */
    uint32_t generation;            /* application: of the sender's in this epoch */
    /* a Commit: leaves that came, and that went; one that is in both was given to somebody else, or its owner came in again. Borrowed likewise. */
    const uint32_t *added, *removed;
    size_t added_count, removed_count;
};
/*
 * rf_mls_process takes the log's next message.
 * Errors; none but the last changes the group:
 * RF_EFORMAT, RF_EVERSION, RF_EUNKNOWN malformed; RF_ELIMIT too long, or a generation too far ahead; RF_EMISMATCH another group, a tree or a path that
 * does not fit; RF_EEXPIRED an epoch that is over (a Commit or Proposal that lost); RF_ENOTYET an epoch to come; RF_EFORBIDDEN what this sender may not send
 * so; RF_EAUTH a tag or a ciphertext; RF_ESIGNATURE; RF_EDUPLICATE a generation that was used, a key that is there already, a change made twice; RF_ENOTFOUND a
 * leaf, proposal or PSK that is not there; RF_EINVAL what a rule of RFC 9420 forbids otherwise; RF_EUNSUPPORTED a member lacks a capability, or it is not
 * built; RF_ECLOSED; RF_ENOMEM; RF_ECRYPTO; those of the rules.
 * One error ends the group (state removed): RF_ECANCELLED, a Commit of ours stands in the log that was dropped. Come in again by rf_mls_join_external, in place of
 * rf_mls_own_leaf.
 */
int rf_mls_process(struct rf_mls *group, struct rf_view message, struct rf_mls_event *out);

/* ---- what goes into the log ---- */

/* rf_mls_encrypt appends an application message. `pad_to`: the hidden part's length is rounded up to a multiple of it; 0: the steps 256, 512, 1024, then
 * multiples of 1024; 1: not at all. Errors: RF_EBUSY there are proposals that must be committed first (section 12.4); RF_ELIMIT; states. */
int rf_mls_encrypt(struct rf_mls *group, struct rf_view data, struct rf_view authenticated_data,
                   size_t pad_to, struct rf_buf *out);

/* A change that we want. Borrowed for the call. */
struct rf_mls_change {
    enum rf_mls_change_type type; /* add, remove, psk, extensions, reinit; as a proposal also update */
    struct rf_view key_package;   /* add: an MLSMessage */
    uint32_t leaf;                /* remove */
    struct rf_view psk_id; /* psk: an external one; empty: the resumption secret of `epoch` of this group */
    uint64_t epoch;
    struct rf_view extensions;   /* extensions: the new list, encoded without its length */
    struct rf_view new_group_id; /* reinit */
    uint16_t new_suite;
};
/* How handshake messages are framed; a PrivateMessage unless public is wanted. */
struct rf_mls_send {
    bool public_message;
    struct rf_view authenticated_data;
};
/* rf_mls_propose appends a Proposal. Update: our leaf with a fresh key. Errors: as rf_mls_commit. Section 12.1. */
int rf_mls_propose(struct rf_mls *group, const struct rf_mls_change *change, const struct rf_mls_send *send,
                   struct rf_buf *out);

struct rf_mls_commit_options {
    struct rf_mls_send send;
    bool without_path; /* leave the path out where that is allowed; dearer for secrecy, cheaper in bytes */
    bool without_proposals;    /* do not take the epoch's proposals along */
    bool tree_in_welcome;      /* the Welcome holds the tree */
    struct rf_view credential; /* empty: the leaf keeps its credential */
};
/*
 * rf_mls_commit appends a Commit with these changes and the epoch's valid proposals, and keeps it pending: there is one at a time. With added
 * members it makes a Welcome, to be had when the Commit is accepted.
 * options   NULL: all zeros
 * Errors: RF_EBUSY one is pending; RF_ELIMIT also: RF_MLS_DROPPED_MAX were dropped in this epoch; RF_EINVAL, RF_EDUPLICATE, RF_ENOTFOUND, RF_EUNSUPPORTED, RF_EFORMAT, RF_ESIGNATURE changes that a receiver would refuse; RF_ELIMIT; RF_ENOMEM;
 * RF_ECRYPTO; states; those of the rules. Section 12.4.1.
 */
int rf_mls_commit(struct rf_mls *group, const struct rf_mls_change *changes, size_t change_count,
                  const struct rf_mls_commit_options *options, struct rf_buf *out);
bool rf_mls_commit_pending(const struct rf_mls *group);
/* rf_mls_commit_drop forgets the pending Commit, which the caller knows not to have left, or takes the risk: when it stands in the log all the same, all others go
 * over to an epoch that we cannot enter. rf_mls_process says RF_ECANCELLED then, see there. */
void rf_mls_commit_drop(struct rf_mls *group);
/* rf_mls_welcome: the Welcome (an MLSMessage) of our Commit that was accepted last, borrowed until it is dropped; empty: none. */
struct rf_view rf_mls_welcome(const struct rf_mls *group);
void rf_mls_welcome_drop(struct rf_mls *group);
/* rf_mls_group_info appends a GroupInfo (an MLSMessage) of the current epoch, good for one external Commit. Errors: states. Section 12.4.3. */
int rf_mls_group_info(struct rf_mls *group, bool with_tree, struct rf_buf *out);

/* ---- looking ---- */

enum rf_mls_state { RF_MLS_JOINING, RF_MLS_MEMBER, RF_MLS_REMOVED, RF_MLS_CLOSED };
enum rf_mls_state rf_mls_state(const struct rf_mls *group);
uint16_t rf_mls_suite(const struct rf_mls *group);
struct rf_view rf_mls_id(const struct rf_mls *group);
uint64_t rf_mls_epoch(const struct rf_mls *group);      /* joining: of the GroupInfo */
uint32_t rf_mls_own_leaf(const struct rf_mls *group);   /* RF_MLS_NO_LEAF: none yet */
uint32_t rf_mls_leaf_count(const struct rf_mls *group); /* places, also blank ones */
size_t rf_mls_member_count(const struct rf_mls *group);
/* rf_mls_member: who is at this leaf; false: nobody. Views borrowed until the group is next changed. */
bool rf_mls_member(const struct rf_mls *group, uint32_t leaf, struct rf_mls_identity *out);
/* rf_mls_leaf_extensions: what the member at this leaf says of itself, without the list's length; empty: nobody. Borrowed likewise. */
struct rf_view rf_mls_leaf_extensions(const struct rf_mls *group, uint32_t leaf);
bool rf_mls_find_member(const struct rf_mls *group, struct rf_view signature_key, uint32_t *leaf);
struct rf_view
rf_mls_extensions(const struct rf_mls *group); /* of the GroupContext, without the list's length */
/* rf_mls_authenticator: 32 bytes that all members of this epoch share; NULL while joining or removed. */
const uint8_t *rf_mls_authenticator(const struct rf_mls *group);
/* rf_mls_tree appends the ratchet_tree. */
int rf_mls_tree(const struct rf_mls *group, struct rf_buf *out);
/* rf_mls_export writes `len` bytes, 1 to 8160, for an application's own use. `label` up to 128 bytes. Errors: RF_EINVAL, states. Section 8.5. */
int rf_mls_export(struct rf_mls *group, const char *label, struct rf_view context, uint8_t *out, size_t len);
/* rf_mls_sent: application messages that we sent in this epoch; a Commit is due after some hundreds. rf_mls_proposals: that are waiting to be committed. */
uint32_t rf_mls_sent(const struct rf_mls *group);
size_t rf_mls_proposals(const struct rf_mls *group);

/* ---- keeping (store.c) ---- */

/* rf_mls_save appends all of the state but the signature key. It holds secrets: `out` should wipe what it frees (base/secret_mem.h). */
int rf_mls_save(const struct rf_mls *group, struct rf_buf *out);
/* rf_mls_restore. `key` borrowed as long as the group lives. Errors: RF_EFORMAT, RF_EVERSION, RF_EUNKNOWN, RF_EINVAL not what rf_mls_save wrote; RF_ENOMEM. */
int rf_mls_restore(const struct rf_mls_env *env, struct rf_view saved, const struct rf_key *key,
                   struct rf_mls **out);

#endif
