/* The header of a GGUF file: metadata values and tensor descriptions, checked once. Everything here
 * is a view of the mapped file. Source: the format's specification (ggml, docs/gguf.md).
 *
 *   "GGUF" | u32 version | u64 tensors | u64 values
 *   values:   string key | u32 type | value
 *   tensors:  string name | u32 rank | u64 dimensions, innermost first | u32 type | u64 offset
 *   padding to the alignment, then the tensors' bytes, each padded likewise
 * A string is a u64 length and that many bytes of UTF-8; an array is u32 type, u64 count, items. */
#ifndef SWG_FORMATS_GGUF_GGUF_HEADER_H
#define SWG_FORMATS_GGUF_GGUF_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/gguf/gguf_blocks.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

enum { SWG_GGUF_VERSION = 3, SWG_GGUF_ALIGNMENT = 32 };

typedef enum swg_gguf_kind {
    SWG_GGUF_U8,
    SWG_GGUF_I8,
    SWG_GGUF_U16,
    SWG_GGUF_I16,
    SWG_GGUF_U32,
    SWG_GGUF_I32,
    SWG_GGUF_FLOAT32,
    SWG_GGUF_BOOL,
    SWG_GGUF_STRING,
    SWG_GGUF_ARRAY,
    SWG_GGUF_U64,
    SWG_GGUF_I64,
    SWG_GGUF_FLOAT64,
    SWG_GGUF_KINDS
} swg_gguf_kind;

typedef struct swg_gguf_text {
    const char *text; /* no NUL behind it */
    size_t length;
} swg_gguf_text;

typedef struct swg_gguf_value {
    swg_gguf_text key;
    swg_gguf_kind kind;
    swg_gguf_kind item_kind; /* of an array */
    uint64_t count;          /* of an array; 1 otherwise */
    const uint8_t *data;     /* the items, in `bytes` bytes */
    size_t bytes;
} swg_gguf_value;

typedef struct swg_gguf_tensor {
    swg_gguf_text name;
    const swg_gguf_type *type;
    uint32_t rank;
    uint64_t shape[SWG_MAX_RANK]; /* slowest dimension first */
    size_t offset, bytes;         /* in the file */
    const swg_map *map;           /* of the file; whoever parsed it sets it */
} swg_gguf_tensor;

typedef struct swg_gguf_header {
    uint32_t alignment;
    swg_gguf_value *values; /* sorted by key */
    size_t n_values;
    swg_gguf_tensor *tensors; /* in the file's order */
    size_t n_tensors;
} swg_gguf_header;

/* Parse and check all of a file's header and the place of every tensor; `path` is for messages.
 * Arrays come from `arena`. SWG_CORRUPT, SWG_UNSUPPORTED, SWG_NO_MEMORY. */
swg_status swg_gguf_parse(const char *path, const uint8_t *data, size_t size, swg_arena *arena,
                          swg_gguf_header *out);

/* The value of that key, or NULL. */
const swg_gguf_value *swg_gguf_find(const swg_gguf_header *header, const char *key);

/* Typed access: false, *out untouched, when the value is NULL, of another kind or out of range.
 * Integers of every width count as integers, floats of both widths as floats. */
bool swg_gguf_as_int(const swg_gguf_value *value, int64_t *out);
bool swg_gguf_as_float(const swg_gguf_value *value, double *out);
bool swg_gguf_as_bool(const swg_gguf_value *value, bool *out);
bool swg_gguf_as_text(const swg_gguf_value *value, swg_gguf_text *out);
/* Whether the value is an array of that kind. */
bool swg_gguf_is_array(const swg_gguf_value *value, swg_gguf_kind item_kind);

/* Strings of an array one after the other: *at starts at 0; false at the end. */
bool swg_gguf_next_text(const swg_gguf_value *array, size_t *at, swg_gguf_text *out);

bool swg_gguf_text_is(swg_gguf_text text, const char *wanted);

#endif
