/*
 * daemon_control.c - HOME/control.sock: sessions of the CLI and of other programs, one client struct each.
 *
 * A program that does not read what it asked for cannot hold us up: it is not read either until its output has gone, and beyond a limit (its own,
 * or that of all together) it is cut off. One that sends slowly costs its place and at most one line of memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "apps/daemon_files.h"

#define CLIENT_MAX         128
#define CLIENT_READ_LEN    4096                       /* commands of one turn */
#define CLIENT_MAX_OUTPUT  ((size_t)8 * 1024 * 1024)  /* a program that does not read is cut off there */
#define CLIENTS_MAX_OUTPUT ((size_t)32 * 1024 * 1024) /* all together; looked at when one has a lot */
#define CLIENT_MUCH_OUTPUT ((size_t)256 * 1024)

#define X(name, help) {#name, help, offsetof(struct rf_sessions_counters, name)},
RF_COUNTERS_DEFINE(sessions, RF_SESSIONS_COUNTERS, X)
#undef X

struct client {
    struct rf_list list;
    struct daemon *d;
    int fd;
    struct rf_session *session;
    struct rf_buf out;
    size_t sent;
    bool broken; /* to be closed when the stack is back in the loop */
};

static void client_close(struct client *c)
{
    rf_loop_unwatch(c->d->loop, c->fd);
    close(c->fd);
    rf_control_close(c->d->control, c->session);
    rf_list_remove(&c->list);
    rf_buf_deinit(&c->out);
    free(c);
}

static void client_flush(struct client *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            memmove(c->out.p, c->out.p + c->sent, c->out.len - c->sent);
            c->out.len -= c->sent;
            c->sent = 0;
            (void)rf_loop_rewatch(c->d->loop, c->fd,
                                  RF_LOOP_WRITE); /* first it reads, then it may ask more */
            return;
        } else if (errno != EINTR) {
            c->broken = true;
            return;
        }
    }
    rf_buf_reset(&c->out);
    c->sent = 0;
    (void)rf_loop_rewatch(c->d->loop, c->fd, RF_LOOP_READ);
}

static bool too_much(const struct client *c)
{
    size_t sum = 0;
    if (rf_buf_error(&c->out) != 0)
        return true;
    if (c->out.len < CLIENT_MUCH_OUTPUT)
        return false;
    RF_LIST_EACH(&c->d->clients, it)
    {
        sum += RF_LIST_ENTRY(it, struct client, list)->out.len;
    }
    return sum > CLIENTS_MAX_OUTPUT;
}

static void control_send(void *ctx, struct rf_session *session, const char *line, size_t len)
{
    struct daemon *d = ctx;
    struct client *c = rf_session_user(session);
    if (c->broken)
        return;
    rf_buf_put(&c->out, line, len);
    if (too_much(c)) {
        c->broken = true;
        d->session_counters.cut_off++;
        rf_log_write(&d->log.log, RF_LOG_WARN, "control",
                     "a program does not read what it asked for: cut off");
    } else {
        client_flush(c);
    }
    if (c->broken)
        shutdown(c->fd, SHUT_RDWR); /* the loop tells us, and then it is closed */
}

static struct rf_now control_now(void *ctx)
{
    return *rf_loop_now(((struct daemon *)ctx)->loop);
}

static void control_shutdown(void *ctx)
{
    daemon_stop(ctx);
}

static void control_counters(void *ctx,
                             void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                        uint64_t value),
                             void *arg)
{
    const struct daemon *d = ctx;
    for (size_t i = 0; i < rf_flows_counter_count; i++)
        fn(arg, "flows", rf_flows_counter_descs[i].name, rf_flows_counter_descs[i].help,
           rf_counter_get(rf_flows_counters(d->flows), &rf_flows_counter_descs[i]));
    for (size_t i = 0; i < rf_sessions_counter_count; i++)
        fn(arg, "control", rf_sessions_counter_descs[i].name, rf_sessions_counter_descs[i].help,
           rf_counter_get(&d->session_counters, &rf_sessions_counter_descs[i]));
    daemon_udp_counters(ctx, fn, arg);
    daemon_relay_counters(ctx, fn, arg);
    daemon_files_counters(ctx, fn, arg);
    daemon_chat_counters(ctx, fn, arg);
    if (d->sip != NULL)
        rf_sip_counters(d->sip, fn, arg);
}

static void control_status(void *ctx, json_t *status)
{
    daemon_claim_status(ctx, status);
    daemon_relay_status(ctx, status);
}

static void client_ready(void *arg, int fd, unsigned events)
{
    struct client *c = arg;
    char bytes[CLIENT_READ_LEN];
    if ((events & RF_LOOP_WRITE) != 0 && c->out.len > 0)
        client_flush(c);
    if (c->broken) {
        client_close(c);
        return;
    }
    if ((events & RF_LOOP_READ) == 0)
        return;
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n > 0)
        rf_control_input(c->d->control, c->session, bytes, (size_t)n);
    if (n <= 0 || c->broken)
        client_close(c);
}

static size_t client_count(const struct daemon *d)
{
    size_t count = 0;
    RF_LIST_EACH(&d->clients, it)
    {
        count++;
    }
    return count;
}

/* takes fd */
static void client_open(struct daemon *d, int fd)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c != NULL) {
        c->d = d;
        c->fd = fd;
        rf_buf_init(&c->out, rf_mem_system(), CLIENT_MAX_OUTPUT);
        c->session = rf_control_open(d->control, c);
    }
    if (c != NULL && c->session != NULL && rf_loop_watch(d->loop, fd, RF_LOOP_READ, client_ready, c) == 0) {
        d->session_counters.accepted++;
        rf_list_push_back(&d->clients, &c->list);
        return;
    }
    if (c != NULL && c->session != NULL)
        rf_control_close(d->control, c->session);
    free(c);
    close(fd);
    d->session_counters.refused++;
}

static void listener_ready(void *arg, int listener, unsigned events)
{
    static const char full[] =
        "{\"error\":{\"code\":\"RF_EBUSY\",\"text\":\"too many programs are connected to "
        "this daemon\",\"hint\":\"end some of them\"}}\n";
    (void)events;
    struct daemon *d = arg;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && client_count(d) < CLIENT_MAX) {
        client_open(d, fd);
    } else if (fd >= 0) {
        (void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
        d->session_counters.refused++;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        d->session_counters.listener_rests++;
        rf_listener_rest(&d->control_listener);
    }
}

static int listen_on(struct daemon *d, struct sockaddr_un *addr)
{
    /* we hold the home's lock: a socket that is there is a dead daemon's */
    unlink(addr->sun_path);
    d->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->control_fd < 0)
        return -1;
    mode_t before = umask(0177);
    int status = bind(d->control_fd, (struct sockaddr *)addr, sizeof(*addr));
    umask(before);
    return status == 0 ? listen(d->control_fd, 64) : status;
}

int daemon_control_open(struct daemon *d)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct rf_env env = {.mem = rf_mem_system(), .log = &d->log.log};
    struct rf_control_host host = {
        .ctx = d,
        .now = control_now,
        .send = control_send,
        .shutdown = control_shutdown,
        .counters = control_counters,
        .status = control_status,
    };
    rf_list_init(&d->clients);
    if (home_path(d->home, "control.sock", addr.sun_path, sizeof(addr.sun_path)) != 0)
        return daemon_say(d->home, "the path is too long for a socket",
                          "use a shorter --home (at most 90 characters)");
    if (listen_on(d, &addr) != 0)
        return daemon_say(addr.sun_path, strerror(errno), NULL);
    if (rf_control_new(&env, d->node, &host, &d->control) != 0 ||
        rf_listener_start(&d->control_listener, d->loop, d->control_fd, "control", &d->log.log,
                          listener_ready, d) != 0)
        return daemon_say(addr.sun_path, "out of memory", NULL);
    return 0;
}

void daemon_control_close(struct daemon *d)
{
    if (d->control_fd < 0)
        return;
    RF_LIST_EACH_SAFE(&d->clients, it)
    {
        client_close(RF_LIST_ENTRY(it, struct client, list));
    }
    rf_listener_stop(&d->control_listener);
    close(d->control_fd);
    d->control_fd = -1;
    char path[4096];
    if (home_path(d->home, "control.sock", path, sizeof(path)) == 0)
        unlink(path);
}
