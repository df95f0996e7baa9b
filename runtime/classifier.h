/* Classifiers of texts made of other models: a checkpoint in memory with the weights of an encoder
 * or a recurrent model, and a head for given labels. */
#ifndef SWG_RUNTIME_CLASSIFIER_H
#define SWG_RUNTIME_CLASSIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"

/* Names of labels, by number. */
typedef struct swg_label_names {
    const char *const *names; /* [n] */
    size_t n;
} swg_label_names;

/* The number of a label, or SIZE_MAX. */
size_t swg_label_find(const swg_label_names *labels, const char *name);

/* Make a classifier with these labels of `source`: a classifier itself, or a model of a family that
 * has classifiers. All weights that both have are the source's; the head, and what else the source
 * lacks (a pooler), are new, as swg_initial_weights makes them with the seed. Where `keeps_head`
 * the source is a classifier with exactly these labels in this order, and its head stays. Files are
 * carried, but not those that say how a text becomes a vector. SWG_UNSUPPORTED when its
 * architecture has no classifiers of texts; SWG_CORRUPT for a tensor of another shape than the
 * configuration implies, naming both. The caller closes *out. */
swg_status swg_classifier_new(swg_source *source, const swg_label_names *labels, bool keeps_head,
                              uint64_t seed, swg_source **out);

#endif
