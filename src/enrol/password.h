/*
 * password.h - one argon2id computation as a job: the enrolment machine only says which, the shell decides where and how many at once
 * they run. A computation without I/O; it takes some 20 ms and the memory of its parameters.
 */
#ifndef RF_ENROL_PASSWORD_H
#define RF_ENROL_PASSWORD_H

#include "enrol/store.h"

#define RF_PASSWORD_MAX_LEN  1024 /* bytes of UTF-8 */
#define RF_PASSWORD_SALT_LEN 16

/* Cost of new hashes; a stored hash carries its own. */
struct rf_password_cost {
    uint32_t memory_kib, passes;
};
#define RF_PASSWORD_COST_DEFAULT ((struct rf_password_cost){19 * 1024, 2}) /* argon2id, one lane */

enum rf_password_work {
    RF_PASSWORD_NONE,   /* nothing to compute */
    RF_PASSWORD_MAKE,   /* password, salt, cost -> encoded */
    RF_PASSWORD_VERIFY, /* password, encoded -> result */
};

struct rf_password_job {
    enum rf_password_work work;
    struct rf_password_cost cost;
    uint8_t salt[RF_PASSWORD_SALT_LEN];
    char encoded[RF_ENROL_PASSWORD_SIZE];
    uint8_t password[RF_PASSWORD_MAX_LEN];
    size_t password_len;
    int result; /* RF_OK; RF_EAUTH does not fit; RF_ENOMEM; RF_ECRYPTO */
};

/* rf_password_run computes the job and wipes its password. Thread-safe for different jobs. */
void rf_password_run(struct rf_password_job *job);

#endif
