/*
 * policy_roster.c - RINGFOLK-ROSTER: who may change a conversation's roster, and who may append to its log; RINGFOLK-INBOX: an entry from everybody
 * (docs/protocol/conversations.md).
 *
 * A roster is asked for more when its writer brings it than when it is passed on: there the one before must be known. What is passed on to a home that has a roster is
 * asked for by that one, so that who may pass on can not put forward members of his own.
 */
#include "overlay/policy_roster.h"
#include "base/error.h"
#include "overlay/usage.h"
#include "wire/conversation.h"

#define INBOX_PAUSE_MS 10000 /* between two entries of one device */

/* ---- names ---- */

struct rf_view rf_principal(const struct rf_signer *signer)
{
    /* a self-signed certificate's name is only a claim: everybody could claim everybody's */
    const struct rf_x509 *x = &signer->cert->x509;
    return rf_view_equal(x->issuer, x->subject) ? rf_id_view(&signer->node_id) : signer->cert->user;
}

static int digest(struct rf_crypto *crypto, const char *label, struct rf_view first, struct rf_view second,
                  uint8_t *out, size_t len)
{
    struct rf_view parts[3] = {rf_view_str(label), first, second};
    uint8_t hash[RF_SHA256_LEN];
    int error = crypto->ops->hash(crypto, RF_HASH_SHA256, parts, 3, hash);
    if (error == 0)
        memcpy(out, hash, len);
    return error;
}

int rf_conversation_id(struct rf_crypto *crypto, struct rf_view nonce, struct rf_view creator,
                       uint8_t out[RF_CONVERSATION_LEN])
{
    return digest(crypto, "ringfolk conversation", nonce, creator, out, RF_CONVERSATION_LEN);
}

int rf_conversation_tag(struct rf_crypto *crypto, const uint8_t conversation[RF_CONVERSATION_LEN],
                        struct rf_view principal, uint8_t out[RF_ROSTER_TAG_LEN])
{
    return digest(crypto, "ringfolk member", rf_view_of(conversation, RF_CONVERSATION_LEN), principal, out,
                  RF_ROSTER_TAG_LEN);
}

int rf_conversation_resource(struct rf_crypto *crypto, const uint8_t conversation[RF_CONVERSATION_LEN],
                             uint8_t id_len, struct rf_id *out)
{
    struct rf_view part = rf_view_of(conversation, RF_CONVERSATION_LEN);
    return rf_overlay_hash(crypto, &part, 1, id_len, out);
}

int rf_roster_tag_of(struct rf_crypto *crypto, const struct rf_roster *roster, const struct rf_signer *signer,
                     uint8_t out[RF_ROSTER_TAG_LEN])
{
    uint8_t id[RF_CONVERSATION_LEN];
    int error = rf_conversation_id(crypto, roster->nonce, roster->creator, id);
    return error != 0 ? error : rf_conversation_tag(crypto, id, rf_principal(signer), out);
}

/* ---- rosters ---- */

/* Does nonce and creator name the conversation that lives here? */
static int is_bound(const struct policy_question *q, const struct rf_roster *roster)
{
    uint8_t id[RF_CONVERSATION_LEN];
    int error = rf_conversation_id(q->crypto, roster->nonce, roster->creator, id);
    return error != 0 ? error : policy_hash_is(q, rf_view_of(id, sizeof(id)), rf_view_of(NULL, 0));
}

/* Is it the same roster again, or the one after `before`? */
static int follows(const struct policy_question *q, const struct rf_roster *next,
                   const struct rf_roster *before)
{
    uint8_t hash[RF_ROSTER_HASH_LEN];
    if (rf_view_equal(q->data->value, q->roster))
        return 0;
    int error = q->crypto->ops->hash(q->crypto, RF_HASH_SHA256, &q->roster, 1, hash);
    if (error != 0)
        return error;
    bool good = next->sequence == before->sequence + 1 && next->sequence != 0 &&
                rf_view_equal(next->previous, rf_view_of(hash, sizeof(hash))) &&
                rf_view_equal(next->nonce, before->nonce) && rf_view_equal(next->creator, before->creator);
    return good ? 0 : RF_EFORBIDDEN;
}

/* A writer's roster, against the one that is there. */
static int check_next(const struct policy_question *q, const struct rf_roster *roster,
                      const uint8_t tag[RF_ROSTER_TAG_LEN], char *why, size_t why_len)
{
    struct rf_roster before;
    if (q->roster.len == 0)
        return rf_view_equal(rf_principal(q->signer), roster->creator)
                   ? 0
                   : policy_refuse(why, why_len, "the first roster is its creator's");
    if (rf_roster_decode(q->roster, &before) != 0 || !rf_roster_has(before.admins, tag))
        return policy_refuse(why, why_len, "the signer is no admin of the roster that is there");
    int error = follows(q, roster, &before);
    return error == RF_EFORBIDDEN ? policy_refuse(why, why_len, "the roster is not the next one") : error;
}

/* A roster that is passed on to a home that has one; how it came from there to here is not known. */
static int check_copy(const struct policy_question *q, const struct rf_roster *roster,
                      const uint8_t tag[RF_ROSTER_TAG_LEN], char *why, size_t why_len)
{
    struct rf_roster held;
    if (q->role != POLICY_COPY || q->roster.len == 0 || rf_roster_decode(q->roster, &held) != 0)
        return 0;
    if (roster->sequence < held.sequence)
        return policy_refuse(why, why_len, "the roster is older than the one that is there");
    if (!q->unsettled && !rf_roster_has(held.admins, tag))
        return policy_refuse(why, why_len, "the signer is no admin of the roster that is there");
    return 0;
}

static int check_roster(const struct policy_question *q, char *why, size_t why_len)
{
    struct rf_roster roster;
    uint8_t tag[RF_ROSTER_TAG_LEN];
    if (!q->data->exists)
        return policy_refuse(why, why_len, "a roster is not removed");
    if (rf_roster_decode(q->data->value, &roster) != 0)
        return policy_refuse(why, why_len, "that is no roster");
    int error = is_bound(q, &roster);
    if (error == RF_EFORBIDDEN)
        return policy_refuse(why, why_len, "the roster is another conversation's");
    if (error == 0)
        error = rf_roster_tag_of(q->crypto, &roster, q->signer, tag);
    if (error != 0)
        return error;
    if (!rf_roster_has(roster.admins, tag))
        return policy_refuse(why, why_len, "the signer is no admin");
    bool writer = q->role == POLICY_VALUE || q->role == POLICY_REQUEST;
    return writer ? check_next(q, &roster, tag, why, why_len) : check_copy(q, &roster, tag, why, why_len);
}

/* ---- what members write ---- */

static int check_member(const struct policy_question *q, char *why, size_t why_len)
{
    struct rf_roster roster;
    uint8_t tag[RF_ROSTER_TAG_LEN];
    bool writer = q->role == POLICY_VALUE || q->role == POLICY_REQUEST;
    if (!writer && (q->role != POLICY_COPY || q->roster.len == 0 || q->unsettled))
        return 0; /* then it may be older than the roster */
    if (!q->data->exists)
        return policy_refuse(why, why_len, "what was said is not removed");
    if (q->roster.len == 0 || rf_roster_decode(q->roster, &roster) != 0)
        return policy_refuse(why, why_len, "there is no roster here");
    int error = rf_roster_tag_of(q->crypto, &roster, q->signer, tag);
    if (error != 0)
        return error;
    if (rf_roster_has(roster.admins, tag) || rf_roster_has(roster.members, tag))
        return 0;
    return policy_refuse(why, why_len, "the signer does not stand in the roster");
}

int policy_roster_check(const struct policy_question *q, char *why, size_t why_len)
{
    return q->kind->id == RF_KIND_ROSTER ? check_roster(q, why, why_len) : check_member(q, why, why_len);
}

/* ---- inboxes ---- */

int policy_inbox_check(const struct policy_question *q, char *why, size_t why_len)
{
    bool writer = q->role == POLICY_VALUE || q->role == POLICY_REQUEST;
    if (!q->data->exists) {
        int error = policy_hash_is(q, q->signer->cert->user, rf_view_of(NULL, 0));
        if (error != RF_EFORBIDDEN)
            return error; /* the owner clears up */
    }
    if (policy_key_is_signer(q) != 0)
        return policy_refuse(why, why_len, "the dictionary key is not the signer's Node-ID");
    if (writer && q->old_time_ms != 0 && q->data->storage_time_ms < q->old_time_ms + INBOX_PAUSE_MS &&
        q->data->storage_time_ms > q->old_time_ms)
        return policy_refuse(why, why_len, "too soon after the entry before");
    return 0;
}
