// What the compiled core can do, as one table of functions. It is compiled once per instruction set, and one of these
// tables is chosen at run time.
//
// All arrays are row-major and contiguous. A pointer may be null only if its comment says so. One thread computes each
// row of an output, in one fixed order. So the bytes are the same for any number of threads. Kernels trust their
// arguments: the bindings check shapes, indices and overlaps (arguments.h, checks.h, ranges.inc).
#pragma once

#include <cstdint>

namespace triptych {

// Rows and their neighbours. The neighbours of row r are neighbours[starts[r]] … neighbours[starts[r + 1] - 1]. The
// value of edge e is stored at positions[e], or at e itself if positions is null.
struct Adjacency {
    int64_t n_rows;
    const int32_t* starts;
    const int32_t* neighbours;
    const int32_t* positions;
};

// A table in float32 or, if `half` is not null, in bfloat16, as bits.
template <typename Float, typename Bits> struct Either {
    Float* full;
    Bits* half;
};

// out[k] = f(row_scale[r] (a · base[r] + b · Σ_e w_e column_scale[j] x[j])), with r = rows[k] and j = neighbours[e].
// f is the leaky relu with this slope.
struct Product {
    Adjacency edges;
    const float* weights;        // null: ones
    Either<const float, const uint16_t> x;
    const int32_t* x_at;         // node -> its row in x, or -1 for zeros; null: the node itself
    const float* base;           // null: zeros
    const int32_t* base_at;      // row -> its row in base, or -1 for zeros; null: the row itself
    const int32_t* rows;         // null: all rows, in order
    const float* row_scale;      // null: ones
    const float* column_scale;   // per node; null: ones
    int64_t n_out;
    int64_t width;
    float a, b;
    float slope;                 // 1: no relu
    Either<float, uint16_t> out;
};

// p = preference / ‖preference‖. Then `n_iterations` times: α = softmax over the neighbours of p · y_j,
// v = p + Σ α y_j, p ← v / ‖v‖. At the end scores_e = p · y_j and out = p. All iterations of a row are done at once, so
// its neighbours are fetched once. Only the softmaxes are kept; the gradient computes the rest again.
struct Routing {
    Adjacency edges;
    const float* preference;
    const float* y;
    int64_t width, n_iterations;
    float* out;
    float* scores;
    float* alphas;               // the softmaxes, row after row: [n_iterations, n] for a row with n neighbours
};

struct RoutingGradient {
    Adjacency edges;
    const float* preference;
    const float* y;
    const float* alphas;
    int64_t width, n_iterations, n_nodes;
    float residual;              // residual · preference is added to d_preference
    const float* d_out;          // null: zeros
    const float* d_scores;
    const int32_t* at;           // row -> its row in the next two tables, or -1 for none; null: none for any row
    const float* d_out_at;       // added to d_out
    const float* d_preference_at;  // added to d_preference
    float* d_preference;
    float* d_y;
};

// Softmax of the values over the edges of every row, and its gradient. Values and results are stored at the edges'
// positions.
struct Softmax {
    Adjacency edges;
    const float* values;         // for the gradient: the softmax
    const float* d_alpha;        // for the gradient only
    float* out;
};

// Rows scaled to length 1.
struct UnitRows {
    int64_t n_rows, width;
    const float* values;
    Either<float, uint16_t> out;
};

// The gradient of UnitRows. residual · values is added.
struct UnitRowsGradient {
    int64_t n_rows, width;
    const float* values;
    Either<const float, const uint16_t> d_out;
    float residual;
    float* out;
};

// n numbers from float16 to bfloat16, both as bits. Rounding is to the nearest number, ties to even.
struct Conversion {
    int64_t n;
    const uint16_t* values;
    uint16_t* out;
};

// out_e = x_r · y_j for every edge, stored at the edges' positions.
struct Dots {
    Adjacency edges;
    const float* x;
    const int32_t* x_at;         // row -> its row in x, or -1 for zeros; null: the row itself
    const float* y;
    int64_t width;
    float* out;
};

// w_e = relu(max over m of α^m_e c[source of e, m]). winner_e is the m of the maximum, or -1 if relu makes w_e zero.
struct MaxOverModalities {
    int64_t n_edges;
    int64_t n_modalities;
    const float* alpha;          // [n_modalities, n_edges]
    const float* confidence;     // [n_nodes, n_modalities]
    const int32_t* sources;      // [n_edges]
    float* weights;
    int8_t* winners;
};

// d_alpha [n_modalities, n_edges], and d_confidence [n_nodes, n_modalities], a sum over the edges of every source.
struct MaxOverModalitiesGradient {
    Adjacency edges;             // from the sources' side
    int64_t n_edges;
    int64_t n_modalities;
    const float* alpha;
    const float* confidence;
    const int32_t* sources;
    const int8_t* winners;
    const float* d_weights;
    float* d_alpha;
    float* d_confidence;
};

// The k best items per user by inner product, without the seen items. Of equal scores, the lower item comes first.
struct TopK {
    int64_t n_users, n_items, width, k;
    const float* users;
    const float* items;
    const int64_t* seen_starts;  // null: no item is seen
    const int64_t* seen_items;   // sorted per user
    int64_t* best_items;         // [n_users, k], -1 if fewer than k items are left
    float* best_scores;          // [n_users, k], -inf if fewer than k items are left
};

struct Kernels {
    const char* name;
    bool (*all_within)(const int32_t* values, int64_t n, int64_t low, int64_t limit);
    bool (*are_starts)(const int32_t* starts, int64_t n, int64_t limit);
    bool (*neighbours_within)(const Adjacency&, const int32_t* rows, int64_t n, int64_t n_nodes);
    bool (*are_seen_items)(const TopK&, int64_t n_seen);
    void (*product)(const Product&, int threads);
    void (*route)(const Routing&, int threads);
    void (*route_back)(const RoutingGradient&, int threads);
    void (*softmax)(const Softmax&, int threads);
    void (*softmax_back)(const Softmax&, int threads);
    void (*unit_rows)(const UnitRows&, int threads);
    void (*unit_rows_back)(const UnitRowsGradient&, int threads);
    void (*bfloat16_of_float16)(const Conversion&, int threads);
    void (*dots)(const Dots&, int threads);
    void (*max_over_modalities)(const MaxOverModalities&, int threads);
    void (*max_over_modalities_back)(const MaxOverModalitiesGradient&, int threads);
    void (*top_k)(const TopK&, int threads);
};

}  // namespace triptych
