/* What the tests of evaluation share: a tokenizer of single characters, and models with it. */
#ifndef SWG_TESTS_EVAL_EVAL_FIXTURES_H
#define SWG_TESTS_EVAL_EVAL_FIXTURES_H

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"
#include "runtime/session.h"
#include "tests/harness.h"
#include "tests/formats/tiny_llama.h"

/* Tokens are single characters, so that the tests can count by hand: <s> is 0, [MASK] 1,
 * [CLS] 2, [SEP] 3, "a" 4, "b" 5, ... "z" 29, a line break 30, a carriage return 31, a blank 32;
 * the BERT fixtures' vocabulary ends with "y". `around` says what encloses a text: "" nothing,
 * "s" a <s> before it, "cs" [CLS] and [SEP]. */
enum { TOY_BOS = 0, TOY_MASK = 1, TOY_CLS = 2, TOY_SEP = 3, TOY_A = 4, TOY_LF = 30, TOY_CR = 31 };

/* The caller frees. */
swg_tokenizer *toy_tokenizer(const char *around);

/* A model of that path with a toy tokenizer, on that many threads. */
swg_session toy_loaded(const char *path, const char *around, size_t n_threads);

/* The micro model (vocabulary 40, 64 positions) the same way. */
swg_session micro_loaded(size_t n_threads);

/* Path of a folder of tests/runtime/fixtures. */
void fixture_path(const char *name, char out[256]);

#endif
