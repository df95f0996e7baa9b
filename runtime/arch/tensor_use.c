/* The use of a tensor by its name: see tensor_use.h. Every name is compared with every pattern of
 * the architecture, of which there are a few dozen. */
#include "runtime/arch/tensor_use.h"

#include <stdint.h>
#include <string.h>

#include "runtime/arch/tensor_rows.h"

typedef struct checkpoint {
    const swg_arch *arch;
    swg_hparams hparams;
    const char *prefix;
    const swg_tensor_desc *tensors;
    size_t n_tensors;
} checkpoint;

static bool has_tensor(const void *context, const char *name)
{
    const checkpoint *c = context;
    for (size_t i = 0; i < c->n_tensors; i++)
        if (strcmp(c->tensors[i].name, name) == 0)
            return true;
    return false;
}

/* Whether the model has a weight of that role there. */
static bool in_range(const checkpoint *c, swg_role role, uint64_t layer, uint64_t expert)
{
    return layer < swg_role_layers(&c->hparams, role) &&
           expert < swg_role_experts(&c->hparams, role);
}

static swg_tensor_use use_of_row(const checkpoint *c, const swg_tensor_row *row, uint64_t layer,
                                 uint64_t expert, swg_use_kind kind)
{
    const bool is_weight = kind == SWG_USE_WEIGHT;
    return (swg_tensor_use){
        .kind = kind,
        .role = row->role,
        .is_per_layer = swg_role_scope_of(row->role) != SWG_PER_MODEL,
        .layer = (size_t)layer,
        .expert = (size_t)expert,
        .order = swg_tensor_row_order(c->arch, &c->hparams, row, (size_t)layer, (size_t)expert),
        .is_quantizable = is_weight && (row->flags & SWG_TENSOR_QUANTIZABLE),
        .is_prunable = is_weight && (row->flags & SWG_TENSOR_PRUNABLE),
    };
}

/* The pattern after this one's "|", or NULL. */
static const char *next_pattern(const char *pattern)
{
    const char *bar = strchr(pattern, '|');
    return bar ? bar + 1 : NULL;
}

/* Whether that is the name of the row's weight or of its bias. */
static bool row_has(const checkpoint *c, const swg_tensor_row *row, const char *name,
                    swg_tensor_use *out)
{
    const bool may_have_bias =
        (row->flags & SWG_BIAS_MAY) || swg_tensor_row_has_bias(&c->hparams, row);
    for (const char *pattern = row->pattern; pattern; pattern = next_pattern(pattern)) {
        uint64_t layer, expert;
        char bias[SWG_TENSOR_NAME_BYTES];
        if (swg_tensor_row_matches(pattern, c->prefix, name, &layer, &expert) &&
            in_range(c, row->role, layer, expert)) {
            *out = use_of_row(c, row, layer, expert, SWG_USE_WEIGHT);
            return true;
        }
        swg_tensor_bias_name(pattern, bias);
        if (may_have_bias && swg_tensor_row_matches(bias, c->prefix, name, &layer, &expert) &&
            in_range(c, row->role, layer, expert)) {
            *out = use_of_row(c, row, layer, expert, SWG_USE_BIAS);
            return true;
        }
    }
    return false;
}

static bool is_ignored(const checkpoint *c, const char *name)
{
    for (const char *const *pattern = c->arch->ignored; *pattern; pattern++) {
        uint64_t layer, expert;
        if (swg_tensor_row_matches(*pattern, c->prefix, name, &layer, &expert) &&
            layer < (uint64_t)c->hparams.n_layers)
            return true;
    }
    return false;
}

static swg_tensor_use use_of(const checkpoint *c, const char *name)
{
    swg_tensor_use use = {.order = SIZE_MAX};
    for (size_t i = 0; i < c->arch->n_tensors; i++)
        if (swg_tensor_row_applies(&c->hparams, &c->arch->tensors[i]) &&
            row_has(c, &c->arch->tensors[i], name, &use))
            return use;
    if (is_ignored(c, name))
        use.kind = SWG_USE_IGNORED;
    return use;
}

swg_status swg_tensor_uses(const char *config, size_t length, const swg_tensor_desc *tensors,
                           size_t n, swg_tensor_use *out)
{
    checkpoint c = {.tensors = tensors, .n_tensors = n};
    SWG_TRY(swg_hparams_read(config, length, &c.arch, &c.hparams));
    c.prefix = swg_arch_choose_prefix(c.arch, has_tensor, &c);
    for (size_t i = 0; i < n; i++)
        out[i] = use_of(&c, tensors[i].name);
    return SWG_OK;
}

bool swg_tensor_head_name(const swg_arch *arch, char out[SWG_HEAD_NAME_BYTES])
{
    for (size_t i = 0; i < arch->n_tensors; i++)
        if (arch->tensors[i].role == SWG_ROLE_HEAD) {
            swg_tensor_row_name(arch->tensors[i].pattern, "", 0, 0, out);
            return true;
        }
    return false;
}
