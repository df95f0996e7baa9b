/* A model before its training: a checkpoint in memory of the shape that a configuration says, with
 * random weights as the field starts from:
 *
 *   matrices and embeddings of transformers   normal, standard deviation "initializer_range" (0.02
 *       when the configuration has none); in models that continue texts, the matrices that end a
 *       layer's two parts are divided by sqrt(2 layers) (GPT-2; Radford et al. 2019)
 *   matrices of recurrent layers and their heads   uniform (Glorot and Bengio 2010); those that act
 *       on the state orthogonal per gate (Saxe et al. 2014); embeddings uniform within 0.05
 *   norms 1, biases 0, those of an LSTM's forget gates 1 (Jozefowicz et al. 2015)
 *
 * The same configuration and seed give the same weights. */
#ifndef SWG_RUNTIME_INITIAL_WEIGHTS_H
#define SWG_RUNTIME_INITIAL_WEIGHTS_H

#include "formats/formats.h"

/* `config` is the text of a config.json, `files` what the checkpoint carries (copied). SWG_LIMIT for
 * a model larger than the machine's memory; SWG_CORRUPT and SWG_UNSUPPORTED as swg_hparams_read. The
 * caller closes *out. */
swg_status swg_initial_weights(const char *config, size_t length, const swg_file_view *files,
                               size_t n_files, uint64_t seed, swg_source **out);

#endif
