/* test_enrol.h - the world of the enrolment room's tests: a CA, a store in memory, some people, and a clock that stands still. */
#ifndef RF_TEST_ENROL_H
#define RF_TEST_ENROL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "conf/conf.h"
#include "enrol/enrol.h"
#include "support/enrol_store.h"

#define OVERLAY  "example.org"
#define WALL_MS  UINT64_C(1750000000000)
#define DAY_MS   ((uint64_t)24 * 3600 * 1000)
#define PASSWORD "correct horse"

struct world {
    struct rf_mem_test mem; /* of the machine; the fixtures use the system's */
    struct rf_crypto *crypto;
    struct rf_rng_seeded rng;
    struct memory_store *store;
    struct rf_key *ca_key;
    struct rf_x509 ca;
    struct rf_enrol_config config;
    struct rf_enrol *enrol;
    struct rf_now now;
};

/* world_init makes: alice (PASSWORD), bob (no password), dora (PASSWORD, disabled), and the machine. */
void world_init(struct world *w);
void world_deinit(struct world *w);
/* world_invite stores an invite and writes its code. */
void world_invite(struct world *w, const char *user, uint32_t uses, uint32_t used, uint64_t expires_ms,
                  char *code);
struct rf_enrol_user *world_user(struct world *w, const char *name);

/* A device: a key, and the certificate it got. */
struct device {
    struct rf_key *key;
    struct rf_buf csr, certificate;
    struct rf_id node_id;
};
/* device_init makes a key of that type and a CSR that names `email` (NULL: nobody). */
void device_init(struct world *w, struct device *d, enum rf_key_type type, const char *email);
void device_deinit(struct world *w, struct device *d);

/* ask fills a request. NULL fields are absent. */
struct ask {
    const char *username, *password, *invite, *nodeids;
    const struct device *device;      /* its CSR */
    const struct device *certificate; /* its certificate, for renewal */
    const char *peer;                 /* NULL: 192.0.2.1 */
};
/* run does a whole attempt with its job; the answer is to be deinited. */
void run(struct world *w, const struct ask *ask, struct rf_enrol_answer *answer);
/* expect runs and compares; status 200 puts the certificate into `into` (may be NULL). */
void expect(struct world *w, const struct ask *ask, int status, const char *token, const char *reason_part,
            struct device *into);
void fill_request(const struct ask *ask, struct rf_enrol_request *out);

int test_enrol_limit(void);
int test_enrol_multipart(void);
int test_enrol_name(void);
int test_enrol_decide(void);
int test_enrol_races(void);
int test_enrol_faults(void);
int test_enrol_admin(void);
int test_enrol_door(void);
int test_enrol_client(void);

#endif
