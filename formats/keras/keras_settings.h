/* Which settings of a Keras layer the recurrent architecture computes. */
#ifndef SWG_FORMATS_KERAS_KERAS_SETTINGS_H
#define SWG_FORMATS_KERAS_KERAS_SETTINGS_H

#include <stdbool.h>

#include "formats/json/json.h"
#include "formats/keras/keras_model.h"

/* Check the settings of a layer of that kind; `config` is its configuration. When one is not
 * supported: false, and a sentence in `reason` that names layer and setting. */
bool swg_keras_settings_are_plain(swg_keras_kind kind, const char *name, const swg_json *config,
                                  char reason[SWG_KERAS_REASON_BYTES]);

#endif
