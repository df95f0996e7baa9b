/* From a recipe to what is done to each tensor. See plan.h. */
#include "quantize/plan.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

/* Parts of tensor names (between dots) that tell the class of a matrix where no architecture does.
 * Hugging Face's families use only a few; a matrix with none of them is an ordinary linear weight.
 */
static const struct {
    const char *part;
    swg_plan_class kind;
} class_words[] = {
    {"embed_tokens", SWG_PLAN_CLASS_EMBEDDING},
    {"wte", SWG_PLAN_CLASS_EMBEDDING},
    {"wpe", SWG_PLAN_CLASS_EMBEDDING},
    {"word_embeddings", SWG_PLAN_CLASS_EMBEDDING},
    {"position_embeddings", SWG_PLAN_CLASS_EMBEDDING},
    {"token_type_embeddings", SWG_PLAN_CLASS_EMBEDDING},
    {"embed_positions", SWG_PLAN_CLASS_EMBEDDING},
    {"embedding", SWG_PLAN_CLASS_EMBEDDING}, /* recurrent models */
    {"lm_head", SWG_PLAN_CLASS_HEAD},
    {"embed_out", SWG_PLAN_CLASS_HEAD},
    {"head", SWG_PLAN_CLASS_HEAD},
    {"router", SWG_PLAN_CLASS_ROUTER},
    {"gate",
     SWG_PLAN_CLASS_ROUTER}, /* mlp.gate of mixtures of experts; a gated MLP says gate_proj */
};

bool swg_plan_is_matrix(const swg_tensor_desc *tensor)
{
    return tensor->rank == 2 && swg_tensor_elems(tensor) > 0 &&
           (swg_scheme_is_quantized(tensor->scheme) || swg_dtype_is_number(tensor->scheme.dtype));
}

static swg_plan_class class_by_name(const swg_tensor_desc *tensor)
{
    const char *dot = strrchr(tensor->name, '.');
    const char *last = dot ? dot + 1 : tensor->name;
    if (strncmp(last, "weight", strlen("weight")) != 0)
        return SWG_PLAN_CLASS_OTHER;
    for (const char *part = tensor->name; *part;) {
        const size_t length = strcspn(part, ".");
        for (size_t i = 0; i < sizeof class_words / sizeof *class_words; i++)
            if (strlen(class_words[i].part) == length &&
                memcmp(class_words[i].part, part, length) == 0)
                return class_words[i].kind;
        part += length + (part[length] == '.');
    }
    return SWG_PLAN_CLASS_LINEAR;
}

static swg_plan_class class_by_use(const swg_tensor_use *use)
{
    if (use->kind != SWG_USE_WEIGHT || !use->is_quantizable)
        return SWG_PLAN_CLASS_OTHER;
    switch (use->role) {
    case SWG_ROLE_EMBEDDING:
    case SWG_ROLE_POSITION_EMBEDDING:
    case SWG_ROLE_TYPE_EMBEDDING:
        return SWG_PLAN_CLASS_EMBEDDING;
    case SWG_ROLE_HEAD:
        return SWG_PLAN_CLASS_HEAD;
    default:
        return SWG_PLAN_CLASS_LINEAR;
    }
}

swg_plan_class swg_plan_class_of(const swg_tensor_desc *tensor, const swg_tensor_use *use)
{
    if (!swg_plan_is_matrix(tensor))
        return SWG_PLAN_CLASS_OTHER;
    return use && use->kind != SWG_USE_UNKNOWN ? class_by_use(use) : class_by_name(tensor);
}

/* --- One entry -------------------------------------------------------------------------------- */

/* Why the recipe leaves a matrix unchanged. */
static const char *why_kept(const swg_plan_entry *entry, const swg_recipe_choice *choice)
{
    if (choice->is_named)
        return "asked for";
    switch (entry->kind) {
    case SWG_PLAN_CLASS_EMBEDDING:
    case SWG_PLAN_CLASS_HEAD:
        return "embeddings are kept";
    case SWG_PLAN_CLASS_ROUTER:
        return "router";
    case SWG_PLAN_CLASS_LINEAR:
        return "no rule selects it";
    default:
        return "";
    }
}

static swg_status refuse_requantizing(const swg_tensor_desc *tensor)
{
    char name[SWG_SCHEME_NAME_BYTES];
    return swg_error(SWG_UNSUPPORTED,
                     "tensor %s is already quantized (%s); start from the original checkpoint, "
                     "or allow a second loss with --requantize",
                     tensor->name, swg_scheme_name(tensor->scheme, name));
}

/* One scale for a matrix is found together with its codebook; methods that give each group a scale
 * of its own would undo it. */
static swg_status check_matrix_scale(const swg_recipe_setting *setting, const swg_plan_entry *entry,
                                     bool is_fitted)
{
    if (!is_fitted || setting->group != 0 || setting->scale_type == SWG_I8)
        return swg_error(SWG_USAGE,
                         "tensor %s: one scale for the matrix (search matrix) needs format "
                         "codebook, group row and scales of type f16, bf16 or f32",
                         entry->desc.name);
    if (entry->method != SWG_QUANT_rtn && entry->method != SWG_QUANT_gptq)
        return swg_error(SWG_USAGE,
                         "tensor %s: method %s gives each row a scale; one scale for the matrix "
                         "(search matrix) needs rtn or gptq",
                         entry->desc.name, setting->method);
    return SWG_OK;
}

static swg_status take_method(const swg_recipe_setting *setting, swg_plan_entry *entry)
{
    SWG_TRY(swg_quant_method_find(setting->method, &entry->method));
    SWG_TRY(swg_quant_method_check(entry->method, setting->parameters, setting->n_parameters));
    entry->search = setting->search;
    const bool is_codebook = swg_recipe_codebook(setting->format, &entry->codebook);
    if (entry->search == SWG_SEARCH_MATRIX)
        SWG_TRY(check_matrix_scale(setting, entry, is_codebook && !entry->codebook));
    entry->parameters = setting->parameters;
    entry->n_parameters = setting->n_parameters;
    return SWG_OK;
}

static swg_status plan_tensor(const swg_tensor_desc *tensor, const swg_recipe *recipe,
                              const swg_recipe_choice *choice, swg_plan_entry *entry)
{
    const swg_recipe_setting *setting = &choice->setting;
    const bool is_kept = strcmp(setting->format, "keep") == 0;
    const bool is_matrix = swg_plan_is_matrix(tensor);
    entry->desc = *tensor;
    entry->why = "";
    entry->dense = tensor->scheme;
    if (is_matrix) {
        entry->sparsity = setting->sparsity;
        if (!swg_sparsity_is_dense(entry->sparsity)) {
            entry->dense = entry->desc.scheme = swg_scheme_expanded(tensor->scheme);
            entry->desc.n_stored = 0;
        }
        entry->prune = setting->prune;
        entry->prune_parameters = setting->prune_parameters;
        entry->n_prune_parameters = setting->n_prune_parameters;
    }
    if (swg_scheme_is_quantized(tensor->scheme) && !(is_kept && choice->is_named) &&
        !recipe->requantize)
        return refuse_requantizing(tensor);
    if (is_kept || !is_matrix) {
        entry->why = is_matrix ? why_kept(entry, choice) : "";
        return SWG_OK;
    }
    swg_tensor_desc quantized = *tensor;
    quantized.n_stored = 0;
    SWG_TRY(swg_recipe_scheme(setting, &quantized.scheme));
    SWG_TRY(swg_tensor_desc_check(&quantized));
    if (!choice->is_named && !recipe->requantize &&
        swg_tensor_bytes(&quantized) >= swg_tensor_bytes(tensor)) {
        entry->why = "would not get smaller";
        return SWG_OK;
    }
    entry->desc = quantized;
    entry->dense = quantized.scheme;
    entry->is_quantized = true;
    return take_method(setting, entry);
}

/* --- The order -------------------------------------------------------------------------------- */

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Names with runs of digits compared as numbers. */
static int compare_names(const char *a, const char *b)
{
    while (*a && *b) {
        size_t n = digits(a), m = digits(b);
        if (n == 0 || m == 0) {
            if (*a != *b)
                return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
            continue;
        }
        for (; n > 1 && *a == '0'; a++, n--)
            ;
        for (; m > 1 && *b == '0'; b++, m--)
            ;
        const int order = n != m ? (n < m ? -1 : 1) : memcmp(a, b, n);
        if (order)
            return order;
        a += n;
        b += m;
    }
    return *a ? 1 : *b ? -1 : 0;
}

static int compare_entries(const void *a, const void *b, void *context)
{
    const swg_plan_entry *entries = context;
    const swg_plan_entry *x = &entries[*(const size_t *)a], *y = &entries[*(const size_t *)b];
    if (x->visit != y->visit)
        return x->visit < y->visit ? -1 : 1;
    const int order = compare_names(x->desc.name, y->desc.name);
    return order ? order : strcmp(x->desc.name, y->desc.name);
}

static swg_status make_order(swg_plan *plan)
{
    SWG_TRY(SWG_NEW(plan->order, plan->n_entries));
    for (size_t i = 0; i < plan->n_entries; i++)
        plan->order[i] = i;
    qsort_r(plan->order, plan->n_entries, sizeof *plan->order, compare_entries, plan->entries);
    return SWG_OK;
}

/* --- The plan --------------------------------------------------------------------------------- */

static swg_status add_up(const swg_tensor_desc *tensors, swg_plan *plan)
{
    size_t n_sparse = 0;
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        const uint64_t bytes = swg_tensor_bytes(&entry->desc);
        const uint64_t both = bytes + swg_tensor_bytes(&tensors[i]);
        if (!swg_u64_add(plan->bytes, bytes, &plan->bytes))
            return swg_error(SWG_CORRUPT, "the tensors add up to more than 2^64 bytes");
        plan->largest_bytes = both > plan->largest_bytes ? both : plan->largest_bytes;
        plan->n_quantized += entry->is_quantized;
        n_sparse += !swg_sparsity_is_dense(entry->sparsity);
    }
    if (plan->n_quantized == 0 && n_sparse == 0)
        return swg_error(SWG_UNSUPPORTED,
                         "none of the %zu tensors would be quantized: no linear weight or "
                         "embedding of floats is left to do",
                         plan->n_entries);
    return SWG_OK;
}

swg_status swg_plan_make(const swg_tensor_desc *tensors, size_t n, const swg_tensor_use *uses,
                         const swg_recipe *recipe, swg_plan *out)
{
    swg_plan plan = {.n_entries = n};
    swg_recipe_tensor *seen = NULL;
    swg_recipe_choice *choices = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(plan.entries, n));
    SWG_GO(SWG_NEW(seen, n));
    for (size_t i = 0; i < n; i++) {
        plan.entries[i].kind = swg_plan_class_of(&tensors[i], uses ? &uses[i] : NULL);
        plan.entries[i].visit = uses ? uses[i].order : SIZE_MAX;
        seen[i] = (swg_recipe_tensor){.name = tensors[i].name,
                                      .kind = plan.entries[i].kind,
                                      .is_matrix = swg_plan_is_matrix(&tensors[i])};
    }
    SWG_GO(swg_recipe_apply(recipe, seen, n, &choices));
    for (size_t i = 0; i < n; i++)
        SWG_GO(plan_tensor(&tensors[i], recipe, &choices[i], &plan.entries[i]));
    SWG_GO(add_up(tensors, &plan));
    SWG_GO(make_order(&plan));
    *out = plan;
    plan = (swg_plan){0};
done:
    swg_free(choices);
    swg_free(seen);
    swg_plan_deinit(&plan);
    return status;
}

swg_status swg_plan_make_plain(const swg_tensor_desc *tensors, size_t n, swg_plan *out)
{
    swg_plan plan = {.n_entries = n};
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(plan.entries, n));
    SWG_GO(SWG_NEW(plan.order, n));
    for (size_t i = 0; i < n; i++) {
        swg_plan_entry *entry = &plan.entries[i];
        entry->desc = tensors[i];
        entry->desc.n_stored = 0;
        entry->desc.scheme = swg_scheme_is_quantized(tensors[i].scheme)
                                 ? swg_scheme_plain(SWG_F32)
                                 : swg_scheme_expanded(tensors[i].scheme);
        entry->dense = entry->desc.scheme;
        plan.order[i] = i;
    }
    *out = plan;
    plan = (swg_plan){0};
done:
    swg_plan_deinit(&plan);
    return status;
}

swg_status swg_plan_store_as(swg_plan *plan, size_t entry, swg_scheme scheme, uint64_t n_stored)
{
    swg_tensor_desc *desc = &plan->entries[entry].desc, stored = *desc;
    stored.scheme = scheme;
    stored.n_stored = n_stored;
    SWG_TRY(swg_tensor_desc_check(&stored));
    plan->bytes += swg_tensor_bytes(&stored) - swg_tensor_bytes(desc);
    *desc = stored;
    return SWG_OK;
}

void swg_plan_deinit(swg_plan *plan)
{
    swg_free(plan->order);
    swg_free(plan->entries);
    *plan = (swg_plan){0};
}
