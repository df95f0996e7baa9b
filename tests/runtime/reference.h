/* What the tests of execution share: loading models, running them, and comparing with reference
 * independent logits. */
#ifndef SWG_TESTS_RUNTIME_REFERENCE_H
#define SWG_TESTS_RUNTIME_REFERENCE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/exec.h"
#include "runtime/model.h"
#include "tests/harness.h"

/* The model at `path`; the caller frees. */
swg_model *load_model(const char *path, swg_pool *pool);

/* Rows of logits that n tokens give. */
size_t output_rows(const swg_model *model, size_t n);

/* Logits of all positions, or of the text; the caller frees. The context is as long as the text
 * unless the options say otherwise. */
float *run_typed(const swg_model *model, swg_pool *pool, const swg_exec_options *given,
                 const int32_t *ids, const int32_t *types, size_t n);

/* The same without token types. */
float *run_all(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
               const int32_t *ids, size_t n);

/* What reference.json and reference_logits.f32 of a folder hold. */
enum { MAX_REFERENCE_IDS = 512 };
typedef struct reference {
    int32_t ids[MAX_REFERENCE_IDS], types[MAX_REFERENCE_IDS];
    size_t n;
    double mean_nll; /* NaN when absent */
    float *logits;
    size_t n_logits;
} reference;

/* The caller frees out->logits. */
void read_reference(const char *folder, reference *out);

/* Of two arrays of n. */
double largest_difference(const float *a, const float *b, size_t n);

/* The model at `path` gives the logits of the folder, to `bound`. */
void agree_with_reference(const char *path, const char *folder, double bound, const char *what);

#endif
