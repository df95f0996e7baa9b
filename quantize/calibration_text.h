/* The text that calibration reads, cut into windows of tokens. */
#ifndef SWG_QUANTIZE_CALIBRATION_TEXT_H
#define SWG_QUANTIZE_CALIBRATION_TEXT_H

#include <stdbool.h>

#include "formats/formats.h"
#include "quantize/checkpoint.h"
#include "runtime/base/hash.h"
#include "runtime/text/tokenizer.h"

typedef struct swg_calibration_source {
    const char *path;  /* of a text file */
    size_t max_tokens; /* the most that are used, from the beginning */
    size_t window;  /* tokens read together; 0 = 512, or the model's positions if those are fewer */
    bool documents; /* blank lines separate documents, and each begins with BOS; false: one text */
    size_t held_out; /* windows kept out of the calibration, to verify its result on */
} swg_calibration_source;

typedef struct swg_calibration_ids {
    swg_ids ids;
    swg_calibration_text text;    /* views of ids */
    swg_calibration_text held_out; /* the text's last windows; no window unless they were wanted */
    char sha256[SWG_SHA256_TEXT]; /* of the file */
} swg_calibration_ids;

/* The end of the document that begins at `at`: at a blank line or the end of the text. */
const char *swg_document_end(const char *at, const char *end);

/* Tokenize the file with the checkpoint's tokenizer and cut it into whole windows; where the
 * tokenizer begins texts with BOS, so does every window (its first token is replaced). `max_window`
 * is the most positions that the model has. Windows to hold out are taken from the end of the text
 * (of documents: of what follows those that are used); a text that has not enough of them gives
 * a quarter of its windows, at least one. SWG_FAILED when the text is shorter than one window (two,
 * with any to hold out), naming both lengths; SWG_USAGE for a window beyond max_window; or what
 * opening, reading and tokenizing return. Free with swg_calibration_ids_deinit. */
swg_status swg_calibration_ids_read(swg_source *source, const swg_calibration_source *from,
                                    size_t max_window, swg_calibration_ids *out);
/* Evenly spaced windows of the text, at most max_tokens of it but at least one window, as one of
 * their own. */
swg_status swg_calibration_ids_sample(const swg_calibration_ids *ids, size_t max_tokens,
                                      swg_calibration_ids *out);
void swg_calibration_ids_deinit(swg_calibration_ids *ids);

#endif
