/*
 * den.c - see den.h.
 *
 * Somebody asleep: struct sleeper, then the window's differences from the pattern, first those of the bits, then for each size those of the blocks up to the last
 * one used. They are told in groups of eight lines of 64 bytes, that is of 16 numbers of 32 bits:
 *
 *     u8: which lines differ | u16 for each of these: which of its numbers | the numbers, as they are here
 *
 * What is compared with a block is the block at its place in the pattern, if it is used there, else the used one before that; a free block is all zeros.
 */
#include "sim/den.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "sim/slab.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DEN_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(DEN_ASAN)
#include <sanitizer/asan_interface.h>
#define UNPOISON(p, len) ASAN_UNPOISON_MEMORY_REGION(p, len)
#else
#define UNPOISON(p, len) ((void)(p))
#endif

#define LINE_LEN        64
#define NUMBERS_IN_LINE 16
#define LINES_IN_GROUP  8
#define ROOM_SKEW       320 /* rooms begin at different lines of a cache's sets */
#define PACKED_STEP     64  /* what is asleep takes a multiple of that */
#define TRIAL_EVERY     16  /* of so many typical ones one tries the other pattern, too */
#define TRIAL_COUNT     64  /* then it is known which is better */
#define NO_PATTERN      DEN_PATTERNS

struct sleeper {
    uint32_t len; /* of what follows */
    uint32_t pattern;
    uint8_t bytes[];
};

struct den_pattern {
    uint32_t at[DEN_SIZES]; /* where the blocks of each size are in bytes[], whole lines */
    size_t sleepers;        /* who are packed by it */
    uint64_t *bits;         /* in the same memory */
    uint8_t bytes[];
};

/* ---- the window ---- */

static size_t size_number(size_t size)
{
    if (size <= DEN_FINE_LEN)
        return (size + DEN_STEP - 1) / DEN_STEP - 1;
    size_t number = DEN_FINE_LEN / DEN_STEP, low = DEN_FINE_LEN;
    for (; size > 2 * low; low *= 2)
        number += 8;
    return number + (size - low + low / 8 - 1) / (low / 8) - 1;
}

static size_t size_of(size_t number)
{
    if (number < DEN_FINE_LEN / DEN_STEP)
        return (number + 1) * DEN_STEP;
    number -= DEN_FINE_LEN / DEN_STEP;
    size_t low = (size_t)DEN_FINE_LEN << number / 8;
    return low + low / 8 * (number % 8 + 1);
}

static uint64_t *bits_of(const struct sim_den *den, size_t number)
{
    return (uint64_t *)(void *)den->window + den->sizes[number].bits_at;
}

/* The number of blocks up to the last one that is used. */
static size_t begun(const uint64_t *bits, size_t len)
{
    while (len > 0 && bits[len - 1] == 0)
        len--;
    return len == 0 ? 0 : 64 * len - (size_t)__builtin_clzll(bits[len - 1]);
}

static bool has_bit(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> i % 64 & 1) != 0;
}

static size_t used_len(const struct sim_den *den, size_t number)
{
    return begun(bits_of(den, number), den->sizes[number].bits_len) * den->sizes[number].size;
}

/* The size of a block in the window; DEN_SIZES: it is not in there. */
static size_t room_of(const struct sim_den *den, const void *block)
{
    size_t at = (uintptr_t)block - (uintptr_t)den->window; /* of one before it: too large */
    size_t number = at < den->sizes[0].at ? DEN_SIZES : (at - den->sizes[0].at) / (DEN_ROOM_LEN + ROOM_SKEW);
    return number < DEN_SIZES ? number : DEN_SIZES;
}

static void *block_new(struct sim_den *den, size_t size)
{
    if (size > DEN_ROOM_LEN)
        return rf_alloc(den->under, size);
    size_t number = size_number(size), i = 0;
    uint64_t *bits = bits_of(den, number);
    size_t len = den->sizes[number].bits_len;
    while (i < len && bits[i] == UINT64_MAX)
        i++;
    size_t place = i < len ? 64 * i + (size_t)__builtin_ctzll(~bits[i]) : SIZE_MAX;
    if (place >= den->sizes[number].count)
        return rf_alloc(den->under, size);
    bits[i] |= UINT64_C(1) << place % 64;
    size_t at = place * den->sizes[number].size, end = at + den->sizes[number].size;
    if (end > den->sizes[number].used)
        den->sizes[number].used = (uint32_t)end;
    return den->window + den->sizes[number].at + at;
}

static void block_free(struct sim_den *den, size_t number, void *block)
{
    size_t place = (size_t)((uint8_t *)block - den->window - den->sizes[number].at) / den->sizes[number].size;
    uint64_t *bits = bits_of(den, number);
    RF_ASSERT(has_bit(bits, place));
    bits[place / 64] &= ~(UINT64_C(1) << place % 64);
    memset(block, 0, den->sizes[number].size);
}

static void *den_resize(void *ctx, void *block, size_t size)
{
    struct sim_den *den = ctx;
    if (block == NULL)
        return block_new(den, size);
    size_t number = room_of(den, block);
    if (number == DEN_SIZES)
        return den->under->resize(den->under->ctx, block, size);
    if (size == 0) {
        block_free(den, number, block);
        return NULL;
    }
    if (size <= DEN_ROOM_LEN && size_number(size) == number)
        return block;
    size_t old = den->sizes[number].size;
    void *moved = block_new(den, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, size < old ? size : old);
    block_free(den, number, block);
    return moved;
}

size_t sim_den_size(const struct sim_den *den, const void *block)
{
    size_t number = room_of(den, block);
    return number == DEN_SIZES ? sim_slab_size(block) : den->sizes[number].size;
}

bool sim_den_empty(const struct sim_den *den)
{
    return begun((const uint64_t *)(const void *)den->window, den->bits_len) == 0;
}

/* Whoever lived there is gone: blocks of each size up to `keep` bytes are about to be written, behind these all is zero. */
static void room_clear(struct sim_den *den, size_t number, size_t keep)
{
    if (den->sizes[number].used > keep)
        memset(den->window + den->sizes[number].at + keep, 0, den->sizes[number].used - keep);
    den->sizes[number].used = (uint32_t)keep;
}

void sim_den_clear(struct sim_den *den)
{
    for (size_t number = 0; number < DEN_SIZES; number++)
        room_clear(den, number, 0);
    memset(den->window, 0, den->bits_len * sizeof(uint64_t));
}

/* ---- packing ---- */

/*
 * put_group packs up to LINES_IN_GROUP lines; returns the end of what it wrote, and writes up to LINE_LEN bytes more behind that. take_group is the way back: own becomes
 * what it was when it was packed against the same `like`. Which numbers differ is as good as random, so there are no branches on it: with AVX-512 a line takes
 * a few instructions, without it some for each number. Both write and read the same.
 */
struct packer {
    uint8_t *(*put_group)(uint8_t *out, const uint32_t *own, const uint32_t *like, size_t lines);
    const uint8_t *(*take_group)(const uint8_t *in, uint32_t *own, const uint32_t *like, size_t lines);
};

static const uint8_t bits_in[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

static uint8_t *put_group_plain(uint8_t *out, const uint32_t *own, const uint32_t *like, size_t lines)
{
    uint8_t *head = out++, numbers[LINES_IN_GROUP * LINE_LEN + sizeof(uint32_t)], *at = numbers;
    *head = 0;
    for (size_t line = 0; line < lines; line++, own += NUMBERS_IN_LINE, like += NUMBERS_IN_LINE) {
        unsigned mask = 0;
        for (unsigned i = 0; i < NUMBERS_IN_LINE; i++) {
            unsigned differs = own[i] != like[i];
            mask |= differs << i;
            memcpy(at, &own[i], sizeof(own[i]));
            at += sizeof(own[i]) * differs;
        }
        *head |= (uint8_t)((mask != 0) << line);
        memcpy(out, &(uint16_t){(uint16_t)mask}, sizeof(uint16_t));
        out += mask != 0 ? sizeof(uint16_t) : 0;
    }
    memcpy(out, numbers, (size_t)(at - numbers));
    return out + (at - numbers);
}

static const uint8_t *take_group_plain(const uint8_t *in, uint32_t *own, const uint32_t *like, size_t lines)
{
    unsigned head = *in++;
    const uint8_t *masks = in;
    in += sizeof(uint16_t) * (bits_in[head & 15] + bits_in[head >> 4]);
    for (size_t line = 0; line < lines; line++, own += NUMBERS_IN_LINE, like += NUMBERS_IN_LINE) {
        uint16_t mask = 0;
        if ((head >> line & 1) != 0) {
            memcpy(&mask, masks, sizeof(mask));
            masks += sizeof(mask);
        }
        for (unsigned i = 0; i < NUMBERS_IN_LINE; i++) {
            bool differs = (mask >> i & 1) != 0;
            memcpy(&own[i], differs ? in : (const uint8_t *)&like[i], sizeof(own[i]));
            in += differs ? sizeof(own[i]) : 0;
        }
    }
    return in;
}

static const struct packer plain = {put_group_plain, take_group_plain};

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx512f,popcnt")))

WIDE static uint8_t *put_group_wide(uint8_t *out, const uint32_t *own, const uint32_t *like, size_t lines)
{
    uint8_t *head = out++;
    __mmask16 masks[LINES_IN_GROUP];
    unsigned which = 0;
    for (size_t line = 0; line < lines; line++) {
        masks[line] = _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(own + line * NUMBERS_IN_LINE),
                                               _mm512_loadu_si512(like + line * NUMBERS_IN_LINE));
        memcpy(out, &masks[line], sizeof(uint16_t));
        out += masks[line] != 0 ? sizeof(uint16_t) : 0;
        which |= (unsigned)(masks[line] != 0) << line;
    }
    *head = (uint8_t)which;
    for (size_t line = 0; line < lines; line++) {
        __m512i numbers = _mm512_loadu_si512(own + line * NUMBERS_IN_LINE);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(masks[line], numbers));
        out += sizeof(uint32_t) * (size_t)__builtin_popcount(masks[line]);
    }
    return out;
}

WIDE static const uint8_t *take_group_wide(const uint8_t *in, uint32_t *own, const uint32_t *like,
                                           size_t lines)
{
    unsigned head = *in++;
    const uint8_t *masks = in;
    in += sizeof(uint16_t) * (size_t)__builtin_popcount(head);
    for (size_t line = 0; line < lines; line++) {
        uint16_t mask;
        memcpy(&mask, masks, sizeof(mask)); /* of another line if this one is the same */
        mask = (head >> line & 1) != 0 ? mask : 0;
        masks += sizeof(mask) * (head >> line & 1);
        __m512i same = _mm512_loadu_si512(like + line * NUMBERS_IN_LINE);
        _mm512_storeu_si512(own + line * NUMBERS_IN_LINE, _mm512_mask_expandloadu_epi32(same, mask, in));
        in += sizeof(uint32_t) * (size_t)__builtin_popcount(mask);
    }
    return in;
}

static const struct packer *best_packer(void)
{
    static const struct packer wide = {put_group_wide, take_group_wide};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt") ? &wide : &plain;
}
#else
static const struct packer *best_packer(void)
{
    return &plain;
}
#endif

void sim_den_plainly(struct sim_den *den)
{
    den->packer = &plain;
}

/* An area: the bits, or all blocks of one size. Behind its end the last line is zero. */
static size_t lines_of(size_t len)
{
    return (len + LINE_LEN - 1) / LINE_LEN;
}

static uint8_t *put_area(const struct sim_den *den, uint8_t *out, size_t at, const uint8_t *like, size_t len)
{
    const uint32_t *own = (const uint32_t *)(const void *)(den->window + at),
                   *theirs = (const uint32_t *)(const void *)like;
    for (size_t lines = lines_of(len), done = 0; done < lines; done += LINES_IN_GROUP) {
        size_t part = lines - done < LINES_IN_GROUP ? lines - done : LINES_IN_GROUP;
        out =
            den->packer->put_group(out, own + done * NUMBERS_IN_LINE, theirs + done * NUMBERS_IN_LINE, part);
    }
    return out;
}

static const uint8_t *take_area(const struct sim_den *den, const uint8_t *in, size_t at, const uint8_t *like,
                                size_t len)
{
    uint32_t *own = (uint32_t *)(void *)(den->window + at);
    const uint32_t *theirs = (const uint32_t *)(const void *)like;
    for (size_t lines = lines_of(len), done = 0; done < lines; done += LINES_IN_GROUP) {
        size_t part = lines - done < LINES_IN_GROUP ? lines - done : LINES_IN_GROUP;
        in = den->packer->take_group(in, own + done * NUMBERS_IN_LINE, theirs + done * NUMBERS_IN_LINE, part);
    }
    return in;
}

/* ---- patterns ---- */

/* Makes a pattern of who lives in the window now; NO_PATTERN: there is no room for it. */
static size_t pattern_take(struct sim_den *den)
{
    size_t len = 0, free = 0;
    while (free < DEN_PATTERNS && den->patterns[free] != NULL)
        free++;
    for (size_t number = 0; number < DEN_SIZES; number++)
        len += lines_of(used_len(den, number)) * LINE_LEN;
    struct den_pattern *p = free < DEN_PATTERNS
                                ? rf_alloc(den->under, sizeof(*p) + len + den->bits_len * sizeof(uint64_t))
                                : NULL;
    if (p == NULL)
        return NO_PATTERN;
    len = 0;
    for (size_t number = 0; number < DEN_SIZES; number++) {
        size_t part = lines_of(used_len(den, number)) * LINE_LEN;
        p->at[number] = (uint32_t)len;
        memcpy(p->bytes + len, den->window + den->sizes[number].at, part);
        len += part;
    }
    p->sleepers = 0;
    p->bits = (uint64_t *)(void *)(p->bytes + len);
    memcpy(p->bits, den->window, den->bits_len * sizeof(uint64_t));
    den->patterns[free] = p;
    return free;
}

/* Nobody is packed by it any more, and nobody will be. */
static void pattern_drop(struct sim_den *den, size_t i)
{
    if (i == NO_PATTERN || i == den->chosen || i == den->tried || den->patterns[i]->sleepers > 0)
        return;
    rf_free(den->under, den->patterns[i]);
    den->patterns[i] = NULL;
}

/* What the blocks of a size, the first `count`, are compared with. */
static const uint8_t *pattern_of(const struct sim_den *den, const struct den_pattern *p, size_t number,
                                 size_t count)
{
    const uint64_t *bits = bits_of(den, number), *theirs = p->bits + den->sizes[number].bits_at;
    size_t bits_len = den->sizes[number].bits_len, size = den->sizes[number].size;
    const uint8_t *blocks = p->bytes + p->at[number], *like = NULL;
    uint64_t differs = 0;
    for (size_t i = 0; i < bits_len; i++)
        differs |= bits[i] ^ theirs[i];
    if (differs == 0)
        return blocks;
    size_t their_count = begun(theirs, bits_len);
    uint8_t *out = den->like;
    for (size_t i = 0; i < count; i++, out += size) {
        if (i < their_count && has_bit(theirs, i))
            like = blocks + i * size;
        if (like != NULL && has_bit(bits, i))
            memcpy(out, like, size);
        else
            memset(out, 0, size);
    }
    memset(out, 0, lines_of(count * size) * LINE_LEN - count * size);
    return den->like;
}

/* ---- sleeping ---- */

/* Regions (base/region.c) hide their gaps from AddressSanitizer; here these are bytes like others. */
static void reveal(struct sim_den *den)
{
    for (size_t number = 0; number < DEN_SIZES; number++)
        UNPOISON(den->window + den->sizes[number].at, den->sizes[number].used);
}

static size_t pack(struct sim_den *den, const struct den_pattern *p)
{
    uint8_t *out = put_area(den, den->written, 0, (const uint8_t *)p->bits, den->bits_len * sizeof(uint64_t));
    for (size_t number = 0; number < DEN_SIZES; number++) {
        size_t len = den->sizes[number].used > 0 ? used_len(den, number) : 0;
        if (len == 0)
            continue;
        const uint8_t *like = pattern_of(den, p, number, len / den->sizes[number].size);
        out = put_area(den, out, den->sizes[number].at, like, len);
    }
    return (size_t)(out - den->written);
}

static size_t block_len(size_t len)
{
    size_t all = sizeof(struct sleeper) + len + sizeof(uint16_t); /* take_group looks behind the end */
    return (all + PACKED_STEP - 1) / PACKED_STEP * PACKED_STEP;
}

/* Is a typical one a better pattern than the chosen one? The next one is tried at once. */
static void try_other(struct sim_den *den)
{
    if (den->tried == NO_PATTERN) {
        den->tried = pattern_take(den);
        den->trials = 0;
        den->lens[0] = den->lens[1] = 0;
        return;
    }
    den->lens[0] += pack(den, den->patterns[den->chosen]);
    den->lens[1] += pack(den, den->patterns[den->tried]);
    if (++den->trials < TRIAL_COUNT)
        return;
    size_t worse = den->lens[1] < den->lens[0] ? den->chosen : den->tried;
    if (worse == den->chosen)
        den->chosen = den->tried;
    den->tried = NO_PATTERN;
    pattern_drop(den, worse);
}

void *sim_den_sleep(struct sim_den *den, bool typical)
{
    reveal(den);
    if (den->chosen == NO_PATTERN)
        den->chosen = pattern_take(den);
    if (den->chosen == NO_PATTERN)
        return NULL;
    if (typical && ++den->typical % TRIAL_EVERY == 0)
        try_other(den);
    struct den_pattern *p = den->patterns[den->chosen];
    size_t len = pack(den, p);
    struct sleeper *sleeper = rf_alloc(den->under, block_len(len));
    if (sleeper == NULL)
        return NULL;
    sleeper->len = (uint32_t)len;
    sleeper->pattern = (uint32_t)den->chosen;
    memcpy(sleeper->bytes, den->written, len);
    p->sleepers++;
    return sleeper;
}

void sim_den_wake(struct sim_den *den, void *asleep)
{
    struct sleeper *sleeper = asleep;
    struct den_pattern *p = den->patterns[sleeper->pattern];
    const uint8_t *in =
        take_area(den, sleeper->bytes, 0, (const uint8_t *)p->bits, den->bits_len * sizeof(uint64_t));
    for (size_t number = 0; number < DEN_SIZES; number++) {
        size_t len = used_len(den, number);
        room_clear(den, number, len);
        if (len == 0)
            continue;
        const uint8_t *like = pattern_of(den, p, number, len / den->sizes[number].size);
        in = take_area(den, in, den->sizes[number].at, like, len);
    }
    RF_ASSERT(in == sleeper->bytes + sleeper->len);
    p->sleepers--;
    pattern_drop(den, sleeper->pattern);
    rf_free(den->under, sleeper);
}

size_t sim_den_packed(const void *asleep)
{
    return block_len(((const struct sleeper *)asleep)->len);
}

/* ---- birth and death ---- */

int sim_den_init(struct sim_den *den, struct rf_mem *under)
{
    *den = (struct sim_den){.mem = {den_resize, den},
                            .under = under,
                            .packer = best_packer(),
                            .chosen = NO_PATTERN,
                            .tried = NO_PATTERN};
    size_t at;
    for (size_t number = 0; number < DEN_SIZES; number++) {
        uint32_t size = (uint32_t)size_of(number), count = (uint32_t)(DEN_ROOM_LEN / size);
        count = count < DEN_BLOCKS ? count : DEN_BLOCKS;
        den->sizes[number].size = size;
        den->sizes[number].count = count;
        den->sizes[number].bits_at = den->bits_len;
        den->sizes[number].bits_len = (count + 63) / 64;
        den->bits_len += den->sizes[number].bits_len;
    }
    den->bits_len = (den->bits_len + 7) / 8 * 8; /* whole lines */
    at = den->bits_len * sizeof(uint64_t);
    for (size_t number = 0; number < DEN_SIZES; number++, at += DEN_ROOM_LEN + ROOM_SKEW)
        den->sizes[number].at = (uint32_t)at;
    den->block = rf_zalloc(under, at + LINE_LEN);
    den->like = rf_alloc(under, DEN_ROOM_LEN);
    den->written = rf_alloc(under, at + at / LINE_LEN * 3 + DEN_SIZES + LINE_LEN);
    if (den->block == NULL || den->like == NULL || den->written == NULL) {
        sim_den_deinit(den);
        return RF_ENOMEM;
    }
    den->window = den->block + (LINE_LEN - (uintptr_t)den->block % LINE_LEN) % LINE_LEN;
    return 0;
}

void sim_den_deinit(struct sim_den *den)
{
    for (size_t i = 0; i < DEN_PATTERNS; i++) {
        rf_free(den->under, den->patterns[i]);
        den->patterns[i] = NULL;
    }
    den->chosen = den->tried = NO_PATTERN;
    rf_free(den->under, den->block);
    rf_free(den->under, den->like);
    rf_free(den->under, den->written);
    den->block = den->window = den->like = den->written = NULL;
}
