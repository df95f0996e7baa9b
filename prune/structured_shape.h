/* The sizes of a model before and after structured pruning, and the configuration that says so. */
#ifndef SWG_PRUNE_STRUCTURED_SHAPE_H
#define SWG_PRUNE_STRUCTURED_SHAPE_H

#include <stdbool.h>

#include "runtime/base/json_writer.h"
#include "runtime/hparams.h"

typedef enum swg_structure {
#define SWG_STRUCTURE(name, word, meaning) SWG_STRUCTURE_##name,
#include "prune/structures.def"
#undef SWG_STRUCTURE
    SWG_STRUCTURE_COUNT
} swg_structure;

const char *swg_structure_word(swg_structure structure);

/* The share of each structure to remove; 0 = none. */
typedef struct swg_structured_request {
    double ratio[SWG_STRUCTURE_COUNT]; /* 0 to 1, 1 excluded */
} swg_structured_request;

/* Add "WORD=RATIO" to a request. SWG_USAGE for another word (naming the nearest), a ratio outside
 * [0, 1), or a structure that is given twice. */
swg_status swg_structured_request_add(swg_structured_request *request, const char *text);

/* How many there are of each: heads as a whole, kv groups, and so on. */
typedef struct swg_structured_shape {
    int64_t count[SWG_STRUCTURE_COUNT];
} swg_structured_shape;

/* floor(count * ratio) are removed of each; heads after the kv groups, in which they go whole where
 * every group has one head. SWG_USAGE, with the numbers, where nothing would be removed, or where
 * the groups would not have the same number of heads, or none; SWG_UNSUPPORTED, naming the
 * architecture, for sizes that its configuration cannot say. */
swg_status swg_structured_shape_make(const swg_arch *arch, const swg_hparams *hparams,
                                     const swg_structured_request *request,
                                     swg_structured_shape *before, swg_structured_shape *after);

/* The configuration (JSON text) of the smaller model, as the outermost value of `json`; `is_kept`
 * [layers before] says which layers stay. */
swg_status swg_structured_config(const char *config, size_t length, const swg_arch *arch,
                                 const swg_hparams *hparams, const swg_structured_shape *after,
                                 const bool *is_kept, swg_json_writer *json);

#endif
