/* fork.c - which of several devices' answers the caller hears. */
#include "sip/fork.h"

/* smaller is better */
static int rank(int code)
{
    if (code >= 600)
        return 0;
    if (code < 300)
        return 10000; /* none */
    int within = 50;
    switch (code) {
    case 486: /* a person's phone is busy */
        within = 1;
        break;
    case 488: /* the phones cannot agree on media: asking again is useless */
    case 606:
    case 415:
    case 420:
    case 484:
        within = 2;
        break;
    case 480:
        within = 60;
        break;
    case 408:
        within = 61;
        break;
    case 404:
    case 410:
        within = 62;
        break;
    case 487: /* our own CANCEL */
        within = 90;
        break;
    }
    int class_rank =
        code / 100 == 3 ? 7 : code / 100; /* we follow no redirections, so 3xx tells the caller least */
    return class_rank * 100 + within;
}

int fork_better(int a, int b)
{
    return rank(b) < rank(a) ? b : a;
}

int fork_final(int best)
{
    if (best == 503)
        return 500;
    if (best < 400 || best == 401 || best == 407)
        return 480;
    return best;
}

int fork_ends_all(int code)
{
    return code >= 600;
}

const char *fork_reason(int code)
{
    static const struct {
        int code;
        const char *text;
    } reasons[] = {
        {180, "Ringing"},
        {183, "Session Progress"},
        {200, "OK"},
        {202, "Accepted"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {408, "Request Timeout"},
        {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"},
        {420, "Bad Extension"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {482, "Loop Detected"},
        {483, "Too Many Hops"},
        {484, "Address Incomplete"},
        {486, "Busy Here"},
        {487, "Request Terminated"},
        {488, "Not Acceptable Here"},
        {491, "Request Pending"},
        {500, "Server Internal Error"},
        {503, "Service Unavailable"},
        {600, "Busy Everywhere"},
        {603, "Decline"},
        {604, "Does Not Exist Anywhere"},
        {606, "Not Acceptable"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return reasons[i].text;
    return code < 200 ? "Progress" : code < 300 ? "OK" : "Failed";
}
