/* The machine that a measurement ran on, as far as the system tells. */
#ifndef SWG_EVAL_MACHINE_H
#define SWG_EVAL_MACHINE_H

#include <stddef.h>
#include <stdint.h>

enum { SWG_MACHINE_TEXT = 96 };

/* Texts are empty where the system does not say. */
typedef struct swg_machine {
    char cpu[SWG_MACHINE_TEXT];        /* the processor's name */
    char governor[SWG_MACHINE_TEXT];   /* how its frequency is chosen: performance, powersave ... */
    char huge_pages[SWG_MACHINE_TEXT]; /* transparent ones: always, madvise or never */
    size_t n_cpus;                     /* that this process may use */
    uint64_t memory_bytes;             /* 0 = unknown */
    const char *isa;                   /* swg_machine_isa */
} swg_machine;

/* Ask the system; `root` is "" or, for tests, a folder with the files of /proc and /sys. */
void swg_machine_describe(const char *root, swg_machine *out);

/* The best instruction set that any kernel uses (SWAGE_ISA considered); NULL where that variable
 * names none. */
const char *swg_machine_isa(void);

#endif
