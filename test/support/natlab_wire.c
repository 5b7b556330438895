/*
 * natlab_wire.c - a cable with a delay between two network namespaces: two TAP devices, every frame handed on as late as it is long.
 *
 *   natlab_wire NS-A INTERFACE-A NS-B INTERFACE-B MILLISECONDS
 *
 * Makes both devices, then goes on in the background until one of them is gone. Frames keep their order; what does not fit into the queue is
 * dropped, as a router would.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 2048
#define QUEUE_LEN 4096 /* frames each way: 60 Mbit/s of full ones at 800 ms */

struct frame {
    uint64_t due_us;
    size_t len;
    uint8_t bytes[FRAME_MAX];
};

struct way {
    int from, to;
    size_t first, count;
    struct frame *frames; /* a ring of QUEUE_LEN */
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int die(const char *what, const char *which)
{
    fprintf(stderr, "natlab_wire: %s %s: %s\n", what, which, strerror(errno));
    return 1;
}

/* A TAP device in that namespace; -1 and errno. The process stays in it. */
static int tap_open(const char *netns, const char *name)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof(path), "/run/netns/%s", netns);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        return -1;
    close(ns);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

/* Takes what is there; false: the device is gone. */
static bool take(struct way *way, uint64_t delay_us)
{
    static uint8_t dropped[FRAME_MAX];
    for (;;) {
        bool room = way->count < QUEUE_LEN;
        struct frame *f = &way->frames[(way->first + way->count) % QUEUE_LEN];
        ssize_t got = read(way->from, room ? f->bytes : dropped, FRAME_MAX);
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR || errno == EIO); /* EIO: not up yet */
        if (!room)
            continue;
        f->len = (size_t)got;
        f->due_us = now_us() + delay_us;
        way->count++;
    }
}

/* Hands on what is due; the time until the next, UINT64_MAX: there is none. */
static uint64_t give(struct way *way)
{
    while (way->count > 0) {
        struct frame *f = &way->frames[way->first];
        uint64_t now = now_us();
        if (f->due_us > now)
            return f->due_us - now;
        if (write(way->to, f->bytes, f->len) < 0 && errno == EINTR)
            continue; /* other errors: it is lost */
        way->first = (way->first + 1) % QUEUE_LEN;
        way->count--;
    }
    return UINT64_MAX;
}

static void run(struct way ways[2], uint64_t delay_us)
{
    for (;;) {
        uint64_t wait_us[2] = {give(&ways[0]), give(&ways[1])};
        uint64_t us = wait_us[0] < wait_us[1] ? wait_us[0] : wait_us[1];
        struct timespec wait = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
        struct pollfd fds[2] = {{.fd = ways[0].from, .events = POLLIN},
                                {.fd = ways[1].from, .events = POLLIN}};
        if (ppoll(fds, 2, us == UINT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++)
            if ((fds[i].revents & POLLIN) ? !take(&ways[i], delay_us)
                                          : (fds[i].revents & (POLLERR | POLLNVAL)))
                return;
    }
}

int main(int argc, char **argv)
{
    struct way ways[2] = {{.from = -1}};
    if (argc != 6)
        return fprintf(stderr, "usage: natlab_wire NS-A INTERFACE-A NS-B INTERFACE-B MILLISECONDS\n"), 2;
    for (int i = 0; i < 2; i++) {
        ways[i].from = tap_open(argv[1 + 2 * i], argv[2 + 2 * i]);
        ways[i].frames = calloc(QUEUE_LEN, sizeof(*ways[i].frames));
        if (ways[i].from < 0 || ways[i].frames == NULL)
            return die(argv[1 + 2 * i], argv[2 + 2 * i]);
    }
    ways[0].to = ways[1].from;
    ways[1].to = ways[0].from;
    if (daemon(0, 0) != 0)
        return die("daemon", "");
    run(ways, (uint64_t)atoi(argv[5]) * 1000);
    return 0;
}
