/* Foreign quantization is known by the configuration's "quantization_config", which transformers
 * writes, and where that is missing by the names of the tensors. */
#include "formats/huggingface/quantization_config.h"

#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"

/* How the names end that the programs give to scales and codes. */
static const struct {
    const char *ending, *method;
} endings[] = {
    {".qweight", "GPTQ or AWQ"},
    {".qzeros", "GPTQ or AWQ"},
    {".weight_packed", "compressed-tensors"},
    {".weight_scale_inv", "FP8"},
    {".weight_scale", "FP8 or compressed-tensors"},
    {".SCB", "bitsandbytes"},
    {".weight.absmax", "bitsandbytes"},
    {".weight.quant_map", "bitsandbytes"},
};

static bool ends_in(const char *name, const char *ending)
{
    const size_t n = strlen(name), n_ending = strlen(ending);
    return n >= n_ending && strcmp(name + n - n_ending, ending) == 0;
}

static swg_status look_at_config(const swg_source *source, swg_foreign_quantization *out)
{
    size_t length;
    const char *config = swg_source_config(source, &length), *method = "an unnamed method";
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *how = swg_json_get(swg_json_root(doc), "quantization_config");
    out->is_present = !swg_json_is_null(how);
    swg_json_as_string(swg_json_get(how, "quant_method"), &method);
    if (out->is_present)
        snprintf(out->method, sizeof out->method, "%s", method);
    swg_json_free(&doc);
    return SWG_OK;
}

const char *swg_foreign_tensor_method(const char *name)
{
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
        if (ends_in(name, endings[k].ending))
            return endings[k].method;
    return NULL;
}

swg_status swg_foreign_quantization_find(const swg_source *source, swg_foreign_quantization *out)
{
    swg_foreign_quantization found = {0};
    SWG_TRY(look_at_config(source, &found));
    for (size_t i = 0; !found.is_present && i < swg_source_n_tensors(source); i++) {
        const char *name = swg_source_tensor(source, i)->name;
        const char *method = swg_foreign_tensor_method(name);
        if (!method)
            continue;
        found = (swg_foreign_quantization){.is_present = true, .tensor = name};
        snprintf(found.method, sizeof found.method, "%s", method);
    }
    *out = found;
    return SWG_OK;
}

swg_status swg_foreign_quantization_refuse(const swg_source *source)
{
    swg_foreign_quantization found;
    SWG_TRY(swg_foreign_quantization_find(source, &found));
    if (!found.is_present)
        return SWG_OK;
    if (!found.tensor)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: another program has quantized the weights (config.json: "
                         "quantization_config, quant_method %s); start from the checkpoint before "
                         "that",
                         swg_source_path(source), found.method);
    return swg_error(SWG_UNSUPPORTED,
                     "%s: another program has quantized the weights (tensor %s, as %s writes it); "
                     "start from the checkpoint before that",
                     swg_source_path(source), found.tensor, found.method);
}
