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
namespace {

constexpr int LANES = 16;
constexpr int AHEAD = 12;  // neighbours whose rows are asked for before they are needed

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#define INLINE inline __attribute__((always_inline))
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef uint32_t Bits __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef uint16_t HalfBits __attribute__((vector_size(LANES * sizeof(uint16_t))));
#else
#define PREFETCH(address)
#define INLINE inline
struct Lanes {
    float of[LANES];
    float operator[](int lane) const { return of[lane]; }
    float& operator[](int lane) { return of[lane]; }
    Lanes& operator+=(const Lanes& o) { for (int l = 0; l < LANES; ++l) of[l] += o.of[l]; return *this; }
    friend Lanes operator+(Lanes x, const Lanes& y) { return x += y; }
    friend Lanes operator*(Lanes x, const Lanes& y) { for (int l = 0; l < LANES; ++l) x.of[l] *= y.of[l]; return x; }
};
#endif

INLINE Lanes load(const float* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

INLINE void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

INLINE Lanes all(float v) { return Lanes{v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v}; }

INLINE float sum(const Lanes& lanes) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)lanes);
#endif
    float half[LANES];
    store(half, lanes);
    for (int step = LANES / 2; step; step /= 2)
        for (int lane = 0; lane < step; ++lane) half[lane] += half[lane + step];
    return half[0];
}

INLINE float dot(const float* x, const float* y, int64_t width) {
    Lanes one = all(0), two = all(0);
    int64_t k = 0;
    for (; k + 2 * LANES <= width; k += 2 * LANES) {
        one += load(x + k) * load(y + k);
        two += load(x + k + LANES) * load(y + k + LANES);
    }
    if (k + LANES <= width) one += load(x + k) * load(y + k), k += LANES;
    float total = sum(one + two);
    for (; k < width; ++k) total += x[k] * y[k];
    return total;
}

inline void prefetch_row(const float* row, int64_t width) {
    for (int64_t k = 0; k < width; k += 16) PREFETCH(row + k);
}

// y += w · x
INLINE void add_scaled(float* y, float w, const float* x, int64_t width) {
    int64_t k = 0;
    const Lanes scale = all(w);
    for (; k + LANES <= width; k += LANES) store(y + k, load(y + k) + scale * load(x + k));
    for (; k < width; ++k) y[k] += w * x[k];
}

// y += Σ over e of w_e x[rows[e]], a few columns at a time, in registers
template <int N>
INLINE void add_rows_columns(float* y, const float* w, const int32_t* rows, int64_t n, const float* x, int64_t width) {
    Lanes total[N];
    for (int c = 0; c < N; ++c) total[c] = load(y + c * LANES);
    for (int64_t e = 0; e < n; ++e) {
        const float* row = x + rows[e] * width;
        const Lanes scale = all(w[e]);
        for (int c = 0; c < N; ++c) total[c] += scale * load(row + c * LANES);
    }
    for (int c = 0; c < N; ++c) store(y + c * LANES, total[c]);
}

INLINE void add_rows(float* y, const float* w, const int32_t* rows, int64_t n, const float* x, int64_t width) {
    int64_t k = 0;
    for (; k + 4 * LANES <= width; k += 4 * LANES) add_rows_columns<4>(y + k, w, rows, n, x + k, width);
    for (; k + LANES <= width; k += LANES) add_rows_columns<1>(y + k, w, rows, n, x + k, width);
    for (; k < width; ++k)
        for (int64_t e = 0; e < n; ++e) y[k] += w[e] * x[rows[e] * width + k];
}

// y += Σ over v of w[v · step] x[v], n_vectors rows side by side
template <int N>
INLINE void add_vectors_columns(float* y, const float* w, int64_t step, int64_t n_vectors, const float* x, int64_t width) {
    Lanes total[N];
    for (int c = 0; c < N; ++c) total[c] = load(y + c * LANES);
    for (int64_t v = 0; v < n_vectors; ++v) {
        const Lanes scale = all(w[v * step]);
        for (int c = 0; c < N; ++c) total[c] += scale * load(x + v * width + c * LANES);
    }
    for (int c = 0; c < N; ++c) store(y + c * LANES, total[c]);
}

INLINE void add_vectors(float* y, const float* w, int64_t step, int64_t n_vectors, const float* x, int64_t width) {
    int64_t k = 0;
    for (; k + 4 * LANES <= width; k += 4 * LANES) add_vectors_columns<4>(y + k, w, step, n_vectors, x + k, width);
    for (; k + LANES <= width; k += LANES) add_vectors_columns<1>(y + k, w, step, n_vectors, x + k, width);
    for (; k < width; ++k)
        for (int64_t v = 0; v < n_vectors; ++v) y[k] += w[v * step] * x[v * width + k];
}

// out_e = x · y[rows[e]]
INLINE void dots_of(const float* x, const int32_t* rows, int64_t n, const float* y, int64_t width, float* out) {
    for (int64_t e = 0; e < n; ++e) out[e] = dot(x, y + rows[e] * width, width);
}

// e to the x for x <= 0, about one unit in the last place.
INLINE Lanes exponential(const Lanes& x) {
    float in[LANES], out[LANES];
    store(in, x);
    for (int lane = 0; lane < LANES; ++lane) {
        const float v = in[lane] < -87.0f ? -87.0f : in[lane];
        const float n = std::floor(v * 1.44269504f + 0.5f);
        const float r = (v - n * 0.693359375f) - n * -2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * r * r + r + 1.0f;
        const int32_t power = (static_cast<int32_t>(n) + 127) << 23;
        float scale;
        std::memcpy(&scale, &power, sizeof scale);
        out[lane] = p * scale;
    }
    return load(out);
}

INLINE float largest(const Lanes& lanes) {
    float held[LANES], top = -FLT_MAX;
    store(held, lanes);
    for (int lane = 0; lane < LANES; ++lane) top = held[lane] > top ? held[lane] : top;
    return top;
}

INLINE Lanes larger(const Lanes& x, const Lanes& y) {
#if defined(__GNUC__)
    return x > y ? x : y;
#else
    Lanes most = x;
    for (int lane = 0; lane < LANES; ++lane) most[lane] = x[lane] > y[lane] ? x[lane] : y[lane];
    return most;
#endif
}

// Lists of values over a row's neighbours are padded to whole lanes, so that the short ones most rows have are one step.
INLINE int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

INLINE void pad(float* values, int64_t n, float with) {
    for (int64_t e = n; e < padded(n); ++e) values[e] = with;
}

// Softmax of n values, in place; afterwards the padding is zero.
INLINE void softmax_of(float* values, int64_t n) {
    pad(values, n, -FLT_MAX);
    Lanes top = all(-FLT_MAX), total = all(0);
    for (int64_t e = 0; e < n; e += LANES) top = larger(top, load(values + e));
    const Lanes shift = all(-largest(top));
    for (int64_t e = 0; e < n; e += LANES) store(values + e, exponential(load(values + e) + shift));
    pad(values, n, 0);
    for (int64_t e = 0; e < n; e += LANES) total += load(values + e);
    const Lanes scale = all(n ? 1.0f / sum(total) : 0.0f);
    for (int64_t e = 0; e < n; e += LANES) store(values + e, load(values + e) * scale);
}

// d ← α (d − Σ α d): the gradient of softmax, in place; the padding becomes zero, as alpha's is.
INLINE void softmax_of_back(const float* alpha, float* d, int64_t n) {
    pad(d, n, 0);
    Lanes mean = all(0);
    for (int64_t e = 0; e < n; e += LANES) mean += load(alpha + e) * load(d + e);
    const Lanes shift = all(-sum(mean));
    for (int64_t e = 0; e < n; e += LANES) store(d + e, load(alpha + e) * (load(d + e) + shift));
}

// ---------------------------------------------------------------------------------------------------- products

// Columns [column, column + N · LANES) of a row; N = 0: the columns that are left over, one at a time.
template <int N>
inline void product_columns(const Product& p, int64_t k, int64_t r, int64_t column) {
    constexpr int M = N ? N : 1;
    const int32_t* neighbours = p.edges.neighbours;
    const int64_t end = p.edges.starts[r + 1], n_columns = p.width - column;
    const int64_t limit = p.rows ? end : p.edges.starts[p.edges.n_rows];  // the next row's neighbours are asked for too
    Lanes total[M];
    float rest[LANES] = {0};
    for (int n = 0; n < M; ++n) total[n] = all(0);
    for (int64_t e = p.edges.starts[r]; e < end; ++e) {
        int64_t at = neighbours[e];
        if (p.x_at) {
            at = p.x_at[at];
            if (at < 0) continue;
        } else if (!column && e + AHEAD < limit) {
            prefetch_row(p.x + neighbours[e + AHEAD] * p.width, p.width);
        }
        const float* x = p.x + at * p.width + column;
        const float w = p.weights ? p.weights[p.edges.places ? p.edges.places[e] : e] : 1.0f;
        if (N) {
            const Lanes scale = all(w);
            for (int n = 0; n < M; ++n) total[n] += scale * load(x + n * LANES);
        } else {
            for (int64_t c = 0; c < n_columns; ++c) rest[c] += w * x[c];
        }
    }
    const float* base = nullptr;
    if (p.base) {
        const int64_t at = p.base_at ? p.base_at[r] : r;
        if (at >= 0) base = p.base + at * p.width + column;
    }
    float* out = p.out + k * p.width + column;
    if (N) {
        for (int n = 0; n < M; ++n) {
            Lanes value = all(p.b) * total[n];
            if (base) value += all(p.a) * load(base + n * LANES);
            store(out + n * LANES, value);
        }
    } else {
        for (int64_t c = 0; c < n_columns; ++c) out[c] = p.b * rest[c] + (base ? p.a * base[c] : 0.0f);
    }
}

void product(const Product& p, int threads) {
#pragma omp parallel for schedule(dynamic, 128) num_threads(threads)
    for (int64_t k = 0; k < p.n_out; ++k) {
        const int64_t r = p.rows ? p.rows[k] : k;
        int64_t column = 0;
        for (; column + 8 * LANES <= p.width; column += 8 * LANES) product_columns<8>(p, k, r, column);
        if (column + 4 * LANES <= p.width) product_columns<4>(p, k, r, column), column += 4 * LANES;
        if (column + 2 * LANES <= p.width) product_columns<2>(p, k, r, column), column += 2 * LANES;
        if (column + LANES <= p.width) product_columns<1>(p, k, r, column), column += LANES;
        if (column < p.width) product_columns<0>(p, k, r, column);
    }
}

// Sixteen numbers in bfloat16 (as bits), to float32 and back: to the nearest, ties to even.
INLINE Lanes load16(const uint16_t* from) {
#if defined(__GNUC__)
    HalfBits half;
    std::memcpy(&half, from, sizeof half);
    return (Lanes)(__builtin_convertvector(half, Bits) << 16);
#else
    float held[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const uint32_t bits = static_cast<uint32_t>(from[lane]) << 16;
        std::memcpy(held + lane, &bits, sizeof bits);
    }
    return load(held);
#endif
}

INLINE void store16(uint16_t* to, const Lanes& lanes) {
#if defined(__GNUC__)
    const Bits bits = (Bits)lanes;
    const HalfBits half = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, HalfBits);
    std::memcpy(to, &half, sizeof half);
#else
    uint32_t bits[LANES];
    std::memcpy(bits, &lanes, sizeof bits);
    for (int lane = 0; lane < LANES; ++lane)
        to[lane] = static_cast<uint16_t>((bits[lane] + 0x7fff + ((bits[lane] >> 16) & 1)) >> 16);
#endif
}

// N · LANES columns of a row; N = 0: the few that are left over, moved through whole lanes.
template <int N>
INLINE void product16_columns(const Product16& p, int64_t r, int64_t column) {
    constexpr int M = N ? N : 1;
    const int64_t end = p.edges.starts[r + 1], n_edges = p.edges.starts[p.edges.n_rows], rest = p.width - column;
    const Lanes scale = all(p.rows ? p.rows[r] : 1.0f);
    uint16_t held[LANES] = {0};
    Lanes total[M];
    for (int n = 0; n < M; ++n) total[n] = all(0);
    for (int64_t e = p.edges.starts[r]; e < end; ++e) {
        const int64_t at = p.edges.neighbours[e];
        if (!column && e + AHEAD < n_edges) {
            const uint16_t* next = p.x + p.edges.neighbours[e + AHEAD] * p.width;
            for (int64_t c = 0; c < p.width; c += 32) PREFETCH(next + c);
        }
        const uint16_t* x = p.x + at * p.width + column;
        if (!N) std::memcpy(held, x, sizeof(uint16_t) * rest), x = held;
        const Lanes w = all(p.columns ? p.columns[at] : 1.0f);
        for (int n = 0; n < M; ++n) total[n] += w * load16(x + n * LANES);
    }
    uint16_t* out = p.out + r * p.width + column;
    for (int n = 0; n < M; ++n) {
        const Lanes value = total[n] * scale;
        store16(N ? out + n * LANES : held, larger(value, all(p.slope) * value));
    }
    if (!N) std::memcpy(out, held, sizeof(uint16_t) * rest);
}

void product16(const Product16& p, int threads) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (int64_t r = 0; r < p.edges.n_rows; ++r) {
        int64_t column = 0;
        for (; column + 8 * LANES <= p.width; column += 8 * LANES) product16_columns<8>(p, r, column);
        for (; column + 4 * LANES <= p.width; column += 4 * LANES) product16_columns<4>(p, r, column);
        for (; column + LANES <= p.width; column += LANES) product16_columns<1>(p, r, column);
        if (column < p.width) product16_columns<0>(p, r, column);
    }
}

// ----------------------------------------------------------------------------------------------------- routing

constexpr float SHORTEST = 1e-12f;  // a row shorter than this has no direction
constexpr int SLICES = 8;           // of the rows, each with a sum of its own for what it sends to the neighbours

INLINE float length_of(const float* x, int64_t width) {
    const float length = std::sqrt(dot(x, x, width));
    return length < SHORTEST ? SHORTEST : length;
}

// d_in = (d_out − unit (unit · d_out)) / length: the gradient of bringing a row to length 1.
INLINE void unit_back(const float* unit, float length, const float* d_out, int64_t width, float* d_in) {
    const float along = length > SHORTEST ? dot(unit, d_out, width) : 0.0f;
    const float inverse = 1.0f / length;
    for (int64_t k = 0; k < width; ++k) d_in[k] = (d_out[k] - along * unit[k]) * inverse;
}

inline int64_t most_neighbours(const Adjacency& edges) {
    int64_t most = 0;  // padded
    for (int64_t r = 0; r < edges.n_rows; ++r)
        if (edges.starts[r + 1] - edges.starts[r] > most) most = edges.starts[r + 1] - edges.starts[r];
    return padded(most);
}

inline void prefetch_neighbours(const Adjacency& edges, int64_t r, const float* y, int64_t width) {
    if (r >= edges.n_rows) return;
    for (int64_t e = edges.starts[r]; e < edges.starts[r + 1] && e < edges.starts[r] + 16; ++e)
        prefetch_row(y + edges.neighbours[e] * width, width);
}

// One row's routing. p [n_iterations + 1, width]: every p in turn; alpha [n_iterations, padded n]; lengths [n_iterations + 1].
INLINE void route_row(const float* preference, const int32_t* neighbours, int64_t n, const float* y, int64_t width,
                      int64_t n_iterations, float* p, float* alpha, float* lengths) {
    lengths[0] = length_of(preference, width);
    const float first = 1.0f / lengths[0];
    for (int64_t k = 0; k < width; ++k) p[k] = preference[k] * first;
    for (int64_t t = 0; t < n_iterations; ++t) {
        const float* now = p + t * width;
        float* next = p + (t + 1) * width;
        float* a = alpha + t * padded(n);
        dots_of(now, neighbours, n, y, width, a);
        softmax_of(a, n);
        std::memcpy(next, now, sizeof(float) * width);
        add_rows(next, a, neighbours, n, y, width);
        lengths[t + 1] = length_of(next, width);
        const float inverse = 1.0f / lengths[t + 1];
        for (int64_t k = 0; k < width; ++k) next[k] *= inverse;
    }
}

// W: the width where the compiler knows it, 0 where it does not.
template <int W>
void route_rows(const Routing& p, int threads) {
    const Adjacency& edges = p.edges;
    const int64_t most = most_neighbours(edges);
#pragma omp parallel num_threads(threads)
    {
        const int64_t w = W ? W : p.width, T = p.n_iterations;
        float* held = new float[(T + 1) * w + T * most + T + 1];
        float *alpha = held + (T + 1) * w, *lengths = alpha + T * most;
#pragma omp for schedule(dynamic, 64)
        for (int64_t r = 0; r < edges.n_rows; ++r) {
            const int64_t begin = edges.starts[r], n = edges.starts[r + 1] - begin;
            const int32_t* neighbours = edges.neighbours + begin;
            prefetch_neighbours(edges, r + 2, p.y, w);
            route_row(p.preference + r * w, neighbours, n, p.y, w, T, held, alpha, lengths);
            const float* last = held + T * w;
            std::memcpy(p.out + r * w, last, sizeof(float) * w);
            dots_of(last, neighbours, n, p.y, w, p.scores + begin);
        }
        delete[] held;
    }
}

void route(const Routing& p, int threads) {
    p.width == 64 ? route_rows<64>(p, threads) : route_rows<0>(p, threads);
}

template <int W>
void route_rows_back(const RoutingGradient& p, int threads) {
    const Adjacency& edges = p.edges;
    const int64_t most = most_neighbours(edges), n_sums = p.n_nodes * p.width;
    float* sums = new float[SLICES * n_sums];
#pragma omp parallel num_threads(threads)
    {
        const int64_t w = W ? W : p.width, T = p.n_iterations;
        // vectors: p_0 … p_T, then the gradient of every v; coefficients [2T + 1, most]: of those vectors in what an
        // edge sends to its neighbour, Σ_t (ds_t p_t + α_t dv_t) + ds p_T
        float* vectors = new float[(2 * T + 2) * w + (2 * T + 1) * most + T + 1];
        float *d_v = vectors + (T + 1) * w, *d_p = d_v + T * w;
        float *d_score = d_p + w, *alpha = d_score + (T + 1) * most, *lengths = alpha + T * most;
#pragma omp for schedule(dynamic, 1)
        for (int slice = 0; slice < SLICES; ++slice) {
            float* sum_of = sums + slice * n_sums;
            std::memset(sum_of, 0, sizeof(float) * n_sums);
            for (int64_t r = edges.n_rows * slice / SLICES; r < edges.n_rows * (slice + 1) / SLICES; ++r) {
                const int64_t begin = edges.starts[r], n = edges.starts[r + 1] - begin;
                const int32_t* neighbours = edges.neighbours + begin;
                prefetch_neighbours(edges, r + 2, p.y, w);
                prefetch_neighbours(edges, r, sum_of, w);
                route_row(p.preference + r * w, neighbours, n, p.y, w, T, vectors, alpha, lengths);
                const int64_t at = p.at ? p.at[r] : -1;
                if (p.d_out) std::memcpy(d_p, p.d_out + r * w, sizeof(float) * w);
                else std::memset(d_p, 0, sizeof(float) * w);
                if (at >= 0) add_scaled(d_p, 1.0f, p.d_out_at + at * w, w);
                const int64_t step = padded(n);
                std::memcpy(d_score + T * step, p.d_scores + begin, sizeof(float) * n);
                add_rows(d_p, d_score + T * step, neighbours, n, p.y, w);
                for (int64_t t = T - 1; t >= 0; --t) {
                    float *d_v_t = d_v + t * w, *d_score_t = d_score + t * step;
                    unit_back(vectors + (t + 1) * w, lengths[t + 1], d_p, w, d_v_t);
                    dots_of(d_v_t, neighbours, n, p.y, w, d_score_t);
                    softmax_of_back(alpha + t * step, d_score_t, n);
                    std::memcpy(d_p, d_v_t, sizeof(float) * w);
                    add_rows(d_p, d_score_t, neighbours, n, p.y, w);
                }
                float* d_preference = p.d_preference + r * w;
                unit_back(vectors, lengths[0], d_p, w, d_preference);
                if (at >= 0) add_scaled(d_preference, 1.0f, p.d_preference_at + at * w, w);
                for (int64_t e = 0; e < n; ++e) {
                    float* to = sum_of + neighbours[e] * w;
                    add_vectors(to, d_score + e, step, T + 1, vectors, w);
                    add_vectors(to, alpha + e, step, T, d_v, w);
                }
            }
        }
        delete[] vectors;
#pragma omp for schedule(static)
        for (int64_t j = 0; j < p.n_nodes; ++j) {
            float* out = p.d_y + j * w;
            std::memcpy(out, sums + j * w, sizeof(float) * w);
            for (int slice = 1; slice < SLICES; ++slice) add_scaled(out, 1.0f, sums + slice * n_sums + j * w, w);
        }
    }
    delete[] sums;
}

void route_back(const RoutingGradient& p, int threads) {
    p.width == 64 ? route_rows_back<64>(p, threads) : route_rows_back<0>(p, threads);
}

void softmax(const Softmax& p, int threads) {
    const Adjacency& edges = p.edges;
    const int64_t most = most_neighbours(edges);
#pragma omp parallel num_threads(threads)
    {
        float* held = new float[most];
#pragma omp for schedule(dynamic, 256)
        for (int64_t r = 0; r < edges.n_rows; ++r) {
            const int64_t begin = edges.starts[r], n = edges.starts[r + 1] - begin;
            for (int64_t e = 0; e < n; ++e) held[e] = p.values[edges.places ? edges.places[begin + e] : begin + e];
            softmax_of(held, n);
            for (int64_t e = 0; e < n; ++e) p.out[edges.places ? edges.places[begin + e] : begin + e] = held[e];
        }
        delete[] held;
    }
}

void softmax_back(const Softmax& p, int threads) {
    const Adjacency& edges = p.edges;
    const int64_t most = most_neighbours(edges);
#pragma omp parallel num_threads(threads)
    {
        float *alpha = new float[2 * most], *d = alpha + most;
#pragma omp for schedule(dynamic, 256)
        for (int64_t r = 0; r < edges.n_rows; ++r) {
            const int64_t begin = edges.starts[r], n = edges.starts[r + 1] - begin;
            for (int64_t e = 0; e < n; ++e) {
                const int64_t at = edges.places ? edges.places[begin + e] : begin + e;
                alpha[e] = p.values[at];
                d[e] = p.d_alpha[at];
            }
            pad(alpha, n, 0);
            softmax_of_back(alpha, d, n);
            for (int64_t e = 0; e < n; ++e) p.out[edges.places ? edges.places[begin + e] : begin + e] = d[e];
        }
        delete[] alpha;
    }
}

void unit_rows(const UnitRows& p, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t r = 0; r < p.n_rows; ++r) {
        const float length = length_of(p.values + r * p.width, p.width);
        for (int64_t k = 0; k < p.width; ++k) p.out[r * p.width + k] = p.values[r * p.width + k] / length;
    }
}

void unit_rows_back(const UnitRows& p, int threads) {
#pragma omp parallel num_threads(threads)
    {
        float* unit = new float[p.width];
#pragma omp for schedule(static)
        for (int64_t r = 0; r < p.n_rows; ++r) {
            const float* x = p.values + r * p.width;
            const float length = length_of(x, p.width);
            for (int64_t k = 0; k < p.width; ++k) unit[k] = x[k] / length;
            unit_back(unit, length, p.d_out + r * p.width, p.width, p.out + r * p.width);
        }
        delete[] unit;
    }
}

// ------------------------------------------------------------------------------------------------ edges' weights

void dots(const Dots& p, int threads) {
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (int64_t r = 0; r < edges.n_rows; ++r) {
        const int64_t at = p.x_at ? p.x_at[r] : r;
        for (int64_t e = edges.starts[r]; e < edges.starts[r + 1]; ++e) {
            if (!p.x_at && e + AHEAD < edges.starts[edges.n_rows])
                prefetch_row(p.y + edges.neighbours[e + AHEAD] * p.width, p.width);
            p.out[edges.places ? edges.places[e] : e] =
                at < 0 ? 0.0f : dot(p.x + at * p.width, p.y + edges.neighbours[e] * p.width, p.width);
        }
    }
}

void strongest(const Strongest& p, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t e = 0; e < p.n_edges; ++e) {
        const float* confidence = p.confidence + p.sources[e] * p.n_modalities;
        int winner = 0;
        float best = p.alpha[e] * confidence[0];
        for (int64_t m = 1; m < p.n_modalities; ++m) {
            const float weight = p.alpha[m * p.n_edges + e] * confidence[m];
            if (weight > best) best = weight, winner = static_cast<int>(m);
        }
        p.weights[e] = best > 0 ? best : 0.0f;
        p.winners[e] = static_cast<int8_t>(best > 0 ? winner : -1);
    }
}

void strongest_back(const StrongestGradient& p, int threads) {
    const int64_t n_modalities = p.n_modalities;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t e = 0; e < p.n_edges; ++e)
        for (int64_t m = 0; m < n_modalities; ++m)
            p.d_alpha[m * p.n_edges + e] =
                p.winners[e] == m ? p.d_weights[e] * p.confidence[p.sources[e] * n_modalities + m] : 0.0f;
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
    for (int64_t j = 0; j < edges.n_rows; ++j) {
        float* d_confidence = p.d_confidence + j * n_modalities;
        for (int64_t m = 0; m < n_modalities; ++m) d_confidence[m] = 0;
        for (int64_t e = edges.starts[j]; e < edges.starts[j + 1]; ++e) {
            const int64_t place = edges.places ? edges.places[e] : e;
            const int winner = p.winners[place];
            if (winner >= 0) d_confidence[winner] += p.d_weights[place] * p.alpha[winner * p.n_edges + place];
        }
    }
}

}  // namespace

#include "top_k.inc"

extern const Kernels table;
const Kernels table = {
    TRIPTYCH_NAME, product, product16, route, route_back, softmax, softmax_back, unit_rows, unit_rows_back, dots,
    strongest, strongest_back, top_k,
};

}  // namespace TRIPTYCH_ISA
}  // namespace triptych
