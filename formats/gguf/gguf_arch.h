/* What GGUF and Hugging Face call the same things, a table an architecture: configuration keys and
 * tensors, with what has to be done to a tensor's elements on the way. Used in both directions.
 * Source: llama.cpp's convert_hf_to_gguf.py and the gguf package's tensor_mapping.py. */
#ifndef SWG_FORMATS_GGUF_GGUF_ARCH_H
#define SWG_FORMATS_GGUF_GGUF_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* GGUF has every matrix as [out, in], which is this project's convention too. */
enum {
    /* Rows are put from neighbours (2i, 2i + 1) to halves (i, i + head_dim / 2) within each query
     * head, or each key head. */
    SWG_GGUF_QUERY_ROWS = 1,
    SWG_GGUF_KEY_ROWS = 2,
    SWG_GGUF_F32_ONLY = 4, /* llama.cpp wants this one in F32, or leaves it so */
    SWG_GGUF_DERIVED = 8   /* Hugging Face alone has it, and it follows from the rest */
};

/* "{L}" stands for the layer in both names. */
typedef struct swg_gguf_tensor_row {
    const char *gguf, *hf; /* gguf is NULL for derived tensors */
    unsigned flags;
} swg_gguf_tensor_row;

typedef enum swg_gguf_config_kind {
    SWG_GGUF_CONFIG_INT,
    SWG_GGUF_CONFIG_FLOAT
} swg_gguf_config_kind;

enum {
    SWG_GGUF_REQUIRED = 1, /* an engine does not load without it: no writing without it */
    SWG_GGUF_WRITE_ONLY = 2,
    SWG_GGUF_READ_ONLY = 4
};

typedef struct swg_gguf_config_row {
    const char *gguf; /* after "<architecture>." */
    const char *hf;
    swg_gguf_config_kind kind;
    unsigned flags;
    const char *or_hf; /* absent: `times` the value of this key; NULL = then it stays absent */
    uint32_t times;
} swg_gguf_config_row;

/* Configuration that GGUF cannot say because the architecture implies it: written when reading; a
 * different value is refused when writing. */
typedef struct swg_gguf_fixed_row {
    const char *hf, *value; /* JSON text; NULL = absent or null */
} swg_gguf_fixed_row;

/* A model_type of config.json, and what it means by a window over the past. */
typedef struct swg_gguf_model_type {
    const char *name;
    int64_t usual_window; /* what an absent "sliding_window" stands for; 0 = none */
    const char
        *window_switch; /* key that must be true for there to be a window; NULL = no such key */
} swg_gguf_model_type;

/* What encoders have beside decoders' tensors. */
typedef struct swg_gguf_encoder {
    const char *headless_class; /* in "architectures" where there is no classifier; names then lack
                                   the prefix */
    const char *gguf_types;     /* tensor with a row per token type */
    const char *gguf_head, *hf_head; /* the classifier's matrix */
    const char *hf_pooler; /* matrix before it, with or without the prefix: a head without one
                              labels every position, and would be read as one for the text */
} swg_gguf_encoder;

typedef struct swg_gguf_arch {
    const char *name;                       /* general.architecture */
    const swg_gguf_model_type *model_types; /* ends with a NULL name; reading gives the first */
    const char *hf_class;                   /* reading gives it in "architectures" */
    const swg_gguf_encoder *encoder;        /* NULL: a decoder */
    const char *prefix;             /* that names may have or lack in Hugging Face; "" = none */
    const swg_gguf_config_row *config;
    size_t n_config;
    const swg_gguf_fixed_row *fixed;
    size_t n_fixed;
    const swg_gguf_tensor_row *tensors;
    size_t n_tensors;
    bool has_rope;
    bool has_rope_factors; /* engines look for rope_freqs.weight, and refuse tensors they do not */
} swg_gguf_arch;

/* The model types of all architectures as "a, b and c", for messages; returns `out`. */
enum { SWG_GGUF_MODEL_TYPES_BYTES = 256 };
const char *swg_gguf_model_types_text(char out[SWG_GGUF_MODEL_TYPES_BYTES]);

/* The row of a model_type among an architecture's own; NULL when it is another's. */
const swg_gguf_model_type *swg_gguf_model_type_of(const swg_gguf_arch *arch, const char *name);

/* By general.architecture (`length` bytes), or by model_type; NULL when not known. */
const swg_gguf_arch *swg_gguf_arch_find(const char *name, size_t length);
const swg_gguf_arch *swg_gguf_arch_of_model(const char *model_type);

/* The row of a tensor by its name in either world, and the layer in *layer (0 where none is meant).
 * Names of Hugging Face are found with and without the architecture's prefix. NULL when unknown. */
const swg_gguf_tensor_row *swg_gguf_row_of_gguf(const swg_gguf_arch *arch, const char *name,
                                                size_t length, uint64_t *layer);
const swg_gguf_tensor_row *swg_gguf_row_of_hf(const swg_gguf_arch *arch, const char *name,
                                              uint64_t *layer);

/* `pattern` with the layer put in, into `out`; what does not fit is cut off. */
void swg_gguf_row_name(const char *pattern, uint64_t layer, char *out, size_t out_bytes);

#endif
