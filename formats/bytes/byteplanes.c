/* Byte planes and symbols: see byteplanes.h. Merging is on the path of loading a model and
 * splitting on that of writing one, so widths 2 and 4 are written with 16-byte vectors (compiler
 * vectors: every x86-64 and AArch64 has the interleaving instructions they become). */
#include "formats/bytes/byteplanes.h"

#include <string.h>

#include "runtime/base/codes.h"

typedef uint8_t vec16 __attribute__((vector_size(16)));

static vec16 load(const uint8_t *at)
{
    vec16 v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void store(uint8_t *at, vec16 v)
{
    memcpy(at, &v, sizeof v);
}

/* a0 b0 a1 b1 ... of the lower and the upper halves. */
static vec16 interleave_low(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static vec16 interleave_high(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
}

/* The same with pairs of bytes. */
static vec16 interleave_pairs_low(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}

static vec16 interleave_pairs_high(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30,
                                   31);
}

/* Bytes 0, 2, 4 ... of two vectors, and bytes 1, 3, 5 ... */
static vec16 even_bytes(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

static vec16 odd_bytes(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

/* Numbers from `begin` on. */
static void split_tail(const uint8_t *numbers, size_t begin, size_t count, unsigned width,
                       uint8_t *planes)
{
    for (unsigned j = 0; j < width; j++)
        for (size_t i = begin; i < count; i++)
            planes[j * count + i] = numbers[i * width + j];
}

static void split2(const uint8_t *numbers, size_t count, uint8_t *planes)
{
    const size_t whole = count / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        const vec16 a = load(numbers + 2 * i), b = load(numbers + 2 * i + 16);
        store(planes + i, even_bytes(a, b));
        store(planes + count + i, odd_bytes(a, b));
    }
    split_tail(numbers, whole, count, 2, planes);
}

static void split4(const uint8_t *numbers, size_t count, uint8_t *planes)
{
    const size_t whole = count / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        const vec16 a = load(numbers + 4 * i), b = load(numbers + 4 * i + 16);
        const vec16 c = load(numbers + 4 * i + 32), d = load(numbers + 4 * i + 48);
        /* Bytes 0 and 2 of every number, then 1 and 3. */
        const vec16 even_low = even_bytes(a, b), even_high = even_bytes(c, d);
        const vec16 odd_low = odd_bytes(a, b), odd_high = odd_bytes(c, d);
        store(planes + i, even_bytes(even_low, even_high));
        store(planes + count + i, even_bytes(odd_low, odd_high));
        store(planes + 2 * count + i, odd_bytes(even_low, even_high));
        store(planes + 3 * count + i, odd_bytes(odd_low, odd_high));
    }
    split_tail(numbers, whole, count, 4, planes);
}

void swg_planes_split(const uint8_t *numbers, size_t count, unsigned width, uint8_t *planes)
{
    if (width == 2)
        split2(numbers, count, planes);
    else if (width == 4)
        split4(numbers, count, planes);
    else
        split_tail(numbers, 0, count, width, planes);
}

/* Numbers from `begin` on. */
static void merge_tail(const uint8_t *planes, size_t begin, size_t count, unsigned width,
                       uint8_t *numbers)
{
    for (size_t i = begin; i < count; i++)
        for (unsigned j = 0; j < width; j++)
            numbers[i * width + j] = planes[j * count + i];
}

static void merge2(const uint8_t *planes, size_t count, uint8_t *numbers)
{
    const size_t whole = count / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        const vec16 low = load(planes + i), high = load(planes + count + i);
        store(numbers + 2 * i, interleave_low(low, high));
        store(numbers + 2 * i + 16, interleave_high(low, high));
    }
    merge_tail(planes, whole, count, 2, numbers);
}

static void merge4(const uint8_t *planes, size_t count, uint8_t *numbers)
{
    const size_t whole = count / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        const vec16 p0 = load(planes + i), p1 = load(planes + count + i);
        const vec16 p2 = load(planes + 2 * count + i), p3 = load(planes + 3 * count + i);
        const vec16 a = interleave_low(p0, p1), b = interleave_low(p2, p3);
        const vec16 c = interleave_high(p0, p1), d = interleave_high(p2, p3);
        store(numbers + 4 * i, interleave_pairs_low(a, b));
        store(numbers + 4 * i + 16, interleave_pairs_high(a, b));
        store(numbers + 4 * i + 32, interleave_pairs_low(c, d));
        store(numbers + 4 * i + 48, interleave_pairs_high(c, d));
    }
    merge_tail(planes, whole, count, 4, numbers);
}

void swg_planes_merge(const uint8_t *planes, size_t count, unsigned width, uint8_t *numbers)
{
    if (width == 2)
        merge2(planes, count, numbers);
    else if (width == 4)
        merge4(planes, count, numbers);
    else
        merge_tail(planes, 0, count, width, numbers);
}

/* Eight symbols fill `bits` bytes; what is left goes by way of a padded copy. */
void swg_symbols_split(const uint8_t *bytes, size_t count, unsigned bits, uint8_t *symbols)
{
    uint8_t last[8] = {0};
    const size_t groups = count / bits, left = count % bits;
    swg_codes_unpack_row(bits, bytes, 8 * groups, symbols);
    memcpy(last, bytes + groups * bits, left);
    swg_codes_unpack_row(bits, last, (8 * left + bits - 1) / bits, symbols + 8 * groups);
}

void swg_symbols_merge(const uint8_t *symbols, size_t count, unsigned bits, uint8_t *bytes)
{
    uint8_t last[8] = {0};
    const size_t groups = count / bits, left = count % bits;
    swg_codes_pack_row(bits, symbols, 8 * groups, bytes);
    swg_codes_pack_row(bits, symbols + 8 * groups, (8 * left + bits - 1) / bits, last);
    memcpy(bytes + groups * bits, last, left);
}
