/*
 * scenario.h - scenarios as text (scenarios/NAME.scn, docs/simulator.md): what somebody writes becomes the struct that sim.h runs.
 *
 * A text is a list of lines; words are parted by blanks, what follows a '#' is a comment:
 *
 *     title WORDS...                                 one line
 *     about WORDS...                                 a paragraph; again: the same paragraph goes on
 *     KEY = VALUE                                    a setting of the simulator (settings.h lists them)
 *     option NAME = VALUE  WORDS...                  a number of this scenario's own, and what it means
 *     choice NAME = WORD WORD...                     a word of its own; the first is the default
 *     at TIME VERB [GROUP] [PARAMETER=VALUE]...      a step: workload or fault; as=LABEL names it
 *     check NAME METRIC >=|<= LIMIT [from TIME] [to TIME]
 *     if NAME=WORD LINE                              only when the choice is that word
 *
 * A VALUE is a number with a unit (ms s m h d, %, k M G), the name of a setting or option that stands above, or several with + - * / and
 * parentheses, without blanks. Whatever stands in a text can be overridden: KEY, NAME, LABEL.PARAMETER, check.NAME (its limit).
 */
#ifndef RF_SIM_SCENARIO_H
#define RF_SIM_SCENARIO_H

#include "base/view.h"
#include "sim/sim.h"

#define RF_SIM_TEXT_MAX_LEN  65536
#define RF_SIM_MAX_OPTIONS   96
#define RF_SIM_OPTION_NAME   32
#define RF_SIM_OPTION_TEXT   64
#define RF_SIM_TITLE_LEN     96
#define RF_SIM_ABOUT_LEN     2048
#define RF_SIM_STEP_TEXT     160
#define RF_SIM_MAX_OVERRIDES 64

/* A setting, an option or a choice, as the run has it. */
struct rf_sim_option {
    char name[RF_SIM_OPTION_NAME];
    char text[RF_SIM_OPTION_TEXT];    /* as it was written: "10m", "supernodes*2", "skype-2010" */
    char meaning[RF_SIM_OPTION_TEXT]; /* may be empty */
    double value;                     /* in base units (seconds, 1, bit/s); NaN for a choice */
    bool own;                         /* of the scenario's own, not a setting */
    bool overridden;
};

/* For reports: what happens when. */
struct rf_sim_event {
    uint64_t at_us, over_us;
    enum rf_sim_step_type type;
    char text[RF_SIM_STEP_TEXT]; /* "kill supernodes fraction=27%" */
};

struct rf_sim_text {
    char title[RF_SIM_TITLE_LEN];
    char about[RF_SIM_ABOUT_LEN];
    struct rf_sim_option options[RF_SIM_MAX_OPTIONS]; /* all settings, then what the text declares */
    size_t option_count;
    struct rf_sim_event events[RF_SIM_MAX_STEPS]; /* one for each of scenario.steps */
    struct rf_sim_scenario scenario;
};

/*
 * rf_sim_text_parse reads a text. Steps are sorted by time.
 * name       becomes scenario.name; cut at RF_SIM_NAME_LEN - 1 bytes
 * text       borrowed, at most RF_SIM_TEXT_MAX_LEN bytes
 * overrides  "KEY=VALUE" each, borrowed; a later one wins
 * out        filled on success; large (some 100 kB), so not for a stack
 * why        on an error: what is wrong where ("line 12: no such verb: explode")
 * Errors: RF_EFORMAT the text, RF_ELIMIT it is too long or has too many lines of a kind, RF_EINVAL an override (nothing of that name,
 * or not a value for it).
 */
int rf_sim_text_parse(const char *name, struct rf_view text, const char *const *overrides,
                      size_t override_count, struct rf_sim_text *out, char *why, size_t why_len);
/* rf_sim_text_title reads only the title line of a text into `out`; an empty string if there is none. */
void rf_sim_text_title(struct rf_view text, char *out, size_t out_len);

#endif
