/* The tables of keys as data: see results_keys.h. */
#include "eval/results_keys.h"

#include <string.h>

#define KEY(key, as)                 .name = #key, .kind = (as), .offset = offsetof(RECORD, key)
#define SWG_RESULT_TEXT(key, words)  {KEY(key, SWG_RESULT_IS_TEXT), .text = (words)},
#define SWG_RESULT_JSON(key, words)  {KEY(key, SWG_RESULT_IS_JSON), .text = (words)},
#define SWG_RESULT_COUNT(key, words) {KEY(key, SWG_RESULT_IS_COUNT), .text = (words)},
#define SWG_RESULT_NUMBER(key, from, to, words)                                                    \
    {KEY(key, SWG_RESULT_IS_NUMBER), .least = (from), .most = (to), .text = (words)},

#define RECORD swg_result
const swg_result_key swg_result_keys[] = {
#include "eval/result_keys.def"
};
#undef RECORD
#define RECORD swg_result_tensor
const swg_result_key swg_result_tensor_keys[] = {
#include "eval/result_tensor_keys.def"
};

const size_t swg_n_result_keys = sizeof swg_result_keys / sizeof swg_result_keys[0];
const size_t swg_n_result_tensor_keys =
    sizeof swg_result_tensor_keys / sizeof swg_result_tensor_keys[0];

static const void *field_of(const swg_result_key *key, const void *record)
{
    return (const char *)record + key->offset;
}

const char *swg_result_text_at(const swg_result_key *key, const void *record)
{
    return *(const char *const *)field_of(key, record);
}

int64_t swg_result_count_at(const swg_result_key *key, const void *record)
{
    return *(const int64_t *)field_of(key, record);
}

double swg_result_number_at(const swg_result_key *key, const void *record)
{
    return *(const double *)field_of(key, record);
}

bool swg_result_has(const swg_result_key *key, const void *record)
{
    switch (key->kind) {
    case SWG_RESULT_IS_COUNT:
        return swg_result_count_at(key, record) >= 0;
    case SWG_RESULT_IS_NUMBER:
        return !isnan(swg_result_number_at(key, record));
    default:
        return swg_result_text_at(key, record) != NULL;
    }
}

/* Fill every field with "not measured". */
static void clear(const swg_result_key *keys, size_t count, void *record)
{
    for (size_t i = 0; i < count; i++) {
        void *field = (char *)record + keys[i].offset;
        if (keys[i].kind == SWG_RESULT_IS_COUNT)
            *(int64_t *)field = -1;
        else if (keys[i].kind == SWG_RESULT_IS_NUMBER)
            *(double *)field = NAN;
    }
}

swg_result swg_result_default(void)
{
    swg_result result = {0};
    clear(swg_result_keys, swg_n_result_keys, &result);
    result.status = "ok";
    return result;
}

swg_result_tensor swg_result_tensor_default(void)
{
    swg_result_tensor tensor = {0};
    clear(swg_result_tensor_keys, swg_n_result_tensor_keys, &tensor);
    return tensor;
}

bool swg_result_is_ok(const swg_result *result)
{
    return !result->status || strcmp(result->status, "failed") != 0;
}

const swg_result_key *swg_result_key_find(const swg_result_key *keys, size_t count,
                                          const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}
