/* message.c - what the scripted peers say: signed requests and answers, whole or in pieces; answers given without being told to. */
#include "replay/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/method.h"
#include "wire/store.h"

int code_by_name(const char *name)
{
    for (int code = 1; code <= 0xffff; code++)
        if (strcmp(rf_code_name((uint16_t)code), name) == 0)
            return code;
    return strncmp(name, "0x", 2) == 0 ? (int)strtol(name, NULL, 16) : -1;
}

/* option=TYPE:FLAGS */
static void put_option(const struct words *words, struct rf_buf *out)
{
    const char *text = arg(words, "option");
    char *rest;

    if (text == NULL)
        return;
    struct rf_option option = {.type = (uint8_t)strtoul(text, &rest, 0)};
    option.flags = *rest == ':' ? (uint8_t)strtoul(rest + 1, NULL, 0) : 0;
    rf_option_encode(&option, out);
}

/* extension=TYPE or TYPE:critical */
static void put_extension(const struct words *words, struct rf_buf *out)
{
    const char *text = arg(words, "extension");
    char *rest;

    if (text == NULL)
        return;
    struct rf_extension extension = {.type = (uint16_t)strtoul(text, &rest, 0)};
    extension.critical = strcmp(rest, ":critical") == 0;
    rf_extension_encode(&extension, out);
}

static void header_of(struct peer *p, const struct words *words, struct rf_header *out)
{
    const struct rf_conf *conf = p->world->documents[0];
    const char *overlay = arg(words, "overlay");

    *out = (struct rf_header){
        .overlay = overlay != NULL ? (uint32_t)strtoul(overlay, NULL, 16) : conf->overlay_hash,
        .config_sequence = (uint16_t)arg_number(words, "seq", conf->sequence),
        .ttl = (uint8_t)arg_number(words, "ttl", conf->initial_ttl),
        .fragment = RF_FRAGMENT_WHOLE,
        .max_response_len = (uint32_t)arg_number(words, "max_response", 0),
    };
}

/* Contents and security block of a message: signed by the peer. */
static bool rest_put(struct peer *p, uint16_t code, const struct words *words, const struct rf_header *header,
                     struct rf_buf *contents, struct rf_buf *security)
{
    const char *sign = arg(words, "sign"), *by = arg(words, "by");
    struct peer *signer = by != NULL ? world_find(p->world, by) : p;
    struct rf_buf body, extensions;
    bool ok;

    rf_buf_init(&body, rf_mem_system(), 1 << 20);
    rf_buf_init(&extensions, rf_mem_system(), 1024);
    ok = signer != NULL ? body_put(signer, code, words, &body) : world_fail(p->world, "who is %s?", by);
    put_extension(words, &extensions);
    if (ok && rf_buf_error(&body) != 0)
        ok = world_fail(p->world, "the body cannot be encoded: %s", rf_error_text(rf_buf_error(&body)));
    if (ok) {
        rf_contents_encode(code, rf_buf_view(&body), rf_buf_view(&extensions), contents);
        RF_ASSERT(rf_identity_security_block(&signer->identity, header->overlay, header->transaction_id,
                                             rf_buf_view(contents), NULL, 0, security) == 0);
        if (sign != NULL && strcmp(sign, "bad") == 0)
            security->p[security->len - 1] ^= 1;
    }
    rf_buf_deinit(&body);
    rf_buf_deinit(&extensions);
    return ok;
}

static bool message_make(struct peer *p, uint16_t code, const struct words *words,
                         const struct rf_header *header, struct rf_buf *out)
{
    struct rf_buf contents, security;
    bool ok;

    rf_buf_init(&contents, rf_mem_system(), 1 << 20);
    rf_buf_init(&security, rf_mem_system(), 1 << 20);
    rf_buf_reset(out);
    ok = rest_put(p, code, words, header, &contents, &security);
    if (ok)
        rf_message_encode(header, rf_buf_view(&contents), rf_buf_view(&security), out);
    RF_ASSERT(rf_buf_error(out) == 0);
    rf_buf_deinit(&contents);
    rf_buf_deinit(&security);
    return ok;
}

/* Sends p->sent whole, or cut into pieces of at most `max_len` bytes of which the last `keep` wait. */
static bool send_pieces(struct peer *p, size_t max_len, size_t keep)
{
    struct rf_view rest = rf_buf_view(&p->sent);
    struct rf_header header;
    struct rf_split split;
    struct rf_buf pieces[32];
    size_t count = 0;
    bool ok = true;

    if (max_len == 0)
        return peer_frame(p, rest);
    rf_buf_reset(&p->kept);
    if (rf_header_decode(&rest, 16, &header) != 0 || rf_split_start(&split, &header, rest, max_len) != 0)
        return world_fail(p->world, "it cannot be cut like that");
    for (bool more = true; more && count < RF_COUNT(pieces); count += more) {
        rf_buf_init(&pieces[count], rf_mem_system(), MESSAGE_MAX);
        more = rf_split_next(&split, &pieces[count]);
    }
    for (size_t i = 0; i < count; i++) {
        if (i + keep < count)
            ok = ok && peer_frame(p, rf_buf_view(&pieces[i]));
        else
            rf_buf_v(&p->kept, 4, rf_buf_view(&pieces[i]));
        rf_buf_deinit(&pieces[i]);
    }
    return ok;
}

bool message_kept(struct peer *p)
{
    struct rf_view list = rf_buf_view(&p->kept), piece;
    bool ok = list.len > 0 || world_fail(p->world, "%s kept nothing", p->name);

    while (ok && list.len > 0 && rf_view_v(&list, 4, &piece) == 0)
        ok = peer_frame(p, piece);
    rf_buf_reset(&p->kept);
    return ok;
}

bool message_send(struct peer *p, const char *name, const struct words *words)
{
    const char *to = arg(words, "to"), *via = arg(words, "via");
    int code = code_by_name(name);
    struct rf_buf dests, vias, options;
    struct rf_header header;
    bool ok;

    if (code < 0)
        return world_fail(p->world, "no message is called %s", name);
    rf_buf_init(&dests, rf_mem_system(), 8192);
    rf_buf_init(&vias, rf_mem_system(), 8192);
    rf_buf_init(&options, rf_mem_system(), 8192);
    header_of(p, words, &header);
    header.transaction_id = rf_rng_u64(&p->world->rng.rng);
    put_option(words, &options);
    ok = destinations_put(p->world, to != NULL ? to : "node", &dests) &&
         (via == NULL || destinations_put(p->world, via, &vias));
    header.dests = rf_buf_view(&dests);
    header.via = rf_buf_view(&vias);
    header.options = rf_buf_view(&options);
    ok = ok && message_make(p, (uint16_t)code, words, &header, &p->sent) &&
         send_pieces(p, arg_number(words, "pieces", 0), arg_number(words, "keep", 0));
    rf_buf_deinit(&dests);
    rf_buf_deinit(&vias);
    rf_buf_deinit(&options);
    return ok;
}

/* Answers `request`, which came from the node. */
static bool answer(struct peer *p, struct rf_view request, uint16_t code, const struct words *words)
{
    struct rf_message m;
    struct rf_header header;
    struct rf_buf dests, message;
    bool ok;

    if (rf_message_decode(request, 16, &m) != 0 || !rf_code_is_request(m.code))
        return world_fail(p->world, "%s got no request", p->name);
    rf_buf_init(&dests, rf_mem_system(), 8192);
    rf_buf_init(&message, rf_mem_system(), MESSAGE_MAX);
    rf_dest_list_way_back(m.header.via, &p->world->identity.node_id, &dests);
    header_of(p, words, &header);
    header.transaction_id = m.header.transaction_id;
    header.dests = rf_buf_view(&dests);
    ok = message_make(p, code != 0 ? code : (uint16_t)(m.code + 1), words, &header, &message) &&
         peer_frame(p, rf_buf_view(&message));
    rf_buf_deinit(&dests);
    rf_buf_deinit(&message);
    return ok;
}

bool message_answer(struct peer *p, const struct words *words)
{
    bool named = words->count > 2 && strchr(words->word[2], '=') == NULL;
    int code = named ? code_by_name(words->word[2]) : 0;

    return code < 0 ? world_fail(p->world, "no message is called %s", words->word[2])
                    : answer(p, rf_buf_view(&p->got), (uint16_t)code, words);
}

/* ---- by themselves ---- */

/* A Store is answered by the Kinds it brought, each with generation 1 or the one it came with. */
static bool auto_store(struct peer *p, const struct rf_message *m, char field[2][64], struct words *words)
{
    struct rf_region region;
    struct rf_store_req req;
    bool ok;

    rf_region_init(&region, rf_mem_system(), 1 << 20);
    ok = rf_store_req_decode(m->body, &region, &req) == 0 && req.kind_count == 1;
    if (ok) {
        snprintf(field[0], 64, "kind=0x%x", (unsigned)req.kinds[0].kind);
        snprintf(field[1], 64, "generation=%llu",
                 (unsigned long long)(req.kinds[0].generation > 0 ? req.kinds[0].generation : 1));
        words->word[words->count++] = field[0];
        words->word[words->count++] = field[1];
    }
    rf_region_deinit(&region);
    return ok || world_fail(p->world, "a Store of several Kinds cannot be answered by itself");
}

static bool auto_fetch(const struct rf_message *m, char field[64], struct words *words)
{
    struct rf_region region;
    struct rf_fetch_req req;
    bool ok;

    rf_region_init(&region, rf_mem_system(), 1 << 20);
    ok = rf_fetch_req_decode(m->body, &region, &req) == 0 && req.specifier_count == 1;
    if (ok) {
        snprintf(field, 64, "kind=0x%x", (unsigned)req.specifiers[0].kind);
        words->word[words->count++] = field;
    }
    rf_region_deinit(&region);
    return ok;
}

bool message_auto(struct peer *p, struct rf_view message)
{
    char field[2][64];
    struct words words = {.count = 0};
    struct rf_message m;
    bool wanted = false;

    if (rf_message_decode(message, 16, &m) != 0)
        return false;
    for (size_t i = 0; i < p->auto_count; i++)
        wanted = wanted || p->autos[i] == m.code;
    if (!wanted || rf_code_is_response(m.code))
        return wanted;
    if (m.code == RF_CODE_STORE_REQ && !auto_store(p, &m, field, &words))
        return false;
    if (m.code == RF_CODE_FETCH_REQ && !auto_fetch(&m, field[0], &words))
        return false;
    return answer(p, message, 0, &words) && (m.code != RF_CODE_ATTACH_REQ || peer_dial(p, true));
}
