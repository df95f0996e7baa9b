/* What tensor rows mean: see tensor_rows.h. */
#include "runtime/arch/tensor_rows.h"

#include <stdio.h>
#include <string.h>

size_t swg_dim_size(const swg_hparams *h, swg_dim dim, size_t layer)
{
    const bool is_recurrent = h->recurrent.units[0] > 0;
    const size_t units = is_recurrent ? (size_t)h->recurrent.units[layer] : 0;
    switch (dim) {
    case SWG_DIM_ONE:
        return 1;
    case SWG_DIM_D_MODEL:
        return (size_t)h->d_model;
    case SWG_DIM_D_FF:
        return (size_t)h->d_ff;
    case SWG_DIM_VOCAB:
        return (size_t)h->vocab;
    case SWG_DIM_QUERY:
        return (size_t)(h->n_heads * h->head_dim);
    case SWG_DIM_KV:
        return (size_t)(h->n_kv_heads * h->head_dim);
    case SWG_DIM_HEAD:
        return (size_t)h->head_dim;
    case SWG_DIM_POSITIONS:
        return (size_t)(h->first_position + h->max_positions);
    case SWG_DIM_TOKEN_TYPES:
        return (size_t)h->n_token_types;
    case SWG_DIM_LABELS:
        return (size_t)h->n_labels;
    case SWG_DIM_EXPERTS:
        return (size_t)h->experts.count;
    case SWG_DIM_UNITS:
        return units;
    case SWG_DIM_GATES:
        return units * (h->recurrent.cell == SWG_CELL_LSTM ? 4 : 3);
    case SWG_DIM_BELOW:
        return layer == 0 ? (size_t)h->d_model : (size_t)h->recurrent.units[layer - 1];
    case SWG_DIM_LAST_UNITS:
        return (size_t)h->recurrent.units[h->n_layers - 1];
    }
    return 0;
}

bool swg_tensor_row_applies(const swg_hparams *h, const swg_tensor_row *row)
{
    return row->tasks == 0 || (row->tasks >> h->task & 1);
}

bool swg_tensor_row_has_bias(const swg_hparams *h, const swg_tensor_row *row)
{
    return (row->flags & SWG_BIAS_MUST) ||
           ((row->flags & SWG_BIAS_ATTENTION) && h->attention_bias) ||
           ((row->flags & SWG_BIAS_MLP) && h->mlp_bias);
}

size_t swg_role_layers(const swg_hparams *h, swg_role role)
{
    return swg_role_scope_of(role) == SWG_PER_MODEL ? 1 : (size_t)h->n_layers;
}

size_t swg_role_experts(const swg_hparams *h, swg_role role)
{
    return swg_role_scope_of(role) == SWG_PER_EXPERT ? (size_t)h->experts.count : 1;
}

swg_row_range swg_tensor_row_range(const swg_arch *arch, const swg_hparams *h,
                                   const swg_tensor_row *row, size_t layer)
{
    swg_row_range range = {.n_rows = swg_dim_size(h, row->n, layer)};
    for (const swg_tensor_row *other = arch->tensors; other < arch->tensors + arch->n_tensors;
         other++) {
        if (!swg_tensor_row_applies(h, other) || strcmp(other->pattern, row->pattern) != 0)
            continue;
        const size_t n_rows = swg_dim_size(h, other->n, layer);
        range.total_rows += n_rows;
        range.first_row += other < row ? n_rows : 0;
    }
    return range;
}

static bool is_in_layers(const swg_arch *arch, size_t row)
{
    return swg_role_scope_of(arch->tensors[row].role) != SWG_PER_MODEL;
}

static bool is_of_experts(const swg_arch *arch, size_t row)
{
    return swg_role_scope_of(arch->tensors[row].role) == SWG_PER_EXPERT;
}

size_t swg_expert_run_end(const swg_arch *arch, size_t row)
{
    size_t end = row + 1;
    while (is_of_experts(arch, row) && end < arch->n_tensors && is_of_experts(arch, end))
        end++;
    return end;
}

/* Every row has room for all layers and experts, whether it needs that or not. */
size_t swg_tensor_row_order(const swg_arch *arch, const swg_hparams *h, const swg_tensor_row *row,
                            size_t layer, size_t expert)
{
    const size_t index = (size_t)(row - arch->tensors);
    const size_t n_experts = h->experts.count ? (size_t)h->experts.count : 1;
    size_t begin = index, end = index + 1, run = index;
    while (begin > 0 && is_in_layers(arch, begin - 1) == is_in_layers(arch, index))
        begin--;
    while (end < arch->n_tensors && is_in_layers(arch, end) == is_in_layers(arch, index))
        end++;
    while (is_of_experts(arch, index) && run > begin && is_of_experts(arch, run - 1))
        run--;
    const size_t of_layers = (begin * (size_t)h->n_layers + layer * (end - begin)) * n_experts;
    const size_t run_length = swg_expert_run_end(arch, run) - run;
    return of_layers + (run - begin) * n_experts + expert * run_length + index - run;
}

const char *swg_tensor_row_name(const char *pattern, const char *prefix, size_t layer,
                                size_t expert, char out[SWG_TENSOR_NAME_BYTES])
{
    size_t length = 0;
    const char *at = pattern;
    while (*at && *at != '|' && length + 1 < SWG_TENSOR_NAME_BYTES) {
        const size_t room = SWG_TENSOR_NAME_BYTES - length;
        if (strncmp(at, "{P}", 3) == 0)
            length += (size_t)snprintf(out + length, room, "%s", prefix);
        else if (strncmp(at, "{L}", 3) == 0)
            length += (size_t)snprintf(out + length, room, "%zu", layer);
        else if (strncmp(at, "{E}", 3) == 0)
            length += (size_t)snprintf(out + length, room, "%zu", expert);
        else
            out[length++] = *at;
        at += *at == '{' ? 3 : 1;
    }
    out[length < SWG_TENSOR_NAME_BYTES ? length : SWG_TENSOR_NAME_BYTES - 1] = '\0';
    return *at == '|' ? at + 1 : NULL;
}

const char *swg_arch_choose_prefix(const swg_arch *arch,
                                   bool (*has_tensor)(const void *context, const char *name),
                                   const void *context)
{
    if (!arch->prefixes)
        return "";
    for (const char *const *prefix = arch->prefixes; *prefix; prefix++) {
        char name[SWG_TENSOR_NAME_BYTES];
        swg_tensor_row_name(arch->tensors[0].pattern, *prefix, 0, 0, name);
        if (has_tensor(context, name))
            return *prefix;
    }
    return arch->prefixes[0];
}

static size_t alternative_length(const char *pattern)
{
    return strcspn(pattern, "|");
}

/* A number without leading zeros at the start of `text`; returns its digits, 0 for none. */
static size_t read_number(const char *text, uint64_t *out)
{
    enum { MAX_DIGITS = 9 };
    size_t n = 0;
    *out = 0;
    while (n <= MAX_DIGITS && text[n] >= '0' && text[n] <= '9')
        *out = 10 * *out + (uint64_t)(text[n++] - '0');
    return n > MAX_DIGITS || (n > 1 && text[0] == '0') ? 0 : n;
}

bool swg_tensor_pattern_is_stacked(swg_role role, const char *pattern)
{
    const char *const mark = strstr(pattern, "{E}");
    return swg_role_scope_of(role) == SWG_PER_EXPERT &&
           (!mark || mark >= pattern + alternative_length(pattern));
}

bool swg_tensor_row_matches(const char *pattern, const char *prefix, const char *name,
                            uint64_t *layer, uint64_t *expert)
{
    const char *const end = pattern + alternative_length(pattern);
    *layer = *expert = 0;
    for (const char *at = pattern; at < end;) {
        size_t taken = 1;
        if (strncmp(at, "{P}", 3) == 0) {
            taken = strlen(prefix);
            if (strncmp(name, prefix, taken) != 0)
                return false;
        } else if (strncmp(at, "{L}", 3) == 0 || strncmp(at, "{E}", 3) == 0) {
            taken = read_number(name, at[1] == 'L' ? layer : expert);
            if (taken == 0)
                return false;
        } else if (*name != *at) {
            return false;
        }
        at += *at == '{' ? 3 : 1;
        name += taken;
    }
    return *name == '\0';
}

void swg_tensor_bias_name(const char *name, char out[SWG_TENSOR_NAME_BYTES])
{
    char weight_name[SWG_TENSOR_NAME_BYTES];
    snprintf(weight_name, sizeof weight_name, "%.*s", (int)alternative_length(name), name);
    const char *dot = strrchr(weight_name, '.');
    const char *last = dot ? dot + 1 : weight_name;
    const bool is_gamma = strcmp(last, "gamma") == 0;
    const size_t word = strlen(is_gamma ? "gamma" : "weight");
    snprintf(out, SWG_TENSOR_NAME_BYTES, "%.*s%s%s", (int)(last - weight_name), weight_name,
             is_gamma ? "beta" : "bias", strlen(last) > word ? last + word : "");
}

static bool pattern_has(const char *pattern, const char *prefix, const char *name,
                        swg_named_row *out)
{
    char bias[SWG_TENSOR_NAME_BYTES];
    uint64_t layer, expert;
    swg_tensor_bias_name(pattern, bias);
    const bool is_weight = swg_tensor_row_matches(pattern, prefix, name, &layer, &expert);
    if (!is_weight && !swg_tensor_row_matches(bias, prefix, name, &layer, &expert))
        return false;
    out->pattern = pattern;
    out->is_bias = !is_weight;
    out->layer = (size_t)layer;
    out->expert = (size_t)expert;
    return true;
}

bool swg_tensor_row_find(const swg_arch *arch, const swg_hparams *hparams, const char *prefix,
                         const char *name, swg_named_row *out)
{
    for (size_t i = 0; i < arch->n_tensors; i++) {
        out->row = &arch->tensors[i];
        if (!swg_tensor_row_applies(hparams, out->row))
            continue;
        for (const char *pattern = out->row->pattern; pattern;) {
            if (pattern_has(pattern, prefix, name, out))
                return true;
            pattern = strchr(pattern, '|');
            pattern = pattern ? pattern + 1 : NULL;
        }
    }
    return false;
}

void swg_named_row_name(const swg_named_row *named, const char *pattern, const char *prefix,
                        size_t layer, char out[SWG_TENSOR_NAME_BYTES])
{
    char weight[SWG_TENSOR_NAME_BYTES];
    swg_tensor_row_name(pattern, prefix, layer, named->expert, weight);
    if (named->is_bias)
        swg_tensor_bias_name(weight, out);
    else
        memcpy(out, weight, sizeof weight);
}
