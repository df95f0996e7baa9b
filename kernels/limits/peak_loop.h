/* The shape of a register-resident loop that shows how much arithmetic an instruction set can do:
 * see limits.h. Ten independent accumulators hide the latency of the arithmetic units of all
 * current processors (at most two operations per clock, five clocks each). Empty assembly
 * statements keep every accumulator in a register and keep the compiler from simplifying the
 * loop. */
#ifndef SWG_KERNELS_LIMITS_PEAK_LOOP_H
#define SWG_KERNELS_LIMITS_PEAK_LOOP_H

#include <stdint.h>

enum { SWG_PEAK_SUMS = 10 };
#define SWG_PEAK_EACH(X, MORE)                                                                     \
    X(0, MORE)                                                                                     \
    X(1, MORE)                                                                                     \
    X(2, MORE) X(3, MORE) X(4, MORE) X(5, MORE) X(6, MORE) X(7, MORE) X(8, MORE) X(9, MORE)

#define SWG_PEAK_DECLARE(i, start) sum##i = start,
#define SWG_PEAK_ADVANCE(i, STEP)  sum##i = STEP(sum##i, factor, start);
#define SWG_PEAK_KEEP(i, REGISTER) __asm__ volatile("" : "+" REGISTER(sum##i));
#define SWG_PEAK_ADD_UP(i, LOW)    total += LOW(sum##i);

/* The function `name`, with `target` before it: `rounds` times sum = STEP(sum, factor, start) on
 * ten sums of `type`; the int32_t LOW(sum) of each goes into the result. start_value may use seed;
 * REGISTER is the assembler's letter for the registers that hold a sum. */
#define SWG_PEAK_LOOP(name, target, type, start_value, factor_value, STEP, LOW, REGISTER)          \
    target static int32_t name(int32_t rounds, int32_t seed)                                       \
    {                                                                                              \
        const type start = start_value, factor = factor_value;                                     \
        type SWG_PEAK_EACH(SWG_PEAK_DECLARE, start) last = start;                                  \
        for (int32_t i = 0; i < rounds; i++) {                                                     \
            SWG_PEAK_EACH(SWG_PEAK_ADVANCE, STEP)                                                  \
            SWG_PEAK_EACH(SWG_PEAK_KEEP, REGISTER)                                                 \
        }                                                                                          \
        int32_t total = LOW(last);                                                                 \
        SWG_PEAK_EACH(SWG_PEAK_ADD_UP, LOW)                                                        \
        return total;                                                                              \
    }

#endif
