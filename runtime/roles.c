/* The table of roles. */
#include "runtime/roles.h"

static const struct {
    const char *name;
    swg_role_scope scope;
    swg_weight_kind kind;
} roles[SWG_ROLE_COUNT] = {
#define SWG_ROLE(name, scope, kind) {#name, SWG_##scope, SWG_WEIGHT_##kind},
#include "runtime/roles.def"
#undef SWG_ROLE
};

const char *swg_role_name(swg_role role)
{
    return roles[role].name;
}

swg_role_scope swg_role_scope_of(swg_role role)
{
    return roles[role].scope;
}

swg_weight_kind swg_role_kind_of(swg_role role)
{
    return roles[role].kind;
}
