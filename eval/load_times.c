/* Load times: see load_times.h. */
#include "eval/load_times.h"

#include <math.h>

#include "eval/page_cache.h"
#include "runtime/base/clock.h"
#include "runtime/session.h"

/* Opening counts, too: of formats whose header is large it is a part of what a user waits for. */
static swg_status load_once(const char *path, const char *device, size_t n_threads,
                            const swg_progress *progress, double *seconds)
{
    swg_session loaded = {0};
    const double start = swg_clock_s();
    SWG_TRY(swg_session_open_on(device, path, NULL, false, n_threads, progress, &loaded));
    *seconds = swg_clock_s() - start;
    swg_session_close(&loaded);
    return SWG_OK;
}

swg_status swg_load_times_measure(const char *path, const char *device, size_t n_threads,
                                  const swg_progress *progress, swg_load_times *out)
{
    bool is_cold = false;
    SWG_TRY(swg_page_cache_drop(path, &is_cold));
    SWG_TRY(load_once(path, device, n_threads, progress, &out->cold_s));
    if (!is_cold)
        out->cold_s = NAN;
    return load_once(path, device, n_threads, progress, &out->warm_s);
}
