/* Quantized checkpoints of other programs: Hugging Face folders whose linear weights are stored as
 * packed integer codes, each in several tensors (GPTQ, AWQ, compressed-tensors). A layout is one
 * file and one row in packed_layouts.def; packed_reader.c presents the tensors of a folder as
 * matrices of our schemes, packed_writer.c writes our schemes so that engines load them. Codes,
 * scales and zero points are the same numbers on both sides: nothing is quantized anew. */
#ifndef SWG_FORMATS_PACKED_PACKED_H
#define SWG_FORMATS_PACKED_PACKED_H

#include "formats/json/json.h"
#include "formats/reader.h"
#include "runtime/base/json_writer.h"

/* The tensors of a weight, in the order of a layout's endings. */
enum { SWG_PACKED_PARTS = 5 };

/* One tensor to be written for a weight: its name ends with `ending` in place of ".weight". */
typedef struct swg_packed_part {
    const char *ending;
    swg_dtype dtype;
    uint32_t rank;
    uint64_t shape[2];
} swg_packed_part;

/* A weight as a folder stores it. */
typedef struct swg_packed_weight {
    const char *path;                                 /* of the checkpoint, for messages */
    const char *name;                                 /* of the weight: "....weight" */
    const swg_stored_tensor *parts[SWG_PACKED_PARTS]; /* NULL = not there */
    bool counts_from_one;                             /* stored zero points are one less */
} swg_packed_weight;

/* The weights that a configuration describes. */
typedef struct swg_packed_model {
    const swg_tensor_desc *tensors; /* all of the checkpoint */
    size_t n_tensors;
    const bool *is_packed; /* [n_tensors] */
    swg_scheme scheme;     /* that most packed elements have */
} swg_packed_model;

typedef struct swg_packed_layout {
    const char *word; /* of --format and messages */
    /* Endings of the tensors of a weight, NULL after the last; a weight is known by the first, and
     * by the type of that tensor. */
    const char *endings[SWG_PACKED_PARTS + 1];
    swg_dtype code_type;

    /* --- Writing --- */
    const char *holds; /* what linear weights must be: "codes of 4 bits" */
    /* Why a matrix of that scheme and shape is not held; NULL when it is. */
    const char *(*why_not)(const swg_tensor_desc *desc);
    size_t (*parts)(const swg_tensor_desc *desc, swg_packed_part out[SWG_PACKED_PARTS]);
    /* All bytes of one part. SWG_UNSUPPORTED, naming row and group, for numbers that it cannot
     * hold. */
    swg_status (*fill)(const char *path, const swg_tensor_desc *desc,
                       const void *const planes[SWG_PLANE_KINDS], size_t part, void *out);
    /* Whether weights of several schemes may be in one folder, and members of
     * quantization_config. */
    bool may_mix;
    void (*put_config)(const swg_packed_model *model, swg_json_writer *json);
    const char *config_file; /* that also holds the configuration; NULL = none */

    /* --- Reading --- */
    /* Whether a quantization_config is of this layout. */
    bool (*claims)(const swg_json *config);
    bool (*counts_from_one)(const swg_json *config); /* NULL = never */
    /* Scheme and shape of a weight; the parts' shapes and types are checked. SWG_UNSUPPORTED,
     * naming the tensor, for what no scheme of ours holds. */
    swg_status (*describe)(const swg_packed_weight *weight, const swg_json *config,
                           swg_scheme *scheme, uint64_t shape[2]);
    /* Rows of a plane in the canonical layout. */
    swg_status (*read)(const swg_packed_weight *weight, const swg_tensor_desc *desc,
                       const swg_plane *plane, size_t row_begin, size_t n_rows, uint8_t *out);
} swg_packed_layout;

#define SWG_PACKED_LAYOUT(name) extern const swg_packed_layout swg_packed_##name;
#include "formats/packed/packed_layouts.def"

/* Present the packed weights of an opened Hugging Face folder as matrices of our schemes, and take
 * the quantization out of its configuration. Folders of other kinds stay as they are. */
swg_status swg_packed_present(swg_source *source);

#endif
