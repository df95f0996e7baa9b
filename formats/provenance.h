/* The history of a checkpoint: one writer for every command that makes a .swg. docs/container.md
 * (PROV) lists the keys.
 *
 *     swg_input_hashes *hashes;
 *     SWG_TRY(swg_input_hashes_start(source, n_threads, &hashes));   // goes on beside the work
 *     ...
 *     const swg_step step = {.command = "quantize", .recipe = recipe_text};
 *     SWG_TRY(swg_provenance_add(source, &step, hashes, &text));     // waits for the hashes
 *     SWG_TRY(swg_sink_set_provenance(sink, text));
 *     swg_input_hashes_free(&hashes);
 *
 * An entry depends on the inputs' bytes and on what was asked for, never on time, place, path of
 * the input or number of threads, so that the same input and recipe give the same file. */
#ifndef SWG_FORMATS_PROVENANCE_H
#define SWG_FORMATS_PROVENANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/formats.h"
#include "runtime/base/status.h"
#include "runtime/base/json_writer.h"

/* --- Hashes of the inputs --------------------------------------------------------------------- */

typedef struct swg_input_hashes swg_input_hashes;

/* Start hashing every file that the source is read from: on a thread of its own when `n_threads`
 * (as for swg_pool_new; 0 = all processors) allows more than one, else when the result is asked
 * for. Of a .swg only its directory is hashed, which hashes all else. The source must outlive the
 * hashes, and be done with opening. SWG_NO_MEMORY. */
swg_status swg_input_hashes_start(swg_source *source, size_t n_threads, swg_input_hashes **out);

/* Wait for the hashes and write them as a member "input" of the open object: the format, and name,
 * bytes and hash of every file. Fails as swg_provenance_add. */
swg_status swg_input_hashes_write(swg_input_hashes *hashes, swg_json_writer *json);

/* Stop, wait and free; NULL inside is accepted. */
void swg_input_hashes_free(swg_input_hashes **hashes);

/* --- Entries ---------------------------------------------------------------------------------- */

/* One step that makes a checkpoint out of another. */
typedef struct swg_step {
    const char *command; /* "quantize" */
    const char *options; /* text of a JSON object: what matters to the result besides the recipe;
                            NULL = nothing */
    const char *recipe;  /* text of a JSON object (docs/recipes.md); NULL = none */
} swg_step;

/* The source's history with one more entry. `hashes` NULL: an entry of the same length without the
 * hashes, for a dry run. Waits for the hashes. SWG_IO when an input cannot be read; SWG_CORRUPT
 * when the source's history is not a JSON array; SWG_INTERRUPTED; SWG_NO_MEMORY. The caller frees
 * *out. */
swg_status swg_provenance_add(swg_source *source, const swg_step *step, swg_input_hashes *hashes,
                              char **out);

/* History with `entry`, the text of a JSON object, appended. SWG_CORRUPT when the source's history
 * or the entry is not JSON. The caller frees *out. */
swg_status swg_provenance_append(const swg_source *source, const char *entry, char **out);

/* Write the recipe of the newest step that has one (an object with the member "recipe", the
 * version) as a member `key` of the open object, or as the outermost value. *found tells whether
 * there is one; nothing is written otherwise. SWG_CORRUPT for a history that is not JSON. */
swg_status swg_provenance_write_recipe(const swg_source *source, swg_json_writer *json,
                                       const char *key, bool *found);

/* One line for each step, indented, oldest first: "  quantize by swage 0.1.0, from safetensors".
 * Steps written by earlier versions are told likewise. */
swg_status swg_provenance_describe(const swg_source *source, swg_strbuf *out);

#endif
