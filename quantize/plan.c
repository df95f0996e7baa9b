/* Which tensor gets which scheme. See plan.h. */
#include "quantize/plan.h"

#include <string.h>

#include "runtime/base/mem.h"

/* Parts of tensor names (between dots) that tell the role of a matrix. Hugging Face's families use
 * few words for it; a matrix with none of them is an ordinary linear weight. */
static const struct {
    const char *part;
    swg_plan_class role;
} role_words[] = {
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
           (swg_scheme_is_quantized(tensor->scheme) || swg_dtype_is_float(tensor->scheme.dtype));
}

swg_plan_class swg_plan_class_of(const swg_tensor_desc *tensor)
{
    const char *dot = strrchr(tensor->name, '.');
    const char *last = dot ? dot + 1 : tensor->name;
    if (!swg_plan_is_matrix(tensor) || strncmp(last, "weight", strlen("weight")) != 0)
        return SWG_PLAN_CLASS_OTHER;
    for (const char *part = tensor->name; *part;) {
        const size_t length = strcspn(part, ".");
        for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
            if (strlen(role_words[i].part) == length &&
                memcmp(role_words[i].part, part, length) == 0)
                return role_words[i].role;
        part += length + (part[length] == '.');
    }
    return SWG_PLAN_CLASS_LINEAR;
}

const char *swg_plan_class_name(swg_plan_class role)
{
    static const char *const names[SWG_PLAN_CLASS_COUNT] = {"linear", "embedding", "head", "router",
                                                            "other"};
    return names[role];
}

swg_plan_rules swg_plan_rules_default(unsigned bits)
{
    const uint32_t group = bits == 8 ? 32 : 64;
    return (swg_plan_rules){.bits = bits,
                            .embedding_bits = 8,
                            .group = group,
                            .embedding_group = swg_plan_embedding_group(8, group),
                            .scale_type = bits == 8 ? SWG_BF16 : SWG_F16};
}

uint32_t swg_plan_embedding_group(unsigned embedding_bits, uint32_t group)
{
    enum { LEAST_AT_8_BITS = 128 };
    const bool is_short = group != 0 && group < LEAST_AT_8_BITS;
    return embedding_bits == 8 && is_short ? LEAST_AT_8_BITS : group;
}

/* Bits that the rules give a role; SWG_PLAN_KEEP with the reason. */
static unsigned bits_of_role(const swg_plan_rules *rules, swg_plan_class role, const char **why)
{
    switch (role) {
    case SWG_PLAN_CLASS_LINEAR:
        return rules->bits;
    case SWG_PLAN_CLASS_EMBEDDING:
    case SWG_PLAN_CLASS_HEAD:
        *why = rules->embedding_bits == SWG_PLAN_KEEP ? "embeddings are kept" : "";
        return rules->embedding_bits;
    case SWG_PLAN_CLASS_ROUTER:
        *why = "router";
        return SWG_PLAN_KEEP;
    default:
        return SWG_PLAN_KEEP;
    }
}

static swg_status plan_tensor(const swg_tensor_desc *tensor, const swg_plan_rules *rules,
                              unsigned asked, swg_plan_entry *entry)
{
    *entry = (swg_plan_entry){.desc = *tensor, .role = swg_plan_class_of(tensor), .why = ""};
    unsigned bits = asked;
    if (asked == 0)
        bits = bits_of_role(rules, entry->role, &entry->why);
    else if (asked == SWG_PLAN_KEEP)
        entry->why = "asked for";
    else if (!swg_plan_is_matrix(tensor))
        return swg_error(SWG_USAGE,
                         "tensor %s cannot be quantized to %u bits: it is no matrix of floats",
                         tensor->name, asked);
    if (swg_scheme_is_quantized(tensor->scheme) && asked != SWG_PLAN_KEEP && !rules->requantize) {
        char name[SWG_SCHEME_NAME_BYTES];
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s is quantized already (%s); start from the original checkpoint, "
                         "or allow the double loss with --requantize",
                         tensor->name, swg_scheme_name(tensor->scheme, name));
    }
    if (bits == SWG_PLAN_KEEP)
        return SWG_OK;
    const bool is_embedding =
        entry->role == SWG_PLAN_CLASS_EMBEDDING || entry->role == SWG_PLAN_CLASS_HEAD;
    swg_tensor_desc quantized = *tensor;
    quantized.scheme = (swg_scheme){.bits = (uint8_t)bits,
                                    .asymmetric = rules->asymmetric,
                                    .dtype = rules->scale_type,
                                    .group = is_embedding ? rules->embedding_group : rules->group};
    SWG_TRY(swg_tensor_desc_check(&quantized));
    if (asked == 0 && !rules->requantize &&
        swg_tensor_bytes(&quantized) >= swg_tensor_bytes(tensor)) {
        entry->why = "would not get smaller";
        return SWG_OK;
    }
    entry->desc = quantized;
    entry->is_quantized = true;
    return SWG_OK;
}

swg_status swg_plan_make(const swg_tensor_desc *tensors, size_t n, const swg_plan_rules *rules,
                         const uint8_t *overrides, swg_plan *out)
{
    swg_plan plan = {.n_entries = n};
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(plan.entries, n));
    for (size_t i = 0; i < n; i++) {
        SWG_GO(plan_tensor(&tensors[i], rules, overrides ? overrides[i] : 0, &plan.entries[i]));
        const uint64_t bytes = swg_tensor_bytes(&plan.entries[i].desc);
        const uint64_t both = bytes + swg_tensor_bytes(&tensors[i]);
        if (!swg_u64_add(plan.bytes, bytes, &plan.bytes))
            SWG_GO(swg_error(SWG_CORRUPT, "the tensors add up to more than 2^64 bytes"));
        plan.largest_bytes = both > plan.largest_bytes ? both : plan.largest_bytes;
        plan.n_quantized += plan.entries[i].is_quantized;
    }
    if (plan.n_quantized == 0)
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "none of the %zu tensors would be quantized: no linear "
                         "weight or embedding of floats is left to do",
                         n));
done:
    if (status == SWG_OK)
        *out = plan;
    else
        swg_plan_deinit(&plan);
    return status;
}

void swg_plan_deinit(swg_plan *plan)
{
    SWG_FREE(plan->entries);
    *plan = (swg_plan){0};
}
