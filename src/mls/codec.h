/*
 * codec.h - every structure of RFC 9420 on the wire. Decoding is strict and allocates nothing: a decoded structure consists of numbers
 * and of views into the bytes it came from (borrowed as long as those live). Lists stay bytes: decoding has walked them to the end, so the
 * `mls_next_...` functions that read them cannot fail on anything but a list that was never decoded.
 *
 * Decoders take from the front of `in`; those named ..._whole also refuse bytes that are left. Errors of all of them: RF_EFORMAT
 * malformed, cut short or too long; RF_EUNKNOWN an unknown value where the rest cannot be read without knowing it; RF_EVERSION another
 * protocol version. Encoders append; errors stay in the builder. RFC 9420, sections 5 to 12; figures in the comments.
 */
#ifndef RF_MLS_CODEC_H
#define RF_MLS_CODEC_H

#include "base/buf.h"
#include "base/view.h"

#define MLS_VERSION 1

enum mls_wire_format {
    MLS_PUBLIC_MESSAGE = 1,
    MLS_PRIVATE_MESSAGE = 2,
    MLS_WELCOME = 3,
    MLS_GROUP_INFO = 4,
    MLS_KEY_PACKAGE = 5
};
enum mls_content_type { MLS_APPLICATION = 1, MLS_PROPOSAL = 2, MLS_COMMIT = 3 };
enum mls_sender_type {
    MLS_MEMBER = 1,
    MLS_EXTERNAL = 2,
    MLS_NEW_MEMBER_PROPOSAL = 3,
    MLS_NEW_MEMBER_COMMIT = 4
};
enum mls_leaf_source { MLS_SOURCE_KEY_PACKAGE = 1, MLS_SOURCE_UPDATE = 2, MLS_SOURCE_COMMIT = 3 };
enum mls_credential_type { MLS_BASIC = 1, MLS_X509 = 2 };
enum mls_extension_type {
    MLS_EXT_APPLICATION_ID = 1,
    MLS_EXT_RATCHET_TREE = 2,
    MLS_EXT_REQUIRED_CAPABILITIES = 3,
    MLS_EXT_EXTERNAL_PUB = 4,
    MLS_EXT_EXTERNAL_SENDERS = 5,
    MLS_EXT_LAST_RESORT = 0x000a
};
#define MLS_EXT_DEFAULT_MAX 5 /* types 1 to 5 are listed in no capabilities */
enum mls_proposal_type {
    MLS_ADD = 1,
    MLS_UPDATE = 2,
    MLS_REMOVE = 3,
    MLS_PSK = 4,
    MLS_REINIT = 5,
    MLS_EXTERNAL_INIT = 6,
    MLS_GROUP_CONTEXT_EXTENSIONS = 7
};
enum mls_psk_type { MLS_PSK_EXTERNAL = 1, MLS_PSK_RESUMPTION = 2 };
enum mls_psk_usage { MLS_USAGE_APPLICATION = 1, MLS_USAGE_REINIT = 2, MLS_USAGE_BRANCH = 3 };
enum mls_proposal_or_ref { MLS_BY_VALUE = 1, MLS_BY_REFERENCE = 2 };

/* ---- leaf nodes and key packages (codec_leaf.c) ---- */

struct mls_credential {
    uint16_t type;       /* enum mls_credential_type */
    struct rf_view body; /* basic: the identity; x509: certificates, each with its length, end entity first */
    struct rf_view whole; /* encoded */
};

/* Each a list of u16. */
struct mls_capabilities {
    struct rf_view versions, suites, extensions, proposals, credentials;
};

struct mls_leaf {
    struct rf_view encryption_key, signature_key;
    struct mls_credential credential;
    struct mls_capabilities capabilities;
    uint8_t source;                 /* enum mls_leaf_source */
    uint64_t not_before, not_after; /* source key_package: seconds since 1970 */
    struct rf_view parent_hash;     /* source commit */
    struct rf_view extensions;      /* a list of Extension */
    struct rf_view signature;
    struct rf_view whole, unsigned_part; /* encoded; unsigned_part: without the signature */
};

struct mls_key_package {
    uint16_t version, suite;
    struct rf_view init_key;
    struct mls_leaf leaf;
    struct rf_view extensions;
    struct rf_view signature;
    struct rf_view whole, unsigned_part;
};

int mls_credential_decode(struct rf_view *in, struct mls_credential *out);
void mls_credential_encode(const struct mls_credential *c, struct rf_buf *out);
int mls_leaf_decode(struct rf_view *in, struct mls_leaf *out);
/* mls_leaf_encode writes all of it; with an empty signature as part of a LeafNodeTBS use mls_leaf_encode_unsigned. */
void mls_leaf_encode(const struct mls_leaf *leaf, struct rf_buf *out);
void mls_leaf_encode_unsigned(const struct mls_leaf *leaf, struct rf_buf *out);
int mls_key_package_decode(struct rf_view *in, struct mls_key_package *out);
void mls_key_package_encode(const struct mls_key_package *kp, struct rf_buf *out);
void mls_key_package_encode_unsigned(const struct mls_key_package *kp, struct rf_buf *out);

/* mls_u16_has: the list of u16 `list` contains `value`. */
bool mls_u16_has(struct rf_view list, uint16_t value);
/* The values of a list of u16, where many are looked up: what strangers send may hold all 65536. */
struct mls_u16_set {
    uint8_t bits[65536 / 8];
};
void mls_u16_set_init(struct mls_u16_set *set, struct rf_view list);
/* mls_u16_set_add: false: it is there already. */
bool mls_u16_set_add(struct mls_u16_set *set, uint16_t value);
bool mls_u16_set_has(const struct mls_u16_set *set, uint16_t value);
/* mls_next_u16 takes the next entry of a list of u16; false: no more. */
bool mls_next_u16(struct rf_view *list, uint16_t *out);

struct mls_extension {
    uint16_t type;
    struct rf_view data;
};
/* mls_extensions_decode takes a list of Extension with its length. Errors: RF_EFORMAT. Doubles are no error here. */
int mls_extensions_decode(struct rf_view *in, struct rf_view *out);
bool mls_next_extension(struct rf_view *list, struct mls_extension *out);
/* mls_extension_find: the data of the first extension of this type; false: there is none. */
bool mls_extension_find(struct rf_view list, uint16_t type, struct rf_view *data);
bool mls_extensions_unique(struct rf_view list);
void mls_extension_put(struct rf_buf *out, uint16_t type, struct rf_view data);

struct mls_required_capabilities {
    struct rf_view extensions, proposals, credentials; /* lists of u16 */
};
int mls_required_capabilities_decode(struct rf_view data, struct mls_required_capabilities *out);

struct mls_external_sender {
    struct rf_view signature_key;
    struct mls_credential credential;
};
/* mls_external_senders_decode examines all of the extension's data and gives the list, from which mls_next_external_sender takes. Errors: RF_EFORMAT,
 * RF_EUNKNOWN. */
int mls_external_senders_decode(struct rf_view data, struct rf_view *list);
bool mls_next_external_sender(struct rf_view *list, struct mls_external_sender *out);
/* mls_external_sender_at decodes all of the extension's data and gives entry `index`. Errors: RF_EFORMAT, RF_EUNKNOWN, RF_ENOTFOUND. */
int mls_external_sender_at(struct rf_view data, uint32_t index, struct mls_external_sender *out);

/* ---- proposals and commits (codec_commit.c) ---- */

struct mls_psk_id {
    uint8_t type;      /* enum mls_psk_type */
    struct rf_view id; /* external: psk_id; resumption: psk_group_id */
    uint8_t usage;     /* resumption */
    uint64_t epoch;    /* resumption */
    struct rf_view nonce;
    struct rf_view whole; /* encoded */
};
int mls_psk_id_decode(struct rf_view *in, struct mls_psk_id *out);
void mls_psk_id_encode(const struct mls_psk_id *id, struct rf_buf *out);

struct mls_reinit {
    struct rf_view group_id;
    uint16_t version, suite;
    struct rf_view extensions;
};

struct mls_proposal {
    uint16_t type; /* enum mls_proposal_type */
    union {
        struct mls_key_package add;
        struct mls_leaf update;
        uint32_t removed; /* leaf index */
        struct mls_psk_id psk;
        struct mls_reinit reinit;
        struct rf_view kem_output;
        struct rf_view extensions;
    };
    struct rf_view whole; /* encoded, with the type */
};
int mls_proposal_decode(struct rf_view *in, struct mls_proposal *out);
void mls_proposal_encode(const struct mls_proposal *p, struct rf_buf *out);
/* Without the type in front. */
int mls_proposal_body_decode(struct rf_view *in, uint16_t type, struct mls_proposal *out);
void mls_proposal_body_encode(const struct mls_proposal *p, struct rf_buf *out);

struct mls_hpke_ciphertext {
    struct rf_view kem_output, ciphertext;
};
int mls_hpke_ciphertext_decode(struct rf_view *in, struct mls_hpke_ciphertext *out);
bool mls_next_hpke_ciphertext(struct rf_view *list, struct mls_hpke_ciphertext *out);

struct mls_path_node {
    struct rf_view encryption_key;
    struct rf_view secrets; /* a list of HPKECiphertext */
};
struct mls_update_path {
    struct mls_leaf leaf;
    struct rf_view nodes; /* a list of UpdatePathNode */
};
int mls_update_path_decode(struct rf_view *in, struct mls_update_path *out);
bool mls_next_path_node(struct rf_view *list, struct mls_path_node *out);

/* An entry of a commit's list. */
struct mls_commit_entry {
    bool by_reference;
    struct rf_view reference;     /* by reference */
    struct mls_proposal proposal; /* by value */
};
struct mls_commit {
    struct rf_view proposals; /* a list of ProposalOrRef */
    bool has_path;
    struct mls_update_path path;
    struct rf_view path_whole; /* encoded UpdatePath */
};
int mls_commit_decode(struct rf_view *in, struct mls_commit *out);
void mls_commit_encode(const struct mls_commit *commit, struct rf_buf *out);
bool mls_next_commit_entry(struct rf_view *list, struct mls_commit_entry *out);

/* ---- group context, framing, welcome (codec_message.c) ---- */

struct mls_group_context {
    uint16_t suite; /* the version is always 1 */
    struct rf_view group_id;
    uint64_t epoch;
    struct rf_view tree_hash, confirmed_transcript_hash;
    struct rf_view extensions;
    struct rf_view whole;
};
int mls_group_context_decode(struct rf_view *in, struct mls_group_context *out);
void mls_group_context_encode(const struct mls_group_context *gc, struct rf_buf *out);

struct mls_group_info {
    struct mls_group_context context;
    struct rf_view extensions;
    struct rf_view confirmation_tag;
    uint32_t signer; /* leaf index */
    struct rf_view signature;
    struct rf_view unsigned_part;
};
int mls_group_info_decode(struct rf_view *in, struct mls_group_info *out);
void mls_group_info_encode(const struct mls_group_info *info, struct rf_buf *out);
void mls_group_info_encode_unsigned(const struct mls_group_info *info, struct rf_buf *out);

struct mls_sender {
    uint8_t type;   /* enum mls_sender_type */
    uint32_t index; /* member: leaf; external: place in external_senders */
};

/* FramedContent. */
struct mls_content {
    struct rf_view group_id;
    uint64_t epoch;
    struct mls_sender sender;
    struct rf_view authenticated_data;
    uint8_t type;        /* enum mls_content_type */
    struct rf_view body; /* application: the data; else the encoded Proposal or Commit */
    struct rf_view whole;
};
int mls_content_decode(struct rf_view *in, struct mls_content *out);
void mls_content_encode(const struct mls_content *content, struct rf_buf *out);
/* The part of a content that a PrivateMessage hides: data with its length, or Proposal or Commit. */
int mls_content_body_decode(struct rf_view *in, uint8_t type, struct rf_view *body);
void mls_content_body_encode(uint8_t type, struct rf_view body, struct rf_buf *out);

/* FramedContentAuthData. */
struct mls_auth {
    struct rf_view signature;
    struct rf_view confirmation_tag; /* commits only */
    struct rf_view whole;
};
int mls_auth_decode(struct rf_view *in, uint8_t content_type, struct mls_auth *out);
void mls_auth_encode(const struct mls_auth *auth, uint8_t content_type, struct rf_buf *out);

struct mls_private {
    struct rf_view group_id;
    uint64_t epoch;
    uint8_t content_type;
    struct rf_view authenticated_data, encrypted_sender_data, ciphertext;
};

struct mls_welcome {
    uint16_t suite;
    struct rf_view secrets; /* a list of EncryptedGroupSecrets */
    struct rf_view encrypted_group_info;
};
struct mls_welcome_entry {
    struct rf_view new_member; /* KeyPackageRef */
    struct mls_hpke_ciphertext secrets;
};
bool mls_next_welcome_entry(struct rf_view *list, struct mls_welcome_entry *out);

struct mls_group_secrets {
    struct rf_view joiner_secret;
    bool has_path_secret;
    struct rf_view path_secret;
    struct rf_view psks; /* a list of PreSharedKeyID */
};
int mls_group_secrets_decode(struct rf_view *in, struct mls_group_secrets *out);
void mls_group_secrets_encode(const struct mls_group_secrets *secrets, struct rf_buf *out);
bool mls_next_psk_id(struct rf_view *list, struct mls_psk_id *out);

struct mls_message {
    uint16_t wire_format; /* enum mls_wire_format */
    union {
        struct {
            struct mls_content content;
            struct mls_auth auth;
            struct rf_view membership_tag; /* members only */
        } public;
        struct mls_private private;
        struct mls_welcome welcome;
        struct mls_group_info group_info;
        struct mls_key_package key_package;
    };
};
/* mls_message_decode reads one MLSMessage and nothing behind it. */
int mls_message_decode(struct rf_view in, struct mls_message *out);
void mls_message_encode(const struct mls_message *message, struct rf_buf *out);
/* mls_message_head writes what stands in front of every MLSMessage's body. */
void mls_message_head(struct rf_buf *out, uint16_t wire_format);

/* SenderData. */
struct mls_sender_data {
    uint32_t leaf, generation;
    uint8_t reuse_guard[4];
};
#define MLS_SENDER_DATA_LEN 12
int mls_sender_data_decode(struct rf_view in, struct mls_sender_data *out);
void mls_sender_data_encode(const struct mls_sender_data *data, struct rf_buf *out);

/* mls_list_check walks a list to its end with `one`, a decoder of one entry. Errors: its. */
#define MLS_LIST_CHECK(list, decode, type)                                                                   \
    for (struct rf_view rest_ = (list); rest_.len > 0;) {                                                    \
        type one_;                                                                                           \
        int r_ = decode(&rest_, &one_);                                                                      \
        if (r_ != 0)                                                                                         \
            return r_;                                                                                       \
    }

#endif
