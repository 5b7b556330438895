/* test_sip_phone.c - a phone of a few lines: it sends and reads SIP as text, so that what sip/ says is seen from outside. */
#include "test_sip.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "sip/re.h"

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct phone *phone_new(struct sip_net *net, const struct sip_node *node, const char *user, bool tcp)
{
    struct phone *p = calloc(1, sizeof(*p));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(node->phones.port)}, own;
    socklen_t len = sizeof(own);
    assert_non_null(p);
    memcpy(&to.sin_addr, node->phones.ip, 4);
    p->net = net;
    p->tcp = tcp;
    p->hops = 70;
    p->server = node->phones;
    snprintf(p->user, sizeof(p->user), "%s", user);
    p->fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&own, &len), 0);
    p->local = (struct rf_addr){.family = 4, .port = ntohs(own.sin_port), .ip = {127, 0, 0, 1}};
    return p;
}

void phone_free(struct phone *p)
{
    close(p->fd);
    free(p);
}

void phone_send(struct phone *p, const char *format, ...)
{
    char text[32768];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_true(n > 0 && n < (int)sizeof(text));
    assert_int_equal(send(p->fd, text, (size_t)n, 0), n);
}

char *header_of(const char *message, const char *name, char *out, size_t max)
{
    size_t len = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(message, "\r\n"); line != NULL && strncmp(line, "\r\n\r\n", 4) != 0;
         line = strstr(line + 2, "\r\n")) {
        const char *p = line + 2;
        if (strncasecmp(p, name, len) != 0 || p[len] != ':')
            continue;
        p += len + 1;
        p += strspn(p, " ");
        snprintf(out, max, "%.*s", (int)strcspn(p, "\r\n"), p);
        break;
    }
    return out;
}

/* one whole message from the stream's inbox */
static bool cut_message(struct phone *p)
{
    while (p->inbox_len >= 2 && memcmp(p->inbox, "\r\n", 2) == 0) {
        p->inbox_len -= 2;
        memmove(p->inbox, p->inbox + 2, p->inbox_len + 1);
    }
    const char *end = strstr(p->inbox, "\r\n\r\n");
    char length[32];
    if (end == NULL)
        return false;
    size_t total =
        (size_t)(end - p->inbox) + 4 + strtoul(header_of(p->inbox, "Content-Length", length, 32), NULL, 10);
    if (p->inbox_len < total)
        return false;
    memcpy(p->got, p->inbox, total);
    p->got[total] = '\0';
    p->inbox_len -= total;
    memmove(p->inbox, p->inbox + total, p->inbox_len + 1);
    return true;
}

static bool read_message(struct phone *p)
{
    if (p->tcp && cut_message(p))
        return true;
    char *into = p->tcp ? p->inbox + p->inbox_len : p->got;
    ssize_t n =
        recv(p->fd, into, p->tcp ? sizeof(p->inbox) - 1 - p->inbox_len : sizeof(p->got) - 1, MSG_DONTWAIT);
    if (n <= 0)
        return false;
    into[n] = '\0';
    if (!p->tcp)
        return true;
    p->inbox_len += (size_t)n;
    return cut_message(p);
}

const char *phone_wait(struct phone *p, const char *start, int ms)
{
    uint64_t until = now_ms() + patience(ms);
    for (;;) {
        while (read_message(p)) {
            char challenge[512];
            const char *nonce =
                strstr(header_of(p->got, "WWW-Authenticate", challenge, sizeof(challenge)), "nonce=\"");
            if (nonce != NULL)
                snprintf(p->nonce, sizeof(p->nonce), "%.*s", (int)strcspn(nonce + 7, "\""), nonce + 7);
            if (strncmp(p->got, start, strlen(start)) == 0)
                return p->got;
        }
        if (now_ms() >= until)
            return NULL;
        net_turn(p->net, p->fd, 10);
    }
}

bool phone_quiet(struct phone *p, const char *start, int ms)
{
    return phone_wait(p, start, ms) == NULL;
}

static void hex(const uint8_t *bytes, char out[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

const char *phone_auth(struct phone *p, const char *user, const char *password, const char *method,
                       const char *uri)
{
    static char line[1024];
    uint8_t md[16];
    char ha1[33], ha2[33], response[33];
    md5_printf(md, "%s:example.org:%s", user, password);
    hex(md, ha1);
    md5_printf(md, "%s:%s", method, uri);
    hex(md, ha2);
    md5_printf(md, "%s:%s:00000001:abcdef:auth:%s", ha1, p->nonce, ha2);
    hex(md, response);
    snprintf(line, sizeof(line),
             "Authorization: Digest username=\"%s\", realm=\"example.org\", nonce=\"%s\", uri=\"%s\", "
             "response=\"%s\", "
             "cnonce=\"abcdef\", nc=00000001, qop=auth, algorithm=MD5\r\n",
             user, p->nonce, uri, response);
    return line;
}

static const char *transport(const struct phone *p)
{
    return p->tcp ? "TCP" : "UDP";
}

static void send_register(struct phone *p, const char *auth, int expires)
{
    p->seq++;
    phone_send(
        p,
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bKr%u.%u;rport\r\n"
        "From: <sip:%s@example.org>;tag=r\r\nTo: <sip:%s@example.org>\r\nCall-ID: reg%u\r\nCSeq: %u "
        "REGISTER\r\n"
        "Contact: <sip:%s@127.0.0.1:%u%s>\r\nExpires: %d\r\n%sContent-Length: 0\r\n\r\n",
        transport(p), p->local.port, p->local.port, p->seq, p->user, p->user, p->local.port, p->seq, p->user,
        p->local.port, p->tcp ? ";transport=tcp" : "", expires, auth);
}

static int code_of(const char *message)
{
    return message != NULL ? atoi(message + 8) : 0;
}

int phone_register(struct phone *p, const char *password, int expires)
{
    send_register(p, "", expires);
    int code = code_of(phone_wait(p, "SIP/2.0", 2000));
    if (code != 401)
        return code;
    send_register(p, phone_auth(p, p->user, password, "REGISTER", "sip:example.org"), expires);
    return code_of(phone_wait(p, "SIP/2.0", 2000));
}

static void send_invite(struct phone *p, struct phone_call *call, const char *to, const char *auth,
                        const char *body)
{
    char uri[200];
    snprintf(uri, sizeof(uri), strchr(to, '@') != NULL ? "sip:%s" : "sip:%s@example.org", to);
    snprintf(call->branch, sizeof(call->branch), "z9hG4bKi%u.%u", p->local.port, ++p->seq);
    call->seq++;
    phone_send(p,
               "INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=%s;rport\r\nMax-Forwards: %u\r\n"
               "From: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %u INVITE\r\nContact: "
               "<sip:%s@127.0.0.1:%u%s>\r\n"
               "Subject: hello\r\n%s%sContent-Length: %zu\r\n\r\n%s",
               uri, transport(p), p->local.port, call->branch, p->hops, call->local, call->from_tag, uri,
               call->call_id, call->seq, p->user, p->local.port, p->tcp ? ";transport=tcp" : "", auth,
               body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

void phone_invite(struct phone *p, struct phone_call *call, const char *to, const char *body)
{
    char uri[200];
    *call = (struct phone_call){.caller = true};
    snprintf(uri, sizeof(uri), strchr(to, '@') != NULL ? "sip:%s" : "sip:%s@example.org", to);
    snprintf(call->call_id, sizeof(call->call_id), "call%u.%u", p->local.port, ++p->seq);
    snprintf(call->from_tag, sizeof(call->from_tag), "f%u", p->seq);
    snprintf(call->local, sizeof(call->local), "sip:%s@example.org", p->user);
    snprintf(call->remote, sizeof(call->remote), "%s", uri);
    snprintf(call->peer, sizeof(call->peer), "%s", uri);
    send_invite(p, call, to, "", body);
    assert_non_null(phone_wait(p, "SIP/2.0 401", 2000));
    phone_ack(p, call, call->branch);
    send_invite(p, call, to, phone_auth(p, p->user, "secret", "INVITE", uri), body);
}

void phone_answered(struct phone *p, struct phone_call *call)
{
    char to[512], contact[512];
    const char *tag = strstr(header_of(p->got, "To", to, sizeof(to)), ";tag=");
    assert_non_null(tag);
    snprintf(call->to_tag, sizeof(call->to_tag), "%s", tag + 5);
    header_of(p->got, "Contact", contact, sizeof(contact));
    assert_int_equal(contact[0], '<');
    snprintf(call->peer, sizeof(call->peer), "%.*s", (int)strcspn(contact + 1, ">"), contact + 1);
}

static void in_dialog(struct phone *p, struct phone_call *call, const char *method, unsigned seq,
                      const char *branch)
{
    char tag[150] = "";
    const char *local_tag = call->caller ? call->from_tag : call->to_tag;
    const char *remote_tag = call->caller ? call->to_tag : call->from_tag;
    if (remote_tag[0] != '\0')
        snprintf(tag, sizeof(tag), ";tag=%s", remote_tag);
    phone_send(p,
               "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=%s;rport\r\nMax-Forwards: 70\r\n"
               "From: <%s>;tag=%s\r\nTo: <%s>%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
               method, call->peer, transport(p), p->local.port, branch, call->local, local_tag, call->remote,
               tag, call->call_id, seq, method);
}

void phone_ack(struct phone *p, struct phone_call *call, const char *branch)
{
    in_dialog(p, call, "ACK", call->seq, branch);
}

void phone_cancel(struct phone *p, struct phone_call *call, const char *to)
{
    (void)to;
    in_dialog(p, call, "CANCEL", call->seq, call->branch);
}

void phone_bye(struct phone *p, struct phone_call *call)
{
    char branch[64];
    snprintf(branch, sizeof(branch), "z9hG4bKb%u.%u", p->local.port, ++p->seq);
    in_dialog(p, call, "BYE", ++call->seq, branch);
}

/* "<uri>;tag=x" -> uri, tag */
static void split_address(const char *value, char *uri, char *tag, size_t max)
{
    const char *t = strstr(value, ";tag=");
    const char *open = strchr(value, '<');
    assert_non_null(open);
    snprintf(uri, max, "%.*s", (int)strcspn(open + 1, ">"), open + 1);
    snprintf(tag, 64, "%s", t != NULL ? t + 5 : "");
}

bool phone_take(struct phone *p, struct phone_call *call, int ms)
{
    char value[512], unused[64];
    *call = (struct phone_call){0};
    const char *invite = phone_wait(p, "INVITE", ms);
    if (invite == NULL)
        return false;
    snprintf(call->invite, sizeof(call->invite), "%s", invite);
    header_of(invite, "Call-ID", call->call_id, sizeof(call->call_id));
    split_address(header_of(invite, "From", value, sizeof(value)), call->remote, call->from_tag,
                  sizeof(call->remote));
    split_address(header_of(invite, "To", value, sizeof(value)), call->local, unused, sizeof(call->local));
    header_of(invite, "Contact", value, sizeof(value));
    snprintf(call->peer, sizeof(call->peer), "%.*s", (int)strcspn(value + 1, ">"), value + 1);
    snprintf(call->to_tag, sizeof(call->to_tag), "t%u.%u", p->local.port, ++p->seq);
    call->seq = 100;
    return true;
}

void phone_reply(struct phone *p, const char *request, int code, const char *reason, const char *tag,
                 const char *body)
{
    char via[512], from[512], to[512], call_id[200], cseq[64];
    header_of(request, "Via", via, sizeof(via));
    header_of(request, "From", from, sizeof(from));
    header_of(request, "To", to, sizeof(to));
    header_of(request, "Call-ID", call_id, sizeof(call_id));
    header_of(request, "CSeq", cseq, sizeof(cseq));
    bool tagged = strstr(to, ";tag=") != NULL || tag == NULL;
    phone_send(p,
               "SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
               "Contact: <sip:%s@127.0.0.1:%u%s>\r\n%sContent-Length: %zu\r\n\r\n%s",
               code, reason, via, from, to, tagged ? "" : ";tag=", tagged ? "" : tag, call_id, cseq, p->user,
               p->local.port, p->tcp ? ";transport=tcp" : "",
               body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

void phones_connect(struct phone *caller, struct phone_call *out, const char *to, struct phone *callee,
                    struct phone_call *in)
{
    phone_invite(caller, out, to, SDP_A);
    assert_true(phone_take(callee, in, 2000));
    phone_reply(callee, in->invite, 180, "Ringing", in->to_tag, "");
    assert_non_null(phone_wait(caller, "SIP/2.0 180", 2000));
    phone_reply(callee, in->invite, 200, "OK", in->to_tag, SDP_B);
    assert_non_null(phone_wait(caller, "SIP/2.0 200", 2000));
    phone_answered(caller, out);
    assert_non_null(strstr(caller->got, SDP_B));
    phone_ack(caller, out, "z9hG4bKack");
    assert_non_null(phone_wait(callee, "ACK", 2000));
}

void phones_hang_up(struct phone *who, struct phone_call *call, struct phone *other)
{
    phone_bye(who, call);
    assert_non_null(phone_wait(who, "SIP/2.0 200", 2000));
    assert_non_null(phone_wait(other, "BYE", 2000));
    phone_reply(other, other->got, 200, "OK", NULL, "");
}

void phone_within(struct phone *p, struct phone_call *call, const char *method, const char *extra,
                  const char *body)
{
    phone_send(p,
               "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKw%u;rport\r\nMax-Forwards: "
               "70\r\nFrom: <%s>;tag=%s\r\n"
               "To: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContact: "
               "<sip:%s@127.0.0.1:%u>\r\n%sContent-Length: %zu\r\n\r\n%s",
               method, call->peer, p->local.port, ++p->seq, call->local,
               call->caller ? call->from_tag : call->to_tag, call->remote,
               call->caller ? call->to_tag : call->from_tag, call->call_id, ++call->seq, method, p->user,
               p->local.port, extra, strlen(body), body);
}
