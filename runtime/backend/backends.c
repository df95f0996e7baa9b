/* The table of backends. */
#include <string.h>

#include "runtime/backend/backend.h"

#define SWG_BACKEND(name, meaning) extern const swg_backend swg_backend_##name;
#include "runtime/backend/backends.def"
#undef SWG_BACKEND

static const swg_backend *const backends[] = {
#define SWG_BACKEND(name, meaning) &swg_backend_##name,
#include "runtime/backend/backends.def"
#undef SWG_BACKEND
};

static const char names[] = ""
#define SWG_BACKEND(name, meaning) ", " #name
#include "runtime/backend/backends.def"
#undef SWG_BACKEND
    ;

swg_status swg_backend_find(const char *name, const swg_backend **out)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (!name || strcmp(backends[i]->name, name) == 0) {
            *out = backends[i];
            return SWG_OK;
        }
    return swg_error(SWG_USAGE, "there is no backend \"%s\"; there is %s", name, names + 2);
}
