/* Parts of the GGUF reader and writer that are files of their own. */
#ifndef SWG_FORMATS_GGUF_GGUF_H
#define SWG_FORMATS_GGUF_GGUF_H

#include "formats/gguf/gguf_arch.h"
#include "formats/gguf/gguf_header.h"
#include "formats/reader.h"
#include "runtime/base/json_writer.h"

/* config.json of a GGUF (gguf_read_config.c). `arch` is NULL when the
 * architecture is not known: then the names of keys and tensors stay GGUF's, and model_type says
 * which architecture it is. */
swg_status swg_gguf_config(const char *path, const swg_gguf_header *header,
                           const swg_gguf_arch *arch, swg_json_writer *json);

/* An integer of the architecture's own keys ("attention.head_count"): SWG_CORRUPT when it is there
 * but no integer from 1 to 2^31 - 1; *out stays what it is when the key is not there. */
swg_status swg_gguf_arch_int(const char *path, const swg_gguf_header *header, const char *key,
                             int64_t *out);

/* The tensor of that name, or NULL. */
const swg_gguf_tensor *swg_gguf_find_tensor(const swg_gguf_header *header, const char *name);

/* tokenizer.json and tokenizer_config.json out of tokenizer.ggml.* (gguf_read_tokenizer.c).
 * SWG_UNSUPPORTED names a tokenizer model or pre-tokenizer that is not known. */
swg_status swg_gguf_tokenizer_json(const char *path, const swg_gguf_header *header,
                                   swg_json_writer *json);
swg_status swg_gguf_tokenizer_settings(const char *path, const swg_gguf_header *header,
                                       swg_json_writer *json);

/* Carried files of a sentence-transformers folder: as they were written, or made of the kind of
 * pooling that engines know (gguf_sentence.c). `arch` may be NULL. */
swg_status swg_gguf_add_sentence(swg_source *source, const swg_gguf_header *header,
                                 const swg_gguf_arch *arch);

/* Llama 3's factors (rope_scaling of type "llama3") are a tensor in GGUF (gguf_rope.c).
 * factor[i] divides the frequency of pair i of head_dim / 2. */
typedef struct swg_gguf_rope {
    double factor, low_freq_factor, high_freq_factor;
    int64_t original_context;
    double base;
    size_t n_pairs;
} swg_gguf_rope;
void swg_gguf_rope_factors(const swg_gguf_rope *rope, float *out);
/* The parameters that give these factors, with the base and number of pairs in *rope: those `noted`
 * (factor, low, high, original context; may be NULL), or low and high as every published model has
 * them. False when there are none. */
bool swg_gguf_rope_recognize(const float *factors, const float *noted, swg_gguf_rope *rope);
/* The key that notes them: four F32. */
#define SWG_GGUF_ROPE_NOTE "swage.rope_llama3"

/* The tokens besides tokenizer.ggml.eos_token_id that end a text, as i32, where they are more than
 * the two that engines have keys for. */
#define SWG_GGUF_ENDS_NOTE "swage.end_token_ids"

#endif
