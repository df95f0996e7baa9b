/* Pickles of state dicts, read without running anything: a stack machine that knows the opcodes
 * that torch.save writes and the handful of names that a state dict needs. Whatever else a pickle
 * asks for is refused by name. */
#ifndef SWG_FORMATS_PYTORCH_PICKLE_H
#define SWG_FORMATS_PYTORCH_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

typedef enum swg_pickle_kind {
    SWG_PICKLE_NONE,
    SWG_PICKLE_BOOL,
    SWG_PICKLE_INT,
    SWG_PICKLE_FLOAT,
    SWG_PICKLE_TEXT,
    SWG_PICKLE_TUPLE,
    SWG_PICKLE_LIST,
    SWG_PICKLE_DICT, /* and OrderedDict: items are key, value, key, value ... */
    SWG_PICKLE_NAME, /* a known global */
    SWG_PICKLE_STORAGE,
    SWG_PICKLE_TENSOR
} swg_pickle_kind;

const char *swg_pickle_kind_name(swg_pickle_kind kind); /* "dictionary", "text" ... */

typedef struct swg_pickle_value swg_pickle_value;

/* Elements of a tensor are those of `storage` at offset + sum of index[i] * stride[i]. */
typedef struct swg_pickle_tensor {
    const swg_pickle_value *storage;
    uint64_t offset;
    size_t rank; /* may exceed SWG_MAX_RANK; then shape and stride are not filled */
    uint64_t shape[SWG_MAX_RANK], stride[SWG_MAX_RANK];
} swg_pickle_tensor;

struct swg_pickle_value {
    swg_pickle_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            const char *text; /* in the pickle; no NUL after it */
            size_t length;
        };
        struct {
            swg_pickle_value **items;
            size_t n_items, capacity;
        };
        int name;
        struct {
            const char *key; /* the storage's record, with `key_length` bytes */
            size_t key_length;
            swg_dtype dtype;
            uint64_t n_elems;
        } storage;
        swg_pickle_tensor *tensor;
    };
};

/* Read one pickle. The value lives in the arena; its texts are views of `bytes`. Containers may
 * hold themselves: who walks them limits its depth. SWG_CORRUPT, SWG_UNSUPPORTED (naming the opcode
 * or the global), SWG_LIMIT, SWG_NO_MEMORY. */
swg_status swg_pickle_read(const uint8_t *bytes, size_t length, swg_arena *arena,
                           const swg_pickle_value **out);

/* Value under a text key of a dictionary; NULL when absent or `dict` is none. */
const swg_pickle_value *swg_pickle_get(const swg_pickle_value *dict, const char *key);

#endif
