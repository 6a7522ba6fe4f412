// The kernels. This file is compiled once per instruction set, and TRIPTYCH_ISA is the name of the set. A function here
// must never be shared with another file: the linker keeps one copy of a shared function, and its instructions might
// not exist on the processor that runs it. Hence plain loops, no standard library, and anonymous namespaces.
#include "kernels.h"

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace triptych {
namespace TRIPTYCH_ISA {

#include "ranges.inc"
#include "buffers.inc"
#include "vectors.inc"
#include "lanes.inc"
#include "products.inc"
#include "conversions.inc"
#include "unit_rows.inc"
#include "softmax.inc"
#include "routing.inc"
#include "edge_weights.inc"
#include "top_k_lists.inc"
#include "top_k.inc"

// Each function is assigned by name: two of them have the same type, and a wrong order would compile.
constexpr Kernels all_kernels() {
    Kernels made{};
    made.name = TRIPTYCH_NAME;
    made.all_within = all_within;
    made.are_starts = are_starts;
    made.neighbours_within = neighbours_within;
    made.are_seen_items = are_seen_items;
    made.product = product;
    made.route = route;
    made.route_back = route_back;
    made.softmax = softmax;
    made.softmax_back = softmax_back;
    made.unit_rows = unit_rows;
    made.unit_rows_back = unit_rows_back;
    made.bfloat16_of_float16 = bfloat16_of_float16;
    made.dots = dots;
    made.max_over_modalities = max_over_modalities;
    made.max_over_modalities_back = max_over_modalities_back;
    made.top_k = top_k;
    return made;
}

extern const Kernels table;
constexpr Kernels table = all_kernels();

}  // namespace TRIPTYCH_ISA
}  // namespace triptych
