/* Keras 3's .keras file: a zip archive of config.json, metadata.json and model.weights.h5. */
#ifndef SWG_FORMATS_KERAS_KERAS_ARCHIVE_H
#define SWG_FORMATS_KERAS_KERAS_ARCHIVE_H

#include "formats/reader.h"

#define SWG_KERAS_WEIGHTS "model.weights.h5"

/* Zero-initialise to start. */
typedef struct swg_keras_archive {
    swg_map file;
    swg_map weights; /* the HDF5 file inside: of `file`, or of `inflated` */
    char *inflated;  /* NULL where the weights are stored as they are */
    char *config;    /* JSON text, NUL-terminated; NULL = this is not an archive */
    size_t config_length;
} swg_keras_archive;

/* Whether the file begins as Keras writes its archives: with one of those entries. */
bool swg_keras_archive_claims(const swg_probe *probe);

/* Open the archive under that path: the source's own or a part of it. SWG_CORRUPT, SWG_UNSUPPORTED,
 * SWG_LIMIT, naming the entry. Close it also after a failure. */
swg_status swg_keras_archive_open(swg_source *source, const char *path, swg_keras_archive *out);
void swg_keras_archive_close(swg_keras_archive *archive);

#endif
