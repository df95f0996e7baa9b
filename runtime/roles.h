/* What weights are for, over all architectures: one row of roles.def per role. */
#ifndef SWG_RUNTIME_ROLES_H
#define SWG_RUNTIME_ROLES_H

typedef enum swg_role {
#define SWG_ROLE(name, scope, kind) SWG_ROLE_##name,
#include "runtime/roles.def"
#undef SWG_ROLE
    SWG_ROLE_COUNT
} swg_role;

/* How often a model has a weight of that role: once, once per layer, once per expert of a layer. */
typedef enum swg_role_scope { SWG_PER_MODEL, SWG_PER_LAYER, SWG_PER_EXPERT } swg_role_scope;

typedef enum swg_weight_kind {
    SWG_WEIGHT_TABLE,  /* a matrix whose rows are looked up: embeddings */
    SWG_WEIGHT_MATRIX, /* a matrix that inputs are multiplied with */
    SWG_WEIGHT_VECTOR  /* norms, and vectors that are added */
} swg_weight_kind;

const char *swg_role_name(swg_role role); /* "QUERY" */
swg_role_scope swg_role_scope_of(swg_role role);
swg_weight_kind swg_role_kind_of(swg_role role);

#endif
