/* side.c - what the SIP thread asks of the node's thread: a note for each question, and what that thread does with it. */
#include "sip/side.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/error.h"
#include "sip/local.h"
#include "sip/node_side.h"

/* ---- log ---- */

struct log_note {
    struct note note;
    enum rf_log_level level;
    char text[400];
};

static void run_log(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    struct log_note *n = (struct log_note *)note;
    rf_log_write(sip->config.log, n->level, "sip", "%s", n->text);
}

void core_log(struct core *core, enum rf_log_level level, const char *format, ...)
{
    struct log_note *n = channel_note(core->to_node, sizeof(*n), run_log);
    va_list args;
    if (n == NULL)
        return;
    n->level = level;
    va_start(args, format);
    vsnprintf(n->text, sizeof(n->text), format, args);
    va_end(args);
    channel_send(core->to_node, n);
}

/* ---- lookups and connections ---- */

struct lookup_note {
    struct note note;
    uint64_t token;
    char aor[AOR_MAX];
};

static void run_lookup(void *owner, struct note *note)
{
    struct lookup_note *n = (struct lookup_note *)note;
    overlay_lookup(owner, n->token, n->aor);
}

int side_lookup(struct core *core, uint64_t token, const char *aor)
{
    struct lookup_note *n = channel_note(core->to_node, sizeof(*n), run_lookup);
    if (n == NULL)
        return RF_ENOMEM;
    n->token = token;
    snprintf(n->aor, sizeof(n->aor), "%s", aor);
    channel_send(core->to_node, n);
    return 0;
}

struct attach_note {
    struct note note;
    uint64_t token;
    size_t index;
    struct device device;
};

static void run_attach(void *owner, struct note *note)
{
    struct attach_note *n = (struct attach_note *)note;
    overlay_attach(owner, n->token, n->index, &n->device);
}

int side_attach(struct core *core, uint64_t token, size_t index, const struct device *device)
{
    struct attach_note *n = channel_note(core->to_node, sizeof(*n), run_attach);
    if (n == NULL)
        return RF_ENOMEM;
    n->token = token;
    n->index = index;
    n->device = *device;
    channel_send(core->to_node, n);
    return 0;
}

struct bytes_note {
    struct note note; /* extra: the bytes */
    rf_link_id conn;
    size_t len;
};

static struct rf_now now_of(struct rf_sip *sip)
{
    return sip->config.now(sip->config.now_ctx);
}

static void run_send(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    struct bytes_note *n = (struct bytes_note *)note;
    if (rf_node_app_send(sip->config.node, n->conn, rf_view_of(note->extra, n->len), now_of(sip)) != 0)
        rf_node_app_close(sip->config.node, n->conn,
                          now_of(sip)); /* full or gone: a hole would spoil the stream */
}

static void run_close(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    rf_node_app_close(sip->config.node, ((struct bytes_note *)note)->conn, now_of(sip));
}

void side_conn_send(struct core *core, rf_link_id conn, struct rf_view bytes)
{
    struct bytes_note *n = channel_note(core->to_node, sizeof(*n), run_send);
    if (n != NULL && (n->note.extra = rf_memdup(core->mem, bytes.p, bytes.len)) == NULL) {
        rf_free(core->mem, n);
        n = NULL;
    }
    if (n == NULL) {
        side_conn_close(core, conn);
        return;
    }
    n->conn = conn;
    n->len = bytes.len;
    channel_send(core->to_node, n);
}

void side_conn_close(struct core *core, rf_link_id conn)
{
    struct bytes_note *n = channel_note(core->to_node, sizeof(*n), run_close);
    if (n == NULL)
        return;
    n->conn = conn;
    channel_send(core->to_node, n);
}

static void run_hold(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    const struct bytes_note *n = (struct bytes_note *)note;
    rf_node_app_hold(sip->config.node, n->conn, n->len > 0, now_of(sip));
}

void side_conn_hold(struct core *core, rf_link_id conn, bool held)
{
    struct bytes_note *n = channel_note(core->to_node, sizeof(*n), run_hold);
    if (n == NULL)
        return; /* asked again at the next message */
    n->conn = conn;
    n->len = held;
    channel_send(core->to_node, n);
}

/* ---- calls ---- */

struct call_note {
    struct note note;
    uint64_t control;
    unsigned number;
    char id[16], peer[AOR_MAX], reason[96];
    const char *state; /* a constant */
    bool incoming;
    bool has_stats;
    struct media_stats stats;
};

static struct call_note *call_note(struct core *core, const struct call *call,
                                   void (*run)(void *owner, struct note *note))
{
    struct call_note *n = channel_note(core->to_node, sizeof(*n), run);
    if (n == NULL)
        return NULL;
    n->number = call->number;
    memcpy(n->id, call->id, sizeof(n->id));
    memcpy(n->peer, call->peer, sizeof(n->peer));
    n->state = call_state_name(call);
    n->incoming = call->incoming;
    snprintf(n->reason, sizeof(n->reason), "%s", call->reason != NULL ? call->reason : "");
    return n;
}

static json_t *call_json(const struct call_note *n)
{
    json_t *o = json_pack("{ss ss ss ss}", "call", n->id, "direction", n->incoming ? "incoming" : "outgoing",
                          "peer", n->peer, "state", n->state);
    if (n->reason[0] != '\0')
        json_object_set_new(o, "reason", json_string(n->reason));
    return o;
}

static void run_call_changed(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    if (sip->config.control != NULL)
        rf_control_event(sip->config.control, "call", call_json((struct call_note *)note));
}

void side_call_changed(const struct call *call)
{
    if (call->incoming && call->state == CALL_RINGING)
        return;
    struct call_note *n = call_note(call->core, call, run_call_changed);
    if (n != NULL)
        channel_send(call->core->to_node, n);
}

struct count_note {
    struct note note;
    uint64_t token;
    unsigned number;
    size_t listeners;
    bool kept;
};

static void run_listeners(void *core, struct note *note)
{
    struct count_note *n = (struct count_note *)note;
    local_listeners(core, n->number, n->listeners);
}

static size_t listeners_of(struct rf_sip *sip)
{
    return sip->config.control != NULL ? rf_control_listeners(sip->config.control) : 0;
}

static void run_call_ring(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    struct call_note *n = (struct call_note *)note;
    struct count_note *answer = channel_note(sip->to_sip, sizeof(*answer), run_listeners);

    n->state = "ringing";
    if (sip->config.control != NULL)
        rf_control_event(sip->config.control, "call", call_json(n));
    if (answer == NULL)
        return;
    answer->number = n->number;
    answer->listeners = listeners_of(sip);
    channel_send(sip->to_sip, answer);
}

void side_call_ring(const struct call *call)
{
    struct call_note *n = call_note(call->core, call, run_call_ring);
    if (n != NULL)
        channel_send(call->core->to_node, n);
}

/* ---- texts ---- */

struct text_note {
    struct note note; /* extra: the text, with NUL */
    uint64_t token;
    struct rf_id device;
    char from[AOR_MAX];
    size_t len;
};

static json_t *text_json(struct rf_sip *sip, const struct text_note *n)
{
    char device[RF_ID_TEXT_LEN];
    json_t *text = json_stringn(n->note.extra, n->len); /* NULL when it is not UTF-8 */
    struct rf_now now = now_of(sip);
    if (text == NULL)
        text = json_string("");
    return json_pack("{ss so ss sI}", "from", n->from, "text", text, "device", rf_id_text(&n->device, device),
                     "received_ms", (json_int_t)now.wall_ms);
}

static void run_heard(void *core, struct note *note)
{
    struct count_note *n = (struct count_note *)note;
    text_heard(core, n->token, n->listeners, n->kept);
}

static void tell_heard(struct rf_sip *sip, uint64_t token, size_t listeners, bool kept)
{
    struct count_note *n = channel_note(sip->to_sip, sizeof(*n), run_heard);
    if (n == NULL)
        return;
    n->token = token;
    n->listeners = listeners;
    n->kept = kept;
    channel_send(sip->to_sip, n);
}

static void run_text_show(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    struct text_note *n = (struct text_note *)note;
    size_t listeners = listeners_of(sip);
    if (listeners > 0)
        rf_control_event(sip->config.control, "message", text_json(sip, n));
    tell_heard(sip, n->token, listeners, false);
}

static void run_text_keep(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    struct text_note *n = (struct text_note *)note;
    struct kept_text *kept = NULL;
    if (sip->config.control != NULL && sip->kept_count < TEXT_KEPT_MAX)
        kept = rf_zalloc(sip->config.mem, sizeof(*kept));
    if (kept != NULL) {
        kept->fields = text_json(sip, n);
        rf_list_push_back(&sip->kept, &kept->list);
        sip->kept_count++;
        if (listeners_of(sip) > 0)
            kept_texts_flush(sip); /* somebody came in between */
    }
    tell_heard(sip, n->token, 0, kept != NULL);
}

static void send_text(struct core *core, uint64_t token, const char *from, const struct rf_id *device,
                      const char *text, size_t len, void (*run)(void *owner, struct note *note))
{
    struct text_note *n = channel_note(core->to_node, sizeof(*n), run);
    if (n != NULL && (n->note.extra = rf_zalloc(core->mem, len + 1)) == NULL) {
        rf_free(core->mem, n);
        n = NULL;
    }
    if (n == NULL)
        return; /* the text's own timer answers */
    memcpy(n->note.extra, text, len);
    n->len = len;
    n->token = token;
    n->device = *device;
    snprintf(n->from, sizeof(n->from), "%s", from);
    channel_send(core->to_node, n);
}

void side_text_show(struct core *core, uint64_t token, const char *from, const struct rf_id *device,
                    const char *text, size_t len)
{
    send_text(core, token, from, device, text, len, run_text_show);
}

void side_text_keep(struct core *core, uint64_t token, const char *from, const struct rf_id *device,
                    const char *text, size_t len)
{
    send_text(core, token, from, device, text, len, run_text_keep);
}

/* ---- commands ---- */

struct control_note {
    struct note note;
    uint64_t control;
    int code;
    size_t delivered, kept, devices;
    char text[1200];
    const char *hint; /* a constant */
    char address[80];
    const char *transport; /* a constant */
    unsigned expires_s;
};

static void run_text_done(void *owner, struct note *note)
{
    struct control_note *n = (struct control_note *)note;
    struct rf_control_call *call = control_take(owner, n->control);
    if (call == NULL)
        return;
    if (n->code >= 200 && n->code < 300)
        rf_call_result(call, json_pack("{sI sI sI}", "delivered", (json_int_t)(n->delivered + n->kept),
                                       "devices", (json_int_t)n->devices, "kept", (json_int_t)n->kept));
    else if (n->code == 404)
        rf_call_error(call, RF_ENOTFOUND, "nobody of that name is known",
                      "check the spelling; names are user@overlay");
    else if (n->code == 482 || n->code == 483)
        rf_call_error(call, RF_ELIMIT, "they forward in a circle or too often", NULL);
    else if (n->code == 480 && n->devices > 0)
        rf_call_error(call, RF_EUNREACHABLE, "none of their devices could be reached",
                      "they may have gone off; if it stays so, `ringfolk doctor` tells whether there is a "
                      "relay for what "
                      "cannot go directly");
    else if (n->code == 480)
        rf_call_error(call, RF_EUNREACHABLE, "no device of theirs is online", "try again later");
    else if (n->code == 408)
        rf_call_error(call, RF_ETIMEOUT, "no device of theirs answered", "try again later");
    else
        rf_call_error(call, RF_EREMOTE, "no device of theirs took it", NULL);
}

void side_text_done(struct core *core, uint64_t control, int code, size_t delivered, size_t kept,
                    size_t devices)
{
    struct control_note *n = channel_note(core->to_node, sizeof(*n), run_text_done);
    if (n == NULL)
        return;
    n->control = control;
    n->code = code;
    n->delivered = delivered;
    n->kept = kept;
    n->devices = devices;
    channel_send(core->to_node, n);
}

static void run_cancelled(void *core, struct note *note)
{
    local_cancelled(core, ((struct count_note *)note)->token);
}

static void run_poll(void *owner, struct note *note)
{
    struct rf_sip *sip = owner;
    uint64_t number = ((struct control_note *)note)->control;
    struct rf_control_call *call = control_peek(sip, number);
    struct count_note *n;
    if (call == NULL || !rf_call_cancelled(call))
        return;
    n = channel_note(sip->to_sip, sizeof(*n), run_cancelled);
    if (n == NULL)
        return; /* asked again soon */
    n->token = number;
    channel_send(sip->to_sip, n);
}

static void run_error(void *owner, struct note *note)
{
    struct control_note *n = (struct control_note *)note;
    struct rf_control_call *call = control_take(owner, n->control);
    if (call != NULL)
        rf_call_error(call, n->code, n->text[0] != '\0' ? n->text : NULL, n->hint);
}

static void run_done(void *owner, struct note *note)
{
    struct rf_control_call *call = control_take(owner, ((struct control_note *)note)->control);
    if (call != NULL)
        rf_call_result(call, json_object());
}

static void run_phone(void *owner, struct note *note)
{
    struct control_note *n = (struct control_note *)note;
    struct rf_control_call *call = control_peek(owner, n->control);
    if (call != NULL)
        rf_call_item(call, json_pack("{ss ss ss sI}", "contact", n->text, "address", n->address, "transport",
                                     n->transport, "expires_s", (json_int_t)n->expires_s));
}

static struct control_note *control_note(struct core *core, uint64_t control, const char *text,
                                         void (*run)(void *owner, struct note *note))
{
    struct control_note *n = channel_note(core->to_node, sizeof(*n), run);
    if (n == NULL)
        return NULL;
    n->control = control;
    snprintf(n->text, sizeof(n->text), "%s", text != NULL ? text : "");
    return n;
}

static void control_send(struct core *core, struct control_note *n)
{
    if (n != NULL)
        channel_send(core->to_node, n);
}

void side_control_poll(struct core *core, uint64_t control)
{
    control_send(core, control_note(core, control, NULL, run_poll));
}

void side_control_done(struct core *core, uint64_t control)
{
    control_send(core, control_note(core, control, NULL, run_done));
}

void side_control_error(struct core *core, uint64_t control, int error, const char *text, const char *hint)
{
    struct control_note *n = control_note(core, control, text, run_error);
    if (n == NULL)
        return;
    n->code = error;
    n->hint = hint;
    channel_send(core->to_node, n);
}

void side_control_phone(struct core *core, uint64_t control, const char *contact, const char *address,
                        const char *transport, unsigned expires_s)
{
    struct control_note *n = control_note(core, control, contact, run_phone);
    if (n == NULL)
        return;
    snprintf(n->address, sizeof(n->address), "%s", address);
    n->transport = transport;
    n->expires_s = expires_s;
    channel_send(core->to_node, n);
}

static void run_call_state(void *owner, struct note *note)
{
    struct call_note *n = (struct call_note *)note;
    struct rf_control_call *call = control_peek(owner, n->control);
    if (call != NULL)
        rf_call_item(call, call_json(n));
}

void side_control_call_state(struct core *core, uint64_t control, const struct call *call)
{
    struct call_note *n = call_note(core, call, run_call_state);
    if (n == NULL)
        return;
    n->control = control;
    channel_send(core->to_node, n);
}

static void run_call_result(void *owner, struct note *note)
{
    struct call_note *n = (struct call_note *)note;
    struct rf_control_call *call = control_take(owner, n->control);
    json_t *result;
    if (call == NULL)
        return;
    result = json_pack("{ss ss}", "call", n->id, "reason", n->reason);
    if (n->has_stats) {
        json_t *media = json_pack("{sI sI sI sI}", "sent", (json_int_t)n->stats.sent, "received",
                                  (json_int_t)n->stats.received, "lost", (json_int_t)n->stats.lost,
                                  "jitter_us", (json_int_t)n->stats.jitter_us);
        json_object_set_new(media, "rtt_us",
                            n->stats.rtt_us > 0 ? json_integer((json_int_t)n->stats.rtt_us) : json_null());
        json_object_set_new(result, "media", media);
    }
    rf_call_result(call, result);
}

void side_control_call_result(struct core *core, uint64_t control, const char *id, const char *reason,
                              const struct media_stats *stats)
{
    struct call_note *n = channel_note(core->to_node, sizeof(*n), run_call_result);
    if (n == NULL)
        return;
    n->control = control;
    snprintf(n->id, sizeof(n->id), "%s", id);
    snprintf(n->reason, sizeof(n->reason), "%s", reason);
    n->has_stats = stats != NULL;
    if (stats != NULL)
        n->stats = *stats;
    channel_send(core->to_node, n);
}
