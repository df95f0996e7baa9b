/* UNROLL before a loop of a constant number of rounds: the arrays that it indexes become registers.
 */
#ifndef SWG_KERNELS_SIMD16_UNROLL_H
#define SWG_KERNELS_SIMD16_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
