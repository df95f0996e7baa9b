/* Scored pairs of sentences: JSON lines with sentence1, sentence2 and score, or a table of cells
 * separated by tabs, with a heading or in that order. */
#ifndef SWG_EVAL_SCORED_PAIRS_H
#define SWG_EVAL_SCORED_PAIRS_H

#include "runtime/base/mem.h"
#include "runtime/embedder.h"

enum { SWG_PAIR_COLUMNS = 3 };

/* Sentences 2i and 2i + 1 belong to score i. They are views of the text that was read, or of
 * `strings`. Zero-initialise to start. */
typedef struct swg_scored_pairs {
    swg_text_view *texts;
    double *scores;
    size_t n, text_capacity, score_capacity;
    swg_arena strings;             /* of JSON, where escapes were resolved */
    size_t cell[SWG_PAIR_COLUMNS]; /* of a table: which cell is which column */
    size_t n_cells;
} swg_scored_pairs;

/* Read `length` bytes of `path`, which names them in messages. SWG_CORRUPT, naming the line;
 * SWG_FAILED when there are no pairs; SWG_NO_MEMORY. Release with deinit, also on failure. */
swg_status swg_scored_pairs_read(const char *path, const char *bytes, size_t length,
                                 swg_scored_pairs *out);
void swg_scored_pairs_deinit(swg_scored_pairs *pairs);

#endif
