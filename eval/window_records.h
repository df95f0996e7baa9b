/* What was measured of one window of a text, and the file of such records. */
#ifndef SWG_EVAL_WINDOW_RECORDS_H
#define SWG_EVAL_WINDOW_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/records.h"
#include "eval/windows.h"

/* Sums over a window's scored tokens, in nats. */
typedef struct swg_window_record {
    double nll;
    /* Compared with a reference: */
    double nll_ref, nll_difference, kld;
    uint64_t same_top, top_in_five, hits_gained, hits_lost; /* tokens */
    float *klds; /* [n_scored] of each token; NULL without a reference */
} swg_window_record;

typedef struct swg_window_records swg_window_records;

/* Into the head of a file of records: what the windows are. */
void swg_windows_write(const swg_windows *windows, swg_json_writer *head);

/* Open the file, whose head is complete; records that it has must be of the first windows, in
 * order. `compares`: with a reference. Both must outlive the
 * result. SWG_CORRUPT, naming the line, for a record that does not fit its window; otherwise as
 * swg_records_open. */
swg_status swg_window_records_open(swg_records *records, const swg_windows *windows, bool compares,
                                   swg_window_records **out);
void swg_window_records_free(swg_window_records **records); /* NULL inside is accepted */

/* Windows that the file had. `klds` of theirs are views that live as long as the records. */
size_t swg_window_records_count(const swg_window_records *records);
const swg_window_record *swg_window_records_at(const swg_window_records *records, size_t window);

/* Append the record of the next window. */
swg_status swg_window_records_add(swg_window_records *records, size_t window,
                                  const swg_window_record *record);

#endif
