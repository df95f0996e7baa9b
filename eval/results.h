/* Measurements of compressed models: results.jsonl, one JSON object per line and model
 * (docs/results-format.md). `swage sweep` writes it, `report` and `choose` read it.
 *
 *     swg_result result = swg_result_default();      // nothing measured
 *     result.id = "gptq-int4-g64";
 *     result.file_bytes = 80590974;
 *     result.kld_mean = 0.1524;
 *     SWG_TRY(swg_result_append("out/results.jsonl", &result));
 *
 *     swg_results results;
 *     SWG_TRY(swg_results_read("out", &results));    // a file, or a folder with a results.jsonl
 *     for (size_t i = 0; i < results.count; i++)
 *         use(&results.items[i]);
 *     swg_results_deinit(&results);
 *
 * The keys are the rows of result_keys.def and result_tensor_keys.def; the fields of the structs
 * below have their names, so that a new key is one row. */
#ifndef SWG_EVAL_RESULTS_H
#define SWG_EVAL_RESULTS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

/* The first member of every line is "results_version"; a reader refuses any other version. */
enum { SWG_RESULTS_VERSION = 1 };

#define SWG_RESULT_TEXT(key, text)                const char *key;
#define SWG_RESULT_JSON(key, text)                const char *key;
#define SWG_RESULT_COUNT(key, text)               int64_t key;
#define SWG_RESULT_NUMBER(key, least, most, text) double key;

/* One tensor of a model. Absent values are NULL, -1 and NaN, as below. */
typedef struct swg_result_tensor {
#include "eval/result_tensor_keys.def"
} swg_result_tensor;

/* How often a quantity lay in [edges[i], edges[i + 1]): times of tokens, of requests. */
typedef struct swg_result_histogram {
    const char *name;      /* "ttft_ms", "tpot_ms", "token_ms" or "e2e_ms" */
    const double *edges;   /* [n_bins + 1], ascending; the last bin includes its upper edge */
    const int64_t *counts; /* [n_bins] */
    size_t n_bins;
} swg_result_histogram;

/* The measurements of one model. What was not measured is NULL (texts), -1 (counts) and NaN
 * (numbers). All pointers are views: of the caller's memory in a record to be written, of the
 * swg_results in one that was read. */
typedef struct swg_result {
#include "eval/result_keys.def"
    const swg_result_tensor *tensors;
    size_t n_tensors;
    const swg_result_histogram *histograms;
    size_t n_histograms;
} swg_result;

#undef SWG_RESULT_TEXT
#undef SWG_RESULT_JSON
#undef SWG_RESULT_COUNT
#undef SWG_RESULT_NUMBER

/* A record or tensor without any measurement (all NULL, -1 and NaN), its status "ok". */
swg_result swg_result_default(void);
swg_result_tensor swg_result_tensor_default(void);
bool swg_result_is_ok(const swg_result *result); /* its status is not "failed" */

/* Records of a file, in file order, each id once: a later record has taken the place of an earlier
 * one of its id. */
typedef struct swg_results {
    swg_result *items;
    size_t count;
    size_t n_replaced; /* earlier records of ids that came again */
    size_t cut_line;   /* number of a last line that was written half, and left out; 0 = none */
    swg_arena arena;   /* what the records point to */
} swg_results;

/* Bounds of what is read: SWG_LIMIT beyond them. */
enum { SWG_RESULTS_MAX_RECORDS = 1 << 16, SWG_RESULTS_MAX_TENSORS = 1 << 17 };
#define SWG_RESULTS_MAX_BYTES ((size_t)1 << 30)

/* Read a results file, or the results.jsonl of a folder. A last line without its line break that is
 * not a whole record was cut off when its writer died: it is left out and `cut_line` says so. All
 * other lines that are not a record are SWG_CORRUPT with their number: JSON that is not strict,
 * keys that result_keys.def does not have, values of another kind or out of range, a record without
 * an id, histograms whose edges do not ascend. SWG_UNSUPPORTED for another version, SWG_IO,
 * SWG_LIMIT, SWG_NO_MEMORY. `name` of _parse names the text in messages. On failure nothing is
 * held. */
swg_status swg_results_read(const char *path, swg_results *out);
swg_status swg_results_parse(const char *text, size_t length, const char *name, swg_results *out);
void swg_results_deinit(swg_results *results);

/* The record of that id; NULL when there is none: what a run that goes on need not repeat. */
const swg_result *swg_results_find(const swg_results *results, const char *id);

/* The line of a record, with its line break, to `out`. SWG_USAGE for a record that a reader would
 * refuse (no id, a recipe that is not a JSON object, a number out of range). */
swg_status swg_result_write(const swg_result *result, swg_strbuf *out);

/* Append a record to a file, which is made if need be, and fsync it. Several processes may append
 * to one file. What a writer that died left of its line is removed first. The record is in
 * the file whole or not at all. As swg_result_write, and SWG_IO, SWG_NO_MEMORY. */
swg_status swg_result_append(const char *path, const swg_result *result);

/* Comma-separated values (RFC 4180): a line of keys, then one line per record, empty where nothing
 * was measured. Texts that a spreadsheet would compute (they begin with = + - @, a tab or a line
 * break) get an apostrophe in front. _tensors: one line per tensor, its record's id in front. */
void swg_results_write_csv(const swg_results *results, swg_strbuf *out);
void swg_results_write_tensors_csv(const swg_results *results, swg_strbuf *out);

#endif
