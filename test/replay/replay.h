/*
 * replay.h - a scenario is text: this comes in, that must go out, time passes. One whole node (rf_node over the plain engine) on a
 * virtual clock meets peers that do what the text says. Codec, certificates and signatures are the real ones. The network and the
 * disk take no time, so an interval that a scenario names is the node's own.
 *
 * A line is one step; `#` begins a comment. D is a duration: 200ms, 15s, 2m, 1h. P is a peer. K=V are fields, in any order.
 *
 * Who there is (Node-IDs by their first hexadecimal digits, the rest is zeros; the first digits of the ring's place):
 *     set K=V ...             before `node`: seed, sequence, max_message, timer_ms, ttl, bootstrap (node or peers: node,b), update_s,
 *                             ping_s (Chord's intervals)
 *     peer P id HEX [user U]  a peer at 10.0.0.N (N: its number, from 2); its user is P@example.org, or U@example.org
 *     node ROLE id HEX [user U]   the node under test, at 10.0.0.1, starts now; ROLE: supernode, client, auto
 *
 * What the node is told:
 *     time D                  so much time passes
 *     disk works | fails | holds | goes   commits at once; refuses; says nothing yet; ends what it held and works
 *     node leaves | node pings P | node offered SEQUENCE     (the last: a document that the shell has)
 *     document SEQUENCE [bad=P] [max_message=N]      signs a document that P can send from now on (config_update_req document=SEQUENCE)
 *
 * What a peer does:
 *     P connects              dials the node, handshake and all; P dials: without a hello; P greets: sends the hello
 *     P listens yes | no | mute   what the node's dialling meets: an answer (the default), a refusal, a connection that says nothing
 *     P acks yes | no         data frames are acknowledged (default yes)
 *     P closes                the connection
 *     P raw HEX | P plain HEX bytes on the wire; bytes inside the channel
 *     P auto CODE ...         requests of these codes are answered well and not shown from now on (`auto none`: none are); an Attach
 *                             is answered and the node dialled, a Store by what it held
 *     P sends CODE [K=V ...]  a signed request. Of the message: to (node, any, a peer, res:HEX, H:user; several with commas), ttl, seq,
 *                             overlay (hex), via, by (another peer signs it: P passes it on), option=TYPE:FLAGS,
 *                             extension=TYPE:critical, sign=bad, max_response,
 *                             pieces=BYTES with keep=N (the last N pieces are not sent). Of the body: see body.c
 *     P repeats               the last request again, byte for byte
 *     P sends kept            the pieces that were kept back
 *     P answers [CODE] [K=V ...]  the request that P got last, by the answer to it or by CODE
 *
 * What must be so:
 *     expect P gets CODE [K=V ...] [WHEN]   the next message that P received; `same`: byte for byte what P got before
 *     expect P gets nothing [for D]
 *     expect P gets keepalive [WHEN]
 *     expect P dialled [WHEN] | expect P closed [WHEN] | expect P open
 *     expect event NAME [WHEN] | expect no event NAME [for D]     since the last one that was expected
 *     expect disk asked [WHEN]              a commit is waiting
 *     expect done ok | ERROR [WHEN]         the end of `node pings`; ERROR: timeout, or the text of base/error.h if it is one word
 *     expect left [WHEN]                    the node has said good-bye to all
 *     expect counter ROOM.NAME N
 *     expect state idle | joining | joined | leaving
 *     expect sequence N                     of the document in force
 * WHEN: `after D` exactly then (to the millisecond), `after D..D` in between, `within D` not later. Without it: at once.
 *
 * The first line that does not hold ends the scenario with `file:line: expected ..., got ...`.
 */
#ifndef RF_TEST_REPLAY_H
#define RF_TEST_REPLAY_H

#include <stdbool.h>
#include <stdio.h>

/* replay_run plays the scenario in the file `path`; says on `errors` what did not hold. True: all of it held. */
bool replay_run(const char *path, FILE *errors);

#endif
