/* The table of backends. */
#include <string.h>

#include "runtime/backend/backend.h"
#include "runtime/base/notice.h"

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

static swg_status check(const swg_backend *backend, const swg_hparams *hparams)
{
    return backend->check ? backend->check(hparams) : SWG_OK;
}

swg_status swg_backend_choose(const char *name, const swg_hparams *hparams, const swg_backend **out)
{
    const bool may_choose = name && strcmp(name, "auto") == 0;
    const swg_backend *backend = NULL;
    SWG_TRY(swg_backend_find(may_choose ? "cuda" : name, &backend));
    const swg_status status = check(backend, hparams);
    if (status == SWG_OK) {
        *out = backend;
        return SWG_OK;
    }
    if (!may_choose || status != SWG_UNSUPPORTED)
        return status;
    swg_notice("%s: computing on the CPU", swg_error_message());
    return swg_backend_find(NULL, out);
}
