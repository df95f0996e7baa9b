/* The plan: which tensor of a checkpoint is stored in which scheme.
 *
 * Without overrides every matrix of floats that is a linear weight or an embedding is quantized:
 * linear weights to `bits`, embeddings and output heads to `embedding_bits`. All else - norms,
 * biases, integers, routers - stays as it is. */
#ifndef SWG_QUANTIZE_PLAN_H
#define SWG_QUANTIZE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

/* What a tensor is for, as far as compression cares. */
typedef enum swg_plan_class {
    SWG_PLAN_CLASS_LINEAR,
    SWG_PLAN_CLASS_EMBEDDING, /* rows looked up by token or position */
    SWG_PLAN_CLASS_HEAD,      /* output head */
    SWG_PLAN_CLASS_ROUTER,    /* chooses experts: small, and one wrong choice costs a lot */
    SWG_PLAN_CLASS_OTHER,     /* vectors, masks, indices */
    SWG_PLAN_CLASS_COUNT
} swg_plan_class;

/* Whether a tensor can be quantized at all: a matrix of F32, F16 or BF16, or already of codes. */
bool swg_plan_is_matrix(const swg_tensor_desc *tensor);

/* Role by name and shape: matrices whose last name part starts with "weight"; which kind, the other
 * parts say. */
swg_plan_class swg_plan_class_of(const swg_tensor_desc *tensor);
const char *swg_plan_class_name(swg_plan_class role); /* "linear", "embedding", ... */

enum { SWG_PLAN_KEEP = 16 }; /* as a number of bits: store the tensor as it is */

typedef struct swg_plan_rules {
    unsigned bits;            /* of linear weights: 4 or 8 */
    unsigned embedding_bits;  /* of embeddings and heads: 4, 8 or SWG_PLAN_KEEP */
    uint32_t group;           /* of linear weights and routers: 32, 64, 128, 256; 0 = whole row */
    uint32_t embedding_group; /* of embeddings and heads, the same */
    bool asymmetric;
    swg_dtype scale_type; /* F16, BF16, F32 */
    bool requantize;      /* allow tensors that are quantized already */
} swg_plan_rules;

/* Rules for linear weights of `bits` bits, symmetric; embeddings at 8 bits, as below.
 * 4 bits: groups of 64, F16 scales. 8 bits: groups of 32, BF16 scales - an 8-bit grid's scale is so
 * small (a group's largest weight / 127) that F16 would store many as subnormals, and codes are
 * chosen for the rounded scale, so BF16's fewer digits lose nothing. */
swg_plan_rules swg_plan_rules_default(unsigned bits);

/* Group of embeddings unless the user names one: `group`, but at least 128 at 8 bits: there the
 * error is small with any group (0.6 %), and shorter groups cost 2 % more bytes. */
uint32_t swg_plan_embedding_group(unsigned embedding_bits, uint32_t group);

typedef struct swg_plan_entry {
    swg_tensor_desc desc; /* as it will be stored; the name is the input's */
    swg_plan_class role;
    bool is_quantized; /* codes are chosen anew; false = the bytes are copied */
    const char *why;   /* a kept matrix: "router", "asked for", ...; "" otherwise */
} swg_plan_entry;

typedef struct swg_plan {
    swg_plan_entry *entries; /* in the order of the input */
    size_t n_entries, n_quantized;
    uint64_t bytes;         /* of all planes of all tensors as they will be stored, uncompressed */
    uint64_t largest_bytes; /* most that one tensor takes, as read and as stored together */
} swg_plan;

/* Plan for `n` checked tensors, whose names must outlive the plan. `overrides` [n] (NULL = none)
 * replaces the rule of a tensor: 4, 8, SWG_PLAN_KEEP, or 0 for none. Release with swg_plan_deinit.
 * SWG_UNSUPPORTED when a tensor is quantized already and neither kept nor allowed by `requantize`,
 * or nothing would be quantized; SWG_USAGE when an override asks for bits of a tensor that has no
 * matrix of floats; SWG_NO_MEMORY. */
swg_status swg_plan_make(const swg_tensor_desc *tensors, size_t n, const swg_plan_rules *rules,
                         const uint8_t *overrides, swg_plan *out);
void swg_plan_deinit(swg_plan *plan);

#endif
