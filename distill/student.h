/* The student of a distillation: a checkpoint that is there, a new one of a given shape, or one
 * that starts from some of the teacher's layers. */
#ifndef SWG_DISTILL_STUDENT_H
#define SWG_DISTILL_STUDENT_H

#include <stdint.h>

#include "formats/formats.h"
#include "runtime/base/json_writer.h"

/* Exactly one is not NULL. */
typedef struct swg_student_choice {
    const char *input;  /* path of a checkpoint */
    const char *config; /* path of a config.json: new weights, the teacher's tokenizer */
    const char *layers; /* of the teacher: "0,2,4" */
} swg_student_choice;

/* Open the student, after checking that its shape can be built and that its outputs are those of
 * the teacher: SWG_USAGE, naming both numbers, for another vocabulary or other labels, and for a
 * choice of none or several; otherwise as swg_source_open, swg_initial_weights (of that seed) and
 * swg_layer_subset. The caller closes *out. */
swg_status swg_student_open(const swg_student_choice *choice, swg_source *teacher, uint64_t seed,
                            swg_source **out);

/* Members of an open object that say what the opened student is, unless it is a checkpoint. */
void swg_student_write(const swg_student_choice *choice, const swg_source *student,
                       swg_json_writer *json);

#endif
