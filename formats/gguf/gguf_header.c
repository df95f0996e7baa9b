/* See gguf_header.h. Order of checks: magic, version, counts against the bytes left, every value
 * and tensor with its sizes, duplicates, then that the tensors lie behind each other without
 * overlap, gap or anything behind the last. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_header.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/status.h"
#include "runtime/base/utf8.h"

enum { MAGIC_BYTES = 4, LEAST_VERSION = 2, MAX_KEY_BYTES = 65535 };
enum { LEAST_VALUE_BYTES = 8 + 4 + 1, LEAST_TENSOR_BYTES = 8 + 4 + 4 + 8 };
enum { LEAST_ALIGNMENT = 8, MOST_ALIGNMENT = 64 << 10 };

typedef struct parser {
    const char *path;
    const uint8_t *data;
    size_t size;
    swg_cursor cursor;
    swg_arena *arena;
    swg_gguf_header *out;
} parser;

/* Bytes of one value; 0 for those of no fixed size. */
static size_t kind_bytes(swg_gguf_kind kind)
{
    static const uint8_t bytes[SWG_GGUF_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[kind];
}

/* The cursor sees no more of the file than a header may have. */
static bool is_capped(const parser *p)
{
    return swg_header_limit(p->size) < p->size;
}

static swg_status is_short(const parser *p, const char *what)
{
    if (is_capped(p))
        return swg_error(SWG_LIMIT,
                         "%s: the header goes beyond the limit of %llu bytes that was set", p->path,
                         (unsigned long long)swg_header_limit(p->size));
    return swg_error(SWG_CORRUPT, "%s: the file ends inside %s", p->path, what);
}

static swg_gguf_text take_text(parser *p)
{
    const uint64_t length = swg_cursor_number(&p->cursor, 8);
    const uint8_t *const text = swg_cursor_take(&p->cursor, length);
    return (swg_gguf_text){(const char *)text, text ? (size_t)length : 0};
}

/* --- Values ----------------------------------------------------------------------------------- */

static swg_status check_kind(const parser *p, const swg_gguf_value *value, uint64_t kind)
{
    if (kind < SWG_GGUF_KINDS)
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: key %.*s has the unknown type %llu", p->path,
                     (int)value->key.length, value->key.text, (unsigned long long)kind);
}

/* A zero byte would end the text early wherever it goes. Vocabularies may have one in a token; they
 * are checked where they are used. */
static bool may_hold_zero(const swg_gguf_value *value)
{
    return swg_gguf_text_is(value->key, "tokenizer.ggml.tokens") ||
           swg_gguf_text_is(value->key, "tokenizer.ggml.merges");
}

static swg_status skip_texts(parser *p, const swg_gguf_value *value, uint64_t count)
{
    if (count > p->cursor.left / 8)
        return is_short(p, "an array of strings");
    const bool zero_is_bad = !may_hold_zero(value);
    for (uint64_t i = 0; i < count; i++) {
        const swg_gguf_text text = take_text(p);
        if (p->cursor.is_short)
            return is_short(p, "a string");
        if (!swg_utf8_is_valid(text.text, text.length) ||
            (zero_is_bad && memchr(text.text, '\0', text.length)))
            return swg_error(SWG_CORRUPT,
                             "%s: string %llu of key %.*s is not UTF-8 or holds a "
                             "zero byte",
                             p->path, (unsigned long long)i, (int)value->key.length,
                             value->key.text);
    }
    return SWG_OK;
}

/* Items of one kind; leaves the cursor behind them. */
static swg_status take_items(parser *p, swg_gguf_value *value, swg_gguf_kind kind, uint64_t count)
{
    const uint8_t *const begin = p->cursor.at;
    if (kind == SWG_GGUF_STRING) {
        SWG_TRY(skip_texts(p, value, count));
    } else {
        uint64_t bytes;
        if (!swg_u64_mul(count, kind_bytes(kind), &bytes) || !swg_cursor_take(&p->cursor, bytes))
            return is_short(p, "an array");
        for (uint64_t i = 0; kind == SWG_GGUF_BOOL && i < count; i++)
            if (begin[i] > 1)
                return swg_error(SWG_CORRUPT, "%s: key %.*s holds %u for a truth value", p->path,
                                 (int)value->key.length, value->key.text, begin[i]);
    }
    value->count = count;
    value->data = begin;
    value->bytes = (size_t)(p->cursor.at - begin);
    return SWG_OK;
}

static swg_status take_value(parser *p, swg_gguf_value *value)
{
    value->key = take_text(p);
    if (p->cursor.is_short)
        return is_short(p, "a key");
    if (value->key.length == 0 || value->key.length > MAX_KEY_BYTES ||
        !swg_name_is_printable(value->key.text, value->key.length))
        return swg_error(SWG_CORRUPT, "%s: a key of %zu bytes is empty, too long or not printable",
                         p->path, value->key.length);
    const uint64_t kind = swg_cursor_number(&p->cursor, 4);
    SWG_TRY(check_kind(p, value, kind));
    value->kind = (swg_gguf_kind)kind;
    if (value->kind != SWG_GGUF_ARRAY)
        return take_items(p, value, value->kind, 1);
    const uint64_t item_kind = swg_cursor_number(&p->cursor, 4);
    const uint64_t count = swg_cursor_number(&p->cursor, 8);
    if (p->cursor.is_short)
        return is_short(p, "an array");
    SWG_TRY(check_kind(p, value, item_kind));
    value->item_kind = (swg_gguf_kind)item_kind;
    if (value->item_kind == SWG_GGUF_ARRAY)
        return swg_error(SWG_UNSUPPORTED, "%s: key %.*s is an array of arrays", p->path,
                         (int)value->key.length, value->key.text);
    return take_items(p, value, value->item_kind, count);
}

static int compare_texts(swg_gguf_text a, swg_gguf_text b)
{
    const size_t shared = a.length < b.length ? a.length : b.length;
    const int order = memcmp(a.text, b.text, shared);
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_keys(const void *a, const void *b)
{
    return compare_texts(((const swg_gguf_value *)a)->key, ((const swg_gguf_value *)b)->key);
}

static swg_status take_values(parser *p, uint64_t count)
{
    swg_gguf_header *h = p->out;
    h->values = swg_arena_calloc(p->arena, (size_t)count, sizeof *h->values);
    if (!h->values)
        return SWG_NO_MEMORY;
    for (h->n_values = 0; h->n_values < count; h->n_values++)
        SWG_TRY(take_value(p, &h->values[h->n_values]));
    if (count > 1)
        qsort(h->values, (size_t)count, sizeof *h->values, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (compare_keys(&h->values[i - 1], &h->values[i]) == 0)
            return swg_error(SWG_CORRUPT, "%s: the key %.*s is there twice", p->path,
                             (int)h->values[i].key.length, h->values[i].key.text);
    return SWG_OK;
}

static swg_status read_alignment(parser *p)
{
    const swg_gguf_value *value = swg_gguf_find(p->out, "general.alignment");
    p->out->alignment = SWG_GGUF_ALIGNMENT;
    if (!value)
        return SWG_OK;
    int64_t alignment = 0;
    if (value->kind != SWG_GGUF_U32 || !swg_gguf_as_int(value, &alignment) ||
        alignment < LEAST_ALIGNMENT || alignment > MOST_ALIGNMENT ||
        (alignment & (alignment - 1)) != 0)
        return swg_error(SWG_CORRUPT,
                         "%s: general.alignment (%lld) is not a power of two from %d to %d, as an "
                         "unsigned 32-bit integer",
                         p->path, (long long)alignment, LEAST_ALIGNMENT, MOST_ALIGNMENT);
    p->out->alignment = (uint32_t)alignment;
    return SWG_OK;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static swg_status measure(const parser *p, swg_gguf_tensor *tensor)
{
    const uint64_t cols = tensor->rank ? tensor->shape[tensor->rank - 1] : 1;
    const uint32_t block = tensor->type->block_elems;
    if (cols % block != 0)
        return swg_error(SWG_CORRUPT,
                         "%s: rows of tensor %.*s have %llu elements, not a multiple "
                         "of the %u of a block of %s",
                         p->path, (int)tensor->name.length, tensor->name.text,
                         (unsigned long long)cols, block, tensor->type->name);
    uint64_t bytes = 1;
    bool fits = true;
    for (uint32_t i = 0; i < tensor->rank; i++)
        fits = fits &&
               swg_u64_mul(bytes, tensor->shape[i] / (i + 1 == tensor->rank ? block : 1), &bytes);
    if (!fits || !swg_u64_mul(bytes, tensor->type->block_bytes, &bytes) || bytes > p->size)
        return swg_error(SWG_CORRUPT, "%s: tensor %.*s is larger than the file (%zu bytes)",
                         p->path, (int)tensor->name.length, tensor->name.text, p->size);
    tensor->bytes = (size_t)bytes;
    return SWG_OK;
}

static swg_status take_tensor(parser *p, swg_gguf_tensor *tensor)
{
    tensor->name = take_text(p);
    const uint64_t rank = swg_cursor_number(&p->cursor, 4);
    if (p->cursor.is_short)
        return is_short(p, "a tensor's description");
    if (tensor->name.length > SWG_MAX_NAME)
        return swg_error(SWG_CORRUPT, "%s: a tensor name of %zu bytes is longer than %d", p->path,
                         tensor->name.length, SWG_MAX_NAME);
    if (rank > SWG_MAX_RANK)
        return swg_error(SWG_CORRUPT, "%s: tensor %.*s has rank %llu; the format has at most %d",
                         p->path, (int)tensor->name.length, tensor->name.text,
                         (unsigned long long)rank, SWG_MAX_RANK);
    tensor->rank = (uint32_t)rank;
    for (uint32_t i = 0; i < tensor->rank; i++)
        tensor->shape[tensor->rank - 1 - i] = swg_cursor_number(&p->cursor, 8);
    const uint32_t type = (uint32_t)swg_cursor_number(&p->cursor, 4);
    const uint64_t offset = swg_cursor_number(&p->cursor, 8);
    if (p->cursor.is_short)
        return is_short(p, "a tensor's description");
    tensor->type = swg_gguf_type_find(type);
    const char *removed = swg_gguf_type_removed(type);
    if (!tensor->type && removed)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tensor %.*s is of type %s, which ggml no longer has; make the file "
                         "anew with another type",
                         p->path, (int)tensor->name.length, tensor->name.text, removed);
    if (!tensor->type)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tensor %.*s is of element type %u, which is not "
                         "read",
                         p->path, (int)tensor->name.length, tensor->name.text, type);
    if (offset > p->size || offset % p->out->alignment != 0)
        return swg_error(SWG_CORRUPT,
                         "%s: offset %llu of tensor %.*s is outside the file or no "
                         "multiple of %u",
                         p->path, (unsigned long long)offset, (int)tensor->name.length,
                         tensor->name.text, p->out->alignment);
    tensor->offset = (size_t)offset;
    return measure(p, tensor);
}

static int compare_offsets(const void *a, const void *b)
{
    const swg_gguf_tensor *left = *(const swg_gguf_tensor *const *)a;
    const swg_gguf_tensor *right = *(const swg_gguf_tensor *const *)b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* In order of offsets, each tensor begins where the one before it ends, rounded up. Sizes are at
 * most the file's, so sums stay far from overflow. */
static swg_status check_places(parser *p, size_t data_begin)
{
    swg_gguf_header *h = p->out;
    const swg_gguf_tensor **order = swg_arena_calloc(p->arena, h->n_tensors, sizeof *order);
    if (!order)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < h->n_tensors; i++)
        order[i] = &h->tensors[i];
    if (h->n_tensors > 1)
        qsort(order, h->n_tensors, sizeof *order, compare_offsets);
    size_t next = 0, end = 0;
    for (size_t i = 0; i < h->n_tensors; i++) {
        if (order[i]->offset != next)
            return swg_error(SWG_CORRUPT,
                             "%s: tensor %.*s begins at offset %zu of the data, the "
                             "one before it ends at %zu",
                             p->path, (int)order[i]->name.length, order[i]->name.text,
                             order[i]->offset, next);
        end = next + order[i]->bytes;
        next = swg_round_up(end, h->alignment);
    }
    if (end > p->size - data_begin || p->size - data_begin > next)
        return swg_error(SWG_CORRUPT, "%s: the tensors need %zu bytes, the file has %zu for them",
                         p->path, end, p->size - data_begin);
    for (size_t i = 0; i < h->n_tensors; i++)
        h->tensors[i].offset += data_begin;
    return SWG_OK;
}

static swg_status take_tensors(parser *p, uint64_t count)
{
    swg_gguf_header *h = p->out;
    h->tensors = swg_arena_calloc(p->arena, (size_t)count, sizeof *h->tensors);
    if (!h->tensors)
        return SWG_NO_MEMORY;
    for (h->n_tensors = 0; h->n_tensors < count; h->n_tensors++)
        SWG_TRY(take_tensor(p, &h->tensors[h->n_tensors]));
    const size_t header_bytes = (size_t)(p->cursor.at - p->data);
    const size_t data_begin = swg_round_up(header_bytes, h->alignment);
    if (count == 0) /* a vocabulary alone; its padding may be left out */
        return p->size <= data_begin
                   ? SWG_OK
                   : swg_error(SWG_CORRUPT,
                               "%s: %zu bytes follow the header of a file without "
                               "tensors",
                               p->path, p->size - header_bytes);
    return data_begin <= p->size ? check_places(p, data_begin) : is_short(p, "its header");
}

swg_status swg_gguf_parse(const char *path, const uint8_t *data, size_t size, swg_arena *arena,
                          swg_gguf_header *out)
{
    *out = (swg_gguf_header){0};
    parser p = {.path = path,
                .data = data,
                .size = size,
                .cursor = {.at = data, .left = (size_t)swg_header_limit(size)},
                .arena = arena,
                .out = out};
    const uint8_t *const magic = swg_cursor_take(&p.cursor, MAGIC_BYTES);
    const uint32_t version = (uint32_t)swg_cursor_number(&p.cursor, 4);
    const uint64_t n_tensors = swg_cursor_number(&p.cursor, 8);
    const uint64_t n_values = swg_cursor_number(&p.cursor, 8);
    if (p.cursor.is_short && is_capped(&p))
        return is_short(&p, "its header");
    if (p.cursor.is_short || memcmp(magic, "GGUF", MAGIC_BYTES) != 0)
        return swg_error(SWG_CORRUPT, "%s: not a GGUF header", path);
    if (version != 0 && (version & 0xffff) == 0)
        return swg_error(SWG_UNSUPPORTED, "%s is a big-endian GGUF; only little-endian is read",
                         path);
    if (version < LEAST_VERSION || version > SWG_GGUF_VERSION)
        return swg_error(SWG_UNSUPPORTED, "%s: GGUF version %u is not read, only %d and %d", path,
                         version, LEAST_VERSION, SWG_GGUF_VERSION);
    if (n_values > p.cursor.left / LEAST_VALUE_BYTES ||
        n_tensors > p.cursor.left / LEAST_TENSOR_BYTES)
        return is_capped(&p)
                   ? is_short(&p, "its header")
                   : swg_error(SWG_CORRUPT,
                               "%s: %llu keys and %llu tensors do not fit into %zu bytes", path,
                               (unsigned long long)n_values, (unsigned long long)n_tensors, size);
    SWG_TRY(take_values(&p, n_values));
    SWG_TRY(read_alignment(&p));
    return take_tensors(&p, n_tensors);
}

/* --- Access ----------------------------------------------------------------------------------- */

const swg_gguf_value *swg_gguf_find(const swg_gguf_header *header, const char *key)
{
    const swg_gguf_value wanted = {.key = {key, strlen(key)}};
    return header->n_values
               ? bsearch(&wanted, header->values, header->n_values, sizeof wanted, compare_keys)
               : NULL;
}

bool swg_gguf_as_int(const swg_gguf_value *value, int64_t *out)
{
    if (!value || value->kind == SWG_GGUF_BOOL || value->kind == SWG_GGUF_FLOAT32 ||
        value->kind == SWG_GGUF_FLOAT64 || kind_bytes(value->kind) == 0)
        return false;
    const unsigned bytes = (unsigned)kind_bytes(value->kind);
    const uint64_t raw = swg_get_le(value->data, bytes);
    const bool is_signed = value->kind == SWG_GGUF_I8 || value->kind == SWG_GGUF_I16 ||
                           value->kind == SWG_GGUF_I32 || value->kind == SWG_GGUF_I64;
    const uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    if (!is_signed && raw > INT64_MAX)
        return false;
    *out = is_signed ? (int64_t)((raw ^ sign) - sign) : (int64_t)raw;
    return true;
}

bool swg_gguf_as_float(const swg_gguf_value *value, double *out)
{
    if (value && value->kind == SWG_GGUF_FLOAT32) {
        float number;
        memcpy(&number, value->data, sizeof number);
        *out = number;
        return true;
    }
    if (!value || value->kind != SWG_GGUF_FLOAT64)
        return false;
    memcpy(out, value->data, sizeof *out);
    return true;
}

bool swg_gguf_as_bool(const swg_gguf_value *value, bool *out)
{
    if (!value || value->kind != SWG_GGUF_BOOL)
        return false;
    *out = value->data[0] != 0;
    return true;
}

bool swg_gguf_as_text(const swg_gguf_value *value, swg_gguf_text *out)
{
    size_t at = 0;
    return value && value->kind == SWG_GGUF_STRING && swg_gguf_next_text(value, &at, out);
}

bool swg_gguf_is_array(const swg_gguf_value *value, swg_gguf_kind item_kind)
{
    return value && value->kind == SWG_GGUF_ARRAY && value->item_kind == item_kind;
}

bool swg_gguf_next_text(const swg_gguf_value *array, size_t *at, swg_gguf_text *out)
{
    if (*at >= array->bytes)
        return false;
    const size_t length = (size_t)swg_get_le(array->data + *at, 8);
    *out = (swg_gguf_text){(const char *)array->data + *at + 8, length};
    *at += 8 + length;
    return true;
}

bool swg_gguf_text_is(swg_gguf_text text, const char *wanted)
{
    return text.length == strlen(wanted) && memcmp(text.text, wanted, text.length) == 0;
}
