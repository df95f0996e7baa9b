/* Element types of the KV cache (kernels/kv_types.def) by name, for option tables. */
#ifndef SWG_RUNTIME_KV_TYPE_H
#define SWG_RUNTIME_KV_TYPE_H

#include "kernels/kernels.h"

/* The type with that name; SWG_KV_TYPE_COUNT when there is none. */
swg_kv_type swg_kv_type_named(const char *name);

/* The names as choices ("f32|f16"), and a help text that explains each. */
#define SWG_KV_TYPE_CHOICES (swg_kv_type_choices_after_bar + 1)
extern const char swg_kv_type_choices_after_bar[]; /* "|f32|f16" */
extern const char swg_kv_type_help[];

#endif
