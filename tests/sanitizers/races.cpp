// Every kernel with four threads on a random graph, for ThreadSanitizer (make sanitize-thread). Results must have the
// bytes of one thread. With -DPLANTED_RACE, four threads add to one number: the sanitizer must find this.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../../src/triptych/kernels/kernels.h"

namespace triptych::TRIPTYCH_ISA {
extern const Kernels table;
}

namespace {

using namespace triptych;

using Results = std::map<std::string, std::vector<unsigned char>>;

constexpr int64_t N_ROWS = 600, N_NODES = 250, WIDTH = 64, N_ITERATIONS = 2, K = 10, MODALITIES = 3;

struct Graph {
    std::vector<int32_t> starts, neighbours, positions, sources;
    Adjacency edges(int64_t n_rows, bool in_order) const {
        return {n_rows, starts.data(), neighbours.data(), in_order ? nullptr : positions.data()};
    }
};

std::mt19937 generator(1);

std::vector<float> random_numbers(int64_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(generator);
    return values;
}

// Random edges from the rows' side, and the same edges from the nodes' side.
std::pair<Graph, Graph> random_graph() {
    Graph rows, nodes;
    rows.starts.push_back(0);
    for (int32_t r = 0; r < N_ROWS; ++r) {
        for (int32_t j = 0; j < N_NODES; ++j)
            if (generator() % 16 == 0) rows.neighbours.push_back(j), rows.sources.push_back(r);
        rows.starts.push_back(static_cast<int32_t>(rows.neighbours.size()));
    }
    nodes.starts.push_back(0);
    for (int32_t j = 0; j < N_NODES; ++j) {
        for (size_t e = 0; e < rows.neighbours.size(); ++e)
            if (rows.neighbours[e] == j)
                nodes.neighbours.push_back(rows.sources[e]), nodes.positions.push_back(static_cast<int32_t>(e));
        nodes.starts.push_back(static_cast<int32_t>(nodes.neighbours.size()));
    }
    return {rows, nodes};
}

template <typename T> void keep(Results& results, const std::string& name, const std::vector<T>& values) {
    const auto* begin = reinterpret_cast<const unsigned char*>(values.data());
    results[name].assign(begin, begin + sizeof(T) * values.size());
}

Results run(const Kernels& kernels, int threads) {
    generator.seed(2);
    const auto [rows, nodes] = random_graph();
    const auto n_edges = static_cast<int64_t>(rows.neighbours.size());
    const Adjacency edges = rows.edges(N_ROWS, true), back = nodes.edges(N_NODES, false);
    const auto x = random_numbers(N_ROWS * WIDTH), y = random_numbers(N_NODES * WIDTH), w = random_numbers(n_edges);
    Results results;

    std::vector<float> out(N_ROWS * WIDTH), out_nodes(N_NODES * WIDTH);
    std::vector<uint16_t> half(N_ROWS * WIDTH), converted(N_ROWS * WIDTH);
    Product product{};
    product.edges = edges, product.weights = w.data(), product.x = {y.data(), nullptr}, product.base = x.data();
    product.n_out = N_ROWS, product.width = WIDTH, product.a = 0.5f, product.b = 2.0f, product.slope = 0.1f;
    product.out = {out.data(), nullptr};
    kernels.product(product, threads), keep(results, "product", out);
    product.out = {nullptr, half.data()};
    kernels.product(product, threads), keep(results, "product in bfloat16", half);
    product = {}, product.edges = back, product.weights = w.data(), product.x = {x.data(), nullptr};
    product.n_out = N_NODES, product.width = WIDTH, product.a = product.b = product.slope = 1.0f;
    product.out = {out_nodes.data(), nullptr};
    kernels.product(product, threads), keep(results, "product from the nodes", out_nodes);

    std::vector<float> scores(n_edges), alphas(N_ITERATIONS * n_edges), d_x(N_ROWS * WIDTH), d_y(N_NODES * WIDTH);
    Routing routing{edges, x.data(), y.data(), WIDTH, N_ITERATIONS, out.data(), scores.data(), alphas.data()};
    kernels.route(routing, threads), keep(results, "routing", out), keep(results, "scores", scores);
    RoutingGradient gradient{};
    gradient.edges = edges, gradient.preference = x.data(), gradient.y = y.data(), gradient.alphas = alphas.data();
    gradient.width = WIDTH, gradient.n_iterations = N_ITERATIONS, gradient.n_nodes = N_NODES;
    gradient.d_out = out.data(), gradient.d_scores = scores.data();
    gradient.d_preference = d_x.data(), gradient.d_y = d_y.data();
    kernels.route_back(gradient, threads), keep(results, "its gradient", d_x), keep(results, "and that of y", d_y);

    std::vector<float> alpha(n_edges), d_alpha(n_edges);
    kernels.softmax({back, w.data(), nullptr, alpha.data()}, threads), keep(results, "softmax", alpha);
    kernels.softmax_back({back, alpha.data(), w.data(), d_alpha.data()}, threads), keep(results, "back", d_alpha);
    kernels.unit_rows({N_ROWS, WIDTH, x.data(), {out.data(), nullptr}}, threads), keep(results, "unit rows", out);
    kernels.unit_rows_back({N_ROWS, WIDTH, x.data(), {out.data(), nullptr}, 0.5f, d_x.data()}, threads);
    keep(results, "gradient of unit rows", d_x);
    kernels.bfloat16_of_float16({N_ROWS * WIDTH, half.data(), converted.data()}, threads);
    keep(results, "bfloat16", converted);
    kernels.dots({edges, x.data(), nullptr, y.data(), WIDTH, scores.data()}, threads), keep(results, "dots", scores);

    const auto stacked = random_numbers(MODALITIES * n_edges), confidence = random_numbers(N_NODES * MODALITIES);
    std::vector<float> largest(n_edges), d_stacked(MODALITIES * n_edges), d_confidence(N_NODES * MODALITIES);
    std::vector<int8_t> winners(n_edges);
    const int32_t* sources = rows.neighbours.data();
    kernels.max_over_modalities({n_edges, MODALITIES, stacked.data(), confidence.data(), sources, largest.data(),
                                 winners.data()}, threads);
    keep(results, "max over modalities", largest), keep(results, "winners", winners);
    kernels.max_over_modalities_back({back, n_edges, MODALITIES, stacked.data(), confidence.data(), sources,
                                      winners.data(), w.data(), d_stacked.data(), d_confidence.data()}, threads);
    keep(results, "its gradients", d_stacked), keep(results, "and of the confidence", d_confidence);

    std::vector<int64_t> best(N_ROWS * K);
    std::vector<float> best_scores(N_ROWS * K);
    kernels.top_k({N_ROWS, N_NODES, WIDTH, K, x.data(), y.data(), nullptr, nullptr, best.data(), best_scores.data()},
                  threads);
    keep(results, "top k", best), keep(results, "their scores", best_scores);
    return results;
}

}  // namespace

int main() {
    const Kernels& kernels = TRIPTYCH_ISA::table;
#if defined(PLANTED_RACE)
    int64_t total = 0;
#pragma omp parallel for num_threads(4)
    for (int i = 0; i < 1000; ++i) total += i;
    std::printf("a planted race: %lld\n", static_cast<long long>(total));
#endif
    const Results expected = run(kernels, 1);
    int failed = 0;
    for (int repeat = 0; repeat < 5; ++repeat)
        for (const auto& [name, bytes] : run(kernels, 4))
            if (bytes != expected.at(name)) ++failed, std::printf("%s: other bytes with 4 threads\n", name.c_str());
    std::printf("%s: %zu results, %d differ between 1 and 4 threads\n", kernels.name, expected.size(), failed);
    return failed != 0;
}
