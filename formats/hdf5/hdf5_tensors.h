/* The tensors that a reader of HDF5 files finds, before they are put in order. */
#ifndef SWG_FORMATS_HDF5_HDF5_TENSORS_H
#define SWG_FORMATS_HDF5_HDF5_TENSORS_H

#include "formats/hdf5/format/hdf5_read.h"
#include "formats/reader.h"

/* How a tensor's values are arranged in its dataset. */
typedef enum swg_h5_view {
    SWG_H5_WHOLE,      /* as they are */
    SWG_H5_TRANSPOSED, /* matrix: its columns are the tensor's rows */
    SWG_H5_ONE_ROW     /* matrix: the vector is row `row` */
} swg_h5_view;

typedef struct swg_h5_tensor {
    const char *name; /* of the source's arena */
    const swg_h5_entry *entry;
    swg_h5_view view;
    uint64_t row;
    swg_dtype dtype;
    uint32_t rank;
    uint64_t shape[SWG_MAX_RANK];
} swg_h5_tensor;

typedef struct swg_h5_tensors {
    swg_h5_tensor *list;
    size_t count, capacity;
} swg_h5_tensors;

/* Append a dataset under a name (copied): shape and type follow from the view. SWG_UNSUPPORTED for
 * datasets that are not numbers or have too many dimensions, SWG_CORRUPT where the view does not
 * fit. */
swg_status swg_h5_tensors_add(swg_source *source, swg_h5_tensors *tensors, const char *name,
                              const swg_h5_entry *entry, swg_h5_view view, uint64_t row);

/* Add them all to the source, in their order; several names of one dataset are tied. */
swg_status swg_h5_tensors_into_source(swg_source *source, const swg_h5_tensors *tensors);

#endif
