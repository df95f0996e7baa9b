/* Conv1D weights. See conv1d.h. The model types and tensor names that have them are listed here; a
 * linear layer of such a model that is none (lm_head) has another name. */
#include "formats/huggingface/conv1d.h"

#include <string.h>

#include "formats/json/json.h"

static const char *const model_types[] = {"gpt2", "openai-gpt", "imagegpt"};
static const char *const endings[] = {".c_attn.weight", ".q_attn.weight", ".c_proj.weight",
                                      ".c_fc.weight"};

swg_status swg_conv1d_in_config(const char *config, size_t length, bool *out)
{
    swg_json_doc *doc = NULL;
    const char *type = "";
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    swg_json_as_string(swg_json_get(swg_json_root(doc), "model_type"), &type);
    *out = false;
    for (size_t i = 0; i < sizeof model_types / sizeof model_types[0]; i++)
        *out = *out || strcmp(type, model_types[i]) == 0;
    swg_json_free(&doc);
    return SWG_OK;
}

bool swg_conv1d_is_weight(const swg_tensor_desc *desc)
{
    const size_t length = strlen(desc->name);
    if (desc->rank != 2 || !swg_scheme_is_plain(desc->scheme) ||
        swg_dtype_bits(desc->scheme.dtype) % 8 != 0)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(desc->name + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

swg_status swg_conv1d_transpose(swg_source *source)
{
    bool has_some = false;
    if (source->config)
        SWG_TRY(swg_conv1d_in_config(source->config, source->config_length, &has_some));
    for (size_t i = 0; has_some && i < source->n_tensors; i++) {
        swg_stored_tensor *tensor = &source->tensors[i];
        if (!swg_conv1d_is_weight(&tensor->desc))
            continue;
        const uint64_t in = tensor->desc.shape[0];
        tensor->desc.shape[0] = tensor->desc.shape[1];
        tensor->desc.shape[1] = in;
        tensor->is_transposed = true;
        SWG_TRY(swg_source_set_planes(source, tensor));
    }
    return SWG_OK;
}

/* With a constant elem_bytes the copy of an element is one instruction. */
static inline void transpose(const uint8_t *matrix, size_t rows, size_t columns,
                             const size_t elem_bytes, size_t row_begin, size_t n_rows, uint8_t *out)
{
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *from = matrix + (r * columns + row_begin) * elem_bytes;
        for (size_t i = 0; i < n_rows; i++)
            memcpy(out + (i * rows + r) * elem_bytes, from + i * elem_bytes, elem_bytes);
    }
}

void swg_transposed_rows(const void *matrix, size_t rows, size_t columns, size_t elem_bytes,
                         size_t row_begin, size_t n_rows, void *out)
{
    switch (elem_bytes) {
    case 2:
        transpose(matrix, rows, columns, 2, row_begin, n_rows, out);
        break;
    case 4:
        transpose(matrix, rows, columns, 4, row_begin, n_rows, out);
        break;
    default:
        transpose(matrix, rows, columns, elem_bytes, row_begin, n_rows, out);
    }
}
