/*
 * udp_steer.c - which socket of a shared port a datagram is for: a classic BPF program for SO_ATTACH_REUSEPORT_CBPF, and the same in C.
 *
 * The first bytes tell (RFC 7983): 64 to 127 ChannelData; 0 to 3 STUN, whose method is that of Binding (0x001) or one of TURN; the rest DTLS and what is none of ours. The program returns the
 * index of a socket in the order in which they were bound: 0 is the base, the relay's threads come behind it. An index that is not there (the relay is gone, or not there yet) makes the
 * kernel choose by its own hash among those that are.
 *
 * Positions from 0 on are the payload's; SKF_NET_OFF is the IP header. A load behind the end returns 0: the base.
 */
#include "io/udp.h"

#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

#define METHOD_MASK 0x3eef /* of a STUN message type: all but the class (RFC 8489, section 5) */
#define BINDING     0x0001
#define MIX_A       UINT32_C(0x9e3779b1)
#define MIX_B       UINT32_C(0x85ebca6b)

bool rf_udp_is_relays(struct rf_view d)
{
    if (d.len < 2 || (d.p[0] >= 4 && d.p[0] < 64) || d.p[0] >= 128)
        return false;
    return d.p[0] >= 64 || ((d.p[0] << 8 | d.p[1]) & METHOD_MASK) != BINDING;
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

size_t rf_udp_thread_of(const struct rf_addr *client, size_t threads)
{
    uint32_t a = client->port;
    for (size_t i = 0; i < (client->family == 4 ? 4 : 16); i += 4)
        a = (a * MIX_A) ^ u32(client->ip + i);
    a = (a ^ (a >> 15)) * MIX_B;
    return (a ^ (a >> 13)) % threads;
}

#define STMT(code, k)         BPF_STMT((uint16_t)(code), (uint32_t)(k))
#define JUMP(code, k, jt, jf) BPF_JUMP((uint16_t)(code), (uint32_t)(k), jt, jf)
#define NET(at)               ((uint32_t)SKF_NET_OFF + (at))
#define WORD(at)              /* A = (A * MIX_A) ^ the word at that place of the IP header; uses M[0] */     \
    STMT(BPF_ALU | BPF_MUL | BPF_K, MIX_A), STMT(BPF_ST, 0), STMT(BPF_LD | BPF_W | BPF_ABS, NET(at)),        \
        STMT(BPF_LDX | BPF_MEM, 0), STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define WORD_LEN 5

int rf_udp_steer(int fd, size_t threads)
{
    struct sock_filter code[] = {
        STMT(BPF_LD | BPF_H | BPF_ABS, 0), /* the first two bytes */
        JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x8000, 4, 0),
        JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x4000, 4, 0), /* ChannelData */
        JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x0400, 2, 0),
        STMT(BPF_ALU | BPF_AND | BPF_K, METHOD_MASK),
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, BINDING, 0, 1),
        STMT(BPF_RET | BPF_K, 0), /* the base */
        STMT(BPF_LD | BPF_B | BPF_ABS, NET(0)),
        STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 3 + WORD_LEN, 0),
        STMT(BPF_LDX | BPF_B | BPF_MSH, NET(0)),
        STMT(BPF_LD | BPF_H | BPF_IND, NET(0)), /* source port, behind the IPv4 header */
        WORD(12),
        JUMP(BPF_JMP | BPF_JA, 1 + 4 * WORD_LEN, 0, 0),
        STMT(BPF_LD | BPF_H | BPF_ABS, NET(40)),
        WORD(8),
        WORD(12),
        WORD(16),
        WORD(20),
        STMT(BPF_MISC | BPF_TAX, 0),
        STMT(BPF_ALU | BPF_RSH | BPF_K, 15),
        STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        STMT(BPF_ALU | BPF_MUL | BPF_K, MIX_B),
        STMT(BPF_MISC | BPF_TAX, 0),
        STMT(BPF_ALU | BPF_RSH | BPF_K, 13),
        STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        STMT(BPF_ALU | BPF_MOD | BPF_K, threads),
        STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
        STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0
               ? 0
               : RF_EUNSUPPORTED;
}
