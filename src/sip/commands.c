/* commands.c - the node's thread: the commands that sip/ brings to the control socket. */
#include <stdio.h>
#include "base/error.h"
#include "sip/local.h"
#include "sip/node_side.h"
#include "sip/side.h"

/* ---- commands under way ---- */

static struct control *control_of(struct rf_sip *sip, uint64_t number)
{
    RF_LIST_EACH(&sip->controls, it)
    {
        struct control *c = RF_LIST_ENTRY(it, struct control, list);
        if (c->number == number)
            return c;
    }
    return NULL;
}

struct rf_control_call *control_peek(struct rf_sip *sip, uint64_t number)
{
    struct control *c = control_of(sip, number);
    return c != NULL ? c->call : NULL;
}

struct rf_control_call *control_take(struct rf_sip *sip, uint64_t number)
{
    struct control *c = control_of(sip, number);
    struct rf_control_call *call = c != NULL ? c->call : NULL;
    if (c != NULL) {
        rf_list_remove(&c->list);
        rf_free(sip->config.mem, c);
    }
    return call;
}

/* 0: no memory, the call has its answer */
static uint64_t control_add(struct rf_sip *sip, struct rf_control_call *call)
{
    struct control *c = rf_zalloc(sip->config.mem, sizeof(*c));
    if (c == NULL) {
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
        return 0;
    }
    c->number = ++sip->next_control;
    c->call = call;
    rf_list_push_back(&sip->controls, &c->list);
    return c->number;
}

/* ---- to the SIP thread ---- */

struct command_note {
    struct note note; /* extra: a text */
    size_t len;
    char aor[AOR_MAX], call[16];
    struct local_wish wish;
};

static void run_call(void *core, struct note *note)
{
    struct command_note *n = (struct command_note *)note;
    local_call(core, n->aor, &n->wish);
}

static void run_answer(void *core, struct note *note)
{
    struct command_note *n = (struct command_note *)note;
    local_answer(core, n->call, &n->wish);
}

static void run_hangup(void *core, struct note *note)
{
    struct command_note *n = (struct command_note *)note;
    local_hangup(core, n->call, n->wish.control);
}

static void run_calls(void *core, struct note *note)
{
    local_list(core, ((struct command_note *)note)->wish.control);
}

static void run_phones(void *core, struct note *note)
{
    local_phones(core, ((struct command_note *)note)->wish.control);
}

static void run_message(void *owner, struct note *note)
{
    struct core *core = owner;
    struct command_note *n = (struct command_note *)note;
    if (text_place(core, n->aor, rf_view_of(note->extra, n->len), n->wish.control) != 0)
        side_control_error(core, n->wish.control, RF_ELIMIT, "too many texts under way",
                           "wait a moment and try again");
}

static struct command_note *note_new(struct rf_sip *sip, struct rf_control_call *call,
                                     void (*run)(void *owner, struct note *note))
{
    struct command_note *n = channel_note(sip->to_sip, sizeof(*n), run);
    if (n == NULL)
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
    return n;
}

/* takes the note; the command goes on in the other thread */
static void go(struct rf_sip *sip, struct rf_control_call *call, struct command_note *n)
{
    n->wish.control = control_add(sip, call);
    if (n->wish.control != 0) {
        channel_send(sip->to_sip, n);
        return;
    }
    rf_free(sip->config.mem, n->note.extra);
    rf_free(sip->config.mem, n);
}

/* false: the call has its answer and the note is gone */
static bool read_name(struct rf_sip *sip, struct rf_control_call *call, json_t *args, struct command_note *n)
{
    struct rf_buf name;
    rf_buf_fixed(&name, n->aor, sizeof(n->aor) - 1);
    int error = rf_node_full_name(sip->config.node, json_string_value(json_object_get(args, "name")), &name);
    if (error == 0) {
        n->aor[name.len] = '\0';
        return true;
    }
    rf_free(sip->config.mem, n);
    rf_call_error(call, error, "that is no user name of this overlay", "names are user or user@overlay");
    return false;
}

/* play, record, for */
static bool read_wish(struct rf_sip *sip, struct rf_control_call *call, json_t *args, struct command_note *n)
{
    const char *play = json_string_value(json_object_get(args, "play"));
    const char *record = json_string_value(json_object_get(args, "record"));
    json_t *seconds = json_object_get(args, "for");
    json_int_t for_s = json_integer_value(seconds);
    const char *wrong = NULL;

    if ((play != NULL && strlen(play) >= sizeof(n->wish.play)) ||
        (record != NULL && strlen(record) >= sizeof(n->wish.record)))
        wrong = "a file name is too long";
    else if (seconds != NULL && (for_s < 1 || for_s > 86400))
        wrong = "\"for\" takes seconds, 1 to 86400";
    if (wrong != NULL) {
        rf_free(sip->config.mem, n);
        rf_call_error(call, RF_EINVAL, wrong, NULL);
        return false;
    }
    snprintf(n->wish.play, sizeof(n->wish.play), "%s", play != NULL ? play : "");
    snprintf(n->wish.record, sizeof(n->wish.record), "%s", record != NULL ? record : "");
    n->wish.for_s = (unsigned)for_s;
    return true;
}

static void command_call(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct command_note *n = note_new(ctx, call, run_call);
    if (n != NULL && read_name(ctx, call, args, n) && read_wish(ctx, call, args, n))
        go(ctx, call, n);
}

static void read_call(json_t *args, struct command_note *n)
{
    snprintf(n->call, sizeof(n->call), "%.15s", json_string_value(json_object_get(args, "call")));
}

static void command_answer(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct command_note *n = note_new(ctx, call, run_answer);
    if (n == NULL || !read_wish(ctx, call, args, n))
        return;
    read_call(args, n);
    go(ctx, call, n);
}

static void command_hangup(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct command_note *n = note_new(ctx, call, run_hangup);
    if (n == NULL)
        return;
    read_call(args, n);
    go(ctx, call, n);
}

static void command_calls(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct command_note *n = note_new(ctx, call, run_calls);
    (void)args;
    if (n != NULL)
        go(ctx, call, n);
}

static void command_phones(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct command_note *n = note_new(ctx, call, run_phones);
    (void)args;
    if (n != NULL)
        go(ctx, call, n);
}

static void command_message(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct rf_sip *sip = ctx;
    const char *text = json_string_value(json_object_get(args, "text"));
    struct command_note *n;

    if (text[0] == '\0' || strlen(text) > TEXT_MAX_LEN) {
        rf_call_error(call, RF_ELIMIT, "a text has 1 to 16384 bytes", NULL);
        return;
    }
    n = note_new(sip, call, run_message);
    if (n == NULL || !read_name(sip, call, args, n))
        return;
    n->len = strlen(text);
    n->note.extra = rf_memdup(sip->config.mem, text, n->len);
    if (n->note.extra == NULL) {
        rf_free(sip->config.mem, n);
        rf_call_error(call, RF_ENOMEM, NULL, NULL);
        return;
    }
    go(sip, call, n);
}

/* In the node's thread all along: what is stored is the node's business. */
static void command_forward(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct rf_sip *sip = ctx;
    const char *name = json_string_value(json_object_get(args, "name"));
    char aor[AOR_MAX] = "";
    struct rf_buf full;
    int error = 0;

    rf_buf_fixed(&full, aor, sizeof(aor) - 1);
    if (name != NULL && name[0] != '\0')
        error = rf_node_full_name(sip->config.node, name, &full);
    aor[full.len] = '\0';
    if (error == 0 && name != NULL)
        error = rf_node_forward(sip->config.node, rf_view_str(aor), sip->config.now(sip->config.now_ctx));
    if (error != 0) {
        rf_call_error(call, error,
                      error == RF_EINVAL ? "a device cannot forward to its own user"
                                         : "that is no user name of this overlay",
                      "names are user or user@overlay; an empty one ends the forwarding");
        return;
    }
    const char *now = rf_node_forwarded(sip->config.node);
    rf_call_result(call, json_pack("{ss?}", "forward", now[0] != '\0' ? now : NULL));
}

/* ---- the table ---- */

#define AUDIO_ARGS                                                                                           \
    {"play", 's', false, "a WAV file to send; the call ends after it unless `for` is given"},                \
        {"record", 's', false, "a WAV file for what is heard"},                                              \
    {                                                                                                        \
        "for", 'i', false, "hang up after so many seconds"                                                   \
    }

static const struct rf_control_arg message_args[] = {
    {"name", 's', true, "a user, e.g. bob or bob@example.org"}, {"text", 's', true, "up to 16 KiB"}};
static const struct rf_control_arg call_args[] = {{"name", 's', true, "a user, e.g. bob or bob@example.org"},
                                                  AUDIO_ARGS};
static const struct rf_control_arg answer_args[] = {{"call", 's', true, "the call's name, e.g. c3"},
                                                    AUDIO_ARGS};
static const struct rf_control_arg hangup_args[] = {{"call", 's', true, "the call's name, e.g. c3"}};

static const struct rf_control_arg forward_args[] = {
    {"name", 's', false, "a user who gets this device's calls and texts; empty: nobody any more"}};

static const struct rf_command table[] = {
    {"message", "send a text to a user's devices", message_args, RF_COUNT(message_args), command_message,
     NULL},
    {"call", "call a user from this daemon", call_args, RF_COUNT(call_args), command_call, NULL},
    {"answer", "answer a ringing call in this daemon", answer_args, RF_COUNT(answer_args), command_answer,
     NULL},
    {"hangup", "end a call, or reject it", hangup_args, RF_COUNT(hangup_args), command_hangup, NULL},
    {"calls", "the calls under way", NULL, 0, command_calls, NULL},
    {"phones", "the phones that are registered here", NULL, 0, command_phones, NULL},
    {"forward", "send this device's callers on to another user; without a name: tell to whom", forward_args,
     RF_COUNT(forward_args), command_forward, NULL},
};

void kept_texts_flush(struct rf_sip *sip)
{
    RF_LIST_EACH_SAFE(&sip->kept, it)
    {
        struct kept_text *kept = RF_LIST_ENTRY(it, struct kept_text, list);
        rf_list_remove(&kept->list);
        rf_control_event(sip->config.control, "message", kept->fields);
        rf_free(sip->config.mem, kept);
    }
    sip->kept_count = 0;
}

static void on_listen(void *ctx)
{
    kept_texts_flush(ctx);
}

int commands_open(struct rf_sip *sip)
{
    int error = 0;
    if (sip->config.control == NULL)
        return 0;
    sip->commands = rf_memdup(sip->config.mem, table, sizeof(table));
    if (sip->commands == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < RF_COUNT(table) && error == 0; i++) {
        sip->commands[i].ctx = sip;
        error = rf_control_add(sip->config.control, &sip->commands[i]);
        sip->command_count += error == 0;
    }
    if (error == 0)
        rf_control_on_listen(sip->config.control, on_listen, sip);
    return error;
}

void commands_close(struct rf_sip *sip)
{
    RF_LIST_EACH_SAFE(&sip->controls, it)
    {
        struct control *c = RF_LIST_ENTRY(it, struct control, list);
        rf_list_remove(&c->list);
        rf_call_error(c->call, RF_ECLOSED, "the daemon ends", NULL);
        rf_free(sip->config.mem, c);
    }
    RF_LIST_EACH_SAFE(&sip->kept, it)
    {
        struct kept_text *kept = RF_LIST_ENTRY(it, struct kept_text, list);
        rf_list_remove(&kept->list);
        json_decref(kept->fields);
        rf_free(sip->config.mem, kept);
    }
    if (sip->config.control == NULL)
        return;
    rf_control_on_listen(sip->config.control, NULL, NULL);
    for (size_t i = 0; i < sip->command_count; i++)
        rf_control_remove(sip->config.control, &sip->commands[i]);
    rf_free(sip->config.mem, sip->commands);
}
