/* Counting schemes: see scheme_counts.h. */
#include "runtime/base/scheme_counts.h"

#include <stdbool.h>

void swg_scheme_counts_add(swg_scheme_counts *counts, swg_scheme scheme)
{
    size_t i = 0;
    while (i < counts->n && !swg_scheme_equal(counts->schemes[i], scheme))
        i++;
    if (i == SWG_MAX_SCHEMES_COUNTED) {
        counts->n_others++;
        return;
    }
    if (i == counts->n) {
        counts->schemes[i] = scheme;
        counts->n++;
    }
    counts->counts[i]++;
}

void swg_scheme_counts_put(const swg_scheme_counts *counts, swg_strbuf *out)
{
    bool is_put[SWG_MAX_SCHEMES_COUNTED] = {false};
    char name[SWG_SCHEME_NAME_BYTES];
    for (size_t done = 0; done < counts->n; done++) {
        size_t most = SWG_MAX_SCHEMES_COUNTED;
        for (size_t i = 0; i < counts->n; i++)
            if (!is_put[i] && (most == SWG_MAX_SCHEMES_COUNTED ||
                               counts->counts[i] > counts->counts[most]))
                most = i;
        is_put[most] = true;
        swg_strbuf_printf(out, "%s%zu %s", done ? ", " : "", counts->counts[most],
                          swg_scheme_name(counts->schemes[most], name));
    }
    if (counts->n_others)
        swg_strbuf_printf(out, ", %zu others", counts->n_others);
}
