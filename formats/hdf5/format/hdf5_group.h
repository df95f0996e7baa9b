/* What a group holds, in each of the three ways in which HDF5 keeps it: a symbol table, messages in
 * the group's header, a heap with an index of names. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_GROUP_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_GROUP_H

#include "formats/hdf5/format/hdf5_message.h"
#include "formats/hdf5/format/hdf5_walk.h"

/* Where a group's links are; filled from its header's messages. */
typedef struct swg_h5_group {
    bool has_table;            /* the old form: */
    uint64_t tree, names;      /* B-tree of symbol table nodes, heap of names */
    bool has_info;             /* the new form; links in messages, or: */
    uint64_t heap, name_index; /* SWG_H5_NOWHERE when there are none */
} swg_h5_group;

/* Record one header message; other message types are ignored. */
bool swg_h5_group_add(swg_h5_group *group, uint64_t message_type, swg_cursor body);

/* Call `visit` for each link of the group, whose header is at `address`. Names are not checked. */
typedef swg_status swg_h5_visit_link(void *context, const swg_h5_link *link);
swg_status swg_h5_walk_links(swg_h5_walk *walk, const swg_h5_group *group, uint64_t address,
                             swg_h5_visit_link *visit, void *context);

#endif
