/* What the tests of this folder share: ids out of reference files, tokenizers from bytes, and
 * comparing. */
#ifndef SWG_TESTS_RUNTIME_TEXT_TEXT_FIXTURES_H
#define SWG_TESTS_RUNTIME_TEXT_TEXT_FIXTURES_H

#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/text/tokenizer.h"
#include "tests/harness.h"

/* A tokenizer from one file in memory. */
swg_status tokenizer_from(const char *name, const void *data, size_t length, swg_tokenizer **out);

/* A tokenizer from a file or folder. */
swg_tokenizer *tokenizer_at(const char *path);

/* The numbers of a JSON array. */
swg_ids ids_of_json(const swg_json *array);

/* A JSON file. The caller frees all three. */
swg_json_doc *json_at(const char *path);

/* Fail, naming `what`, unless the ids are the expected ones. */
void check_ids(const char *what, const swg_ids *got, const int32_t *wanted, size_t n_wanted);

/* Encode `text` and compare with a list of ids. */
void check_encoding(const swg_tokenizer *tokenizer, const char *text, size_t length,
                    const swg_encode_options *options, const int32_t *wanted, size_t n_wanted);

/* Fail unless decoding what `text` encodes to gives it back. */
void check_round_trip(const swg_tokenizer *tokenizer, const char *text, size_t length);

#endif
