// Checks of indices and memory, before a kernel trusts them. They raise IndexError, ValueError or MemoryError.
#pragma once

#include <new>
#include <stdexcept>

#include "arguments.h"
#include "bindings.h"

namespace triptych {

inline void require_index(bool holds, const char* what) {
    if (!holds) throw std::out_of_range(what);
}

constexpr int64_t NOT_CHECKED = -1;

// The starts and positions of the edges are inside their arrays, and the neighbours of the rows (null: of all rows) are
// nodes. checked: the number of nodes for which the caller has checked this, or NOT_CHECKED. The check of all edges of a
// large graph takes 1 or 2 % of the time of a product.
inline void check_edges(const Adjacency& edges, int64_t n_edges, int64_t n_nodes, int64_t checked,
                        const int32_t* rows = nullptr, int64_t n = 0) {
    if (rows) require_index(chosen->all_within(rows, n, 0, edges.n_rows), "a row is outside the edges");
    if (checked != NOT_CHECKED)
        return require_index(0 <= checked && checked <= n_nodes, "the table has fewer rows than there are nodes");
    require_index(chosen->are_starts(edges.starts, edges.n_rows, n_edges), "starts must ascend from 0 or more");
    if (edges.positions)
        require_index(chosen->all_within(edges.positions, n_edges, 0, n_edges), "a position is outside the edges");
    const int64_t first = edges.starts[0];
    require_index(rows ? chosen->neighbours_within(edges, rows, n, n_nodes)
                       : chosen->all_within(edges.neighbours + first, edges.starts[edges.n_rows] - first, 0, n_nodes),
                  "a neighbour is outside the table of nodes");
}

// Rows of a table, or -1 for none. An array that is not given passes.
template <typename Index> void check_rows_or_none(const Index& at, int64_t n_rows, const char* what) {
    if (at) require_index(chosen->all_within(at->data(), at->shape(0), -1, n_rows), what);
}

inline void check_threads(int threads) { require(threads >= 1 && threads < 1 << 16, "threads must be 1 or more"); }

// The memory that routing needs per thread is a number that fits in 64 bits.
inline void check_iterations(int64_t n_iterations, int64_t width, int64_t n_edges) {
    require(n_iterations >= 0, "the number of iterations must be 0 or more");
    if ((2.0 * n_iterations + 3) * (width + n_edges + 64) > 1e16) throw std::bad_alloc();
    require(n_edges == 0 || n_iterations <= INT64_MAX / n_edges, "too many iterations");
}

// No byte of an output is a byte of an input: rows that other threads still read must not be overwritten.
template <typename Output, typename Input> void require_apart(const Output& out, const Input& in) {
    const auto* out_begin = static_cast<const char*>(static_cast<const void*>(out.data()));
    const auto* in_begin = static_cast<const char*>(static_cast<const void*>(in.data()));
    require(out_begin + out.nbytes() <= in_begin || in_begin + in.nbytes() <= out_begin || !out.nbytes() || !in.nbytes(),
            "an output shares memory with an input");
}
template <typename Output, typename Input> void require_apart(const Output& out, const std::optional<Input>& in) {
    if (in) require_apart(out, *in);
}

}  // namespace triptych
