/* Labelled texts that a classifier is trained on: a file of lines
 *
 *     {"text": "...", "text_pair": "...", "label": "positive"}
 *
 * text_pair is optional; a label is a string or a whole number, whose digits are then its name. */
#ifndef SWG_DISTILL_LABELLED_H
#define SWG_DISTILL_LABELLED_H

#include "runtime/base/hash.h"
#include "runtime/base/progress.h"
#include "runtime/classifier.h"
#include "runtime/hparams.h"
#include "runtime/text/tokenizer.h"

enum { SWG_MOST_LABELS = 1024 };

typedef struct swg_labelled {
    size_t n;
    int32_t *ids, *types;         /* all texts' tokens and their types, one text after the other */
    size_t *begins;               /* [n + 1] of each text there */
    size_t *labels;               /* [n] numbers of its label */
    size_t longest;               /* tokens */
    char sha256[SWG_SHA256_TEXT]; /* of the file */
} swg_labelled;

/* How the texts become tokens, and what labels there may be. */
typedef struct swg_labelled_request {
    const char *path;
    const swg_tokenizer *tokenizer;
    const swg_hparams *hparams; /* of the model that will read them */
    size_t longest;             /* tokens that a text may have */
    const swg_progress *progress;
} swg_labelled_request;

/* Read the file, whose labels are among `labels`. SWG_CORRUPT, naming the line, for one that is not
 * such an object, an empty text or label, or a label that is not among them; SWG_LIMIT for a text
 * of more tokens than `longest`, naming both; SWG_FAILED for a file without lines; SWG_IO. Free
 * with swg_labelled_deinit, after a failure too. */
swg_status swg_labelled_read(const swg_labelled_request *request, const swg_label_names *labels,
                             swg_labelled *out);
void swg_labelled_deinit(swg_labelled *labelled);

/* The labels that a file has, without repetition: whole numbers first, by value, then the others by
 * bytes. SWG_CORRUPT as above; SWG_LIMIT beyond SWG_MOST_LABELS; SWG_FAILED, naming it, when there
 * is one label alone. Free with swg_labels_deinit, after a failure too. */
swg_status swg_labels_read(const char *path, const swg_progress *progress, swg_label_names *out);
void swg_labels_deinit(swg_label_names *labels);

#endif
