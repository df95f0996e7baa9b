/* White space as Python's str.strip and \s have it, in UTF-8: what evaluation data is cut by. */
#ifndef SWG_EVAL_WHITE_SPACE_H
#define SWG_EVAL_WHITE_SPACE_H

/* The first byte from `at` on that is not of white space, or `end`. */
const char *swg_skip_space(const char *at, const char *end);

/* Where the last byte before `end` that is not of white space ends; `at` when all are. */
const char *swg_trim_end(const char *at, const char *end);

#endif
