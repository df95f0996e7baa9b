/* Activation precisions: what the inputs of quantized weights are rounded to before they are
 * multiplied. Inputs of plain weights always stay float. */
#ifndef SWG_RUNTIME_ACTIVATIONS_H
#define SWG_RUNTIME_ACTIVATIONS_H

#include <stdbool.h>

typedef enum swg_act_precision {
#define SWG_ACT(ID, name, arithmetic, meaning) SWG_ACT_##ID,
#include "runtime/activations.def"
#undef SWG_ACT
    SWG_ACT_COUNT
} swg_act_precision;

/* The precision with that name; SWG_ACT_COUNT when there is none. */
swg_act_precision swg_act_named(const char *name);
const char *swg_act_name(swg_act_precision act);

/* Whether the CPU multiplies inputs of that precision as floats, not as 8-bit integers. */
bool swg_act_is_float(swg_act_precision act);

/* For option tables: the names as choices ("int8|f32"), and a help text that explains each. */
#define SWG_ACT_CHOICES (swg_act_choices_after_bar + 1)
extern const char swg_act_choices_after_bar[]; /* "|int8|f32" */
extern const char swg_act_help[];

#endif
