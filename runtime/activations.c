/* The table of activation precisions. */
#include "runtime/activations.h"

#include <string.h>

static const char *const names[] = {
#define SWG_ACT(ID, name, arithmetic, meaning) #name,
#include "runtime/activations.def"
#undef SWG_ACT
};

bool swg_act_is_float(swg_act_precision act)
{
    enum { INT8 = false, FLOAT = true };
    static const bool is_float[] = {
#define SWG_ACT(ID, name, arithmetic, meaning) arithmetic,
#include "runtime/activations.def"
#undef SWG_ACT
    };
    return is_float[act];
}

const char swg_act_choices_after_bar[] = ""
#define SWG_ACT(ID, name, arithmetic, meaning) "|" #name
#include "runtime/activations.def"
#undef SWG_ACT
    ;

const char swg_act_help[] = "what quantized weights are multiplied with"
#define SWG_ACT(ID, name, arithmetic, meaning) "; " #name " = " meaning
#include "runtime/activations.def"
#undef SWG_ACT
    ;

swg_act_precision swg_act_named(const char *name)
{
    size_t i = 0;
    while (i < SWG_ACT_COUNT && strcmp(names[i], name) != 0)
        i++;
    return (swg_act_precision)i;
}

const char *swg_act_name(swg_act_precision act)
{
    return names[act];
}
