/* work.h - an operation under way, shared by work.c (whose, when, how it ended) and values.c (stored values). */
#ifndef RF_SIM_WORK_H
#define RF_SIM_WORK_H

#include "sim/world.h"

#define SIM_KEYS 4 /* entries of a dictionary that are written */

struct sim_op {
    struct sim_op *next; /* waiting for judgement */
    struct sim_node *node;
    uint32_t target; /* whose user it is about */
    uint8_t type;
    uint8_t form;  /* of what is stored or read: enum sim_form */
    bool answered; /* with something that is not right: wrong rather than failed */
    int error;
    size_t write; /* in the shard's history, 0: none; else 1 + its index */
    uint64_t started_us, expect;
};

/* They take op. answered: by something that is not right. */
void sim_op_right(struct sim_op *op);
void sim_op_not_right(struct sim_op *op, int error, bool answered);

/* values.c: an operation on values as a number, drawn when it is planned; who is asked, and what is expected of the answer. */
bool sim_values_draw(struct rf_sim *sim, enum rf_sim_op_type type, struct sim_node *n, uint32_t *target,
                     uint64_t *expect);
int sim_values_begin(struct sim_node *n, struct sim_op *op);
/* Where a user's values are stored; the first eight bytes of that; whose that is, of all users' (SIM_NODE_NONE: nobody's). */
int sim_values_resource(const struct rf_sim *sim, uint32_t user, struct rf_id *out);
uint64_t sim_values_place(const struct rf_sim *sim, uint32_t user);
uint32_t sim_values_user(const struct rf_sim *sim, const uint64_t *places, const struct rf_id *resource);
/* sim_values_seen fills in whose write it is, by its bytes and its signer, and the slot. out->exists is set. */
void sim_values_seen(const struct rf_sim *sim, enum sim_form form, uint32_t user, struct rf_view slot,
                     struct rf_view value, const struct rf_id *signer, struct sim_seen *out);

#endif
