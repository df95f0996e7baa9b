/* Keras models in HDF5: Keras 2 whole models and weight files, Keras 3 .weights.h5 and .keras.
 * Embedding, a stack of LSTM or GRU layers and a dense head become the project's recurrent
 * convention (runtime/arch/rnn.c); any other model is carried as it is, under the names of its
 * datasets, with the configuration {"model_type": "keras", "unsupported_reason": "layer lstm: ...",
 * "keras_config":
 * ...}. */
#ifndef SWG_FORMATS_KERAS_KERAS_H
#define SWG_FORMATS_KERAS_KERAS_H

#include "formats/hdf5/hdf5_tensors.h"
#include "formats/keras/keras_archive.h"

/* Whether the file has one of those layouts. */
bool swg_keras_claims(swg_h5_file *file);

/* List its tensors and set the source's configuration. `path` is the file's; Keras's configuration
 * is in the file, in the archive that it comes from, or in a file beside it. SWG_CORRUPT naming the
 * layer when what it lists is not there or contradicts its configuration. */
swg_status swg_keras_open(swg_source *source, const char *path, swg_h5_file *file,
                          const swg_keras_archive *archive, swg_h5_tensors *tensors);

#endif
