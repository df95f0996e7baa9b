/* A random Llama checkpoint of a few kilobytes, for tests that need some model but not a good one.
 */
#ifndef SWG_TESTS_MICRO_MODEL_H
#define SWG_TESTS_MICRO_MODEL_H

#include "formats/formats.h"

/* The configuration of the micro model: 2 layers, d_model 16, 2 query heads over 1 key head, d_ff
 * 24, vocabulary 40, tied head. */
extern const char swg_micro_config[];

/* Write a micro model to `path` (its ending picks the format). `config` replaces the configuration
 * text (NULL = swg_micro_config); `left_out` names a tensor to leave out, `added` one to add, both
 * may be NULL; weights come from `seed`. */
swg_status swg_micro_model_write(const char *path, const char *config, const char *left_out,
                                 const char *added, uint64_t seed);

#endif
