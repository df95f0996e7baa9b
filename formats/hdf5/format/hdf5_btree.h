/* The two kinds of B-tree in HDF5 files, walked in the order of their keys. (HDF5 file format
 * specification 3.0, III.A.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_BTREE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_BTREE_H

#include "formats/hdf5/format/hdf5_walk.h"

/* Version 1: nodes of keys with an address after each. */
enum { SWG_H5_TREE_OF_LINKS = 0, SWG_H5_TREE_OF_CHUNKS = 1 };

/* Call `visit` with each key of the leaves, `key_bytes` long, and its address. `what` names the
 * tree in messages. */
typedef swg_status swg_h5_visit_key(void *context, const uint8_t *key, uint64_t address);
swg_status swg_h5_walk_btree1(swg_h5_walk *walk, const char *what, uint64_t address, unsigned kind,
                              size_t key_bytes, swg_h5_visit_key *visit, void *context);

/* Version 2: records in all nodes. */
enum {
    SWG_H5_RECORDS_OF_LINKS = 5,
    SWG_H5_RECORDS_OF_ATTRIBUTES = 8,
    SWG_H5_RECORDS_OF_CHUNKS = 10,
    SWG_H5_RECORDS_OF_FILTERED_CHUNKS = 11
};

typedef struct swg_h5_btree2 {
    const char *what;
    uint64_t address;
    unsigned kind;
    size_t record_bytes, node_bytes;
    unsigned depth;
    uint64_t root, n_root; /* n_root: records in the root node */
} swg_h5_btree2;

swg_status swg_h5_btree2_open(swg_h5_walk *walk, const char *what, uint64_t address,
                              swg_h5_btree2 *out);

typedef swg_status swg_h5_visit_record(void *context, const uint8_t *record);
swg_status swg_h5_btree2_walk(swg_h5_walk *walk, const swg_h5_btree2 *tree,
                              swg_h5_visit_record *visit, void *context);

#endif
