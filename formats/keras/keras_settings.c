/* See keras_settings.h. A setting that is not in the table has no influence on what a trained layer
 * computes. */
#include "formats/keras/keras_settings.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

/* Values as JSON writes them; a key that is absent has the value `usual`. */
static const struct {
    swg_keras_kind kind;
    const char *key, *usual, *supported, *also; /* `also` may be NULL */
} settings[] = {
    {SWG_KERAS_EMBEDDING, "mask_zero", "false", "false", NULL},
    {SWG_KERAS_LSTM, "activation", "tanh", "tanh", NULL},
    {SWG_KERAS_LSTM, "recurrent_activation", "sigmoid", "sigmoid", NULL},
    {SWG_KERAS_LSTM, "go_backwards", "false", "false", NULL},
    {SWG_KERAS_LSTM, "time_major", "false", "false", NULL},
    {SWG_KERAS_GRU, "activation", "tanh", "tanh", NULL},
    {SWG_KERAS_GRU, "recurrent_activation", "sigmoid", "sigmoid", NULL},
    {SWG_KERAS_GRU, "go_backwards", "false", "false", NULL},
    {SWG_KERAS_GRU, "time_major", "false", "false", NULL},
    {SWG_KERAS_DENSE, "activation", "linear", "linear", "softmax"},
};

/* The value's text; one of another kind is a function of the model's own. */
static const char *text_of(const swg_json *value, const char *usual)
{
    const char *text;
    bool flag;
    if (swg_json_is_null(value))
        return usual;
    if (swg_json_as_bool(value, &flag))
        return flag ? "true" : "false";
    return swg_json_as_string(value, &text) ? text : "a function of its own";
}

bool swg_keras_settings_are_plain(swg_keras_kind kind, const char *name, const swg_json *config,
                                  char reason[SWG_KERAS_REASON_BYTES])
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (settings[i].kind != kind)
            continue;
        const char *const text = text_of(swg_json_get(config, settings[i].key), settings[i].usual);
        if (strcmp(text, settings[i].supported) == 0 ||
            (settings[i].also && strcmp(text, settings[i].also) == 0))
            continue;
        snprintf(reason, SWG_KERAS_REASON_BYTES,
                 "layer %.80s: \"%s\" is %.60s; supported is %s%s%s", name, settings[i].key,
                 swg_name_is_printable(text, strlen(text)) ? text : "not printable",
                 settings[i].supported, settings[i].also ? " or " : "",
                 settings[i].also ? settings[i].also : "");
        return false;
    }
    return true;
}
