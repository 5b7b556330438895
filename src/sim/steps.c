/* steps.c - the line `at` of scenario texts: what happens when. */
#include <math.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/error.h"
#include "sim/scenario_internal.h"

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)

/* What a step may say. */
enum {
    OVER = 1 << 0,
    COUNT = 1 << 1,    /* count= or fraction= */
    PAUSE = 1 << 2,    /* pause= */
    SESSION = 1 << 3,  /* session= */
    FRACTION = 1 << 4, /* fraction= alone */
    FACTOR = 1 << 5,
    OFFSET = 1 << 6,
    RATE = 1 << 7,
    SPARE = 1 << 8, /* spare-bootstraps */
    POWER = 1 << 9,
    WIPE = 1 << 10,
    POLITE = 1 << 11,  /* polite= */
    GROUP = 1 << 12,   /* supernodes, clients or all: must be there */
    OP = 1 << 13,      /* lookup, ping ...: must be there */
    LIES = 1 << 15,    /* behaviour=: must be there; together= */
    ANYBODY = 1 << 14, /* a group may be there; all without */
    ADDRESS = 1 << 16, /* new-address */
};

static const struct verb {
    const char *name;
    enum rf_sim_step_type type;
    unsigned may;
} verbs[] = {
    {"start", RF_SIM_STEP_START, GROUP | OVER | COUNT},
    {"kill", RF_SIM_STEP_KILL, GROUP | OVER | COUNT | PAUSE | SPARE | POWER | WIPE},
    {"leave", RF_SIM_STEP_LEAVE, GROUP | OVER | COUNT | PAUSE | SPARE},
    {"restart", RF_SIM_STEP_RESTART, GROUP | OVER | COUNT},
    {"churn", RF_SIM_STEP_CHURN, GROUP | SESSION | PAUSE | SPARE | POWER | POLITE},
    {"partition", RF_SIM_STEP_PARTITION, GROUP | FRACTION},
    {"heal", RF_SIM_STEP_HEAL, 0},
    {"cut", RF_SIM_STEP_CUT, GROUP | FRACTION},
    {"slow", RF_SIM_STEP_SLOW, GROUP | FRACTION | FACTOR},
    {"loss", RF_SIM_STEP_LOSS, FRACTION},
    {"duplicate", RF_SIM_STEP_DUPLICATE, FRACTION},
    {"reorder", RF_SIM_STEP_REORDER, FRACTION},
    {"nat-reset", RF_SIM_STEP_NAT_RESET, GROUP | COUNT | ADDRESS},
    {"clock", RF_SIM_STEP_CLOCK, GROUP | FRACTION | OFFSET},
    {"work", RF_SIM_STEP_WORK, OP | RATE | ANYBODY},
    {"corrupt", RF_SIM_STEP_CORRUPT, GROUP | COUNT | SPARE | RATE | LIES},
    {"mark", RF_SIM_STEP_MARK, 0},
};

/* A line `at` while it is read. */
struct line {
    const struct verb *verb;
    struct rf_sim_step step;
    char label[RF_SIM_OPTION_NAME];
    double every_s, until_s;
    bool group, op, amount, behaviour;
};

/* dist takes [fixed:|uniform:|exponential:|pareto:]TIME[:SHAPE]. */
static int dist(struct scenario_reader *r, struct rf_view text, struct rf_sim_dist *out)
{
    static const struct {
        const char *name;
        enum rf_sim_dist_type type;
    } types[] = {{"fixed:", RF_SIM_FIXED},
                 {"uniform:", RF_SIM_UNIFORM},
                 {"exponential:", RF_SIM_EXPONENTIAL},
                 {"pareto:", RF_SIM_PARETO}};
    const uint8_t *colon;
    struct rf_view shape;
    int error;

    *out = (struct rf_sim_dist){.type = RF_SIM_FIXED, .shape = 1.5};
    for (size_t i = 0; i < RF_COUNT(types); i++) {
        size_t len = strlen(types[i].name);

        if (text.len > len && memcmp(text.p, types[i].name, len) == 0) {
            out->type = types[i].type;
            text = rf_view_of(text.p + len, text.len - len);
            break;
        }
    }
    if (text.len > 0 && (colon = memchr(text.p, ':', text.len)) != NULL) {
        shape = rf_view_of(colon + 1, text.len - (size_t)(colon - text.p) - 1);
        text.len = (size_t)(colon - text.p);
        if (out->type != RF_SIM_PARETO)
            return scenario_fail(r, RF_EFORMAT, "only pareto: has a shape", shape);
        if ((error = scenario_number(r, shape, &out->shape)) != 0)
            return error;
    }
    if ((error = scenario_number(r, text, &out->median_s)) != 0)
        return error;
    if (out->median_s < 0 || out->median_s > 1e8 || out->shape <= 0)
        return scenario_fail(r, RF_EFORMAT, "not a duration", text);
    return 0;
}

/* A parameter that is a number, its limits, and where it goes. */
static int number(struct scenario_reader *r, struct rf_view text, double least, double most, double *out)
{
    int error = scenario_number(r, text, out);

    if (error == 0 && !(*out >= least && *out <= most)) {
        char what[64];

        snprintf(what, sizeof(what), "must be from %g to %g", least, most);
        return scenario_fail(r, RF_EFORMAT, what, text);
    }
    return error;
}

static int flag(struct scenario_reader *r, struct rf_view text, bool *out)
{
    double value;
    int error = number(r, text, 0, 1, &value);

    *out = error == 0 && value != 0;
    return error;
}

static int time_of(struct scenario_reader *r, struct rf_view text, uint64_t *out)
{
    double value;
    int error = number(r, text, 0, 1e8, &value);

    *out = error == 0 ? (uint64_t)(value * 1e6 + 0.5) : 0;
    return error;
}

/* amount takes count= and fraction=, of which the last one holds. */
static int amount(struct scenario_reader *r, struct line *line, bool count, struct rf_view text)
{
    double value;
    int error = number(r, text, 0, count ? 1e7 : 1, &value);

    line->amount = true;
    line->step.count = error == 0 && count ? (size_t)(value + 0.5) : 0;
    line->step.fraction = count ? 0 : value;
    if (error == 0 && count && line->step.count == 0)
        return scenario_fail(r, RF_EFORMAT, "a count of nobody", text);
    return error;
}

/* behaviour takes the name of a lie, or of a choice whose word is one. */
static int behaviour(struct scenario_reader *r, struct rf_view text, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned lies;
    } lies[] = {{"drop", RF_SIM_LIE_DROP},   {"misroute", RF_SIM_LIE_MISROUTE}, {"answer", RF_SIM_LIE_ANSWER},
                {"forge", RF_SIM_LIE_FORGE}, {"replay", RF_SIM_LIE_REPLAY},     {"flood", RF_SIM_LIE_FLOOD},
                {"claim", RF_SIM_LIE_CLAIM}, {"all", RF_SIM_LIE_ALL},           {"none", 0}};
    for (size_t i = 0; i < r->out->option_count; i++)
        if (isnan(r->out->options[i].value) && rf_view_equal(text, rf_view_str(r->out->options[i].name)))
            text = rf_view_str(r->out->options[i].text);
    for (size_t i = 0; i < RF_COUNT(lies); i++)
        if (rf_view_equal(text, rf_view_str(lies[i].name))) {
            *out = lies[i].lies;
            return 0;
        }
    return scenario_fail(r, RF_EFORMAT, "no such behaviour", text);
}

static int together(struct scenario_reader *r, struct rf_view text, size_t *out)
{
    double value;
    int error = number(r, text, 1, 64, &value);

    *out = error == 0 ? (size_t)value : 0;
    return error;
}

/* parameter takes NAME=VALUE, or a bare word, whose value is 1. */
static int parameter(struct scenario_reader *r, struct line *line, struct rf_view name, struct rf_view text)
{
    struct rf_sim_step *step = &line->step;
    unsigned may = line->verb->may;

#define IS(word) rf_view_equal(name, VIEW(word))
    if (IS("at"))
        return time_of(r, text, &step->at_us);
    if (IS("every"))
        return number(r, text, 0.001, 1e8, &line->every_s);
    if (IS("until"))
        return number(r, text, 0, 1e8, &line->until_s);
    if (IS("over") && (may & OVER))
        return time_of(r, text, &step->over_us);
    if (IS("count") && (may & COUNT))
        return amount(r, line, true, text);
    if (IS("fraction") && (may & (COUNT | FRACTION)))
        return amount(r, line, false, text);
    if (IS("pause") && (may & PAUSE))
        return dist(r, text, &step->pause);
    if (IS("session") && (may & SESSION))
        return dist(r, text, &step->session);
    if (IS("factor") && (may & FACTOR))
        return number(r, text, 1, 1e6, &step->factor);
    if (IS("offset") && (may & OFFSET))
        return number(r, text, 0, 1e8, &step->factor);
    if (IS("rate") && (may & RATE))
        return number(r, text, 0, 1e7, &step->rate);
    if (IS("spare-bootstraps") && (may & SPARE))
        return flag(r, text, &step->spare_bootstraps);
    if (IS("polite") && (may & POLITE))
        return number(r, text, 0, 1, &step->fraction);
    if (IS("power") && (may & POWER))
        return flag(r, text, &step->power);
    if (IS("behaviour") && (may & LIES)) {
        line->behaviour = true;
        return behaviour(r, text, &step->lies);
    }
    if (IS("together") && (may & LIES))
        return together(r, text, &step->together);
    if (IS("new-address") && (may & ADDRESS))
        return flag(r, text, &step->new_address);
    if (IS("wipe") && (may & WIPE))
        return flag(r, text, &step->wipe);
#undef IS
    return scenario_fail(r, RF_EFORMAT, "not for this step", name);
}

/* bare takes a word without '=': a group, an operation or a flag. */
static int bare(struct scenario_reader *r, struct line *line, struct rf_view word)
{
    static const struct {
        const char *name;
        enum rf_sim_group group;
    } groups[] = {{"supernodes", RF_SIM_SUPERNODES}, {"clients", RF_SIM_CLIENTS}, {"all", RF_SIM_ALL}};

    for (size_t i = 0; i < RF_COUNT(groups) && (line->verb->may & (GROUP | ANYBODY)); i++)
        if (rf_view_equal(word, rf_view_str(groups[i].name))) {
            line->step.group = groups[i].group;
            line->group = true;
            return 0;
        }
    for (int op = 0; op < RF_SIM_OP_COUNT && (line->verb->may & OP); op++)
        if (rf_view_equal(word, rf_view_str(rf_sim_op_name((enum rf_sim_op_type)op)))) {
            line->step.op = (enum rf_sim_op_type)op;
            line->op = true;
            return 0;
        }
    return parameter(r, line, word, VIEW("1"));
}

/* find_label names the line: by as=, else by its verb, with a number when that is taken. */
static int find_label(struct scenario_reader *r, struct line *line)
{
    for (size_t i = 3; i < r->word_count; i++)
        if (r->words[i].len > 3 && memcmp(r->words[i].p, "as=", 3) == 0) {
            struct rf_view name = rf_view_of(r->words[i].p + 3, r->words[i].len - 3);

            for (size_t k = 0; k < r->label_count; k++)
                if (rf_view_equal(name, rf_view_str(r->labels[k])))
                    return scenario_fail(r, RF_EFORMAT, "this name is taken", name);
            return scenario_name_copy(r, name, line->label, sizeof(line->label));
        }
    for (size_t number_of = 1, k = 0; number_of <= RF_SIM_MAX_STEPS; number_of++) {
        snprintf(line->label, sizeof(line->label), number_of == 1 ? "%s" : "%s%zu", line->verb->name,
                 number_of);
        for (k = 0; k < r->label_count && strcmp(r->labels[k], line->label) != 0; k++)
            ;
        if (k == r->label_count)
            break;
    }
    return 0;
}

static int read_words(struct scenario_reader *r, struct line *line)
{
    int error = 0;

    for (size_t i = 3; i < r->word_count && error == 0; i++) {
        struct rf_view word = r->words[i];
        const uint8_t *sign = memchr(word.p, '=', word.len);
        size_t len = sign != NULL ? (size_t)(sign - word.p) : word.len;

        if (sign == NULL)
            error = bare(r, line, word);
        else if (!rf_view_equal(rf_view_of(word.p, len), VIEW("as")))
            error = parameter(r, line, rf_view_of(word.p, len), rf_view_of(sign + 1, word.len - len - 1));
    }
    return error;
}

/* read_overrides puts what --set says about the line's label, and adds it to what the report shows. */
static int read_overrides(struct scenario_reader *r, struct line *line, char *text, size_t text_len)
{
    struct rf_view name, value;
    size_t at = 0, shown = r->line;
    int error = 0;

    r->line = 0;
    while (error == 0 && scenario_override_each(r, line->label, &at, &name, &value)) {
        size_t len = strlen(text);

        error = parameter(r, line, name, value);
        snprintf(text + len, text_len - len, " %.*s=%.*s", name.len < 32 ? (int)name.len : 32,
                 (const char *)name.p, value.len < 32 ? (int)value.len : 32, (const char *)value.p);
    }
    r->line = shown;
    return error != 0 ? RF_EINVAL : 0;
}

/* complete checks what must be there, and what the parameters left open. */
static int complete(struct scenario_reader *r, struct line *line)
{
    struct rf_sim_step *step = &line->step;
    unsigned may = line->verb->may;

    if ((may & GROUP) && !line->group)
        return scenario_fail(r, RF_EFORMAT, "wanted: supernodes, clients or all", r->words[2]);
    if ((may & OP) && !line->op)
        return scenario_fail(r, RF_EFORMAT,
                             "wanted: an operation (lookup, ping, call, store, fetch, put, append, ...)",
                             r->words[2]);
    if ((may & LIES) && step->group != RF_SIM_SUPERNODES)
        return scenario_fail(r, RF_EFORMAT, "only supernodes misbehave", r->words[2]);
    if ((may & LIES) && !line->behaviour)
        return scenario_fail(r, RF_EFORMAT, "wanted: behaviour=", r->words[2]);
    if (!line->group)
        step->group = RF_SIM_ALL;
    if (!line->amount && (step->type == RF_SIM_STEP_START || step->type == RF_SIM_STEP_RESTART))
        step->fraction = 1;
    else if (!line->amount && (may & (COUNT | FRACTION)))
        return scenario_fail(r, RF_EFORMAT, "wanted: fraction= (or count=)", r->words[2]);
    if ((may & FACTOR) && step->factor == 0)
        return scenario_fail(r, RF_EFORMAT, "wanted: factor=", r->words[2]);
    return 0;
}

/* put adds the step, as often as every= and until= say. */
static int put(struct scenario_reader *r, const struct line *line, const char *text)
{
    struct rf_sim_text *out = r->out;
    struct rf_sim_step step = line->step;
    uint64_t every_us = (uint64_t)(line->every_s * 1e6), until_us = (uint64_t)(line->until_s * 1e6);

    do {
        struct rf_sim_event *event = &out->events[out->scenario.step_count];

        if (out->scenario.step_count == RF_SIM_MAX_STEPS)
            return scenario_fail(r, RF_ELIMIT, "too many steps", VIEW(""));
        event->at_us = step.at_us;
        event->over_us = step.over_us;
        event->type = step.type;
        snprintf(event->text, sizeof(event->text), "%s", text);
        out->scenario.steps[out->scenario.step_count++] = step;
        step.at_us += every_us;
    } while (every_us > 0 && step.at_us <= until_us);
    memcpy(r->labels[r->label_count++], line->label, sizeof(line->label));
    return 0;
}

/* at TIME VERB [GROUP] [PARAMETER=VALUE]... */
int scenario_step(struct scenario_reader *r)
{
    struct line line = {.verb = NULL};
    char text[RF_SIM_STEP_TEXT];
    size_t len = 0;
    int error;

    if (r->word_count < 3)
        return scenario_fail(r, RF_EFORMAT, "wanted: at TIME VERB ...", VIEW(""));
    for (size_t i = 0; i < RF_COUNT(verbs); i++)
        if (rf_view_equal(r->words[2], rf_view_str(verbs[i].name)))
            line.verb = &verbs[i];
    if (line.verb == NULL)
        return scenario_fail(r, RF_EFORMAT, "no such verb", r->words[2]);
    line.step.type = line.verb->type;
    for (size_t i = 2; i < r->word_count && len + r->words[i].len + 2 < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i > 2 ? " " : "",
                                (int)r->words[i].len, (const char *)r->words[i].p);
    if ((error = time_of(r, r->words[1], &line.step.at_us)) != 0 || (error = find_label(r, &line)) != 0 ||
        (error = read_words(r, &line)) != 0 || (error = read_overrides(r, &line, text, sizeof(text))) != 0 ||
        (error = complete(r, &line)) != 0)
        return error;
    return put(r, &line, text);
}
