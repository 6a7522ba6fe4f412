// What the compiled core can do, as one table of functions: made once for every set of instructions, chosen at run time.
//
// All arrays are row-major and contiguous; a null pointer means what its comment says. Every row of an output is
// computed by one thread in one order, so the bytes are the same for any number of threads.
#pragma once

#include <cstdint>

namespace triptych {

// Rows and their neighbours: those of row r are neighbours[starts[r]] … neighbours[starts[r + 1] - 1]. A value that
// belongs to edge e stands at places[e], or at e itself where places is null.
struct Adjacency {
    int64_t n_rows;
    const int32_t* starts;
    const int32_t* neighbours;
    const int32_t* places;
};

// A table in float32 or, where `half` is not null, in bfloat16 (as bits).
template <typename Float, typename Bits> struct Either {
    Float* full;
    Bits* half;
};

// out[k] = f(row_scale[r] (a · base[r] + b · Σ_e w_e column_scale[j] x[j])), j = neighbours[e], for r = rows[k] (null:
// r = k, for all rows), with f the leaky relu of that slope (1: none).
struct Product {
    Adjacency edges;
    const float* weights;        // null: ones
    Either<const float, const uint16_t> x;
    const int32_t* x_at;         // node -> its row in x, -1 where it has none (zeros); null: the node itself
    const float* base;           // null: zeros
    const int32_t* base_at;      // row -> its row in base, -1: zeros; null: the row itself
    const int32_t* rows;
    const float* row_scale;      // null: ones
    const float* column_scale;   // of the nodes; null: ones
    int64_t n_out;
    int64_t width;
    float a, b, slope;
    Either<float, uint16_t> out;
};

// p = preference / ‖preference‖; `n_iterations` times: α = softmax over the neighbours of p · y_j, v = p + Σ α y_j,
// p ← v / ‖v‖. Then scores_e = p · y_j, and out = p. A row's whole routing is done at once: its neighbours are fetched
// once, and nothing of it is kept for the gradient, which does it again.
struct Routing {
    Adjacency edges;
    const float* preference;
    const float* y;
    int64_t width, n_iterations;
    float* out;
    float* scores;
    float* alphas;               // every row's softmax in every iteration, [n_iterations, n] a row
};

struct RoutingGradient {
    Adjacency edges;
    const float* preference;
    const float* y;
    const float* alphas;
    int64_t width, n_iterations, n_nodes;
    float again;                 // how many times preference is added to the result
    const float* d_out;          // null: zeros
    const float* d_scores;
    const int32_t* at;           // row -> its row in the two below, -1: none; null: none at all
    const float* d_out_at;       // added to d_out
    const float* d_preference_at;  // added to the result
    float* d_preference;
    float* d_y;
};

// Softmax of values over the edges of every row, and its gradient, in the edges' places.
struct Softmax {
    Adjacency edges;
    const float* values;         // the gradient: alpha
    const float* d_alpha;        // only for the gradient
    float* out;
};

// Rows brought to length 1.
struct UnitRows {
    int64_t n_rows, width;
    const float* values;
    Either<float, uint16_t> out;
};

// The gradient of that, and `again` times the values added.
struct UnitRowsGradient {
    int64_t n_rows, width;
    const float* values;
    Either<const float, const uint16_t> d_out;
    float again;
    float* out;
};

// n numbers in float16 to bfloat16, both as bits: to the nearest, ties to even.
struct Conversion {
    int64_t n;
    const uint16_t* values;
    uint16_t* out;
};

// out_e = x_r · y_j of every edge, in the edges' places.
struct Dots {
    Adjacency edges;
    const float* x;
    const int32_t* x_at;         // row -> its row in x, -1: zeros; null: the row itself
    const float* y;
    int64_t width;
    float* out;
};

// w_e = relu(max_m α^m_e c[source of e, m]); winner_e = that m, or -1 where relu cut the edge.
struct Strongest {
    int64_t n_edges;
    int64_t n_modalities;
    const float* alpha;          // [n_modalities, n_edges]
    const float* confidence;     // [n_nodes, n_modalities]
    const int32_t* sources;      // [n_edges]
    float* weights;
    int8_t* winners;
};

// d_alpha [n_modalities, n_edges] and, over every source's edges, d_confidence [n_nodes, n_modalities].
struct StrongestGradient {
    Adjacency edges;             // of the sources
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

// Every user's k best items by inner product, seen items left out; ties go to the lower item.
struct TopK {
    int64_t n_users, n_items, width, k;
    const float* users;
    const float* items;
    const int64_t* seen_starts;  // null: nothing is seen
    const int64_t* seen_items;
    int64_t* best_items;         // [n_users, k], -1 where there is none
    float* best_scores;          // [n_users, k], -inf where there is none
};

struct Kernels {
    const char* name;
    void (*product)(const Product&, int threads);
    void (*route)(const Routing&, int threads);
    void (*route_back)(const RoutingGradient&, int threads);
    void (*softmax)(const Softmax&, int threads);
    void (*softmax_back)(const Softmax&, int threads);
    void (*unit_rows)(const UnitRows&, int threads);
    void (*unit_rows_back)(const UnitRowsGradient&, int threads);
    void (*bfloat16_of_float16)(const Conversion&, int threads);
    void (*dots)(const Dots&, int threads);
    void (*strongest)(const Strongest&, int threads);
    void (*strongest_back)(const StrongestGradient&, int threads);
    void (*top_k)(const TopK&, int threads);
};

}  // namespace triptych
