/* Writing a GGUF's metadata: values one after the other, counted. Failure is the buffer's, sticky.
 */
#ifndef SWG_FORMATS_GGUF_GGUF_WRITE_H
#define SWG_FORMATS_GGUF_GGUF_WRITE_H

#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_header.h"
#include "formats/json/json.h"
#include "formats/writer.h"
#include "runtime/base/strbuf.h"

typedef struct swg_gguf_values {
    swg_strbuf out;
    uint64_t count;
    const char *arch; /* put in front of keys that start with "." */
} swg_gguf_values;

void swg_gguf_put_u32(swg_gguf_values *values, const char *key, uint64_t number);
void swg_gguf_put_f32(swg_gguf_values *values, const char *key, double number);
void swg_gguf_put_bool(swg_gguf_values *values, const char *key, bool flag);
void swg_gguf_put_text(swg_gguf_values *values, const char *key, const char *text, size_t length);
/* The head of an array; `count` items of that kind follow, appended to `out`. */
void swg_gguf_put_array(swg_gguf_values *values, const char *key, swg_gguf_kind kind,
                        uint64_t count);
/* Items, and what headers are made of. */
void swg_gguf_append_number(swg_strbuf *out, unsigned bytes, uint64_t number);
void swg_gguf_append_text(swg_strbuf *out, const char *text, size_t length);

/* One row of a tensor as blocks or numbers of that type (gguf_write_rows.c); counts minima of Q4_1
 * that were rounded, from several threads. SWG_UNSUPPORTED or SWG_CORRUPT, naming the element, for
 * numbers that the type cannot hold. */
swg_status swg_gguf_put_row(swg_sink *sink, const swg_tensor_desc *desc, const swg_gguf_type *type,
                            const void *const planes[SWG_PLANE_KINDS], uint64_t row, uint8_t *out,
                            uint64_t *n_rounded);

/* Whether the rows of a tensor have the bytes of that type already. */
bool swg_gguf_row_is_as_is(const swg_tensor_desc *desc, const swg_gguf_type *type);

/* The architecture's keys out of config.json (gguf_write_config.c). `vocab_size` is that of the
 * embedding. SWG_UNSUPPORTED, naming the key, for what GGUF cannot say. */
swg_status swg_gguf_put_config(const swg_sink *sink, const swg_gguf_arch *arch,
                               const swg_json *config, uint64_t vocab_size,
                               swg_gguf_values *values);

/* Llama 3's frequency factors, where the configuration asks for them; false when it does not. */
bool swg_gguf_config_rope(const swg_json *config, swg_gguf_rope *out);

/* The keys of an encoder's pooling out of the carried files (gguf_sentence.c). SWG_UNSUPPORTED for
 * a pooling that GGUF cannot say. */
swg_status swg_gguf_put_sentence(const swg_sink *sink, swg_gguf_values *values);

/* The tokenizer's keys out of the carried files (gguf_write_tokenizer.c). */
swg_status swg_gguf_put_tokenizer(const swg_sink *sink, const swg_json *config, uint64_t vocab_size,
                                  swg_gguf_values *values);

#endif
