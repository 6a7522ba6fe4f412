// The Python face of the kernels: checks of types and shapes by nanobind, choice of instructions at run time.
#include <nanobind/nanobind.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "arguments.h"

#if defined(__linux__) && defined(__GLIBC__)
#include <malloc.h>
#include <sys/mman.h>
#endif

using namespace nb::literals;

namespace triptych {

#define DECLARE(isa) namespace isa { extern const Kernels table; }
DECLARE(baseline)
#if defined(TRIPTYCH_X86_LEVELS)
DECLARE(v3)
DECLARE(v4)
DECLARE(v4_bf16)
#endif

// The best table that this processor can run, or the one asked for by name, if it can run that.
const Kernels& choose(const char* asked) {
    auto wanted = [asked](const Kernels& one) { return !asked || std::string_view(asked) == one.name; };
#if defined(TRIPTYCH_X86_LEVELS)
    __builtin_cpu_init();
    const bool can_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                        __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("f16c");
    const bool can_v4 = can_v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512cd");
    if (can_v4 && __builtin_cpu_supports("avx512bf16") && wanted(v4_bf16::table)) return v4_bf16::table;
    if (can_v4 && wanted(v4::table)) return v4::table;
    if (can_v3 && wanted(v3::table)) return v3::table;
#endif
    if (!wanted(baseline::table)) throw std::invalid_argument("this processor has no such instructions");
    return baseline::table;
}

const Kernels* chosen = &choose(nullptr);

void ask_for_huge_pages(const void* data, size_t n_bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = 1 << 21, begin = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
    const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + n_bytes) & ~(page - 1);
    if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
    (void)data, (void)n_bytes;
#endif
}

}  // namespace triptych

NB_MODULE(_native, m) {
    using namespace triptych;
    m.doc() = "Compiled kernels; use triptych.kernels, which also has them without a compiler.";

    m.def("instructions", [] { return chosen->name; }, "Which set of instructions is in use.");
    m.def("use_instructions", [](const char* name) { chosen = &choose(name); }, "name"_a,
          "Use another set, for tests. Raises ValueError where the processor lacks it.");
    m.def("keep_memory", [](size_t reserve) {
#if defined(__linux__) && defined(__GLIBC__)
        // Freed blocks stay with the process: large ones are otherwise returned, and their pages made anew at every
        // step. What the heap may grow to is set aside at once, so that it can be asked to come in large pages; only
        // what is written to takes memory.
        mallopt(M_MMAP_MAX, 0);
        mallopt(M_TRIM_THRESHOLD, -1);  // never
        for (; reserve >= (size_t{1} << 26); reserve /= 2)
            if (void* block = std::malloc(reserve)) {
                ask_for_huge_pages(block, reserve);
                std::free(block);
                break;
            }
#endif
    }, "reserve"_a, "Keep freed memory for the next step, where the system allows.");
    m.def("release_memory", [] {
#if defined(__linux__) && defined(__GLIBC__)
        // not glibc's first values, but the largest that its own rule would have come to: having been set, that rule rests
        mallopt(M_MMAP_MAX, 65536);
        mallopt(M_MMAP_THRESHOLD, 32 << 20);
        mallopt(M_TRIM_THRESHOLD, 64 << 20);
        malloc_trim(0);
#endif
    }, "Undo keep_memory and give back what is free.");
    m.def("huge_pages", [](nb::ndarray<nb::c_contig, nb::device::cpu> array) {
        ask_for_huge_pages(array.data(), array.nbytes());
    }, "array"_a, "Ask for large pages under an array that is not written to yet, where the system has them.");

    m.def("product", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours, MaybeRows<const int32_t> places,
                        MaybeRows<const float> weights, AnyTable x, MaybeRows<const int32_t> x_at,
                        MaybeTable<const float> base, MaybeRows<const int32_t> base_at, MaybeRows<const int32_t> rows,
                        MaybeRows<const float> row_scale, MaybeRows<const float> column_scale, float a, float b,
                        float slope, AnyTable out, int threads) {
        const Adjacency edges = adjacency(starts, neighbours, places);
        const int64_t n_out = rows ? rows->shape(0) : edges.n_rows, width = x.shape(1);
        require_shape(out, n_out, width, "out has another shape");
        require(!base || static_cast<int64_t>(base->shape(1)) == width, "base has another width");
        require_length(weights, neighbours.shape(0), "a weight an edge is needed");
        require_length(base_at, edges.n_rows, "base_at must have a place for every row");
        require(!base || base_at || static_cast<int64_t>(base->shape(0)) == edges.n_rows, "base has too few rows");
        require_length(row_scale, edges.n_rows, "row_scale must have a number for every row");
        require_length(column_scale, x_at ? x_at->shape(0) : x.shape(0), "column_scale must have a number for every node");
        const Product task = {edges, data_of(weights), either<const float, const uint16_t>(x), data_of(x_at),
                              data_of(base), data_of(base_at), data_of(rows), data_of(row_scale), data_of(column_scale),
                              n_out, width, a, b, slope, either<float, uint16_t>(out)};
        nb::gil_scoped_release released;
        chosen->product(task, threads);
    }, "starts"_a, "neighbours"_a, "places"_a.none(), "weights"_a.none(), "x"_a, "x_at"_a.none(), "base"_a.none(),
       "base_at"_a.none(), "rows"_a.none(), "row_scale"_a.none(), "column_scale"_a.none(), "a"_a, "b"_a, "slope"_a,
       "out"_a.noconvert(), "threads"_a);

    m.def("route", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours, Table<const float> preference,
                      Table<const float> y, int64_t n_iterations, Table<float> out, Rows<float> scores,
                      Rows<float> alphas, int threads) {
        const Routing task = {adjacency(starts, neighbours), preference.data(), y.data(), static_cast<int64_t>(y.shape(1)),
                              n_iterations, out.data(), scores.data(), alphas.data()};
        require_shape(preference, task.edges.n_rows, task.width, "preference must be [n_rows, width of y]");
        require_shape(out, task.edges.n_rows, task.width, "out has another shape");
        require_length(scores, neighbours.shape(0), "a score an edge is needed");
        require_length(alphas, n_iterations * neighbours.shape(0), "an alpha an edge and iteration is needed");
        nb::gil_scoped_release released;
        chosen->route(task, threads);
    }, "starts"_a, "neighbours"_a, "preference"_a, "y"_a, "n_iterations"_a, "out"_a.noconvert(), "scores"_a.noconvert(),
       "alphas"_a.noconvert(), "threads"_a);

    m.def("route_back", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours, Table<const float> preference,
                           Table<const float> y, int64_t n_iterations, Rows<const float> alphas, float again,
                           MaybeTable<const float> d_out, Rows<const float> d_scores, MaybeRows<const int32_t> at, MaybeTable<const float> d_out_at,
                           MaybeTable<const float> d_preference_at, Table<float> d_preference, Table<float> d_y, int threads) {
        const RoutingGradient task = {
            adjacency(starts, neighbours), preference.data(), y.data(), alphas.data(), static_cast<int64_t>(y.shape(1)),
            n_iterations, static_cast<int64_t>(y.shape(0)), again, data_of(d_out), d_scores.data(),
            data_of(at), data_of(d_out_at), data_of(d_preference_at), d_preference.data(), d_y.data()};
        const int64_t n_rows = task.edges.n_rows, n_at = d_out_at ? d_out_at->shape(0) : 0;
        require_shape(preference, n_rows, task.width, "preference must be [n_rows, width of y]");
        require_shape(d_out, n_rows, task.width, "d_out has another shape");
        require_shape(d_preference, n_rows, task.width, "d_preference has another shape");
        require_shape(d_y, task.n_nodes, task.width, "d_y has another shape");
        require_length(d_scores, neighbours.shape(0), "a score an edge is needed");
        require_length(alphas, n_iterations * neighbours.shape(0), "an alpha an edge and iteration is needed");
        require_length(at, n_rows, "at must have a place for every row");
        require(!at || (d_out_at && d_preference_at), "at goes with both of its tables");
        require_shape(d_out_at, n_at, task.width, "d_out_at has another shape");
        require_shape(d_preference_at, n_at, task.width, "d_preference_at has another shape");
        nb::gil_scoped_release released;
        chosen->route_back(task, threads);
    }, "starts"_a, "neighbours"_a, "preference"_a, "y"_a, "n_iterations"_a, "alphas"_a, "again"_a, "d_out"_a.none(), "d_scores"_a,
       "at"_a.none(), "d_out_at"_a.none(), "d_preference_at"_a.none(), "d_preference"_a.noconvert(), "d_y"_a.noconvert(), "threads"_a);

    m.def("softmax", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours, MaybeRows<const int32_t> places,
                        Rows<const float> values, MaybeRows<const float> d_alpha, Rows<float> out, int threads) {
        const Softmax task = {adjacency(starts, neighbours, places), values.data(), data_of(d_alpha), out.data()};
        require_length(values, neighbours.shape(0), "a value an edge is needed");
        require_length(d_alpha, neighbours.shape(0), "a gradient an edge is needed");
        require_length(out, neighbours.shape(0), "out has another length");
        nb::gil_scoped_release released;
        (d_alpha ? chosen->softmax_back : chosen->softmax)(task, threads);
    }, "starts"_a, "neighbours"_a, "places"_a.none(), "values"_a, "d_alpha"_a.none(), "out"_a.noconvert(), "threads"_a);

    m.def("unit_rows", [](Table<const float> values, AnyTable out, int threads) {
        const UnitRows task = {static_cast<int64_t>(values.shape(0)), static_cast<int64_t>(values.shape(1)),
                               values.data(), either<float, uint16_t>(out)};
        require_shape(out, task.n_rows, task.width, "out has another shape");
        nb::gil_scoped_release released;
        chosen->unit_rows(task, threads);
    }, "values"_a, "out"_a.noconvert(), "threads"_a);

    m.def("unit_rows_back", [](Table<const float> values, AnyTable d_out, float again, Table<float> out, int threads) {
        const UnitRowsGradient task = {static_cast<int64_t>(values.shape(0)), static_cast<int64_t>(values.shape(1)),
                                       values.data(), either<const float, const uint16_t>(d_out), again, out.data()};
        require_shape(d_out, task.n_rows, task.width, "d_out has another shape");
        require_shape(out, task.n_rows, task.width, "out has another shape");
        nb::gil_scoped_release released;
        chosen->unit_rows_back(task, threads);
    }, "values"_a, "d_out"_a, "again"_a, "out"_a.noconvert(), "threads"_a);

    m.def("bfloat16_of_float16", [](Table<const int16_t> values, Table<int16_t> out, int threads) {
        require_shape(out, values.shape(0), values.shape(1), "out has another shape");
        const Conversion task = {static_cast<int64_t>(values.size()), reinterpret_cast<const uint16_t*>(values.data()),
                                 reinterpret_cast<uint16_t*>(out.data())};
        nb::gil_scoped_release released;
        chosen->bfloat16_of_float16(task, threads);
    }, "values"_a, "out"_a.noconvert(), "threads"_a);

    m.def("dots", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours, MaybeRows<const int32_t> places,
                     Table<const float> x, MaybeRows<const int32_t> x_at, Table<const float> y, Rows<float> out,
                     int threads) {
        const Dots task = {adjacency(starts, neighbours, places), x.data(), data_of(x_at), y.data(),
                           static_cast<int64_t>(y.shape(1)), out.data()};
        require(x.shape(1) == y.shape(1), "x and y differ in width");
        require_length(x_at, task.edges.n_rows, "x_at must have a place for every row");
        require(x_at || static_cast<int64_t>(x.shape(0)) == task.edges.n_rows, "x must have a row for every row");
        require_length(out, neighbours.shape(0), "out has another length");
        nb::gil_scoped_release released;
        chosen->dots(task, threads);
    }, "starts"_a, "neighbours"_a, "places"_a.none(), "x"_a, "x_at"_a.none(), "y"_a, "out"_a.noconvert(), "threads"_a);

    m.def("max_over_modalities", [](Table<const float> alpha, Table<const float> confidence, Rows<const int32_t> sources,
                          Rows<float> weights, Rows<int8_t> winners, int threads) {
        const Strongest task = {static_cast<int64_t>(alpha.shape(1)), static_cast<int64_t>(alpha.shape(0)),
                                alpha.data(), confidence.data(), sources.data(), weights.data(), winners.data()};
        require(task.n_modalities < 128, "more than 127 modalities");
        require(confidence.shape(1) == alpha.shape(0), "a confidence for every modality is needed");
        require_length(sources, task.n_edges, "a source an edge is needed");
        require_length(weights, task.n_edges, "weights has another length");
        require_length(winners, task.n_edges, "winners has another length");
        nb::gil_scoped_release released;
        chosen->strongest(task, threads);
    }, "alpha"_a, "confidence"_a, "sources"_a, "weights"_a.noconvert(), "winners"_a.noconvert(), "threads"_a);

    m.def("max_over_modalities_back", [](Rows<const int32_t> starts, Rows<const int32_t> neighbours,
                               MaybeRows<const int32_t> places, Table<const float> alpha,
                               Table<const float> confidence, Rows<const int32_t> sources,
                               Rows<const int8_t> winners, Rows<const float> d_weights, Table<float> d_alpha,
                               Table<float> d_confidence, int threads) {
        const StrongestGradient task = {
            adjacency(starts, neighbours, places), static_cast<int64_t>(alpha.shape(1)),
            static_cast<int64_t>(alpha.shape(0)), alpha.data(), confidence.data(), sources.data(), winners.data(),
            d_weights.data(), d_alpha.data(), d_confidence.data()};
        require(confidence.shape(1) == alpha.shape(0), "a confidence for every modality is needed");
        require_shape(d_alpha, task.n_modalities, task.n_edges, "d_alpha has another shape");
        require_shape(d_confidence, task.edges.n_rows, task.n_modalities, "d_confidence has another shape");
        require_length(sources, task.n_edges, "a source an edge is needed");
        require_length(winners, task.n_edges, "a winner an edge is needed");
        require_length(d_weights, task.n_edges, "a gradient an edge is needed");
        nb::gil_scoped_release released;
        chosen->strongest_back(task, threads);
    }, "starts"_a, "neighbours"_a, "places"_a.none(), "alpha"_a, "confidence"_a, "sources"_a, "winners"_a,
       "d_weights"_a, "d_alpha"_a.noconvert(), "d_confidence"_a.noconvert(), "threads"_a);

    m.def("top_k", [](Table<const float> users, Table<const float> items, MaybeRows<const int64_t> seen_starts,
                      MaybeRows<const int64_t> seen_items, Table<int64_t> best_items, Table<float> best_scores,
                      int threads) {
        require(users.shape(1) == items.shape(1), "users and items differ in width");
        require(best_items.shape(1) > 0, "k must be at least 1");
        require(!seen_starts == !seen_items, "seen starts and items go together");
        require(best_items.shape(0) == users.shape(0) && best_scores.shape(0) == users.shape(0) &&
                best_items.shape(1) == best_scores.shape(1), "the results have another shape");
        require(!seen_starts || seen_starts->shape(0) == users.shape(0) + 1, "seen items of another number of users");
        const TopK task = {static_cast<int64_t>(users.shape(0)), static_cast<int64_t>(items.shape(0)),
                           static_cast<int64_t>(users.shape(1)), static_cast<int64_t>(best_items.shape(1)),
                           users.data(), items.data(), data_of(seen_starts), data_of(seen_items),
                           best_items.data(), best_scores.data()};
        nb::gil_scoped_release released;
        chosen->top_k(task, threads);
    }, "users"_a, "items"_a, "seen_starts"_a.none(), "seen_items"_a.none(), "best_items"_a.noconvert(),
       "best_scores"_a.noconvert(), "threads"_a);
}
