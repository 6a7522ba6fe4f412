// Kernels that work row by row, and the top k, for Python.
#include "checks.h"

using namespace nb::literals;

namespace triptych {
namespace {

void unit_rows(Table<const float> values, AnyTable out, int threads) {
    UnitRows task{};
    task.n_rows = static_cast<int64_t>(values.shape(0));
    task.width = static_cast<int64_t>(values.shape(1));
    task.values = values.data();
    task.out = either<float, uint16_t>(out);
    require_shape(out, task.n_rows, task.width, "out has another shape");
    require_apart(out, values);
    check_threads(threads);
    nb::gil_scoped_release released;
    chosen->unit_rows(task, threads);
}

void unit_rows_back(Table<const float> values, AnyTable d_out, float residual, Table<float> out, int threads) {
    UnitRowsGradient task{};
    task.n_rows = static_cast<int64_t>(values.shape(0));
    task.width = static_cast<int64_t>(values.shape(1));
    task.values = values.data();
    task.d_out = either<const float, const uint16_t>(d_out);
    task.residual = residual;
    task.out = out.data();
    require_shape(d_out, task.n_rows, task.width, "d_out has another shape");
    require_shape(out, task.n_rows, task.width, "out has another shape");
    require_apart(out, values);
    require_apart(out, d_out);
    check_threads(threads);
    nb::gil_scoped_release released;
    chosen->unit_rows_back(task, threads);
}

void bfloat16_of_float16(Table<const int16_t> values, Table<int16_t> out, int threads) {
    require_shape(out, values.shape(0), values.shape(1), "out has another shape");
    Conversion task{};
    task.n = static_cast<int64_t>(values.size());
    task.values = reinterpret_cast<const uint16_t*>(values.data());
    task.out = reinterpret_cast<uint16_t*>(out.data());
    require_apart(out, values);
    check_threads(threads);
    nb::gil_scoped_release released;
    chosen->bfloat16_of_float16(task, threads);
}

void top_k(Table<const float> users, Table<const float> items, MaybeRows<const int64_t> seen_starts,
           MaybeRows<const int64_t> seen_items, Table<int64_t> best_items, Table<float> best_scores, int threads) {
    require(users.shape(1) == items.shape(1), "users and items differ in width");
    require(best_items.shape(1) > 0, "k must be at least 1");
    require(!seen_starts == !seen_items, "seen starts and items go together");
    require_shape(best_items, users.shape(0), best_items.shape(1), "best_items must have one row per user");
    require_shape(best_scores, users.shape(0), best_items.shape(1), "best_scores must have the shape of best_items");
    require_length(seen_starts, users.shape(0) + 1, "seen starts must have one entry more than there are users");
    TopK task{};
    task.n_users = static_cast<int64_t>(users.shape(0));
    task.n_items = static_cast<int64_t>(items.shape(0));
    task.width = static_cast<int64_t>(users.shape(1));
    task.k = static_cast<int64_t>(best_items.shape(1));
    task.users = users.data();
    task.items = items.data();
    task.seen_starts = data_of(seen_starts);
    task.seen_items = data_of(seen_items);
    task.best_items = best_items.data();
    task.best_scores = best_scores.data();
    require(task.n_items < INT32_MAX, "too many items");
    check_threads(threads);
    nb::gil_scoped_release released;
    if (task.seen_starts)
        require_index(chosen->are_seen_items(task, seen_items->shape(0)),
                      "seen items must be items, in ascending order per user, and their starts must ascend");
    chosen->top_k(task, threads);
}

}  // namespace

void bind_tables(nb::module_& m) {
    m.def("unit_rows", &unit_rows, array("values"), array("out"), "threads"_a);
    m.def("unit_rows_back", &unit_rows_back, array("values"), array("d_out"), "residual"_a, array("out"),
          "threads"_a);
    m.def("bfloat16_of_float16", &bfloat16_of_float16, array("values"), array("out"), "threads"_a);
    m.def("top_k", &top_k, array("users"), array("items"), maybe("seen_starts"), maybe("seen_items"),
          array("best_items"), array("best_scores"), "threads"_a);
}

}  // namespace triptych
