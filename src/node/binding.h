/* binding.h - what node/ does about the bindings of NATs, inside this folder: binding.c learns, binding_help.c helps others to. */
#ifndef RF_NODE_BINDING_H
#define RF_NODE_BINDING_H

#include "node/binding_search.h"
#include "node/internal.h"
#include "wire/binding.h"

#define BINDING_LONGEST_US (UINT64_C(7440) * RF_US_PER_S) /* RFC 5382, REQ-5 */

/* binding_piece_put sends one as a datagram; without memory it is lost. */
void binding_piece_send(struct rf_node *node, uint8_t base, const struct rf_addr *remote, uint8_t kind,
                        const uint8_t token[RF_BINDING_TOKEN_LEN], uint64_t wait_us);
/* Bytes of a connection until they are one piece. True: it is whole, or nonsense: *error is RF_EFORMAT. */
struct binding_reader {
    uint8_t bytes[RF_BINDING_PIECE_LEN];
    size_t len;
};
bool binding_read(struct binding_reader *r, struct rf_view *in, struct rf_binding_piece *out, int *error);
/* binding_link_send sends one over a connection. Errors: those of rf_links_app_send. */
int binding_link_send(struct rf_node *node, rf_link_id link, uint8_t kind,
                      const uint8_t token[RF_BINDING_TOKEN_LEN], uint64_t wait_us);

/* ---- binding_help.c ---- */

/* binding_help_link_up: they made the connection that they asked for; false: they had not. */
bool binding_help_link_up(struct rf_node *node, const struct rf_link_info *link);
void binding_help_link_down(struct rf_node *node, rf_link_id link);
void binding_help_data(struct rf_node *node, rf_link_id link, struct rf_view bytes);
void binding_help_datagram(struct rf_node *node, uint8_t base, const struct rf_addr *remote,
                           const struct rf_binding_piece *piece, size_t len);
void binding_help_deinit(struct rf_node *node);

#endif
