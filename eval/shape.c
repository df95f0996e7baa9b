/* Shapes as text: see shape.h. */
#include "eval/shape.h"
#include "runtime/base/json_writer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Key of the text, key of the configuration. */
static const struct {
    const char *name, *config_key;
    bool is_required;
    int64_t fallback; /* 0 = leave out */
} keys[] = {
    {"d_model", "hidden_size", true, 0},
    {"n_layers", "num_hidden_layers", true, 0},
    {"d_ff", "intermediate_size", true, 0},
    {"n_heads", "num_attention_heads", true, 0},
    {"vocab", "vocab_size", true, 0},
    {"n_kv_heads", "num_key_value_heads", false, 0},
    {"head_dim", "head_dim", false, 0},
    {"context", "max_position_embeddings", false, 4096},
    {"tied", NULL, false, 0}, /* a boolean, written separately */
};
enum { N_KEYS = sizeof keys / sizeof keys[0], TIED = N_KEYS - 1 };

/* One "key=value" of `length` bytes. */
static swg_status read_pair(const char *pair, size_t length, int64_t values[N_KEYS],
                            bool is_given[N_KEYS])
{
    const char *equals = memchr(pair, '=', length);
    const size_t key_length = equals ? (size_t)(equals - pair) : length;
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strlen(keys[i].name) != key_length || memcmp(keys[i].name, pair, key_length) != 0)
            continue;
        if (is_given[i])
            return swg_error(SWG_USAGE, "--shape: %s is given twice", keys[i].name);
        char *end = NULL;
        errno = 0;
        values[i] = equals ? strtoll(equals + 1, &end, 10) : 0;
        /* strtoll would also take blanks and a sign. */
        const bool is_number =
            equals && equals[1] >= '0' && equals[1] <= '9' && end == pair + length && errno == 0;
        if (!is_number || values[i] < (i == TIED ? 0 : 1))
            return swg_error(SWG_USAGE, "--shape: \"%.*s\" does not give a positive whole number",
                             (int)length, pair);
        is_given[i] = true;
        return SWG_OK;
    }
    return swg_error(SWG_USAGE,
                     "--shape: unknown key \"%.*s\"; keys are d_model, n_layers, d_ff, n_heads, "
                     "vocab, n_kv_heads, head_dim, context, tied",
                     (int)key_length, pair);
}

swg_status swg_shape_config(const char *shape, swg_strbuf *out)
{
    int64_t values[N_KEYS] = {0};
    bool is_given[N_KEYS] = {false};
    for (const char *at = shape; *at;) {
        const size_t length = strcspn(at, ",");
        SWG_TRY(read_pair(at, length, values, is_given));
        at += length + (at[length] == ',');
    }
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "model_type", "llama");
    swg_status status = SWG_OK;
    for (size_t i = 0; i < TIED; i++) {
        if (!is_given[i] && keys[i].is_required)
            SWG_GO(swg_error(SWG_USAGE, "--shape: %s is missing", keys[i].name));
        const int64_t value = is_given[i] ? values[i] : keys[i].fallback;
        if (value)
            swg_json_int(&json, keys[i].config_key, value);
    }
    swg_json_bool(&json, "tie_word_embeddings", values[TIED] != 0);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    swg_strbuf_append(out, json.out.text, json.out.length);
    SWG_GO(swg_strbuf_status(out));
done:
    swg_json_deinit(&json);
    return status;
}
