/* What a quantization has finished so far, in a file beside the output, so that one that was killed
 * continues where it was and gives the same bytes, and so that recipes tried one after the other
 * share the matrices that they have in common.
 *
 *     swg_journal *journal;
 *     SWG_TRY(swg_journal_open("model.swg.swage-resume", key, &journal));
 *     if (!swg_journal_take(journal, name, setting, layout, n, planes, &report)) {
 *         ... quantize into planes ...
 *         SWG_TRY(swg_journal_add(journal, name, setting, layout, n, planes, &report));
 *     }
 *     swg_journal_finish(&journal);                     // the output is there: remove the file
 *
 * A record counts only with a matching hash, so a file cut off anywhere loses the last record at
 * most. One thread at a time. */
#ifndef SWG_QUANTIZE_JOURNAL_H
#define SWG_QUANTIZE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "quantize/checkpoint.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

/* Open or create the file. Records that are there count if the file was begun with the same `key`,
 * any text: everything that the matrices depend on besides their settings. Otherwise it is begun
 * anew. SWG_IO when it cannot be written; SWG_FAILED when another process has it open;
 * SWG_NO_MEMORY.
 */
swg_status swg_journal_open(const char *path, const char *key, swg_journal **out);

/* Matrices that were there on opening, and that are there now. */
size_t swg_journal_n_found(const swg_journal *journal);
size_t swg_journal_n_records(const swg_journal *journal);

/* Whether a matrix of that name was finished with that setting. */
bool swg_journal_has(const swg_journal *journal, const char *name, const char *setting);

/* Fill `planes` (by kind, of the n in `layout`) and *report with a finished matrix. False, with
 * both undefined, when there is none or its bytes do not match their hash. */
bool swg_journal_take(swg_journal *journal, const char *name, const char *setting,
                      const swg_plane *layout, size_t n, void *const planes[SWG_PLANE_KINDS],
                      swg_tensor_report *report);

/* Append a finished matrix. SWG_IO, SWG_NO_MEMORY. */
swg_status swg_journal_add(swg_journal *journal, const char *name, const char *setting,
                           const swg_plane *layout, size_t n, void *const planes[SWG_PLANE_KINDS],
                           const swg_tensor_report *report);

/* Close and keep the file if it has any record, or remove it; NULL inside is accepted by both. */
void swg_journal_close(swg_journal **journal);
void swg_journal_finish(swg_journal **journal);

#endif
