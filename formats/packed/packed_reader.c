/* A Hugging Face folder of packed weights, presented as matrices of our schemes. The tensors of a
 * weight are found by their names; all is presented or nothing, so that what is not read stays
 * recognizable (quantization_config.h). */
#include <stdlib.h>
#include <string.h>

#include "formats/huggingface/quantization_config.h"
#include "formats/json/json_scan.h"
#include "formats/packed/packed.h"
#include "runtime/base/namesort.h"
#include "runtime/base/strbuf.h"

static const char config_key[] = "quantization_config";
static const char side_file[] = "quantize_config.json";

static const swg_packed_layout *const layouts[] = {
#define SWG_PACKED_LAYOUT(name) &swg_packed_##name,
#include "formats/packed/packed_layouts.def"
};

/* A weight and how it is read; of swg_stored_tensor.detail. */
typedef struct packed_detail {
    const swg_packed_layout *layout;
    swg_packed_weight weight;
    swg_stored_tensor parts[SWG_PACKED_PARTS];
} packed_detail;

/* A weight that was found. */
typedef struct found_weight {
    packed_detail *detail;
    swg_scheme scheme;
    uint64_t shape[2];
} found_weight;

typedef struct finder {
    swg_source *source;
    const swg_packed_layout *layout;
    const swg_json *config;
    swg_name_item *by_name; /* [n_tensors]; `of` is the tensor */
    bool *is_part;          /* [n_tensors], in the source's order */
    found_weight *found;    /* [n_tensors] */
    size_t n_found;
} finder;

static swg_status read_plane(swg_source *source, const swg_stored_tensor *tensor,
                             const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    const packed_detail *detail = tensor->detail;
    (void)source;
    return detail->layout->read(&detail->weight, &tensor->desc, plane, (size_t)row_begin,
                                (size_t)n_rows, out);
}

/* --- Finding ---------------------------------------------------------------------------------- */

static int compare_name(const void *name, const void *item)
{
    return strcmp(name, ((const swg_name_item *)item)->name);
}

/* `base` with an ending, in the source's arena; NULL without memory. */
static char *joined(swg_source *source, const char *name, size_t base, const char *ending)
{
    char *const out = swg_arena_calloc(&source->arena, base + strlen(ending) + 1, 1);
    if (out) {
        memcpy(out, name, base);
        strcpy(out + base, ending);
    }
    return out;
}

/* The parts of the weight whose codes are `codes`, whose name has `base` bytes before its ending.
 */
static swg_status take_parts(finder *f, const swg_stored_tensor *codes, size_t base,
                             packed_detail *detail)
{
    const swg_source *source = f->source;
    for (size_t p = 0; f->layout->endings[p]; p++) {
        const char *name = joined(f->source, codes->desc.name, base, f->layout->endings[p]);
        if (!name)
            return SWG_NO_MEMORY;
        const swg_name_item *item =
            bsearch(name, f->by_name, source->n_tensors, sizeof *item, compare_name);
        if (!item)
            continue;
        const swg_stored_tensor *part = item->of;
        detail->parts[p] = *part;
        detail->weight.parts[p] = &detail->parts[p];
        f->is_part[part - source->tensors] = true;
    }
    return SWG_OK;
}

static swg_status take_weight(finder *f, const swg_stored_tensor *codes)
{
    const swg_packed_layout *layout = f->layout;
    const char *const name = codes->desc.name;
    const size_t length = strlen(name), ending = strlen(layout->endings[0]);
    if (length <= ending || strcmp(name + length - ending, layout->endings[0]) != 0 ||
        !swg_scheme_is_plain(codes->desc.scheme) || codes->desc.scheme.dtype != layout->code_type)
        return SWG_OK;
    packed_detail *const detail = swg_arena_calloc(&f->source->arena, 1, sizeof *detail);
    if (!detail)
        return SWG_NO_MEMORY;
    detail->layout = layout;
    detail->weight = (swg_packed_weight){
        .path = f->source->path,
        .name = joined(f->source, name, length - ending, ".weight"),
        .counts_from_one = layout->counts_from_one && layout->counts_from_one(f->config)};
    if (!detail->weight.name)
        return SWG_NO_MEMORY;
    SWG_TRY(take_parts(f, codes, length - ending, detail));
    found_weight *const found = &f->found[f->n_found++];
    found->detail = detail;
    return layout->describe(&detail->weight, f->config, &found->scheme, found->shape);
}

/* Whether tensors of other programs remain beside the weights that were found. */
static bool has_others(const finder *f)
{
    for (size_t i = 0; i < f->source->n_tensors; i++)
        if (!f->is_part[i] && swg_foreign_tensor_method(f->source->tensors[i].desc.name))
            return true;
    return false;
}

static swg_status find_weights(finder *f)
{
    const swg_source *source = f->source;
    SWG_TRY(SWG_NEW(f->by_name, source->n_tensors));
    SWG_TRY(SWG_NEW(f->is_part, source->n_tensors));
    SWG_TRY(SWG_NEW(f->found, source->n_tensors));
    for (size_t i = 0; i < source->n_tensors; i++)
        f->by_name[i] =
            (swg_name_item){.name = source->tensors[i].desc.name, .of = &source->tensors[i]};
    swg_sort_names(f->by_name, source->n_tensors);
    for (size_t i = 0; i < source->n_tensors; i++)
        SWG_TRY(take_weight(f, &source->tensors[i]));
    return SWG_OK;
}

/* --- Presenting ------------------------------------------------------------------------------- */

/* The configuration without its quantization_config. */
static swg_status clean_config(swg_source *source)
{
    swg_json_scan scan = swg_json_scan_begin(source->config, source->config_length);
    swg_strbuf out = {0};
    swg_status status = SWG_OK;
    swg_strbuf_puts(&out, "{");
    bool is_first = true;
    for (swg_json_scan_enter(&scan); swg_json_scan_more(&scan);) {
        const char *const begin = scan.at;
        const swg_json_text key = swg_json_scan_key(&scan);
        const swg_json_text value = swg_json_scan_skip(&scan);
        if (swg_json_text_is(&key, config_key))
            continue;
        swg_strbuf_puts(&out, is_first ? "\n  " : ",\n  ");
        swg_strbuf_append(&out, begin, (size_t)(value.at + value.length - begin));
        is_first = false;
    }
    swg_strbuf_puts(&out, "\n}\n");
    SWG_GO(swg_strbuf_status(&out));
    SWG_GO(swg_source_set_config(source, swg_strbuf_text(&out), out.length));
done:
    swg_strbuf_deinit(&out);
    return status;
}

static void drop_side_file(swg_source *source)
{
    size_t kept = 0;
    for (size_t i = 0; i < source->n_files; i++)
        if (strcmp(source->files[i].name, side_file) == 0)
            swg_free(source->files[i].data);
        else
            source->files[kept++] = source->files[i];
    source->n_files = kept;
}

static swg_status present(finder *f)
{
    swg_source *source = f->source;
    size_t kept = 0;
    for (size_t i = 0; i < source->n_tensors; i++) {
        if (f->is_part[i])
            continue;
        source->tensors[kept] = source->tensors[i];
        source->tensors[kept].same_as = kept;
        kept++;
    }
    source->n_tensors = kept;
    for (size_t i = 0; i < f->n_found; i++) {
        const found_weight *found = &f->found[i];
        const char *name = found->detail->weight.name;
        swg_stored_tensor *tensor;
        SWG_TRY(swg_source_add_tensor(source, name, strlen(name), found->scheme, 2, found->shape,
                                      &tensor));
        tensor->read = read_plane;
        tensor->detail = found->detail;
    }
    drop_side_file(source);
    return clean_config(source);
}

static swg_status present_as(swg_source *source, const swg_json *config)
{
    finder f = {.source = source, .config = config};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && !f.layout; i++)
        f.layout = layouts[i]->claims(config) ? layouts[i] : NULL;
    if (!f.layout)
        return SWG_OK;
    SWG_GO(find_weights(&f));
    if (f.n_found > 0 && !has_others(&f))
        SWG_GO(present(&f));
done:
    swg_free(f.by_name);
    swg_free(f.is_part);
    swg_free(f.found);
    return status;
}

swg_status swg_packed_present(swg_source *source)
{
    swg_json_doc *doc = NULL, *side = NULL;
    swg_file_view file;
    swg_status status = SWG_OK;
    if (!source->config)
        return SWG_OK;
    SWG_GO(swg_json_parse(source->config, source->config_length, "config.json", &doc));
    const swg_json *config = swg_json_get(swg_json_root(doc), config_key);
    bool has_side = false;
    for (size_t i = 0; i < source->n_files; i++)
        has_side = has_side || strcmp(source->files[i].name, side_file) == 0;
    if (swg_json_is_null(config) && has_side) {
        SWG_GO(swg_source_find_file(source, side_file, &file));
        SWG_GO(swg_json_parse(file.data, file.length, side_file, &side));
        config = swg_json_root(side);
    }
    if (!swg_json_is_null(config))
        SWG_GO(present_as(source, config));
done:
    swg_json_free(&doc);
    swg_json_free(&side);
    return status;
}
