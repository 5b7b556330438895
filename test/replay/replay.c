/* replay.c - reads a scenario line by line and plays it. */
#include "replay/replay.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/text.h"
#include "replay/world.h"

#define LINE_MAX_LEN 4096
#define SLACK_US     1000 /* an exact time may be missed by so much: wall clocks count milliseconds */

/* When something must have come. */
struct when {
    uint64_t from_us, to_us; /* since the line began */
};

/* ---- words ---- */

static bool duration(const char **text, uint64_t *out_us)
{
    char *end;
    double number = strtod(*text, &end);
    uint64_t unit;

    if (end == *text)
        return false;
    if (strncmp(end, "ms", 2) == 0)
        unit = 1000, end += 2;
    else if (*end == 's')
        unit = RF_US_PER_S, end++;
    else if (*end == 'm')
        unit = 60 * RF_US_PER_S, end++;
    else if (*end == 'h')
        unit = 3600 * RF_US_PER_S, end++;
    else
        return false;
    *out_us = (uint64_t)(number * (double)unit + 0.5);
    *text = end;
    return true;
}

/* "D" alone */
static bool whole_duration(const char *text, uint64_t *out_us)
{
    return duration(&text, out_us) && *text == '\0';
}

/* Takes "after D", "after D..D", "within D" or "for D" off the end of the line; without one: now. */
static bool take_when(struct world *w, struct words *words, struct when *out)
{
    const char *text;
    uint64_t us;

    *out = (struct when){0, 0};
    if (words->count < 3)
        return true;
    text = words->word[words->count - 1];
    const char *how = words->word[words->count - 2];
    bool within = strcmp(how, "within") == 0 || strcmp(how, "for") == 0;
    if (!within && strcmp(how, "after") != 0)
        return true;
    if (!duration(&text, &us))
        return world_fail(w, "no duration: %s", text);
    *out = within ? (struct when){0, us} : (struct when){us > SLACK_US ? us - SLACK_US : 0, us + SLACK_US};
    if (strncmp(text, "..", 2) == 0 && !within) {
        text += 2;
        out->from_us = us;
        if (!duration(&text, &out->to_us))
            return world_fail(w, "no duration: %s", text);
    }
    words->count -= 2;
    return *text == '\0' ? true : world_fail(w, "no duration: %s", words->word[words->count + 1]);
}

static void split(char *line, struct words *out)
{
    char *rest = line, *word;

    out->count = 0;
    line[strcspn(line, "#\r\n")] = '\0';
    while ((word = strsep(&rest, " \t")) != NULL)
        if (*word != '\0' && out->count < MAX_ARGS - 2) /* room for what defaults add */
            out->word[out->count++] = word;
}

/* ---- waiting ---- */

/* Lets time pass until `there` or the end of `when`. False: it did not come in time, or came too early. */
static bool await(struct world *w, const struct when *when, bool (*there)(struct world *w, void *a), void *a,
                  const char *what)
{
    uint64_t begin_us = w->now.mono_us, end_us = begin_us + when->to_us;

    while (!there(w, a)) {
        if (world_step(w, end_us))
            continue;
        w->now.wall_ms += (end_us - w->now.mono_us) / 1000;
        w->now.mono_us = end_us;
        return world_fail(w, "expected %s, got nothing", what);
    }
    if (w->now.mono_us - begin_us < when->from_us)
        return world_fail(w, "expected %s after %.3f s, got it after %.3f s", what,
                          (double)when->from_us / 1e6, (double)(w->now.mono_us - begin_us) / 1e6);
    return true;
}

static void pass(struct world *w, uint64_t us)
{
    uint64_t end_us = w->now.mono_us + us;

    while (world_step(w, end_us))
        ;
    w->now.wall_ms += (end_us - w->now.mono_us) / 1000;
    w->now.mono_us = end_us;
}

static bool inbox_there(struct world *w, void *a)
{
    (void)w;
    return ((struct peer *)a)->inbox != NULL;
}

static bool dialled_there(struct world *w, void *a)
{
    (void)w;
    return ((struct peer *)a)->dialled > 0;
}

static bool closed_there(struct world *w, void *a)
{
    (void)w;
    return peer_closed(a);
}

static bool disk_there(struct world *w, void *a)
{
    (void)a;
    return w->held_count > 0;
}

static bool done_there(struct world *w, void *a)
{
    (void)a;
    return w->done;
}

static bool left_there(struct world *w, void *a)
{
    (void)a;
    return w->left;
}

static bool event_there(struct world *w, void *a)
{
    for (size_t i = 0; i < w->event_count; i++)
        if (strcmp(rf_node_event_name(w->events[i]), a) == 0)
            return true;
    return false;
}

/* ---- expect ---- */

/* Are all the fields of the line among those of `text`? */
static bool fields_match(const struct words *words, size_t from, const char *text)
{
    for (size_t i = from; i < words->count; i++) {
        const char *at = text;
        size_t len = strlen(words->word[i]);
        if (strcmp(words->word[i], "same") == 0)
            continue;
        do {
            at = strstr(at, words->word[i]);
            if (at != NULL && at > text && at[-1] == ' ' && (at[len] == ' ' || at[len] == '\0'))
                break;
        } while (at != NULL && *++at != '\0');
        if (at == NULL || *at == '\0')
            return false;
    }
    return true;
}

/* "expect P gets ..." with its fields from word 3 on; fields that name a resource are looked up. */
static bool expect_message(struct world *w, struct peer *p, struct words *words, const struct when *when)
{
    char text[TEXT_MAX], at_text[64], hex[RF_ID_TEXT_LEN];
    bool same = false, ok;
    struct item *item;

    for (size_t i = 4; i < words->count; i++) {
        struct rf_id id;
        same = same || strcmp(words->word[i], "same") == 0;
        if (strncmp(words->word[i], "at=", 3) != 0)
            continue;
        if (!resource_of(w, words->word[i] + 3, &id))
            return false;
        snprintf(at_text, sizeof(at_text), "at=%s", rf_id_text(&id, hex));
        words->word[i] = at_text;
    }
    if (!await(w, when, inbox_there, p, words->word[3]))
        return false;
    item = inbox_pop(p);
    describe(w, rf_buf_view(&item->message), text);
    ok = strncmp(text, words->word[3], strlen(words->word[3])) == 0 &&
         (text[strlen(words->word[3])] == ' ' || text[strlen(words->word[3])] == '\0') &&
         fields_match(words, 4, text);
    if (!ok)
        world_fail(w, "expected the fields of this line, got %s", text);
    else if (same && !rf_view_equal(rf_buf_view(&item->message), rf_buf_view(&p->got)))
        ok = world_fail(w, "expected the same bytes, got others: %s", text);
    rf_buf_reset(&p->got);
    rf_buf_view_put(&p->got, rf_buf_view(&item->message));
    item_free(item);
    return ok;
}

static bool expect_nothing(struct world *w, struct peer *p, const struct when *when)
{
    char text[TEXT_MAX];

    if (!await(w, when, inbox_there, p, "x"))
        return true;
    describe(w, rf_buf_view(&p->inbox->message), text);
    return world_fail(w, "expected nothing, got %s", text);
}

static bool expect_peer(struct world *w, struct peer *p, struct words *words, const struct when *when)
{
    const char *what = words->word[2];

    if (strcmp(what, "gets") == 0 && words->count > 3)
        return strcmp(words->word[3], "nothing") == 0 ? expect_nothing(w, p, when)
                                                      : expect_message(w, p, words, when);
    if (strcmp(what, "closed") == 0)
        return await(w, when, closed_there, p, what);
    if (strcmp(what, "open") == 0)
        return !peer_closed(p) ? true : world_fail(w, "expected an open connection, got a closed one");
    if (strcmp(what, "dialled") != 0)
        return world_fail(w, "expect %s what?", p->name);
    if (!await(w, when, dialled_there, p, what))
        return false;
    p->dialled--;
    return true;
}

static bool expect_event(struct world *w, struct words *words, const struct when *when)
{
    bool no = strcmp(words->word[1], "no") == 0;
    char *name = words->word[words->count - 1];
    size_t i = 0;
    bool known = false;

    for (enum rf_node_event_type e = RF_NODE_EVENT_JOINED; e <= RF_NODE_EVENT_REGISTERED; e++)
        known = known || strcmp(rf_node_event_name(e), name) == 0;
    if (!known || words->count != (no ? 4u : 3u))
        return world_fail(w, "no event is called %s", name);
    if (no)
        return !await(w, when, event_there, name, name) ? true
                                                        : world_fail(w, "expected no %s, got one", name);
    if (!await(w, when, event_there, name, name))
        return false;
    while (strcmp(rf_node_event_name(w->events[i]), name) != 0)
        i++;
    w->event_count -= i + 1;
    memmove(w->events, &w->events[i + 1], w->event_count * sizeof(w->events[0]));
    return true;
}

struct counter {
    const char *wanted; /* room.name */
    uint64_t value;
    bool found;
};

static void take_counter(void *arg_, const char *room, const char *name, const char *help, uint64_t value)
{
    struct counter *c = arg_;
    size_t len = strlen(room);

    (void)help;
    if (strncmp(c->wanted, room, len) == 0 && c->wanted[len] == '.' &&
        strcmp(c->wanted + len + 1, name) == 0) {
        c->value = value;
        c->found = true;
    }
}

static bool expect_counter(struct world *w, const struct words *words)
{
    struct counter c = {.wanted = words->count > 3 ? words->word[2] : ""};

    rf_node_counters(w->node, take_counter, &c);
    if (!c.found)
        return world_fail(w, "no counter is called %s", c.wanted);
    if (c.value != strtoull(words->word[3], NULL, 10))
        return world_fail(w, "expected %s %s, got %llu", c.wanted, words->word[3],
                          (unsigned long long)c.value);
    return true;
}

static bool expect_state(struct world *w, const struct words *words)
{
    static const char *const names[] = {"", "idle", "joining", "joined", "leaving"};
    struct rf_node_status status;

    rf_node_status(w->node, &status);
    if (words->count < 3 || strcmp(words->word[2], names[status.state]) != 0)
        return world_fail(w, "expected another state, got %s", names[status.state]);
    return true;
}

static bool expect_done(struct world *w, const struct words *words, const struct when *when)
{
    const char *wanted = words->count > 2 ? words->word[2] : "";

    if (!await(w, when, done_there, NULL, "the end of the command"))
        return false;
    w->done = false;
    if (strcmp(wanted, w->done_error == 0 ? "ok" : rf_error_text(w->done_error)) == 0)
        return true;
    if (w->done_error == RF_ETIMEOUT && strcmp(wanted, "timeout") == 0)
        return true;
    return world_fail(w, "expected %s, got %s", wanted, rf_error_text(w->done_error));
}

static bool expect_sequence(struct world *w, const struct words *words)
{
    unsigned sequence = rf_node_conf(w->node)->sequence;

    return words->count > 2 && strtoul(words->word[2], NULL, 10) == sequence
               ? true
               : world_fail(w, "expected another document, got %u", sequence);
}

static bool expect(struct world *w, struct words *words)
{
    struct when when;
    struct peer *p;

    if (!take_when(w, words, &when))
        return false;
    if (words->count < 2 || w->node == NULL)
        return world_fail(w, "expect what?");
    const char *what = words->word[1];
    if ((p = world_find(w, what)) != NULL && words->count > 2)
        return expect_peer(w, p, words, &when);
    if (strcmp(what, "event") == 0 || strcmp(what, "no") == 0)
        return expect_event(w, words, &when);
    if (strcmp(what, "counter") == 0)
        return expect_counter(w, words);
    if (strcmp(what, "state") == 0)
        return expect_state(w, words);
    if (strcmp(what, "sequence") == 0)
        return expect_sequence(w, words);
    if (strcmp(what, "done") == 0)
        return expect_done(w, words, &when);
    if (strcmp(what, "left") == 0)
        return await(w, &when, left_there, NULL, what);
    if (strcmp(what, "disk") == 0)
        return await(w, &when, disk_there, NULL, "a commit");
    return world_fail(w, "expect what? %s", what);
}

/* ---- steps ---- */

static void ping_done(void *arg_, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    struct world *w = arg_;

    (void)rtt_us, (void)their_wall_ms;
    w->done = true;
    w->done_error = error;
}

static bool node_step(struct world *w, const struct words *words)
{
    const char *verb = words->count > 1 ? words->word[1] : "";
    const char *what = words->count > 2 ? words->word[2] : "";

    if (strcmp(verb, "supernode") == 0 || strcmp(verb, "client") == 0 || strcmp(verb, "auto") == 0)
        return world_node(w, words);
    if (w->node == NULL)
        return world_fail(w, "there is no node yet");
    if (strcmp(verb, "leaves") == 0) {
        rf_node_leave(w->node, w->now);
        return true;
    }
    if (strcmp(verb, "offered") == 0) {
        struct rf_conf *conf = world_find_document(w, (uint16_t)strtoul(what, NULL, 10));
        return conf != NULL && rf_node_offer_conf(w->node, conf->xml, false, w->now) == 0
                   ? true
                   : world_fail(w, "the document was not taken");
    }
    const struct peer *p = world_find(w, what);
    if (strcmp(verb, "pings") == 0 && p != NULL)
        return rf_node_ping(w->node, &p->identity.node_id, w->now, ping_done, w) == 0 ||
               world_fail(w, "the ping was refused");
    return world_fail(w, "node %s %s?", verb, what);
}

static bool disk_step(struct world *w, const struct words *words)
{
    const char *how = words->count > 1 ? words->word[1] : "";

    if (strcmp(how, "goes") == 0 || strcmp(how, "works") == 0)
        world_disk_goes(w);
    else if (strcmp(how, "fails") == 0)
        w->disk_fails = true;
    else if (strcmp(how, "holds") == 0)
        w->disk_holds = true;
    else
        return world_fail(w, "disk works, fails, holds or goes");
    return true;
}

static bool auto_step(struct peer *p, const struct words *words)
{
    p->auto_count = 0;
    for (size_t i = 2; i < words->count && strcmp(words->word[i], "none") != 0; i++) {
        int code = code_by_name(words->word[i]);
        if (code < 0 || p->auto_count == MAX_AUTO)
            return world_fail(p->world, "no message is called %s", words->word[i]);
        p->autos[p->auto_count++] = (uint16_t)code;
    }
    return true;
}

static bool bytes_step(struct peer *p, const char *hex, bool inside)
{
    struct rf_buf bytes;
    bool ok;

    rf_buf_init(&bytes, rf_mem_system(), MESSAGE_MAX);
    ok = rf_hex_decode(rf_view_str(hex), &bytes) == 0 ? peer_raw(p, rf_buf_view(&bytes), inside)
                                                      : world_fail(p->world, "no hex: %s", hex);
    rf_buf_deinit(&bytes);
    return ok;
}

static bool peer_step(struct peer *p, const struct words *words)
{
    const char *verb = words->count > 1 ? words->word[1] : "", *what = words->count > 2 ? words->word[2] : "";

    if (strcmp(verb, "auto") == 0)
        return auto_step(p, words);
    if (strcmp(verb, "acks") == 0) {
        p->silent = strcmp(what, "no") == 0;
        return true;
    }
    if (strcmp(verb, "listens") == 0) {
        p->listens = strcmp(what, "no") == 0     ? LISTENS_NO
                     : strcmp(what, "mute") == 0 ? LISTENS_MUTE
                                                 : LISTENS_YES;
        return true;
    }
    if (p->world->node == NULL)
        return world_fail(p->world, "there is no node yet");
    if (strcmp(verb, "connects") == 0 || strcmp(verb, "dials") == 0)
        return peer_dial(p, verb[0] == 'c');
    if (strcmp(verb, "greets") == 0)
        return peer_greet(p);
    if (strcmp(verb, "closes") == 0)
        return peer_close(p);
    if (strcmp(verb, "repeats") == 0)
        return peer_frame(p, rf_buf_view(&p->sent));
    if (strcmp(verb, "sends") == 0)
        return strcmp(what, "kept") == 0 ? message_kept(p) : message_send(p, what, words);
    if (strcmp(verb, "answers") == 0)
        return message_answer(p, words);
    if (strcmp(verb, "raw") == 0 || strcmp(verb, "plain") == 0)
        return bytes_step(p, what, verb[0] == 'p');
    return world_fail(p->world, "%s does what? %s", p->name, verb);
}

static bool step(struct world *w, struct words *words)
{
    const char *first = words->word[0];
    uint64_t us;
    struct peer *p;

    if (strcmp(first, "expect") == 0)
        return expect(w, words);
    if (strcmp(first, "time") == 0) {
        if (w->node == NULL || words->count != 2 || !whole_duration(words->word[1], &us))
            return world_fail(w, "time D");
        pass(w, us);
        return true;
    }
    if (strcmp(first, "set") == 0)
        return world_set(w, words);
    if (strcmp(first, "peer") == 0)
        return world_peer(w, words);
    if (strcmp(first, "node") == 0)
        return node_step(w, words);
    if (strcmp(first, "disk") == 0)
        return disk_step(w, words);
    if (strcmp(first, "document") == 0)
        return world_document(w, words);
    if ((p = world_find(w, first)) != NULL)
        return peer_step(p, words);
    return world_fail(w, "who is %s?", first);
}

bool replay_run(const char *path, FILE *errors)
{
    char line[LINE_MAX_LEN], why[TEXT_MAX] = "";
    struct world *w = calloc(1, sizeof(*w));
    FILE *file = fopen(path, "r");
    unsigned number = 0, steps = 0;
    struct words words;
    bool ok = w != NULL && file != NULL;

    if (!ok)
        fprintf(errors, "%s: cannot be read\n", path);
    if (w != NULL)
        world_init(w, why);
    while (ok && fgets(line, sizeof(line), file) != NULL) {
        number++;
        split(line, &words);
        if (words.count == 0)
            continue;
        steps++;
        if (w->log.line != NULL)
            rf_log_write(&w->log, RF_LOG_DEBUG, "line", "%u", number);
        ok = step(w, &words);
        world_settle(w);
        if (!ok)
            fprintf(errors, "%s:%u: %s\n", path, number, why);
    }
    if (ok && steps == 0) {
        fprintf(errors, "%s: no step\n", path);
        ok = false;
    }
    if (w != NULL)
        world_deinit(w);
    free(w);
    if (file != NULL)
        fclose(file);
    return ok;
}
