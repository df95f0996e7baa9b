/* Recipes: what is done to each tensor of a checkpoint. One object for every command that
 * compresses; docs/recipes.md describes its JSON text.
 *
 *     swg_recipe *recipe;
 *     SWG_TRY(swg_recipe_parse(text, length, "recipe.json", &recipe));
 *     swg_recipe_choice *choices;                        // one per tensor
 *     SWG_TRY(swg_recipe_apply(recipe, tensors, n_tensors, &choices));
 *     swg_recipe_write(recipe, &json, "recipe");         // complete: all defaults are written out
 *     swg_free(choices);
 *     swg_recipe_free(&recipe);
 *
 * A recipe is a setting for all tensors (`defaults`) and rules. Each rule selects tensors, by class
 * or by name, and replaces the fields of the setting that it gives; later rules win, field by
 * field. Reading what swg_recipe_write wrote gives an equal recipe.
 *
 * The grammar is the same for all commands. Values whose meaning belongs to one of them (methods
 * and their parameters) are checked by that command, which also refuses what it does not do. */
#ifndef SWG_QUANTIZE_RECIPE_H
#define SWG_QUANTIZE_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantize/group_grid.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/tensor.h"

/* --- What can be said of a tensor ------------------------------------------------------------- */

/* What a tensor is for, as far as compression is concerned. */
typedef enum swg_plan_class {
    SWG_PLAN_CLASS_LINEAR,
    SWG_PLAN_CLASS_EMBEDDING, /* rows looked up by token or position */
    SWG_PLAN_CLASS_HEAD,      /* output head */
    SWG_PLAN_CLASS_ROUTER,    /* chooses experts: small, and one wrong choice costs a lot */
    SWG_PLAN_CLASS_OTHER,     /* vectors, masks, indices */
    SWG_PLAN_CLASS_COUNT
} swg_plan_class;

const char *swg_plan_class_name(swg_plan_class kind); /* "linear", "embedding", ... */

/* Zeros among the weights of a matrix: at least the fraction `ratio` of them, or, where m is not
 * 0, at most n nonzero in every m neighbours of a row. With `block`, zeros come in blocks of that
 * many rows of one column. All fields 0 = dense. */
typedef struct swg_sparsity {
    double ratio;  /* 0 to 1, 1 excluded */
    uint8_t n, m;  /* 1 <= n < m <= 64 */
    uint8_t block; /* 2 to 64 rows; 0 = single weights, always so where m is not 0 */
} swg_sparsity;

static inline bool swg_sparsity_is_dense(swg_sparsity sparsity)
{
    return sparsity.ratio == 0 && sparsity.m == 0;
}

/* A parameter of a method: a number (true and false are 1 and 0) or a string. */
typedef struct swg_parameter {
    const char *name, *word; /* word NULL = a number */
    double number;
} swg_parameter;

/* The parameter of that name; NULL when there is none. */
const swg_parameter *swg_parameter_find(const swg_parameter *parameters, size_t n,
                                        const char *name);

enum {
    SWG_RECIPE_FORMAT = 1 << 0,
    SWG_RECIPE_BITS = 1 << 1,
    SWG_RECIPE_GROUP = 1 << 2,
    SWG_RECIPE_ZERO_POINTS = 1 << 3,
    SWG_RECIPE_SCALE_TYPE = 1 << 4,
    SWG_RECIPE_METHOD = 1 << 5,
    SWG_RECIPE_SEARCH = 1 << 6,
    SWG_RECIPE_SPARSITY = 1 << 7,
    SWG_RECIPE_PARAMETERS = 1 << 8,
    SWG_RECIPE_PRUNE = 1 << 9,
    SWG_RECIPE_PRUNE_PARAMETERS = 1 << 10,
    SWG_RECIPE_ALL = (1 << 11) - 1
};

/* Values of swg_recipe_setting that mean: chosen by the number of bits. */
#define SWG_GROUP_AUTO      UINT32_MAX
#define SWG_SCALE_TYPE_AUTO SWG_DTYPE_COUNT

/* How tensors are to be stored. Strings live as long as the recipe. */
typedef struct swg_recipe_setting {
    unsigned given;     /* SWG_RECIPE_*: the fields that are given; the others are ignored */
    const char *format; /* "keep" (unchanged), "int", or a codebook (codebooks.def) */
    unsigned bits;      /* of a code */
    uint32_t group;     /* columns that share a scale; 0 = the whole row; or SWG_GROUP_AUTO: 32 at 8
                           bits, 64 at fewer; of embeddings and heads 128 at 8 bits */
    bool zero_points;   /* asymmetric */
    swg_dtype
        scale_type; /* F16, BF16, F32, I8, or SWG_SCALE_TYPE_AUTO: BF16 at 8 bits, F16 at fewer */
    const char *method;   /* how codes are chosen */
    swg_scale_search search; /* how scales are chosen */
    swg_sparsity sparsity;
    const swg_parameter *parameters; /* of the method; replaced as a whole */
    size_t n_parameters;
    const char *prune; /* how zeros are chosen; NULL = the first method of prune_methods.def */
    const swg_parameter *prune_parameters; /* of that method; replaced as a whole */
    size_t n_prune_parameters;
} swg_recipe_setting;

/* --- Recipes ---------------------------------------------------------------------------------- */

typedef struct swg_recipe_rule {
    unsigned classes;           /* 1 << swg_plan_class of the tensors meant; 0 = of any */
    const char *const *tensors; /* names or patterns (swg_pattern_matches); n_tensors 0 = all */
    size_t n_tensors;
    swg_recipe_setting setting;
    const char *origin; /* for messages: "recipe.json: rule 2: pattern", "--keep" */
} swg_recipe_rule;

/* What happens to values that are not finite in tensors that are kept: an error, or they are kept
 * with or without a warning. */
typedef enum swg_nonfinite_policy {
    SWG_NONFINITE_ERROR,
    SWG_NONFINITE_WARN,
    SWG_NONFINITE_KEEP
} swg_nonfinite_policy;

typedef struct swg_recipe {
    uint64_t seed;                  /* of everything random; default 0 */
    swg_nonfinite_policy nonfinite; /* default ERROR */
    bool requantize;                /* accept already quantized tensors; default false */
    int level;                      /* of the container's compression; 0 = its default */
    const char *const *transforms;  /* [n_transforms] of the checkpoint before all else, in this
                                       order  (transforms.h); default none */
    size_t n_transforms;
    const char *statistics;         /* which model reads a calibration text: "full", "sequential" or
                                       "paired"; default NULL: the command decides */
    swg_recipe_setting defaults;    /* every field given; default: "keep", 4 bits, automatic group
                                       and scale type, symmetric, "rtn", MSE, dense */
    swg_recipe_rule *rules;
    size_t n_rules, rule_capacity;
    swg_arena arena;
} swg_recipe;

/* A recipe with the defaults and no rule. Free with swg_recipe_free (NULL inside is accepted). */
swg_status swg_recipe_new(swg_recipe **out);
void swg_recipe_free(swg_recipe **recipe);

/* Append a rule; everything it points to is copied. SWG_NO_MEMORY. */
swg_status swg_recipe_add_rule(swg_recipe *recipe, const swg_recipe_rule *rule);

/* A whole model by a few numbers: linear weights in one format, embeddings and heads in another,
 * everything else unchanged. */
typedef struct swg_recipe_preset {
    size_t size;             /* of this struct */
    const char *format;      /* of linear weights; NULL = "int", the default */
    unsigned bits;           /* of linear weights; default 4 */
    unsigned embedding_bits; /* of embeddings and heads; SWG_PRESET_KEEP = as they are; default 8 */
    uint32_t group;          /* of linear weights; default SWG_GROUP_AUTO */
    uint32_t embedding_group; /* default SWG_GROUP_AUTO: `group`, but at least 128 at 8 bits, where
                                 the error is small with any group (0.6 %) and shorter ones cost 2 %
                                 more bytes */
    bool asymmetric;          /* default false */
    swg_dtype scale_type; /* of all; default SWG_SCALE_TYPE_AUTO: by `bits`. An 8-bit grid's scale
                             is so small (a group's largest weight / 127) that F16 would store
                             many as subnormals, and codes are chosen for the rounded scale, so
                             BF16's fewer digits lose nothing */
    const char *method;   /* default "rtn" */
    swg_scale_search search; /* default MSE */
} swg_recipe_preset;
enum { SWG_PRESET_KEEP = 16 };

swg_recipe_preset swg_recipe_preset_default(void);
/* A new recipe that does this, with numbers in place of automatic values. */
swg_status swg_recipe_from_preset(const swg_recipe_preset *preset, swg_recipe **out);

/* --- JSON ------------------------------------------------------------------------------------- */

/* Read a recipe, or an object whose member "recipe" is one (what `swage inspect --json` prints).
 * `what` names the text in messages. SWG_CORRUPT for what is not JSON; SWG_USAGE with the nearest
 * valid name for anything that docs/recipes.md does not allow. */
swg_status swg_recipe_parse(const char *text, size_t length, const char *what, swg_recipe **out);

/* Read the fields of a setting alone: a JSON object with some of a rule's keys. Strings live as
 * long as the recipe. */
swg_status swg_recipe_setting_parse(swg_recipe *recipe, const char *text, size_t length,
                                    const char *what, swg_recipe_setting *out);

/* Write the whole recipe as a member `key` of the open object (NULL: as the outermost value or an
 * element). */
void swg_recipe_write(const swg_recipe *recipe, swg_json_writer *json, const char *key);

/* --- Application ------------------------------------------------------------------------------ */

/* A tensor as rules see it. */
typedef struct swg_recipe_tensor {
    const char *name;
    swg_plan_class kind;
    bool is_matrix; /* one that could be compressed */
} swg_recipe_tensor;

/* What a recipe does to one tensor. */
typedef struct swg_recipe_choice {
    swg_recipe_setting setting; /* every field given, nothing automatic; strings of the recipe */
    bool is_named;              /* the format was given by name rather than by class */
} swg_recipe_choice;

/* Apply all rules to `n` tensors: *out [n], which the caller frees with swg_free. Rules that
 * compress leave tensors that are not matrices unchanged. SWG_USAGE, naming the nearest name, for a
 * pattern that matches no tensor, and for one that compresses and matches no matrix; SWG_NO_MEMORY.
 */
swg_status swg_recipe_apply(const swg_recipe *recipe, const swg_recipe_tensor *tensors, size_t n,
                            swg_recipe_choice **out);

/* Whether a format is a codebook, and if so its numbers [SWG_LEVELS], NULL when they are fitted to
 * each matrix. */
bool swg_recipe_codebook(const char *format, const int8_t **values);

/* The scheme that a complete setting asks for. SWG_UNSUPPORTED when that scheme does not exist. */
swg_status swg_recipe_scheme(const swg_recipe_setting *setting, swg_scheme *out);

#endif
