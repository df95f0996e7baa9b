/* See method_words.h. */
#include "quantize/method_words.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/strbuf.h"
#include "runtime/base/words.h"

swg_status swg_method_find(const char *what, const char *name, const char *const *names, size_t n,
                           size_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return SWG_OK;
        }
    const char *near = swg_nearest_word(name, names, n);
    if (near)
        return swg_error(SWG_USAGE, "unknown %s \"%.60s\"; the nearest is %s", what, name, near);
    swg_strbuf known = {0};
    for (size_t i = 0; i < n; i++)
        swg_strbuf_printf(&known, "%s%s", i ? ", " : "", names[i]);
    const swg_status status = swg_error(SWG_USAGE, "unknown %s \"%.60s\"; known: %s", what, name,
                                        swg_strbuf_text(&known));
    swg_strbuf_deinit(&known);
    return status;
}

/* The range of a parameter; false when it is not there. */
static bool find_range(const char *known, const char *name, double *least, double *most)
{
    const size_t length = strlen(name);
    for (const char *at = known; *at; at += *at == '|') {
        if (strncmp(at, name, length) == 0 && at[length] == ' ')
            return sscanf(at + length, "%lf to %lf", least, most) == 2;
        at += strcspn(at, "|");
    }
    return false;
}

swg_status swg_method_check_parameters(const char *method, const char *known,
                                       const swg_parameter *parameters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const swg_parameter *p = &parameters[i];
        double least, most;
        if (!find_range(known, p->name, &least, &most))
            return swg_error(SWG_USAGE, "method %s has no parameter \"%.60s\"; it has %s", method,
                             p->name, *known ? known : "none");
        if (p->word || !(p->number >= least && p->number <= most))
            return swg_error(SWG_USAGE, "parameter %s of method %s is a number from %g to %g",
                             p->name, method, least, most);
    }
    return SWG_OK;
}

double swg_method_number(const swg_parameter *parameters, size_t n, const char *name,
                         double fallback)
{
    const swg_parameter *p = swg_parameter_find(parameters, n, name);
    return p ? p->number : fallback;
}
