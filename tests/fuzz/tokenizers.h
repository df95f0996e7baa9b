/* What the fuzz targets of tokenizers share. */
#ifndef SWG_TESTS_FUZZ_TOKENIZERS_H
#define SWG_TESTS_FUZZ_TOKENIZERS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/text/tokenizer.h"

/* Read the bytes as the tokenizer file of that name; when that succeeds, encode and decode a text
 * that has something for every component. Aborts as fuzz_tokenizer_use does, or when a refusal
 * comes without a message. */
void fuzz_tokenizer_file(const char *name, const uint8_t *data, size_t size);

/* The same of several files; each has a zero byte after it. */
void fuzz_tokenizer_files(const swg_file_view *files, size_t n_files);

/* Encode the text in every way and decode it again. Aborts when an id is outside the vocabulary,
 * when decoding piece by piece differs from decoding at once, or when a refusal comes without a
 * sentence. Returns whether the text came back unchanged. */
bool fuzz_tokenizer_use(const swg_tokenizer *tokenizer, const char *text, size_t length);

#endif
