// The kernels. This file is compiled once for every set of instructions (TRIPTYCH_ISA names it); nothing in it may be a
// function that another file could share, or one file's instructions would run where they do not exist: hence plain
// loops, no standard library, and an anonymous namespace.
#include "kernels.h"

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace triptych {
namespace TRIPTYCH_ISA {

#include "vectors.inc"
#include "lanes.inc"
#include "products.inc"
#include "conversions.inc"
#include "unit_rows.inc"
#include "routing.inc"
#include "edge_weights.inc"
#include "top_k.inc"

extern const Kernels table;
const Kernels table = {
    TRIPTYCH_NAME, product, route, route_back, softmax, softmax_back, unit_rows, unit_rows_back,
    bfloat16_of_float16, dots, strongest, strongest_back, top_k,
};

}  // namespace TRIPTYCH_ISA
}  // namespace triptych
