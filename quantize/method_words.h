/* Names and parameters of methods, for the tables of quantize and prune. */
#ifndef SWG_QUANTIZE_METHOD_WORDS_H
#define SWG_QUANTIZE_METHOD_WORDS_H

#include "quantize/recipe.h"

/* The place of `name` among `names` [n]; SWG_USAGE, naming the nearest or else all, when it is not
 * there. `what` is what they are: "quantization method". */
swg_status swg_method_find(const char *what, const char *name, const char *const *names, size_t n,
                           size_t *out);

/* SWG_USAGE when the method does not have one of the parameters, naming those it has, or when one
 * is not a number in its range. `known` is "a LEAST to MOST|b ...". */
swg_status swg_method_check_parameters(const char *method, const char *known,
                                       const swg_parameter *parameters, size_t n);

/* The number of a parameter, or `fallback` where it is not given. */
double swg_method_number(const swg_parameter *parameters, size_t n, const char *name,
                         double fallback);

#endif
