/* test_overlay_store.h - what the tests of the storage share: Kinds, and requests built from a few words. */
#ifndef RF_TEST_OVERLAY_STORE_H
#define RF_TEST_OVERLAY_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "overlay/policy.h"
#include "support/store_net.h"
#include "wire/method.h"
#include "wire/store.h"
#include "wire/value.h"

#define KIND_SINGLE     UINT32_C(0xf0000001) /* USER-MATCH, max-size 100 */
#define KIND_ARRAY      UINT32_C(0xf0000002) /* USER-MATCH, max-count 4 */
#define KIND_DICT       UINT32_C(0xf0000003) /* USER-NODE-MATCH */
#define KIND_SHARED     UINT32_C(0xf0000004) /* ARRAY, USER-CHAIN-ACL */
#define KIND_SHARED_KEY UINT32_C(0xf0000005) /* DICTIONARY, USER-CHAIN-ACL */
#define KIND_NODE       UINT32_C(0xf0000006) /* SINGLE, NODE-MATCH */
#define KIND_MULTIPLE   UINT32_C(0xf0000007) /* SINGLE, NODE-MULTIPLE, 3 */
#define KIND_BIG                                                                                             \
    UINT32_C(                                                                                                \
        0xf0000008) /* DICTIONARY, USER-CHAIN-ACL is none of its: USER-MATCH, max-size 3000, max-count 2000 */
#define KIND_LOG     UINT32_C(0xf0000009) /* ARRAY, USER-MATCH, max-count 5000 */
#define KIND_NAMED   UINT32_C(0xf000000a) /* DICTIONARY, USER-CHAIN-ACL with variable names */
#define KIND_UNKNOWN UINT32_C(0xf00000ff)
extern const struct rf_kind_def kit_kinds[];
extern const size_t kit_kind_count;

/* One value of a Store request. */
struct kit_value {
    const struct sn_node *signer; /* NULL: not signed at all */
    uint32_t kind;
    uint64_t generation;  /* of the first value of its Kind */
    const char *key;      /* DICTIONARY; NULL: the signer's Node-ID */
    uint32_t index;       /* ARRAY */
    const char *text;     /* value; NULL: does not exist */
    struct rf_view bytes; /* instead of text */
    uint64_t time;        /* storage_time, relative to RF_PKI_WALL_MS */
    uint32_t lifetime;    /* 0: 3600 s */
    bool broken;          /* the signature is damaged */
    bool no_lifetime;     /* lifetime 0 */
};

/* Appends a StoredData. */
void kit_put_value(struct sn_net *net, const struct rf_id *resource, const struct kit_value *v,
                   struct rf_buf *out);
/* Appends a StoreReq; values of one Kind stand together. */
void kit_store_req(struct sn_net *net, const struct rf_id *resource, uint8_t replica,
                   const struct kit_value *values, size_t count, struct rf_buf *out);
/* Stores at `to` as `from`, addressed to the resource (replica 0) or to the node; the signers' certificates go along. */
void kit_store(struct sn_net *net, struct sn_node *from, struct sn_node *to, const struct rf_id *resource,
               uint8_t replica, const struct kit_value *values, size_t count, struct sn_reply *reply);
/* What a fetch shows, as text: "kind#generation: slot=value@time,..." with "-" for what does not exist, "!" for unsigned. */
struct kit_want {
    uint32_t kind;
    uint64_t generation;
    const char *key;     /* DICTIONARY: one key */
    struct rf_view slot; /* DICTIONARY: instead of key */
    bool ranged;         /* ARRAY: first..last, else everything */
    uint32_t first, last;
};
void kit_fetch_req(struct sn_net *net, const struct rf_id *resource, const struct kit_want *wants,
                   size_t count, struct rf_buf *out);
void kit_fetch(struct sn_net *net, struct sn_node *from, struct sn_node *to, bool stat,
               const struct rf_id *resource, const struct kit_want *wants, size_t count,
               struct sn_reply *reply);
/* Writes what the answer says into `out`, generations only when asked for. */
const char *kit_show(struct sn_net *net, const struct sn_reply *reply, bool stat, bool generations, char *out,
                     size_t out_len);
/* "ok" or the error's name. */
const char *kit_result(const struct sn_reply *reply);
/* Fetches one whole Kind from `at` by its Node-ID and shows it. */
const char *kit_look(struct sn_net *net, struct sn_node *at, const struct rf_id *resource, uint32_t kind);

#endif
