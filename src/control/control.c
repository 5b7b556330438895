/* control.c - sessions and calls: lines in, checked against the command table, lines out. */
#include <stdio.h>
#include "base/error.h"
#include "control/internal.h"

/* ---- lines out ---- */

static int take_text(const char *text, size_t len, void *arg)
{
    rf_buf_put(arg, text, len);
    return rf_buf_error(arg) == 0 ? 0 : -1;
}

static void send_object(struct rf_control *control, struct rf_session *session, json_t *object)
{
    struct rf_buf line;
    rf_buf_init(&line, control->env.mem, CONTROL_MAX_OUTPUT);
    if (object != NULL && json_dump_callback(object, take_text, &line, JSON_COMPACT) == 0)
        rf_buf_u8(&line, '\n');
    json_decref(object);
    /* out of memory: the program on the other side sees silence and its own time-out */
    if (rf_buf_error(&line) == 0 && line.len > 0)
        control->host.send(control->host.ctx, session, (const char *)line.p, line.len);
    rf_buf_deinit(&line);
}

static void send_for(struct rf_control_call *call, const char *key, json_t *value)
{
    if (call->session == NULL) {
        json_decref(value);
        return;
    }
    json_t *object = json_object();
    if (call->id != NULL)
        json_object_set(object, "id", call->id);
    json_object_set_new(object, key, value);
    send_object(call->control, call->session, object);
}

static void call_free(struct rf_control_call *call)
{
    if (call->session != NULL)
        call->session->call_count--;
    rf_list_remove(&call->list);
    json_decref(call->id);
    json_decref(call->keep);
    rf_free(call->control->env.mem, call);
}

void rf_call_item(struct rf_control_call *call, json_t *item)
{
    send_for(call, "item", item);
}

void rf_call_result(struct rf_control_call *call, json_t *result)
{
    send_for(call, "result", result != NULL ? result : json_object());
    call_free(call);
}

static json_t *error_object(int error, const char *text, const char *hint)
{
    json_t *object = json_object();
    json_object_set_new(object, "code", json_string(control_error_name(error)));
    json_t *sentence = text != NULL ? control_json_cut(text) : NULL;
    json_object_set_new(object, "text", sentence != NULL ? sentence : json_string(rf_error_text(error)));
    if (hint != NULL)
        json_object_set_new(object, "hint", json_string(hint));
    return object;
}

/* Whoever is away from the overlay reaches nobody; that is what people must hear, not that the other one is away. */
static bool for_want_of_overlay(const struct rf_control_call *call, int error)
{
    struct rf_node_status status;
    if (error != RF_EUNREACHABLE && error != RF_ETIMEOUT)
        return false;
    rf_node_status(call->control->node, &status);
    return status.state != RF_TOPOLOGY_JOINED;
}

void rf_call_error(struct rf_control_call *call, int error, const char *text, const char *hint)
{
    if (for_want_of_overlay(call, error)) {
        text = "this node is not in the overlay at the moment";
        hint = "it goes on trying; `ringfolk status` and the log of ringfolkd tell more";
    }
    send_for(call, "error", error_object(error, text, hint));
    call_free(call);
}

bool rf_call_cancelled(const struct rf_control_call *call)
{
    return call->session == NULL;
}

struct rf_node *rf_call_node(struct rf_control_call *call)
{
    return call->control->node;
}

struct rf_now rf_call_now(struct rf_control_call *call)
{
    return call->control->host.now(call->control->host.ctx);
}

void rf_control_event(struct rf_control *control, const char *type, json_t *fields)
{
    json_t *event = fields != NULL ? fields : json_object();
    json_object_set_new(event, "type", json_string(type));
    RF_LIST_EACH_SAFE(&control->sessions, it)
    {
        struct rf_session *session = RF_LIST_ENTRY(it, struct rf_session, list);
        if (session->listening)
            send_object(control, session, json_pack("{sO}", "event", event));
    }
    json_decref(event);
}

size_t rf_control_listeners(const struct rf_control *control)
{
    size_t count = 0;
    RF_LIST_EACH(&control->sessions, it)
    {
        count += RF_LIST_ENTRY(it, struct rf_session, list)->listening;
    }
    return count;
}

void rf_control_on_listen(struct rf_control *control, void (*fn)(void *ctx), void *ctx)
{
    control->on_listen = fn;
    control->on_listen_ctx = ctx;
}

void rf_control_node_event(struct rf_control *control, const struct rf_node_out *out)
{
    json_t *fields = json_object();
    if (out->event.node_id.len != 0)
        json_object_set_new(fields, "node", control_json_id(&out->event.node_id));
    if (out->event.addr.family != 0)
        json_object_set_new(fields, "address", control_json_addr(&out->event.addr));
    if (out->event.error != 0)
        json_object_set_new(fields, "error", json_string(control_error_name(out->event.error)));
    if (out->event.number != 0)
        json_object_set_new(fields, "number", json_integer(out->event.number));
    if (out->event.text[0] != '\0')
        json_object_set_new(fields, "text", control_json_cut(out->event.text));
    rf_control_event(control, rf_node_event_name(out->event.type), fields);
}

/* ---- lines in ---- */

static void refuse_line(struct rf_control *control, struct rf_session *session, json_t *id, int error,
                        const char *text)
{
    json_t *object = json_object();
    if (id != NULL)
        json_object_set(object, "id", id);
    json_object_set_new(object, "error", error_object(error, text, NULL));
    send_object(control, session, object);
}

static bool type_fits(const json_t *value, char type)
{
    switch (type) {
    case 's':
        return json_is_string(value);
    case 'i':
        return json_is_integer(value);
    case 'b':
        return json_is_boolean(value);
    case 'a':
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!json_is_string(json_array_get(value, i)))
                return false;
        return json_is_array(value);
    }
    return false;
}

/* every argument known and of its type, every required one there; else a sentence in `why` */
static bool args_fit(const struct rf_command *command, json_t *args, char *why, size_t why_len)
{
    const char *key;
    json_t *value;
    json_object_foreach(args, key, value)
    {
        const struct rf_control_arg *arg = NULL;
        for (size_t i = 0; i < command->arg_count && arg == NULL; i++)
            if (strcmp(command->args[i].name, key) == 0)
                arg = &command->args[i];
        if (arg == NULL || !type_fits(value, arg->type)) {
            snprintf(why, why_len, "%s: argument \"%.40s\" is %s", command->name, key,
                     arg == NULL ? "not known" : "of the wrong type");
            return false;
        }
    }
    for (size_t i = 0; i < command->arg_count; i++)
        if (command->args[i].required && json_object_get(args, command->args[i].name) == NULL) {
            snprintf(why, why_len, "%s: argument \"%s\" is missing", command->name, command->args[i].name);
            return false;
        }
    return true;
}

static const struct rf_command *command_find(const struct rf_control *control, const char *name)
{
    for (size_t i = 0; i < control->command_count; i++)
        if (strcmp(control->commands[i]->name, name) == 0)
            return control->commands[i];
    return NULL;
}

static void run_request(struct rf_control *control, struct rf_session *session, json_t *request)
{
    json_t *id = json_object_get(request, "id");
    const char *name = json_string_value(json_object_get(request, "cmd"));
    json_t *args = json_object_get(request, "args");
    char why[160];
    if (name == NULL || (args != NULL && !json_is_object(args))) {
        refuse_line(control, session, id, RF_EFORMAT,
                    "a request needs \"cmd\", a string, and \"args\", an object");
        return;
    }
    const struct rf_command *command = command_find(control, name);
    if (command == NULL) {
        snprintf(why, sizeof(why), "%.60s: no such command", name);
        refuse_line(control, session, id, RF_EUNKNOWN, why);
        return;
    }
    if (session->call_count >= CONTROL_MAX_CALLS) {
        refuse_line(control, session, id, RF_EBUSY, "too many commands under way in this session");
        return;
    }
    json_t *own_args = args != NULL ? json_incref(args) : json_object();
    struct rf_control_call *call = NULL;
    if (!args_fit(command, own_args, why, sizeof(why)))
        refuse_line(control, session, id, RF_EINVAL, why);
    else if ((call = rf_zalloc(control->env.mem, sizeof(*call))) == NULL)
        refuse_line(control, session, id, RF_ENOMEM, NULL);
    else {
        call->control = control;
        call->session = session;
        call->command = command;
        call->id = json_incref(id);
        session->call_count++;
        rf_list_push_back(&control->calls, &call->list);
        command->run(command->ctx, call, own_args);
    }
    json_decref(own_args);
}

static void take_line(struct rf_control *control, struct rf_session *session, struct rf_view line)
{
    if (line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        return;
    json_error_t error;
    json_t *request = json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(request))
        refuse_line(control, session, NULL, RF_EFORMAT, "not a JSON object on one line");
    else
        run_request(control, session, request);
    json_decref(request);
}

static bool session_alive(const struct rf_control *control, const struct rf_session *session)
{
    RF_LIST_EACH(&control->sessions, it)
    {
        if (RF_LIST_ENTRY(it, struct rf_session, list) == session)
            return true;
    }
    return false;
}

void rf_control_input(struct rf_control *control, struct rf_session *session, const char *bytes, size_t len)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end != NULL ? (size_t)(end - bytes) : len;
        if (!session->overlong)
            rf_buf_put(&session->line, bytes, part);
        if (rf_buf_error(&session->line) != 0) {
            rf_buf_deinit(&session->line);
            rf_buf_init(&session->line, control->env.mem, CONTROL_MAX_LINE);
            session->overlong = true;
            refuse_line(control, session, NULL, RF_ELIMIT, "the line is longer than 1 MiB");
        }
        if (end == NULL)
            return;
        if (!session->overlong) {
            size_t line_len;
            uint8_t *line = rf_buf_steal(&session->line, &line_len);
            take_line(control, session, rf_view_of(line, line_len));
            rf_free(control->env.mem, line);
            if (!session_alive(control, session))
                return; /* a command closed it */
        }
        session->overlong = false;
        bytes += part + 1;
        len -= part + 1;
    }
}

/* ---- life ---- */

int rf_control_new(const struct rf_env *env, struct rf_node *node, const struct rf_control_host *host,
                   struct rf_control **out)
{
    struct rf_control *control = rf_zalloc(env->mem, sizeof(*control));
    if (control == NULL)
        return RF_ENOMEM;
    control->env = *env;
    control->node = node;
    control->host = *host;
    rf_list_init(&control->sessions);
    rf_list_init(&control->calls);
    for (size_t i = 0; i < control_command_count; i++)
        control->commands[control->command_count++] = &control_commands[i];
    *out = control;
    return 0;
}

void rf_control_free(struct rf_control *control)
{
    if (control == NULL)
        return;
    RF_LIST_EACH_SAFE(&control->sessions, it)
    {
        rf_control_close(control, RF_LIST_ENTRY(it, struct rf_session, list));
    }
    RF_LIST_EACH_SAFE(&control->calls, it)
    {
        call_free(RF_LIST_ENTRY(it, struct rf_control_call, list));
    }
    rf_free(control->env.mem, control);
}

int rf_control_add(struct rf_control *control, const struct rf_command *command)
{
    if (command_find(control, command->name) != NULL)
        return RF_EEXIST;
    if (control->command_count == CONTROL_MAX_COMMANDS)
        return RF_ELIMIT;
    control->commands[control->command_count++] = command;
    return 0;
}

void rf_control_remove(struct rf_control *control, const struct rf_command *command)
{
    for (size_t i = 0; i < control->command_count; i++)
        if (control->commands[i] == command) {
            control->command_count--;
            memmove(&control->commands[i], &control->commands[i + 1],
                    (control->command_count - i) * sizeof(control->commands[0]));
            return;
        }
}

struct rf_session *rf_control_open(struct rf_control *control, void *user)
{
    struct rf_session *session = rf_zalloc(control->env.mem, sizeof(*session));
    if (session == NULL)
        return NULL;
    session->user = user;
    rf_buf_init(&session->line, control->env.mem, CONTROL_MAX_LINE);
    rf_list_push_back(&control->sessions, &session->list);
    return session;
}

void *rf_session_user(struct rf_session *session)
{
    return session->user;
}

void rf_control_close(struct rf_control *control, struct rf_session *session)
{
    RF_LIST_EACH(&control->calls, it)
    {
        struct rf_control_call *call = RF_LIST_ENTRY(it, struct rf_control_call, list);
        if (call->session == session)
            call->session = NULL;
    }
    rf_list_remove(&session->list);
    rf_buf_deinit(&session->line);
    rf_free(control->env.mem, session);
}
