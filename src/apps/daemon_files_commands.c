/* daemon_files_commands.c - the control socket's commands for files without a conversation: file-share, file-fetch, file-cancel, file-forget, files. */
#include <stdio.h>
#include <string.h>
#include "apps/daemon_files_internal.h"
#include "base/text.h"

static json_t *text_of(struct rf_view bytes, void (*put)(struct rf_buf *out, struct rf_view bytes))
{
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 2 * bytes.len + 16);
    put(&buf, bytes);
    json_t *text = rf_buf_error(&buf) == 0 ? json_stringn((const char *)buf.p, buf.len) : NULL;
    rf_buf_deinit(&buf);
    return text;
}

static json_t *id_text(const uint8_t *id)
{
    return text_of(rf_view_of(id, RF_FILE_ID_LEN), rf_hex_put);
}

static json_t *how_far(const struct daemon_file_said *said)
{
    json_t *o = json_object();
    json_object_set_new(o, "bytes", json_integer((json_int_t)said->bytes));
    json_object_set_new(o, "size", json_integer((json_int_t)said->size));
    return o;
}

static void hear(void *arg, const struct daemon_file_said *said)
{
    static const char *const states[] = {[DAEMON_FILE_PROGRESS] = "progress",
                                         [DAEMON_FILE_STALLED] = "stalled",
                                         [DAEMON_FILE_NO_SOURCE] = "no-source",
                                         [DAEMON_FILE_BAD] = "bad-source"};
    struct rf_control_call *call = arg;
    char id[RF_ID_TEXT_LEN];
    if (said->news == DAEMON_FILE_FAILED) {
        rf_call_error(call, said->error, said->why, NULL);
        return;
    }
    json_t *o = how_far(said);
    if (said->news == DAEMON_FILE_DONE) {
        json_object_set_new(o, "name", json_string(said->name));
        if (said->reference.len > 0)
            json_object_set_new(o, "reference", text_of(said->reference, rf_base64_put));
        if (said->path != NULL)
            json_object_set_new(o, "path", json_string(said->path));
        json_object_set_new(o, "id", id_text(said->id));
        rf_call_result(call, o);
        return;
    }
    json_object_set_new(o, "state", json_string(states[said->news]));
    json_object_set_new(o, "sources", json_integer((json_int_t)said->source_count));
    if (said->news == DAEMON_FILE_BAD)
        json_object_set_new(o, "node", json_string(rf_id_text(&said->node, id)));
    if (said->why != NULL && said->why[0] != 0)
        json_object_set_new(o, "why", json_string(said->why));
    rf_call_item(call, o);
}

static void run_share(void *ctx, struct rf_control_call *call, json_t *args)
{
    const char *type = json_string_value(json_object_get(args, "type"));
    int error =
        daemon_files_share(ctx, json_string_value(json_object_get(args, "path")), type != NULL ? type : "",
                           !json_is_true(json_object_get(args, "apart")), hear, call);
    if (error != 0)
        rf_call_error(call, error, NULL, NULL);
}

static void run_fetch(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct daemon *d = ctx;
    const json_t *from = json_object_get(args, "from");
    char names[DAEMON_FILE_MAX_NAMES][256];
    const char *list[DAEMON_FILE_MAX_NAMES];
    size_t count = json_array_size(from);
    struct rf_buf reference;
    rf_buf_init(&reference, rf_mem_system(), RF_FILE_SMALL_LEN);
    int error =
        rf_base64_decode(rf_view_str(json_string_value(json_object_get(args, "reference"))), &reference);
    if (error == 0)
        error = rf_buf_error(&reference);
    if (error == 0 && count > DAEMON_FILE_MAX_NAMES)
        error = RF_ELIMIT;
    for (size_t i = 0; i < count && error == 0; i++) {
        struct rf_buf name;
        rf_buf_fixed(&name, names[i], sizeof(names[i]) - 1);
        error = rf_node_full_name(d->node, json_string_value(json_array_get(from, i)), &name);
        names[i][name.len] = 0;
        list[i] = names[i];
    }
    if (error == 0)
        error = daemon_files_fetch(d, rf_buf_view(&reference), json_string_value(json_object_get(args, "to")),
                                   list, count, hear, call);
    if (reference.p != NULL)
        rf_wipe(reference.p, reference.cap);
    rf_buf_deinit(&reference);
    if (error != 0)
        rf_call_error(call, error, "the reference or a name cannot be used", NULL);
}

static int take_id(json_t *args, uint8_t id[RF_FILE_ID_LEN])
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, id, RF_FILE_ID_LEN);
    int error = rf_hex_decode(rf_view_str(json_string_value(json_object_get(args, "id"))), &buf);
    if (error == 0)
        error = rf_buf_error(&buf);
    return error != 0 ? error : buf.len == RF_FILE_ID_LEN ? 0 : RF_EFORMAT;
}

static void answer(struct rf_control_call *call, int error)
{
    if (error == 0)
        rf_call_result(call, json_object());
    else
        rf_call_error(call, error, error == RF_ENOTFOUND ? "no such file here" : "that is no id of a file",
                      NULL);
}

static void run_cancel(void *ctx, struct rf_control_call *call, json_t *args)
{
    uint8_t id[RF_FILE_ID_LEN];
    int error = take_id(args, id);
    answer(call, error != 0 ? error : daemon_files_cancel(ctx, id));
}

static void run_forget(void *ctx, struct rf_control_call *call, json_t *args)
{
    uint8_t id[RF_FILE_ID_LEN];
    int error = take_id(args, id);
    answer(call, error != 0 ? error : daemon_files_forget(ctx, id));
}

static void show(void *arg, const struct daemon_file_known *known)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", id_text(known->id));
    json_object_set_new(o, "name", json_string(known->name));
    json_object_set_new(o, "type", json_string(known->type));
    json_object_set_new(o, "path", json_string(known->path));
    json_object_set_new(o, "size", json_integer((json_int_t)known->info.size));
    json_object_set_new(o, "bytes", json_integer((json_int_t)known->info.bytes));
    json_object_set_new(o, "fetched", json_boolean(known->fetched));
    json_object_set_new(o, "fetching", json_boolean(known->info.fetching));
    json_object_set_new(o, "stalled", json_boolean(known->info.stalled));
    rf_call_item(arg, o);
}

static void run_files(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)args;
    daemon_files_each(ctx, show, call);
    rf_call_result(call, json_object());
}

static const struct rf_control_arg share_args[] = {
    {"path", 's', true, "the file, an absolute path"},
    {"type", 's', false, "its media type, e.g. image/png"},
    {"apart", 'b', false, "a small one too is to be fetched, and does not stand in the reference"},
};
static const struct rf_control_arg fetch_args[] = {
    {"reference", 's', true, "what file-share has given"},
    {"from", 'a', true, "users whose devices may have it"},
    {"to", 's', true, "a directory or a path, absolute"},
};
static const struct rf_control_arg id_args[] = {{"id", 's', true, "as `files` shows it"}};

int daemon_files_commands(struct daemon *d)
{
    const struct rf_command table[] = {
        {"file-share", "make a file available to those who get its reference", share_args,
         RF_COUNT(share_args), run_share, d},
        {"file-fetch", "fetch what a reference speaks of, or go on with it", fetch_args, RF_COUNT(fetch_args),
         run_fetch, d},
        {"file-cancel", "stop fetching; what is here stays", id_args, RF_COUNT(id_args), run_cancel, d},
        {"file-forget", "do not give it to others any more; a part of one is removed", id_args,
         RF_COUNT(id_args), run_forget, d},
        {"files", "files that are shared, fetched or being fetched", NULL, 0, run_files, d},
    };
    for (size_t i = 0; i < RF_COUNT(table); i++) {
        d->files->commands[i] = table[i];
        if (rf_control_add(d->control, &d->files->commands[i]) != 0)
            return daemon_say("files", "out of memory", NULL);
    }
    return 0;
}
