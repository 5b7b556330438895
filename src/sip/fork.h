/*
 * fork.h - which of several devices' answers the caller hears (RFC 3261, section 16.7, "Choosing the best response").
 */
#ifndef RF_SIP_FORK_H
#define RF_SIP_FORK_H

#include <stddef.h>

/*
 * fork_better tells which of two final codes (300..699; 0: none yet) is the better one to pass on. A 6xx is true for all devices and
 * wins; else the lowest class; within 4xx a code that tells the caller what a person or the request itself did (486 busy,
 * 488 media, 415, 420, 484) beats one that only says that a device was not there (480, 408, 404).
 */
int fork_better(int a, int b);
/* fork_final makes what is sent: 503 becomes 500 (16.7 step 6), a redirection and a challenge of a device 480, nothing at all 480. */
int fork_final(int best);
/* fork_ends_all: after this code the other devices are cancelled at once. */
int fork_ends_all(int code);
const char *fork_reason(int code); /* the reason phrase of a code we send */

#endif
