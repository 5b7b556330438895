/* find.c - from a name to connections with its devices. */
#include "sip/find.h"
#include "base/error.h"
#include "sip/bridge.h"
#include "sip/side.h"

enum { ATTACHING = 1, OPENING, REPORTED };

struct target {
    struct device device;
    int state;
    rf_link_id conn; /* OPENING: the bridge makes its loopback socket */
    bool again;      /* it was gone already, and was asked for a second time */
};

struct find {
    struct rf_list list;
    struct core *core;
    uint64_t token;
    struct find_handler handler;
    struct target *targets; /* owned; NULL before there are any */
    size_t count;
};

static struct find *find_of(struct core *core, uint64_t token)
{
    RF_LIST_EACH(&core->finds, it)
    {
        struct find *f = RF_LIST_ENTRY(it, struct find, list);
        if (f->token == token)
            return f;
    }
    return NULL;
}

static struct find *make(struct core *core, const struct find_handler *handler)
{
    struct find *f = rf_zalloc(core->mem, sizeof(*f));
    if (f == NULL)
        return NULL;
    f->core = core;
    f->token = ++core->next_token;
    f->handler = *handler;
    rf_list_push_back(&core->finds, &f->list);
    return f;
}

static int set_targets(struct find *f, const struct device *devices, size_t count)
{
    f->targets = rf_zalloc(f->core->mem, count * sizeof(*f->targets));
    if (f->targets == NULL)
        return RF_ENOMEM;
    for (f->count = 0; f->count < count; f->count++)
        f->targets[f->count] = (struct target){.device = devices[f->count], .state = ATTACHING};
    return 0;
}

int find_start(struct core *core, const char *aor, const struct find_handler *handler, struct find **out)
{
    struct find *f = make(core, handler);
    int error = f == NULL ? RF_ENOMEM : side_lookup(core, f->token, aor);
    if (error != 0) {
        find_stop(core, f);
        f = NULL;
    }
    *out = f;
    return error;
}

int find_again(struct core *core, const struct device *device, const struct find_handler *handler,
               struct find **out)
{
    struct find *f = make(core, handler);
    int error = f == NULL ? RF_ENOMEM : set_targets(f, device, 1);
    if (error == 0)
        error = side_attach(core, f->token, 0, device);
    if (error != 0) {
        find_stop(core, f);
        f = NULL;
    }
    *out = f;
    return error;
}

void find_stop(struct core *core, struct find *find)
{
    if (find == NULL)
        return;
    rf_list_remove(&find->list);
    rf_free(core->mem, find->targets);
    rf_free(core->mem, find);
}

/* The handler may stop the find: nothing of it is touched afterwards. */
static void report(struct find *f, size_t index, int error, const struct flow *flow)
{
    struct target *t = &f->targets[index];
    struct device device = t->device;
    t->state = REPORTED;
    f->handler.device(f->handler.arg, &device, error, flow);
}

void find_looked_up(struct core *core, uint64_t token, int code, const struct device *devices, size_t count)
{
    struct find *f = find_of(core, token);
    if (f == NULL)
        return;
    if (code == 0 && set_targets(f, devices, count) != 0)
        code = 480;
    f->handler.found(f->handler.arg, code, code == 0 ? count : 0);
    for (size_t i = 0; code == 0 && i < count; i++) {
        if ((f = find_of(core, token)) == NULL)
            return;
        if (f->targets[i].device.self)
            report(f, i, 0, NULL);
        else if (side_attach(core, token, i, &f->targets[i].device) != 0)
            report(f, i, RF_ENOMEM, NULL);
    }
}

/* Reports a target whose connection is UP or gone; waits on otherwise. One that the bridge does not know (any more) is asked for once more. */
static void check_conn(struct find *f, size_t index)
{
    struct target *t = &f->targets[index];
    struct flow flow;
    int error = bridge_ready(f->core, t->conn, &flow);

    if (error == RF_ECLOSED && !t->again) {
        t->again = true;
        t->state = ATTACHING;
        side_conn_close(f->core, t->conn);
        if (side_attach(f->core, f->token, index, &t->device) == 0)
            return;
    }
    if (error != RF_EAGAIN)
        report(f, index, error, error == 0 ? &flow : NULL);
}

void find_attached(struct core *core, uint64_t token, size_t index, int error, rf_link_id conn)
{
    struct find *f = find_of(core, token);
    if (f == NULL || index >= f->count || f->targets[index].state != ATTACHING)
        return;
    if (error != 0) {
        report(f, index, error, NULL);
        return;
    }
    f->targets[index].state = OPENING;
    f->targets[index].conn = conn;
    check_conn(f, index);
}

void find_conn_changed(struct core *core, rf_link_id conn)
{
    /* handlers may stop finds, also others: look for the next one from the start each time */
    for (bool again = true; again;) {
        again = false;
        RF_LIST_EACH(&core->finds, it)
        {
            struct find *f = RF_LIST_ENTRY(it, struct find, list);
            for (size_t i = 0; !again && i < f->count; i++) {
                struct flow flow;
                if (f->targets[i].state == OPENING && f->targets[i].conn == conn &&
                    bridge_ready(core, conn, &flow) != RF_EAGAIN) {
                    check_conn(f, i);
                    again = true;
                }
            }
            if (again)
                break;
        }
    }
}
