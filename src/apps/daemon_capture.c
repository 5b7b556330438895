/*
 * daemon_capture.c - `ringfolkd --capture FILE`: every RELOAD frame in plain, as a pcap file that tshark and Wireshark decode.
 *
 * Links are TLS, which no dissector sees through; so each frame is written as the UDP datagram that RELOAD over plain UDP would have, on
 * port 6084 of this node. Real: addresses, the other side's port, message bytes, times, direction. Made up: UDP, and the frame's sequence number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon.h"
#include "wire/frame.h"

#define CAPTURE_PORT 6084

struct daemon_capture {
    FILE *file;
    uint32_t sequence[2];
    struct rf_buf packet;
};

static void put_le32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static void put_ip(struct rf_buf *b, const struct rf_addr *from, const struct rf_addr *to, size_t udp_len)
{
    if (from->family == 6 || to->family == 6) {
        rf_buf_u32(b, UINT32_C(0x60000000));
        rf_buf_u16(b, (uint16_t)udp_len);
        rf_buf_u8(b, 17);
        rf_buf_u8(b, 64);
        rf_buf_put(b, from->ip, 16);
        rf_buf_put(b, to->ip, 16);
        return;
    }
    size_t at = b->len;
    rf_buf_u16(b, 0x4500);
    rf_buf_u16(b, (uint16_t)(20 + udp_len));
    rf_buf_u32(b, 0);
    rf_buf_u16(b, 0x4011); /* ttl 64, UDP */
    rf_buf_u16(b, 0);
    rf_buf_put(b, from->ip, 4);
    rf_buf_put(b, to->ip, 4);
    if (rf_buf_error(b) != 0)
        return;
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)(b->p[at + i] << 8 | b->p[at + i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    b->p[at + 10] = (uint8_t)(sum >> 8);
    b->p[at + 11] = (uint8_t)sum;
}

static void write_frame(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                        struct rf_view message, uint64_t wall_ms)
{
    struct daemon_capture *c = ctx;
    struct rf_addr here = *local;
    here.port = CAPTURE_PORT;
    const struct rf_addr *from = outgoing ? &here : remote, *to = outgoing ? remote : &here;
    size_t udp_len = 8 + RF_FRAME_DATA_LEN + message.len;
    if (udp_len > 65000)
        return; /* no UDP datagram could carry it */
    struct rf_buf *b = &c->packet;
    rf_buf_reset(b);
    put_ip(b, from, to, udp_len);
    rf_buf_u16(b, from->port);
    rf_buf_u16(b, to->port);
    rf_buf_u16(b, (uint16_t)udp_len);
    rf_buf_u16(b, 0); /* no checksum */
    struct rf_frame frame = {.type = RF_FRAME_DATA, .sequence = c->sequence[outgoing]++, .message = message};
    rf_frame_encode(&frame, b);
    if (rf_buf_error(b) != 0)
        return;
    uint8_t head[16];
    put_le32(head, (uint32_t)(wall_ms / 1000));
    put_le32(head + 4, (uint32_t)(wall_ms % 1000) * 1000);
    put_le32(head + 8, (uint32_t)b->len);
    put_le32(head + 12, (uint32_t)b->len);
    fwrite(head, 1, sizeof(head), c->file);
    fwrite(b->p, 1, b->len, c->file);
    fflush(c->file); /* whole after a crash, too: captures are for finding out why */
}

int daemon_capture_open(struct daemon *d, const char *path)
{
    struct daemon_capture *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return daemon_say(path, "out of memory", NULL);
    /* what others may not read on the wire they shall not read here */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    c->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (c->file == NULL) {
        int status = daemon_say(path, strerror(errno), "--capture needs a file that can be written");
        free(c);
        return status;
    }
    rf_buf_init(&c->packet, rf_mem_system(), 70000);
    uint8_t head[24];
    put_le32(head, UINT32_C(0xa1b2c3d4));
    put_le32(head + 4, 2 | 4 << 16); /* version 2.4 */
    put_le32(head + 8, 0);
    put_le32(head + 12, 0);
    put_le32(head + 16, 65535);
    put_le32(head + 20, 101); /* LINKTYPE_RAW */
    fwrite(head, 1, sizeof(head), c->file);
    fflush(c->file);
    d->capture = c;
    rf_node_set_tap(d->node, &(struct rf_node_tap){.ctx = c, .frame = write_frame});
    return 0;
}

void daemon_capture_close(struct daemon *d)
{
    struct daemon_capture *c = d->capture;
    if (c == NULL)
        return;
    if (d->node != NULL)
        rf_node_set_tap(d->node, NULL);
    fclose(c->file);
    rf_buf_deinit(&c->packet);
    free(c);
    d->capture = NULL;
}
