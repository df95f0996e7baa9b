/* What went otherwise than asked for, or rests on little, while a checkpoint was quantized: said on
 * standard error and kept in the output's history. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_REMARKS_H
#define SWG_QUANTIZE_CMD_QUANTIZE_REMARKS_H

#include "quantize/cmd_quantize_job.h"

/* One sentence per kind of remark on the reports of state->plan, naming the first tensor. */
void swg_quantize_remarks_say(const swg_quantize_state *state);

/* The same as members of the open object, each an object with a number per tensor; kinds without
 * tensors are left out, and so is everything before there are reports. */
void swg_quantize_remarks_write(const swg_quantize_state *state, swg_json_writer *json);

#endif
