/* The names of the state-dict layout that its reader and its writer share; docs/hdf5.md is the
 * specification. */
#ifndef SWG_FORMATS_HDF5_HDF5_NAMES_H
#define SWG_FORMATS_HDF5_HDF5_NAMES_H

/* Root attribute, and its value in this version. */
#define SWG_H5_LAYOUT      "swage_layout"
#define SWG_H5_LAYOUT_NAME "state-dict-1"

/* Groups (with their slash) and datasets. */
#define SWG_H5_TENSORS    "tensors/"
#define SWG_H5_FILES      "files/"
#define SWG_H5_CONFIG     "config"
#define SWG_H5_METADATA   "metadata"
#define SWG_H5_PROVENANCE "provenance"

/* Attributes of tensors whose type HDF5 has no name for. */
#define SWG_H5_DTYPE "dtype"
#define SWG_H5_SHAPE "shape"

#endif
