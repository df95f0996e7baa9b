/* Checkpoints that another program has quantized (GPTQ, AWQ, FP8, bitsandbytes ...): how that is
 * told. */
#ifndef SWG_FORMATS_HUGGINGFACE_QUANTIZATION_CONFIG_H
#define SWG_FORMATS_HUGGINGFACE_QUANTIZATION_CONFIG_H

#include "formats/formats.h"

/* The longest method that is told; longer ones are cut. */
enum { SWG_QUANTIZER_BYTES = 64 };

typedef struct swg_foreign_quantization {
    bool is_present;                  /* false: nothing below is filled in */
    char method[SWG_QUANTIZER_BYTES]; /* "gptq", "FP8 or compressed-tensors", ... */
    const char *tensor;               /* the first tensor that tells; NULL: config.json tells */
} swg_foreign_quantization;

/* The method of the programs that give such a name to a tensor of codes or scales; NULL for other
 * names. */
const char *swg_foreign_tensor_method(const char *name);

/* Whether the tensors of a source, as it presents them, hold codes that another program wrote: by
 * config.json's "quantization_config", or else by the names that such programs give to codes and
 * scales. Weights that a reader presents under a scheme of ours are not foreign. SWG_CORRUPT or
 * SWG_NO_MEMORY. */
swg_status swg_foreign_quantization_find(const swg_source *source, swg_foreign_quantization *out);

/* SWG_UNSUPPORTED with a sentence when there are such tensors. */
swg_status swg_foreign_quantization_refuse(const swg_source *source);

#endif
