/* scenario_internal.h - what the files share that read scenario texts. */
#ifndef RF_SIM_SCENARIO_INTERNAL_H
#define RF_SIM_SCENARIO_INTERNAL_H

#include "sim/scenario.h"

#define SCENARIO_MAX_WORDS 32

struct scenario_reader {
    struct rf_sim_text *out;
    size_t line; /* from 1; 0: not in the text */
    struct rf_view words[SCENARIO_MAX_WORDS];
    size_t word_count;
    const char *const *overrides;
    size_t override_count;
    bool used[RF_SIM_MAX_OVERRIDES];
    char labels[RF_SIM_MAX_STEPS]
               [RF_SIM_OPTION_NAME]; /* of the steps so far; one for all that a line repeats */
    size_t label_count;
    char *why;
    size_t why_len;
};

/* scenario_fail writes "line N: what: piece" into why and returns `error`. */
int scenario_fail(struct scenario_reader *r, int error, const char *what, struct rf_view piece);
/* scenario_override finds the value that --set gives to `group`.`name` (group empty: to `name`), and remembers that it was of use. */
bool scenario_override(struct scenario_reader *r, const char *group, const char *name, struct rf_view *value);
/* scenario_override_each gives the overrides of `group`.ANYTHING one after another (*at from 0); false: no more. */
bool scenario_override_each(struct scenario_reader *r, const char *group, size_t *at, struct rf_view *name,
                            struct rf_view *value);
/* scenario_number evaluates a value; the error is told with scenario_fail. */
int scenario_number(struct scenario_reader *r, struct rf_view text, double *out);
/* scenario_name_copy takes a name: letters, digits and _ - . with a letter in front; RF_EFORMAT otherwise or when too long. */
int scenario_name_copy(struct scenario_reader *r, struct rf_view name, char *out, size_t out_len);

/* steps.c: the line `at`. */
int scenario_step(struct scenario_reader *r);

#endif
