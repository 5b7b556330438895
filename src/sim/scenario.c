/* scenario.c - scenario texts: lines, settings, options and checks. */
#include "sim/scenario.h"

#include <math.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/error.h"
#include "sim/expr.h"
#include "sim/scenario_internal.h"
#include "sim/settings.h"

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)

int scenario_fail(struct scenario_reader *r, int error, const char *what, struct rf_view piece)
{
    char place[32] = "--set: "; /* outside of the text only overrides can be wrong */

    if (r->line > 0)
        snprintf(place, sizeof(place), "line %zu: ", r->line);
    snprintf(r->why, r->why_len, "%s%s%s%.*s", place, what, piece.len > 0 ? ": " : "",
             piece.len < 80 ? (int)piece.len : 80, piece.len > 0 ? (const char *)piece.p : "");
    return error;
}

/* override_split parts KEY=VALUE; false: there is no '='. */
static bool override_split(const char *text, struct rf_view *key, struct rf_view *value)
{
    const char *sign = strchr(text, '=');

    if (sign == NULL)
        return false;
    *key = rf_view_of(text, (size_t)(sign - text));
    *value = rf_view_str(sign + 1);
    return true;
}

bool scenario_override(struct scenario_reader *r, const char *group, const char *name, struct rf_view *value)
{
    char full[2 * RF_SIM_NAME_LEN + 2];
    bool found = false;

    snprintf(full, sizeof(full), "%s%s%s", group, group[0] != 0 ? "." : "", name);
    for (size_t i = 0; i < r->override_count; i++) {
        struct rf_view key, text;

        if (!override_split(r->overrides[i], &key, &text) || !rf_view_equal(key, rf_view_str(full)))
            continue;
        *value = text;
        r->used[i] = found = true;
    }
    return found;
}

bool scenario_override_each(struct scenario_reader *r, const char *group, size_t *at, struct rf_view *name,
                            struct rf_view *value)
{
    size_t len = strlen(group);

    for (; *at < r->override_count; ++*at) {
        struct rf_view key;

        if (!override_split(r->overrides[*at], &key, value) || key.len < len + 2 ||
            memcmp(key.p, group, len) != 0 || key.p[len] != '.')
            continue;
        *name = rf_view_of(key.p + len + 1, key.len - len - 1);
        r->used[(*at)++] = true;
        return true;
    }
    return false;
}

static struct rf_sim_option *option_find(struct rf_sim_text *text, struct rf_view name)
{
    if (rf_view_equal(name, VIEW("nodes")))
        name = VIEW("supernodes");
    for (size_t i = 0; i < text->option_count; i++)
        if (rf_view_equal(name, rf_view_str(text->options[i].name)))
            return &text->options[i];
    return NULL;
}

static bool find_value(void *ctx, struct rf_view name, double *out)
{
    const struct rf_sim_option *option = option_find(ctx, name);

    if (option == NULL || isnan(option->value))
        return false;
    *out = option->value;
    return true;
}

int scenario_number(struct scenario_reader *r, struct rf_view text, double *out)
{
    struct rf_view bad = text;
    int error = sim_expr(text, find_value, r->out, out, &bad);

    if (error == RF_ENOTFOUND)
        return scenario_fail(r, RF_EFORMAT, "nothing above has this name", bad);
    if (error == RF_EINVAL)
        return scenario_fail(r, RF_EFORMAT, "no finite number", bad);
    return error != 0 ? scenario_fail(r, RF_EFORMAT, "not a number with a unit (ms s m h d % k M G)", text)
                      : 0;
}

static void copy_cut(struct rf_view from, char *out, size_t out_len)
{
    size_t len = from.len < out_len - 1 ? from.len : out_len - 1;

    if (len > 0)
        memcpy(out, from.p, len);
    out[len] = 0;
}

int scenario_name_copy(struct scenario_reader *r, struct rf_view name, char *out, size_t out_len)
{
    if (name.len == 0 || name.len >= out_len)
        return scenario_fail(r, RF_EFORMAT, "a name that is empty or too long", name);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.')))
            return scenario_fail(r, RF_EFORMAT, "not a name", name);
    }
    copy_cut(name, out, out_len);
    return 0;
}

/* ---- settings, options, choices ---- */

static int setting_value(struct scenario_reader *r, const struct sim_setting *setting, struct rf_view text,
                         bool overridden)
{
    struct rf_sim_option *option = option_find(r->out, rf_view_str(setting->name));
    double value;
    int error = scenario_number(r, text, &value);

    if (error != 0)
        return error;
    if (!sim_setting_put(setting, value, &r->out->scenario)) {
        char what[96];

        snprintf(what, sizeof(what), "%s must be from %g to %g", setting->name, setting->least,
                 setting->most);
        return scenario_fail(r, RF_EFORMAT, what, text);
    }
    copy_cut(text, option->text, sizeof(option->text));
    option->value = sim_setting_get(setting, &r->out->scenario);
    option->overridden = overridden;
    return 0;
}

/* setting_override puts what --set says about a setting, under either of its names. */
static int setting_override(struct scenario_reader *r, const struct sim_setting *setting, bool *overridden)
{
    size_t line = r->line;
    struct rf_view text;
    int error;

    *overridden = scenario_override(r, "", setting->name, &text) ||
                  (strcmp(setting->name, "supernodes") == 0 && scenario_override(r, "", "nodes", &text));
    if (!*overridden)
        return 0;
    r->line = 0;
    error = setting_value(r, setting, text, true);
    r->line = line;
    return error != 0 ? RF_EINVAL : 0;
}

static int settings_begin(struct scenario_reader *r)
{
    struct rf_sim_text *out = r->out;

    for (size_t i = 0; i < sim_setting_count; i++) {
        struct rf_sim_option *option = &out->options[out->option_count++];

        copy_cut(rf_view_str(sim_settings[i].name), option->name, sizeof(option->name));
        copy_cut(rf_view_str(sim_settings[i].meaning), option->meaning, sizeof(option->meaning));
        option->value = sim_setting_get(&sim_settings[i], &out->scenario);
        snprintf(option->text, sizeof(option->text), "%.10g%s", option->value,
                 sim_settings[i].type == SIM_TIME || sim_settings[i].type == SIM_TIME_32 ||
                         sim_settings[i].type == SIM_SECONDS
                     ? "s"
                     : "");
    }
    for (size_t i = 0; i < sim_setting_count; i++) {
        bool overridden;
        int error = setting_override(r, &sim_settings[i], &overridden);

        if (error != 0)
            return error;
    }
    return 0;
}

/* KEY = VALUE */
static int read_setting(struct scenario_reader *r)
{
    const struct sim_setting *setting = sim_setting_find(r->words[0]);
    bool overridden;
    int error;

    if (setting == NULL)
        return scenario_fail(r, RF_EFORMAT, "no setting of this name", r->words[0]);
    if (r->word_count != 3)
        return scenario_fail(r, RF_EFORMAT, "a setting is KEY = VALUE, the value without blanks",
                             r->words[0]);
    error = setting_override(r, setting, &overridden);
    return error != 0 || overridden ? error : setting_value(r, setting, r->words[2], false);
}

/* option_new begins an option that the text declares. */
static int option_new(struct scenario_reader *r, struct rf_sim_option **out)
{
    struct rf_sim_text *text = r->out;
    struct rf_sim_option *option = &text->options[text->option_count];
    int error;

    if (text->option_count == RF_SIM_MAX_OPTIONS)
        return scenario_fail(r, RF_ELIMIT, "too many options", VIEW(""));
    if (r->word_count < 4 || !rf_view_equal(r->words[2], VIEW("=")))
        return scenario_fail(r, RF_EFORMAT, "wanted: option NAME = VALUE, or choice NAME = WORD WORD...",
                             VIEW(""));
    if (option_find(text, r->words[1]) != NULL)
        return scenario_fail(r, RF_EFORMAT, "this name is taken", r->words[1]);
    if ((error = scenario_name_copy(r, r->words[1], option->name, sizeof(option->name))) != 0)
        return error;
    option->own = true;
    *out = option;
    return 0;
}

/* words_join writes words from the n-th on into one text, cut where it is full. */
static void words_join(const struct scenario_reader *r, size_t from, char *out, size_t out_len)
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = from; i < r->word_count && len + r->words[i].len + 2 < out_len; i++) {
        if (i > from)
            out[len++] = ' ';
        memcpy(out + len, r->words[i].p, r->words[i].len);
        len += r->words[i].len;
        out[len] = 0;
    }
}

static int read_option(struct scenario_reader *r)
{
    struct rf_sim_option *option;
    size_t line = r->line;
    struct rf_view text;
    int error = option_new(r, &option);

    if (error != 0)
        return error;
    text = r->words[3];
    if ((option->overridden = scenario_override(r, "", option->name, &text)))
        r->line = 0;
    error = scenario_number(r, text, &option->value);
    r->line = line;
    if (error != 0)
        return option->overridden ? RF_EINVAL : error;
    copy_cut(text, option->text, sizeof(option->text));
    words_join(r, 4, option->meaning, sizeof(option->meaning));
    r->out->option_count++;
    return 0;
}

static int read_choice(struct scenario_reader *r)
{
    char what[RF_SIM_OPTION_NAME + RF_SIM_OPTION_TEXT + 32];
    struct rf_sim_option *option;
    struct rf_view text;
    int error = option_new(r, &option);

    if (error != 0)
        return error;
    text = r->words[3];
    option->overridden = scenario_override(r, "", option->name, &text);
    option->value = NAN;
    words_join(r, 3, option->meaning, sizeof(option->meaning));
    for (size_t i = 3; i < r->word_count; i++)
        if (rf_view_equal(r->words[i], text)) {
            copy_cut(text, option->text, sizeof(option->text));
            r->out->option_count++;
            return 0;
        }
    r->line = 0;
    snprintf(what, sizeof(what), "%s must be one of: %s; not", option->name, option->meaning);
    return scenario_fail(r, RF_EINVAL, what, text);
}

/* ---- checks ---- */

static int check_time(struct scenario_reader *r, size_t word, uint64_t *out)
{
    double value;
    int error;

    if (word >= r->word_count)
        return scenario_fail(r, RF_EFORMAT, "a time is missing", VIEW(""));
    if ((error = scenario_number(r, r->words[word], &value)) != 0)
        return error;
    if (value < 0 || value > 1e8)
        return scenario_fail(r, RF_EFORMAT, "no time of a run", r->words[word]);
    *out = (uint64_t)(value * 1e6 + 0.5);
    return 0;
}

/* check NAME METRIC >=|<= LIMIT [from TIME] [to TIME] */
static int read_check(struct scenario_reader *r)
{
    struct rf_sim_scenario *scenario = &r->out->scenario;
    struct rf_sim_check check = {.to_us = 0};
    size_t line = r->line;
    struct rf_view limit;
    bool overridden;
    int error;

    if (scenario->check_count == RF_SIM_MAX_CHECKS)
        return scenario_fail(r, RF_ELIMIT, "too many checks", VIEW(""));
    if (r->word_count < 5)
        return scenario_fail(r, RF_EFORMAT, "wanted: check NAME METRIC >=|<= LIMIT [from TIME] [to TIME]",
                             VIEW(""));
    if ((error = scenario_name_copy(r, r->words[1], check.name, sizeof(check.name))) != 0)
        return error;
    if (r->words[2].len >= sizeof(check.metric))
        return scenario_fail(r, RF_EFORMAT, "too long for a metric", r->words[2]);
    copy_cut(r->words[2], check.metric, sizeof(check.metric));
    check.at_least = rf_view_equal(r->words[3], VIEW(">="));
    if (!check.at_least && !rf_view_equal(r->words[3], VIEW("<=")))
        return scenario_fail(r, RF_EFORMAT, "wanted >= or <=", r->words[3]);
    for (size_t i = 5; i < r->word_count; i += 2) {
        bool from = rf_view_equal(r->words[i], VIEW("from"));

        if (!from && !rf_view_equal(r->words[i], VIEW("to")))
            return scenario_fail(r, RF_EFORMAT, "wanted: from TIME or to TIME", r->words[i]);
        if ((error = check_time(r, i + 1, from ? &check.from_us : &check.to_us)) != 0)
            return error;
    }
    for (size_t i = 0; i < scenario->check_count; i++)
        if (strcmp(scenario->checks[i].name, check.name) == 0)
            return scenario_fail(r, RF_EFORMAT, "this name is taken", r->words[1]);
    limit = r->words[4];
    if ((overridden = scenario_override(r, "check", check.name, &limit)))
        r->line = 0;
    error = scenario_number(r, limit, &check.limit);
    r->line = line;
    if (error != 0)
        return overridden ? RF_EINVAL : error;
    scenario->checks[scenario->check_count++] = check;
    return 0;
}

/* ---- lines ---- */

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct rf_view trim(struct rf_view line)
{
    while (line.len > 0 && blank(line.p[0]))
        line = rf_view_of(line.p + 1, line.len - 1);
    while (line.len > 0 && blank(line.p[line.len - 1]))
        line.len--;
    return line;
}

static int split(struct scenario_reader *r, struct rf_view line)
{
    r->word_count = 0;
    for (line = trim(line); line.len > 0 && line.p[0] != '#'; line = trim(line)) {
        size_t len = 0;

        while (len < line.len && !blank(line.p[len]))
            len++;
        if (r->word_count == SCENARIO_MAX_WORDS)
            return scenario_fail(r, RF_ELIMIT, "too many words", VIEW(""));
        r->words[r->word_count++] = rf_view_of(line.p, len);
        line = rf_view_of(line.p + len, line.len - len);
    }
    return 0;
}

/* prose takes the rest of a line as it stands: title and about. */
static void prose(struct rf_view line, size_t word_len, char *out, size_t out_len)
{
    size_t len = strlen(out);

    line = trim(line);
    line = trim(rf_view_of(line.p + word_len, line.len - word_len));
    if (len > 0 && len + 2 < out_len) {
        out[len++] = ' ';
        out[len] = 0;
    }
    copy_cut(line, out + len, out_len - len);
}

/* condition handles `if NAME=WORD`: it takes both words away, or says that the line does not count. */
static int condition(struct scenario_reader *r, bool *counts)
{
    const struct rf_sim_option *option = NULL;
    struct rf_view name, word;
    const uint8_t *sign;
    char all[RF_SIM_OPTION_TEXT + 2], wanted[RF_SIM_OPTION_TEXT + 2];

    *counts = true;
    if (!rf_view_equal(r->words[0], VIEW("if")))
        return 0;
    if (r->word_count < 3 || (sign = memchr(r->words[1].p, '=', r->words[1].len)) == NULL)
        return scenario_fail(r, RF_EFORMAT, "wanted: if NAME=WORD LINE", VIEW(""));
    name = rf_view_of(r->words[1].p, (size_t)(sign - r->words[1].p));
    word = rf_view_of(sign + 1, r->words[1].len - name.len - 1);
    option = option_find(r->out, name);
    if (option == NULL || !isnan(option->value))
        return scenario_fail(r, RF_EFORMAT, "no choice above has this name", name);
    snprintf(all, sizeof(all), " %s ", option->meaning);
    snprintf(wanted, sizeof(wanted), " %.*s ", word.len < RF_SIM_OPTION_TEXT ? (int)word.len : 0,
             (const char *)word.p);
    if (word.len == 0 || strstr(all, wanted) == NULL)
        return scenario_fail(r, RF_EFORMAT, "this is none of the choice's words", word);
    *counts = rf_view_equal(word, rf_view_str(option->text));
    r->word_count -= 2;
    memmove(r->words, r->words + 2, r->word_count * sizeof(r->words[0]));
    return 0;
}

static int read_line(struct scenario_reader *r, struct rf_view line)
{
    static const struct {
        const char *word;
        int (*read)(struct scenario_reader *r);
    } kinds[] = {
        {"option", read_option}, {"choice", read_choice}, {"at", scenario_step}, {"check", read_check}};
    bool counts;
    int error = split(r, line);

    if (error != 0 || r->word_count == 0)
        return error;
    if (rf_view_equal(r->words[0], VIEW("title")) || rf_view_equal(r->words[0], VIEW("about"))) {
        if (r->words[0].p[0] == 't')
            prose(line, 5, r->out->title, sizeof(r->out->title));
        else
            prose(line, 5, r->out->about, sizeof(r->out->about));
        return 0;
    }
    if ((error = condition(r, &counts)) != 0 || !counts)
        return error;
    if (r->word_count > 1 && rf_view_equal(r->words[1], VIEW("=")))
        return read_setting(r);
    for (size_t i = 0; i < RF_COUNT(kinds); i++)
        if (rf_view_equal(r->words[0], rf_view_str(kinds[i].word)))
            return kinds[i].read(r);
    return scenario_fail(r, RF_EFORMAT, "wanted: title, about, KEY =, option, choice, at, check or if",
                         r->words[0]);
}

static struct rf_view next_line(struct rf_view *text)
{
    const uint8_t *end = text->len > 0 ? memchr(text->p, '\n', text->len) : NULL;
    struct rf_view line = rf_view_of(text->p, end != NULL ? (size_t)(end - text->p) : text->len);

    *text = rf_view_of(text->p + line.len + (end != NULL), text->len - line.len - (end != NULL));
    return line;
}

/* sort_steps brings steps into the order of time; equal ones stay as written. */
static void sort_steps(struct rf_sim_text *text)
{
    struct rf_sim_scenario *scenario = &text->scenario;

    for (size_t i = 1; i < scenario->step_count; i++)
        for (size_t k = i; k > 0 && scenario->steps[k].at_us < scenario->steps[k - 1].at_us; k--) {
            struct rf_sim_step step = scenario->steps[k];
            struct rf_sim_event event = text->events[k];

            scenario->steps[k] = scenario->steps[k - 1];
            scenario->steps[k - 1] = step;
            text->events[k] = text->events[k - 1];
            text->events[k - 1] = event;
        }
}

/* finish sees that every override was of use, and fills what needs the whole text. */
static int finish(struct scenario_reader *r)
{
    struct rf_sim_text *text = r->out;

    r->line = 0;
    for (size_t i = 0; i < r->override_count; i++) {
        struct rf_view key, value;

        if (!override_split(r->overrides[i], &key, &value))
            return scenario_fail(r, RF_EINVAL, "wanted KEY=VALUE, not", rf_view_str(r->overrides[i]));
        if (!r->used[i])
            return scenario_fail(r, RF_EINVAL, "the scenario has nothing of this name", key);
    }
    if (text->title[0] == 0) {
        snprintf(r->why, r->why_len, "the title is missing");
        return RF_EFORMAT;
    }
    sort_steps(text);
    copy_cut(rf_view_str(text->about), text->scenario.about, sizeof(text->scenario.about));
    return 0;
}

int rf_sim_text_parse(const char *name, struct rf_view text, const char *const *overrides,
                      size_t override_count, struct rf_sim_text *out, char *why, size_t why_len)
{
    struct scenario_reader r = {
        .out = out, .overrides = overrides, .override_count = override_count, .why = why, .why_len = why_len};
    int error;

    memset(out, 0, sizeof(*out));
    rf_sim_scenario_default(&out->scenario);
    copy_cut(rf_view_str(name), out->scenario.name, sizeof(out->scenario.name));
    if (text.len > RF_SIM_TEXT_MAX_LEN) {
        snprintf(why, why_len, "the text is too long");
        return RF_ELIMIT;
    }
    if (override_count > RF_SIM_MAX_OVERRIDES)
        return scenario_fail(&r, RF_ELIMIT, "too many --set", VIEW(""));
    error = settings_begin(&r);
    while (error == 0 && text.len > 0) {
        r.line++;
        error = read_line(&r, next_line(&text));
    }
    return error != 0 ? error : finish(&r);
}

void rf_sim_text_title(struct rf_view text, char *out, size_t out_len)
{
    out[0] = 0;
    while (text.len > 0 && out[0] == 0) {
        struct rf_view line = trim(next_line(&text));

        if (line.len > 6 && memcmp(line.p, "title ", 6) == 0)
            prose(line, 5, out, out_len);
    }
}
