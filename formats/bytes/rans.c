/* See rans.h; docs/container.md has the layout. A state x of 16 to 32 bits holds what was coded:
 *
 *     put s:  x' = (x / f[s]) * 2^12 + start[s] + x % f[s]     f sums to 2^12, start is its prefix
 * sum get:    s is where x % 2^12 falls, x = f[s] * (x' / 2^12) + x' % 2^12 - start[s]
 *
 * with 16 bits moved to the output (from the input) whenever x would leave its range. What is put
 * last is got first, so the encoder goes backwards. Four states take turns, so that a processor can
 * work on four symbols at a time. */
#include "formats/bytes/rans.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "formats/bytes/bytes.h"

enum {
    ALPHABET = 256,
    TOTAL_BITS = 12,
    TOTAL = 1 << TOTAL_BITS,
    STATES = 4,
    STATE_BYTES = 4,
    WORD_BITS = 16,
    WORD_BYTES = 2,
    LONG_FREQUENCY = 128 /* from here on in two bytes, the low 7 bits first */
};
static const uint32_t first_state = 1u << WORD_BITS; /* and the least */

typedef struct model {
    uint32_t frequency[ALPHABET], start[ALPHABET];
    unsigned first, last; /* symbols that occur */
} model;

static void count_symbols(const uint8_t *symbols, size_t count, uint64_t out[ALPHABET])
{
    memset(out, 0, ALPHABET * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[symbols[i]]++;
}

double swg_order0_bytes(const uint8_t *symbols, size_t count)
{
    uint64_t counts[ALPHABET];
    double bits = 0;
    count_symbols(symbols, count, counts);
    for (size_t s = 0; s < ALPHABET; s++)
        if (counts[s])
            bits -= (double)counts[s] * log2((double)counts[s] / (double)count);
    return bits / 8;
}

/* --- Frequencies ------------------------------------------------------------------------------ */

/* What a frequency f more (or one less) is worth to a symbol is about its count / (f + 1/2). */
static bool is_worth_more(const uint64_t *counts, const uint32_t *f, size_t a, size_t b)
{
    return counts[a] * (2 * (uint64_t)f[b] + 1) > counts[b] * (2 * (uint64_t)f[a] + 1);
}

/* Frequencies of at least 1 for all symbols that occur, which sum up to TOTAL. */
static void choose_frequencies(const uint64_t counts[ALPHABET], size_t count, model *m)
{
    uint32_t *const f = m->frequency;
    uint32_t sum = 0;
    for (size_t s = 0; s < ALPHABET; s++) {
        f[s] = (uint32_t)(counts[s] * TOTAL / count);
        f[s] += f[s] == 0 && counts[s] > 0;
        sum += f[s];
    }
    for (; sum < TOTAL; sum++) {
        size_t best = 0;
        for (size_t s = 1; s < ALPHABET; s++)
            best = is_worth_more(counts, f, s, best) ? s : best;
        f[best]++;
    }
    for (; sum > TOTAL; sum--) {
        size_t least = ALPHABET;
        for (size_t s = 0; s < ALPHABET; s++)
            if (f[s] > 1 && (least == ALPHABET || is_worth_more(counts, f, least, s)))
                least = s;
        f[least]--;
    }
}

static void find_starts(model *m)
{
    uint32_t sum = 0;
    m->first = ALPHABET;
    for (unsigned s = 0; s < ALPHABET; s++) {
        m->start[s] = sum;
        sum += m->frequency[s];
        if (m->frequency[s] == 0)
            continue;
        m->first = m->first == ALPHABET ? s : m->first;
        m->last = s;
    }
}

/* First and last symbol, and the frequencies from one to the other. Returns the length. */
static size_t write_model(const model *m, uint8_t *out)
{
    uint8_t *at = out;
    *at++ = (uint8_t)m->first;
    *at++ = (uint8_t)m->last;
    for (unsigned s = m->first; s <= m->last; s++) {
        const uint32_t f = m->frequency[s];
        *at++ = (uint8_t)(f < LONG_FREQUENCY ? f : LONG_FREQUENCY | (f % LONG_FREQUENCY));
        if (f >= LONG_FREQUENCY)
            *at++ = (uint8_t)(f / LONG_FREQUENCY);
    }
    return (size_t)(at - out);
}

static swg_status read_model(swg_cursor *cursor, model *m)
{
    uint64_t sum = 0;
    const unsigned first = (unsigned)swg_cursor_number(cursor, 1);
    const unsigned last = (unsigned)swg_cursor_number(cursor, 1);
    memset(m->frequency, 0, sizeof m->frequency);
    for (unsigned s = first; s <= last && !cursor->is_short; s++) {
        uint32_t f = (uint32_t)swg_cursor_number(cursor, 1);
        if (f >= LONG_FREQUENCY)
            f += LONG_FREQUENCY * ((uint32_t)swg_cursor_number(cursor, 1) - 1);
        m->frequency[s] = f;
        sum += f;
    }
    if (cursor->is_short || sum != TOTAL)
        return swg_error(SWG_CORRUPT, "frequencies of symbols %u to %u sum up to %llu, not %d",
                         first, last, (unsigned long long)sum, TOTAL);
    find_starts(m);
    return SWG_OK;
}

/* --- Encoding --------------------------------------------------------------------------------- */

/* Symbols backwards into the words that end at `end`. Returns where the words begin; NULL if that
 * would be before `begin`. */
static uint8_t *put_symbols(const model *m, const uint8_t *symbols, size_t count, uint8_t *begin,
                            uint8_t *end, uint32_t states[STATES])
{
    uint8_t *at = end;
    for (size_t s = 0; s < STATES; s++)
        states[s] = first_state;
    for (size_t i = count; i-- > 0;) {
        const uint32_t f = m->frequency[symbols[i]], start = m->start[symbols[i]];
        uint32_t x = states[i % STATES];
        if (x >= (uint64_t)f << (2 * WORD_BITS - TOTAL_BITS)) {
            if (at - begin < WORD_BYTES)
                return NULL;
            at -= WORD_BYTES;
            swg_put_le(at, WORD_BYTES, x);
            x >>= WORD_BITS;
        }
        states[i % STATES] = (x / f << TOTAL_BITS) + start + x % f;
    }
    return at;
}

size_t swg_rans_encode(const uint8_t *symbols, size_t count, uint8_t *out, size_t capacity)
{
    uint64_t counts[ALPHABET];
    uint8_t head[2 + 2 * ALPHABET + STATES * STATE_BYTES];
    uint32_t states[STATES];
    model m;
    count_symbols(symbols, count, counts);
    choose_frequencies(counts, count, &m);
    find_starts(&m);
    size_t head_bytes = write_model(&m, head);
    if (capacity < head_bytes + STATES * STATE_BYTES)
        return 0;
    uint8_t *const room = out + head_bytes + STATES * STATE_BYTES, *const end = out + capacity;
    const uint8_t *const words = put_symbols(&m, symbols, count, room, end, states);
    if (!words)
        return 0;
    for (size_t s = 0; s < STATES; s++, head_bytes += STATE_BYTES)
        swg_put_le(head + head_bytes, STATE_BYTES, states[s]);
    memcpy(out, head, head_bytes);
    memmove(room, words, (size_t)(end - words));
    return head_bytes + (size_t)(end - words);
}

/* --- Decoding --------------------------------------------------------------------------------- */

/* What a slot of TOTAL means. */
typedef struct slot {
    uint8_t symbol;
    uint16_t frequency, offset; /* offset: the slot's place in its symbol's range */
} slot;

static void fill_slots(const model *m, slot slots[TOTAL])
{
    for (unsigned s = m->first; s <= m->last; s++)
        for (uint32_t i = 0; i < m->frequency[s]; i++)
            slots[m->start[s] + i] = (slot){(uint8_t)s, (uint16_t)m->frequency[s], (uint16_t)i};
}

static uint8_t get_symbol(const slot *slots, uint32_t *state)
{
    const slot s = slots[*state % TOTAL];
    *state = s.frequency * (*state >> TOTAL_BITS) + s.offset;
    return s.symbol;
}

/* Fill up a state from words that are known to be there. */
static inline const uint8_t *fill_up(uint32_t *state, const uint8_t *words)
{
    const uint32_t x = *state, filled = x << WORD_BITS | (uint32_t)swg_get_le(words, WORD_BYTES);
    *state = x < first_state ? filled : x;
    return words + (x < first_state ? WORD_BYTES : 0);
}

/* As many symbols as there are surely words for, a multiple of STATES. */
static size_t get_fast(const slot *slots, swg_cursor *words, uint32_t states[STATES],
                       uint8_t *symbols, size_t count)
{
    const uint8_t *at = words->at;
    const uint8_t *const end = words->at + words->left;
    uint32_t a = states[0], b = states[1], c = states[2], d = states[3];
    size_t i = 0;
    for (; count - i >= STATES && end - at >= STATES * WORD_BYTES; i += STATES) {
        symbols[i] = get_symbol(slots, &a);
        symbols[i + 1] = get_symbol(slots, &b);
        symbols[i + 2] = get_symbol(slots, &c);
        symbols[i + 3] = get_symbol(slots, &d);
        at = fill_up(&a, at);
        at = fill_up(&b, at);
        at = fill_up(&c, at);
        at = fill_up(&d, at);
    }
    states[0] = a;
    states[1] = b;
    states[2] = c;
    states[3] = d;
    words->left = (size_t)(end - at);
    words->at = at;
    return i;
}

swg_status swg_rans_decode(const uint8_t *stored, size_t bytes, uint8_t *symbols, size_t count)
{
    swg_cursor cursor = {.at = stored, .left = bytes};
    uint32_t states[STATES];
    slot slots[TOTAL];
    model m;
    SWG_TRY(read_model(&cursor, &m));
    for (size_t s = 0; s < STATES; s++) {
        states[s] = (uint32_t)swg_cursor_number(&cursor, STATE_BYTES);
        if (states[s] < first_state)
            return swg_error(SWG_CORRUPT, "state %zu begins at %u; at least %u is needed", s,
                             states[s], first_state);
    }
    fill_slots(&m, slots);
    for (size_t i = get_fast(slots, &cursor, states, symbols, count); i < count; i++) {
        uint32_t *const state = &states[i % STATES];
        symbols[i] = get_symbol(slots, state);
        if (*state < first_state)
            *state = *state << WORD_BITS | (uint32_t)swg_cursor_number(&cursor, WORD_BYTES);
    }
    for (size_t s = 0; s < STATES; s++)
        if (states[s] != first_state || cursor.is_short || cursor.left)
            return swg_error(SWG_CORRUPT, "%zu symbols do not end with its %zu bytes", count,
                             bytes);
    return SWG_OK;
}
