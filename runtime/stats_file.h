/* A file of calibration statistics: every distinct input of a model's weights, written once while
 * the model runs layer by layer, read back one input at a time. Private to model_stats.c.
 *
 * Layout: a superblock of 64 bytes (magic, offset, length and XXH3-64 of the directory, XXH3-64 of
 * the bytes before), the inputs, and the directory, a JSON object: the key (what the statistics
 * were collected of and on) and the inputs with their layer, weights, columns, tokens, offset and
 * XXH3-128. An input is mean |x| and mean x^2 as double [k] each, then the lower triangle of X^T X
 * row by row as float. Numbers are little-endian. */
#ifndef SWG_RUNTIME_STATS_FILE_H
#define SWG_RUNTIME_STATS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/layer_stats.h"

/* --- Writing ---------------------------------------------------------------------------------- */

typedef struct swg_stats_writer swg_stats_writer;

/* Begin a file that appears as `path`, replacing what is there, when it is committed. `key` is the
 * text of a JSON object. SWG_IO; SWG_NO_MEMORY. */
swg_status swg_stats_writer_new(const char *path, const char *key, swg_stats_writer **out);

/* Append one input (hessian required) of the layer, shared by the weights of these tensors. */
swg_status swg_stats_writer_add(swg_stats_writer *writer, const swg_layer_stats *stats,
                                size_t layer, const char *const *tensors, size_t n_tensors);

/* Write the directory and give the file its name; frees and clears *writer in every case. */
swg_status swg_stats_writer_commit(swg_stats_writer **writer);
void swg_stats_writer_abort(swg_stats_writer **writer); /* NULL inside is accepted */

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct swg_stats_input {
    const char **tensors; /* [n_tensors] names of the tensors whose weights share the input */
    size_t n_tensors, layer, k;
    uint64_t n_tokens, offset;
    const char *hash; /* of its bytes */
} swg_stats_input;

typedef struct swg_stats_file {
    char *path;
    swg_map map;
    swg_arena arena; /* the directory's strings and lists */
    swg_stats_input *inputs;
    size_t n_inputs;
} swg_stats_file;

/* Open and check everything but the inputs' bytes. SWG_IO when it cannot be opened; SWG_CORRUPT,
 * with the reason, when it is damaged or its key is not `key`. Release with swg_stats_file_close;
 * zero-initialised is accepted there. */
swg_status swg_stats_file_open(const char *path, const char *key, swg_stats_file *out);
void swg_stats_file_close(swg_stats_file *file);

/* Read one input: its arrays are allocated, and the caller frees them with swg_stats_values_deinit.
 * SWG_CORRUPT when the bytes do not match their hash. */
typedef struct swg_stats_values {
    float *hessian;                 /* [k][k] */
    double *mean_abs, *mean_square; /* [k] */
} swg_stats_values;
swg_status swg_stats_file_read(const swg_stats_file *file, size_t index, swg_stats_values *out);
void swg_stats_values_deinit(swg_stats_values *values);

#endif
