// Kernels that work along edges, for Python.
#include "checks.h"

using namespace nb::literals;

namespace triptych {
namespace {

using Index = Rows<const int32_t>;
using MaybeIndex = MaybeRows<const int32_t>;

void product(Index starts, Index neighbours, MaybeIndex positions, MaybeRows<const float> weights, AnyTable x,
             MaybeIndex x_at, MaybeTable<const float> base, MaybeIndex base_at, MaybeIndex rows,
             MaybeRows<const float> row_scale, MaybeRows<const float> column_scale, float a, float b, float slope,
             AnyTable out, int64_t checked, int threads) {
    Product task{};
    task.edges = adjacency(starts, neighbours, positions);
    task.weights = data_of(weights);
    task.x = either<const float, const uint16_t>(x);
    task.x_at = data_of(x_at);
    task.base = data_of(base);
    task.base_at = data_of(base_at);
    task.rows = data_of(rows);
    task.row_scale = data_of(row_scale);
    task.column_scale = data_of(column_scale);
    task.n_out = rows ? rows->shape(0) : task.edges.n_rows;
    task.width = x.shape(1);
    task.a = a;
    task.b = b;
    task.slope = slope;
    task.out = either<float, uint16_t>(out);
    const int64_t n_rows = task.edges.n_rows;
    require_shape(out, task.n_out, task.width, "out has another shape");
    require(!base || static_cast<int64_t>(base->shape(1)) == task.width, "base has another width");
    require_length(weights, neighbours.shape(0), "weights must have one entry per edge");
    require_length(base_at, n_rows, "base_at must have one entry per row");
    require(!base || base_at || static_cast<int64_t>(base->shape(0)) == n_rows, "base must have a row for every row");
    require_length(row_scale, n_rows, "row_scale must have one entry per row");
    const int64_t n_nodes = x_at ? x_at->shape(0) : x.shape(0);
    require_length(column_scale, n_nodes, "column_scale must have one entry per node");
    require_apart(out, x);
    require_apart(out, base);
    require_apart(out, weights);
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, neighbours.shape(0), n_nodes, checked, task.rows, task.n_out);
    check_rows_or_none(x_at, x.shape(0), "an entry of x_at is outside x");
    if (base) check_rows_or_none(base_at, base->shape(0), "an entry of base_at is outside base");
    chosen->product(task, threads);
}

void route(Index starts, Index neighbours, Table<const float> preference, Table<const float> y, int64_t n_iterations,
           Table<float> out, Rows<float> scores, Rows<float> alphas, int64_t checked, int threads) {
    Routing task{};
    task.edges = adjacency(starts, neighbours);
    task.preference = preference.data();
    task.y = y.data();
    task.width = static_cast<int64_t>(y.shape(1));
    task.n_iterations = n_iterations;
    task.out = out.data();
    task.scores = scores.data();
    task.alphas = alphas.data();
    require_shape(preference, task.edges.n_rows, task.width, "preference must be [n_rows, width of y]");
    require_shape(out, task.edges.n_rows, task.width, "out has another shape");
    require_length(scores, neighbours.shape(0), "scores must have one entry per edge");
    check_iterations(n_iterations, task.width, neighbours.shape(0));
    require_length(alphas, n_iterations * neighbours.shape(0), "alphas must have one entry per edge and iteration");
    require_apart(out, y);
    require_apart(out, preference);
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, neighbours.shape(0), y.shape(0), checked);
    chosen->route(task, threads);
}

void route_back(Index starts, Index neighbours, Table<const float> preference, Table<const float> y,
                int64_t n_iterations, Rows<const float> alphas, float residual, MaybeTable<const float> d_out,
                Rows<const float> d_scores, MaybeIndex at, MaybeTable<const float> d_out_at,
                MaybeTable<const float> d_preference_at, Table<float> d_preference, Table<float> d_y, int64_t checked, int threads) {
    RoutingGradient task{};
    task.edges = adjacency(starts, neighbours);
    task.preference = preference.data();
    task.y = y.data();
    task.alphas = alphas.data();
    task.width = static_cast<int64_t>(y.shape(1));
    task.n_iterations = n_iterations;
    task.n_nodes = static_cast<int64_t>(y.shape(0));
    task.residual = residual;
    task.d_out = data_of(d_out);
    task.d_scores = d_scores.data();
    task.at = data_of(at);
    task.d_out_at = data_of(d_out_at);
    task.d_preference_at = data_of(d_preference_at);
    task.d_preference = d_preference.data();
    task.d_y = d_y.data();
    const int64_t n_rows = task.edges.n_rows, n_at = d_out_at ? d_out_at->shape(0) : 0;
    require_shape(preference, n_rows, task.width, "preference must be [n_rows, width of y]");
    require_shape(d_out, n_rows, task.width, "d_out has another shape");
    require_shape(d_preference, n_rows, task.width, "d_preference has another shape");
    require_shape(d_y, task.n_nodes, task.width, "d_y has another shape");
    require_length(d_scores, neighbours.shape(0), "d_scores must have one entry per edge");
    check_iterations(n_iterations, task.width, neighbours.shape(0));
    require_length(alphas, n_iterations * neighbours.shape(0), "alphas must have one entry per edge and iteration");
    require_length(at, n_rows, "at must have one entry per row");
    require(!at || (d_out_at && d_preference_at), "at needs both d_out_at and d_preference_at");
    require_shape(d_out_at, n_at, task.width, "d_out_at has another shape");
    require_shape(d_preference_at, n_at, task.width, "d_preference_at has another shape");
    require_apart(d_preference, d_y);
    for (const auto& out : {d_preference, d_y}) {
        require_apart(out, preference);
        require_apart(out, y);
        require_apart(out, d_out);
        require_apart(out, d_out_at);
        require_apart(out, d_preference_at);
    }
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, neighbours.shape(0), task.n_nodes, checked);
    check_rows_or_none(at, n_at, "an entry of at is outside its tables");
    chosen->route_back(task, threads);
}

void softmax(Index starts, Index neighbours, MaybeIndex positions, Rows<const float> values,
             MaybeRows<const float> d_alpha, Rows<float> out, int64_t checked, int threads) {
    Softmax task{};
    task.edges = adjacency(starts, neighbours, positions);
    task.values = values.data();
    task.d_alpha = data_of(d_alpha);
    task.out = out.data();
    require_length(values, neighbours.shape(0), "values must have one entry per edge");
    require_length(d_alpha, neighbours.shape(0), "d_alpha must have one entry per edge");
    require_length(out, neighbours.shape(0), "out has another length");
    require_apart(out, values);
    require_apart(out, d_alpha);
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, neighbours.shape(0), INT32_MAX, checked);  // neighbours are not used
    (d_alpha ? chosen->softmax_back : chosen->softmax)(task, threads);
}

void dots(Index starts, Index neighbours, MaybeIndex positions, Table<const float> x, MaybeIndex x_at,
          Table<const float> y, Rows<float> out, int64_t checked, int threads) {
    Dots task{};
    task.edges = adjacency(starts, neighbours, positions);
    task.x = x.data();
    task.x_at = data_of(x_at);
    task.y = y.data();
    task.width = static_cast<int64_t>(y.shape(1));
    task.out = out.data();
    require(x.shape(1) == y.shape(1), "x and y differ in width");
    require_length(x_at, task.edges.n_rows, "x_at must have one entry per row");
    require(x_at || static_cast<int64_t>(x.shape(0)) == task.edges.n_rows, "x must have a row for every row");
    require_length(out, neighbours.shape(0), "out has another length");
    require_apart(out, x);
    require_apart(out, y);
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, neighbours.shape(0), y.shape(0), checked);
    check_rows_or_none(x_at, x.shape(0), "an entry of x_at is outside x");
    chosen->dots(task, threads);
}

void max_over_modalities(Table<const float> alpha, Table<const float> confidence, Index sources, Rows<float> weights,
                         Rows<int8_t> winners, int threads) {
    MaxOverModalities task{};
    task.n_edges = static_cast<int64_t>(alpha.shape(1));
    task.n_modalities = static_cast<int64_t>(alpha.shape(0));
    task.alpha = alpha.data();
    task.confidence = confidence.data();
    task.sources = sources.data();
    task.weights = weights.data();
    task.winners = winners.data();
    require(task.n_modalities > 0 && task.n_modalities < 128, "there must be 1 to 127 modalities");
    require(confidence.shape(1) == alpha.shape(0), "confidence must have one column per modality");
    require_length(sources, task.n_edges, "sources must have one entry per edge");
    require_length(weights, task.n_edges, "weights has another length");
    require_length(winners, task.n_edges, "winners has another length");
    require_apart(weights, alpha);
    require_apart(weights, confidence);
    check_threads(threads);
    nb::gil_scoped_release released;
    require_index(chosen->all_within(task.sources, task.n_edges, 0, confidence.shape(0)),
                  "a source is outside confidence");
    chosen->max_over_modalities(task, threads);
}

void max_over_modalities_back(Index starts, Index neighbours, MaybeIndex positions, Table<const float> alpha,
                              Table<const float> confidence, Index sources, Rows<const int8_t> winners,
                              Rows<const float> d_weights, Table<float> d_alpha, Table<float> d_confidence,
                              int64_t checked, int threads) {
    MaxOverModalitiesGradient task{};
    task.edges = adjacency(starts, neighbours, positions);
    task.n_edges = static_cast<int64_t>(alpha.shape(1));
    task.n_modalities = static_cast<int64_t>(alpha.shape(0));
    task.alpha = alpha.data();
    task.confidence = confidence.data();
    task.sources = sources.data();
    task.winners = winners.data();
    task.d_weights = d_weights.data();
    task.d_alpha = d_alpha.data();
    task.d_confidence = d_confidence.data();
    require(task.n_modalities > 0 && task.n_modalities < 128, "there must be 1 to 127 modalities");
    require(confidence.shape(1) == alpha.shape(0), "confidence must have one column per modality");
    require_length(neighbours, task.n_edges, "alpha must have one column per edge");
    require_shape(d_alpha, task.n_modalities, task.n_edges, "d_alpha has another shape");
    require_shape(d_confidence, task.edges.n_rows, task.n_modalities, "d_confidence has another shape");
    require_length(sources, task.n_edges, "sources must have one entry per edge");
    require_length(winners, task.n_edges, "winners must have one entry per edge");
    require_length(d_weights, task.n_edges, "d_weights must have one entry per edge");
    require_apart(d_alpha, d_confidence);
    for (const auto& out : {d_alpha, d_confidence}) {
        require_apart(out, alpha);
        require_apart(out, confidence);
        require_apart(out, d_weights);
    }
    check_threads(threads);
    nb::gil_scoped_release released;
    check_edges(task.edges, task.n_edges, INT32_MAX, checked);  // neighbours are not used
    require_index(chosen->all_within(task.sources, task.n_edges, 0, confidence.shape(0)),
                  "a source is outside confidence");
    bool are_modalities = true;
    for (int64_t e = 0; e < task.n_edges; ++e)
        are_modalities &= task.winners[e] >= -1 && task.winners[e] < task.n_modalities;
    require_index(are_modalities, "a winner is not a modality");
    chosen->max_over_modalities_back(task, threads);
}

}  // namespace

void bind_graph(nb::module_& m) {
    m.def("product", &product, array("starts"), array("neighbours"), maybe("positions"), maybe("weights"),
          array("x"), maybe("x_at"), maybe("base"), maybe("base_at"), maybe("rows"), maybe("row_scale"),
          maybe("column_scale"), "a"_a, "b"_a, "slope"_a, array("out"), "checked"_a, "threads"_a);
    m.def("route", &route, array("starts"), array("neighbours"), array("preference"), array("y"), "n_iterations"_a,
          array("out"), array("scores"), array("alphas"), "checked"_a, "threads"_a);
    m.def("route_back", &route_back, array("starts"), array("neighbours"), array("preference"), array("y"),
          "n_iterations"_a, array("alphas"), "residual"_a, maybe("d_out"), array("d_scores"), maybe("at"),
          maybe("d_out_at"), maybe("d_preference_at"), array("d_preference"), array("d_y"), "checked"_a, "threads"_a);
    m.def("softmax", &softmax, array("starts"), array("neighbours"), maybe("positions"), array("values"),
          maybe("d_alpha"), array("out"), "checked"_a, "threads"_a);
    m.def("dots", &dots, array("starts"), array("neighbours"), maybe("positions"), array("x"), maybe("x_at"),
          array("y"), array("out"), "checked"_a, "threads"_a);
    m.def("max_over_modalities", &max_over_modalities, array("alpha"), array("confidence"), array("sources"),
          array("weights"), array("winners"), "threads"_a);
    m.def("max_over_modalities_back", &max_over_modalities_back, array("starts"), array("neighbours"),
          maybe("positions"), array("alpha"), array("confidence"), array("sources"), array("winners"),
          array("d_weights"), array("d_alpha"), array("d_confidence"), "checked"_a, "threads"_a);
}

}  // namespace triptych
