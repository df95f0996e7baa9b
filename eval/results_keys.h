/* The tables of keys as data: what the reader and the writers of results share. */
#ifndef SWG_EVAL_RESULTS_KEYS_H
#define SWG_EVAL_RESULTS_KEYS_H

#include "eval/results.h"

typedef enum swg_result_key_kind {
    SWG_RESULT_IS_TEXT,
    SWG_RESULT_IS_JSON,
    SWG_RESULT_IS_COUNT,
    SWG_RESULT_IS_NUMBER
} swg_result_key_kind;

typedef struct swg_result_key {
    const char *name;
    swg_result_key_kind kind;
    size_t offset;      /* of the value in its struct */
    double least, most; /* of numbers */
    const char *text;   /* what it is */
} swg_result_key;

/* Keys of swg_result and of swg_result_tensor. */
extern const swg_result_key swg_result_keys[], swg_result_tensor_keys[];
extern const size_t swg_n_result_keys, swg_n_result_tensor_keys;

/* A value of the record (or tensor) at `record`. */
const char *swg_result_text_at(const swg_result_key *key, const void *record);
int64_t swg_result_count_at(const swg_result_key *key, const void *record);
double swg_result_number_at(const swg_result_key *key, const void *record);
/* Whether a value is there. */
bool swg_result_has(const swg_result_key *key, const void *record);

/* The key of that name; NULL when there is none. */
const swg_result_key *swg_result_key_find(const swg_result_key *keys, size_t count,
                                          const char *name);

#endif
