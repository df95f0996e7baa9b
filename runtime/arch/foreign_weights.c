/* Foreign quantization is known by the configuration's "quantization_config", which transformers
 * writes, and where that is missing by the names and types of the tensors. */
#include "runtime/arch/foreign_weights.h"

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

static swg_status check_config(const swg_source *source)
{
    size_t length;
    const char *config = swg_source_config(source, &length), *method = "an unnamed method";
    swg_json_doc *doc = NULL;
    if (!config)
        return SWG_OK;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *how = swg_json_get(swg_json_root(doc), "quantization_config");
    swg_status status = SWG_OK;
    if (!swg_json_is_null(how)) {
        swg_json_as_string(swg_json_get(how, "quant_method"), &method);
        status = swg_error(SWG_UNSUPPORTED,
                           "%s: another program has quantized the weights (config.json: "
                           "quantization_config, quant_method %.100s); start from the checkpoint "
                           "before that",
                           swg_source_path(source), method);
    }
    swg_json_free(&doc);
    return status;
}

swg_status swg_refuse_foreign_weights(const swg_source *source)
{
    SWG_TRY(check_config(source));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const char *name = swg_source_tensor(source, i)->name;
        for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
            if (ends_in(name, endings[k].ending))
                return swg_error(SWG_UNSUPPORTED,
                                 "%s: another program has quantized the weights (tensor %s, as %s "
                                 "writes it); start from the checkpoint before that",
                                 swg_source_path(source), name, endings[k].method);
    }
    return SWG_OK;
}
