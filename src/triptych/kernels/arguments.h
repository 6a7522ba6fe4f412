// Arrays from Python: their types, checks of their shapes, and their conversion to what the kernels work with.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>

#include "kernels.h"

namespace nb = nanobind;

template <typename T> using Rows = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T> using Table = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <typename T> using MaybeRows = std::optional<Rows<T>>;
template <typename T> using MaybeTable = std::optional<Table<T>>;

using AnyTable = nb::ndarray<nb::ndim<2>, nb::c_contig, nb::device::cpu>;  // float32, or the bits of bfloat16 as int16

namespace triptych {

template <typename A> auto* data_of(const std::optional<A>& array) {
    using Pointer = decltype(array->data());
    return array ? array->data() : static_cast<Pointer>(nullptr);
}

// Names of arguments that are arrays: they must have the right type and layout, and are never converted.
inline auto array(const char* name) { return nb::arg(name).noconvert(); }
inline auto maybe(const char* name) { return nb::arg(name).noconvert().none(); }

inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

// Check the number of entries of an array, or of rows and columns of a table. An array that is not given passes.
template <typename A> void require_length(const A& array, int64_t n, const char* what) {
    require(static_cast<int64_t>(array.shape(0)) == n, what);
}
template <typename A> void require_length(const std::optional<A>& array, int64_t n, const char* what) {
    if (array) require_length(*array, n, what);
}
template <typename A> void require_shape(const A& table, int64_t rows, int64_t columns, const char* what) {
    require(static_cast<int64_t>(table.shape(0)) == rows && static_cast<int64_t>(table.shape(1)) == columns, what);
}
template <typename A>
void require_shape(const std::optional<A>& table, int64_t rows, int64_t columns, const char* what) {
    if (table) require_shape(*table, rows, columns, what);
}

inline Adjacency adjacency(const Rows<const int32_t>& starts, const Rows<const int32_t>& neighbours,
                           const MaybeRows<const int32_t>& positions = {}) {
    require(starts.shape(0) > 0, "starts must have one entry more than there are rows");
    require(starts.data()[starts.shape(0) - 1] == static_cast<int64_t>(neighbours.shape(0)),
            "the last entry of starts must be the number of edges");
    require(!positions || positions->shape(0) == neighbours.shape(0), "positions must have one entry per edge");
    return {static_cast<int64_t>(starts.shape(0)) - 1, starts.data(), neighbours.data(), data_of(positions)};
}

// The table as float32 or as bits of bfloat16. Raises ValueError if it has another type.
template <typename Float, typename Bits> Either<Float, Bits> either(const AnyTable& table) {
    const bool half = table.dtype() == nb::dtype<int16_t>();
    require(half || table.dtype() == nb::dtype<float>(), "a table must be float32, or the bits of bfloat16 as int16");
    return half ? Either<Float, Bits>{nullptr, static_cast<Bits*>(table.data())}
                : Either<Float, Bits>{static_cast<Float*>(table.data()), nullptr};
}

}  // namespace triptych
