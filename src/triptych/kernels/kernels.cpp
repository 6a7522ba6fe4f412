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
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
#else
#define PREFETCH(address)
struct Lanes {
    float of[LANES];
    float operator[](int lane) const { return of[lane]; }
    float& operator[](int lane) { return of[lane]; }
    Lanes& operator+=(const Lanes& o) { for (int l = 0; l < LANES; ++l) of[l] += o.of[l]; return *this; }
    friend Lanes operator+(Lanes x, const Lanes& y) { return x += y; }
    friend Lanes operator*(Lanes x, const Lanes& y) { for (int l = 0; l < LANES; ++l) x.of[l] *= y.of[l]; return x; }
};
#endif

inline Lanes load(const float* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

inline void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

inline Lanes all(float v) { return Lanes{v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v}; }

inline float sum(const Lanes& lanes) {
    float half[LANES];
    store(half, lanes);
    for (int step = LANES / 2; step; step /= 2)
        for (int lane = 0; lane < step; ++lane) half[lane] += half[lane + step];
    return half[0];
}

inline float dot(const float* x, const float* y, int64_t width) {
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
inline void add_scaled(float* y, float w, const float* x, int64_t width) {
    int64_t k = 0;
    const Lanes scale = all(w);
    for (; k + LANES <= width; k += LANES) store(y + k, load(y + k) + scale * load(x + k));
    for (; k < width; ++k) y[k] += w * x[k];
}

// e to the x for x <= 0, about one unit in the last place; written so that loops over it become vectors.
inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    const float n = std::floor(x * 1.44269504f + 0.5f);
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
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
    return p * scale;
}

// ---------------------------------------------------------------------------------------------------- products

// Columns [column, column + N · LANES) of a row; N = 0: the columns that are left over, one at a time.
template <int N>
inline void product_columns(const Product& p, int64_t k, int64_t r, int64_t column) {
    constexpr int M = N ? N : 1;
    const int32_t* neighbours = p.edges.neighbours;
    const int64_t end = p.edges.starts[r + 1], n_columns = p.width - column;
    Lanes total[M];
    float rest[LANES] = {0};
    for (int n = 0; n < M; ++n) total[n] = all(0);
    for (int64_t e = p.edges.starts[r]; e < end; ++e) {
        int64_t at = neighbours[e];
        if (p.x_at) {
            at = p.x_at[at];
            if (at < 0) continue;
        } else if (e + AHEAD < end) {
            const float* next = p.x + neighbours[e + AHEAD] * p.width + column;
            for (int n = 0; n < M; ++n) PREFETCH(next + n * LANES);
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
        if (!p.rows && !p.x_at && r + 2 < p.edges.n_rows) {  // the first neighbours of the row after the next
            const int64_t begin = p.edges.starts[r + 2], end = p.edges.starts[r + 3];
            for (int64_t e = begin; e < end && e < begin + AHEAD; ++e)
                prefetch_row(p.x + p.edges.neighbours[e] * p.width, p.width < 64 ? p.width : 64);
        }
        int64_t column = 0;
        for (; column + 8 * LANES <= p.width; column += 8 * LANES) product_columns<8>(p, k, r, column);
        if (column + 4 * LANES <= p.width) product_columns<4>(p, k, r, column), column += 4 * LANES;
        if (column + 2 * LANES <= p.width) product_columns<2>(p, k, r, column), column += 2 * LANES;
        if (column + LANES <= p.width) product_columns<1>(p, k, r, column), column += LANES;
        if (column < p.width) product_columns<0>(p, k, r, column);
    }
}

// ---------------------------------------------------------------------------------------------------- attention

void attend(const Attention& p, int threads) {
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (int64_t r = 0; r < edges.n_rows; ++r) {
        const int64_t begin = edges.starts[r], end = edges.starts[r + 1];
        const float* x = p.x + r * p.width;
        float* out = p.out + r * p.width;
        float* alpha = p.alpha + begin;
        float top = -FLT_MAX, total = 0;
        for (int64_t e = begin; e < end; ++e) {
            if (e + AHEAD < edges.starts[edges.n_rows])
                prefetch_row(p.y + edges.neighbours[e + AHEAD] * p.width, p.width);
            const float score = dot(x, p.y + edges.neighbours[e] * p.width, p.width);
            alpha[e - begin] = score;
            top = score > top ? score : top;
        }
        for (int64_t e = 0; e < end - begin; ++e) alpha[e] = exponential(alpha[e] - top);
        for (int64_t e = 0; e < end - begin; ++e) total += alpha[e];
        const float scale = total > 0 ? 1.0f / total : 0.0f;
        std::memcpy(out, x, sizeof(float) * p.width);
        for (int64_t e = begin; e < end; ++e) {
            alpha[e - begin] *= scale;
            add_scaled(out, alpha[e - begin], p.y + edges.neighbours[e] * p.width, p.width);
        }
        if (p.normalise) {
            float length = std::sqrt(dot(out, out, p.width));
            length = length < 1e-12f ? 1e-12f : length;
            p.lengths[r] = length;
            for (int64_t k = 0; k < p.width; ++k) out[k] /= length;
        }
    }
}

void attend_back(const AttentionGradient& p, int threads) {
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (int64_t r = 0; r < edges.n_rows; ++r) {
        const int64_t begin = edges.starts[r], end = edges.starts[r + 1];
        float* d_v = p.d_v + r * p.width;
        float* d_x = p.d_x + r * p.width;
        const float* d_out = p.d_out ? p.d_out + r * p.width : nullptr;
        if (!d_out) {
            for (int64_t k = 0; k < p.width; ++k) d_v[k] = 0;
        } else if (p.normalised && p.lengths[r] > 1e-12f) {
            const float* out = p.out + r * p.width;
            const float along = dot(out, d_out, p.width);
            for (int64_t k = 0; k < p.width; ++k) d_v[k] = (d_out[k] - along * out[k]) / p.lengths[r];
        } else {
            const float length = p.normalised ? p.lengths[r] : 1.0f;
            for (int64_t k = 0; k < p.width; ++k) d_v[k] = d_out[k] / length;
        }
        const float* alpha = p.alpha + begin;
        float* d_score = p.d_score + begin;
        float mean = 0;
        for (int64_t e = begin; e < end; ++e) {
            float d_alpha = p.d_alpha ? p.d_alpha[e] : 0.0f;
            if (d_out) {
                if (e + AHEAD < edges.starts[edges.n_rows])
                    prefetch_row(p.y + edges.neighbours[e + AHEAD] * p.width, p.width);
                d_alpha += dot(d_v, p.y + edges.neighbours[e] * p.width, p.width);
            }
            d_score[e - begin] = d_alpha;
            mean += alpha[e - begin] * d_alpha;
        }
        std::memcpy(d_x, d_v, sizeof(float) * p.width);
        for (int64_t e = begin; e < end; ++e) {
            const float d = alpha[e - begin] * (d_score[e - begin] - mean);
            d_score[e - begin] = d;
            add_scaled(d_x, d, p.y + edges.neighbours[e] * p.width, p.width);
        }
    }
}

void pair_sum(const PairSum& p, int threads) {
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 32) num_threads(threads)
    for (int64_t j = 0; j < edges.n_rows; ++j) {
        float* out = p.out + j * p.width;
        for (int64_t k = 0; k < p.width; ++k) out[k] = 0;
        for (int64_t e = edges.starts[j]; e < edges.starts[j + 1]; ++e) {
            if (e + AHEAD < edges.starts[edges.n_rows]) {
                const int64_t next = edges.neighbours[e + AHEAD] * p.width;
                prefetch_row(p.x + next, p.width);
                prefetch_row(p.y + next, p.width);
            }
            const int64_t at = edges.neighbours[e] * p.width, place = edges.places ? edges.places[e] : e;
            add_scaled(out, p.a[place], p.x + at, p.width);
            add_scaled(out, p.b[place], p.y + at, p.width);
        }
    }
}

void dots(const Dots& p, int threads) {
    const Adjacency& edges = p.edges;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (int64_t r = 0; r < edges.n_rows; ++r)
        for (int64_t e = edges.starts[r]; e < edges.starts[r + 1]; ++e) {
            if (e + AHEAD < edges.starts[edges.n_rows])
                prefetch_row(p.y + edges.neighbours[e + AHEAD] * p.width, p.width);
            p.out[e] = dot(p.x + r * p.width, p.y + edges.neighbours[e] * p.width, p.width);
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
    TRIPTYCH_NAME, product, attend, attend_back, pair_sum, dots, strongest, strongest_back, top_k,
};

}  // namespace TRIPTYCH_ISA
}  // namespace triptych
