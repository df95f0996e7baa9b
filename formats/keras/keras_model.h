/* A Keras model as a list of layers, and its presentation as a recurrent model of language or of
 * classes of texts. */
#ifndef SWG_FORMATS_KERAS_KERAS_MODEL_H
#define SWG_FORMATS_KERAS_KERAS_MODEL_H

#include "formats/hdf5/hdf5_tensors.h"
#include "runtime/base/strbuf.h"

/* Layers in the order in which a language model has them. */
typedef enum swg_keras_kind {
    SWG_KERAS_IDENTITY, /* without effect when a model is run: dropout, inputs */
    SWG_KERAS_EMBEDDING,
    SWG_KERAS_LSTM,
    SWG_KERAS_GRU,
    SWG_KERAS_DENSE,
    SWG_KERAS_OTHER
} swg_keras_kind;

/* A sentence that says why a model is not one that the recurrent architecture computes. */
enum { SWG_KERAS_REASON_BYTES = 384 };

typedef struct swg_keras_layer {
    const char *name;
    swg_keras_kind kind;
    unsigned long number;         /* of its name: 2 for "lstm_2" */
    const swg_h5_entry **weights; /* kernel, recurrent kernel, bias */
    size_t n_weights;
    bool resets_before; /* a GRU with reset_after false */
    bool gives_last; /* return_sequences false: the state after the text, not after every token */
} swg_keras_layer;

typedef struct swg_keras_model {
    swg_keras_layer *layers;
    size_t n_layers;
    bool is_simple;    /* every layer's weights are listed above */
    const char *inner; /* otherwise a dataset that belongs to a layer inside a layer */
} swg_keras_model;

/* Kind and number by the layer's name, as Keras names it: its class in snake case and a number. */
void swg_keras_guess_kind(swg_keras_layer *layer);

/* If the model is an embedding, LSTM or GRU layers and a dense head as runtime/arch/rnn.c computes
 * them - a language model, or a classifier where the last of these layers gives its last state
 * alone: list its tensors, set the configuration and *is_recurrent. `config` is Keras's (NULL =
 * none: names and shapes decide, with the layers' default activations). `by_class`: layers of the
 * file are named after their classes, not by the configuration. Otherwise `reason` says which layer
 * and which setting prevent it. SWG_CORRUPT when the configuration
 * and the weights contradict each other. */
swg_status swg_keras_present_recurrent(swg_source *source, swg_keras_model *model,
                                       const char *config, size_t config_length, bool by_class,
                                       swg_h5_tensors *tensors, bool *is_recurrent,
                                       char reason[SWG_KERAS_REASON_BYTES]);

#endif
