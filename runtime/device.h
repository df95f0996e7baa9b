/* Choosing what a model is computed on: the option --device of commands that run models, and what
 * they report.
 *
 *     SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu", swg_device_help)
 *
 * The choice is the name of a backend (swg_model_options.backend). */
#ifndef SWG_RUNTIME_DEVICE_H
#define SWG_RUNTIME_DEVICE_H

#include <stdbool.h>

#include "runtime/activations.h"
#include "runtime/base/status.h"
#include "runtime/model.h"

#define SWG_DEVICE_CHOICES "cpu|cuda|auto"
extern const char swg_device_help[], swg_device_calibration_help[];

/* Whether the model is computed on this machine's processors, and what it is computed on: "cpu", or
 * for example "cuda: NVIDIA H100". Valid until the program ends. */
bool swg_device_is_cpu(const swg_model *model);
const char *swg_device_name(const swg_model *model);

/* The backend that `name` (SWG_DEVICE_CHOICES) means here: "cpu" or "cuda"; why auto is the former
 * is said by swg_notice. SWG_UNSUPPORTED when there is no such device. */
swg_status swg_device_choose(const char *name, const char **out);

/* What that backend computes on; NULL: this machine's processors. */
const char *swg_device_of(const char *backend);

/* The precision of activations that was asked for by `name`; NULL: `usual` on the CPU, f16 on a
 * GPU, which takes twice as long with f32. */
swg_act_precision swg_device_precision(const swg_model *model, const char *name,
                                       swg_act_precision usual);

#endif
