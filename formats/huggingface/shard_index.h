/* The index of a sharded Hugging Face checkpoint: which file beside it holds which tensor. */
#ifndef SWG_FORMATS_HUGGINGFACE_SHARD_INDEX_H
#define SWG_FORMATS_HUGGINGFACE_SHARD_INDEX_H

#include "formats/reader.h"

/* One line of the index. */
typedef struct swg_placement {
    const char *tensor, *file;
} swg_placement;

/* Reads one shard: adds its tensors to the source. `path` lives during the call only. */
typedef swg_status swg_shard_reader(swg_source *source, const char *path);

/* Whether a folder has an entry of that name: a link to nothing fails when it is opened. */
bool swg_folder_has(const char *folder, const char *name);

/* Read the index `path` and every shard of it. `prepare` is told the number of shards before the
 * first is read. Refused: names that are not of a file beside the index, and shards that hold other
 * tensors than the index places in them. The index becomes an input of the source; shards are their
 * reader's to add. */
swg_status swg_shard_index_read(swg_source *source, const char *path,
                                swg_status (*prepare)(swg_source *source, size_t n_shards),
                                swg_shard_reader *read);

#endif
