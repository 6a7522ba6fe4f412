// The Python module: the choice of the instruction set, and settings of the process's memory.
#include <nanobind/nanobind.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "arguments.h"
#include "bindings.h"

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

namespace {

// The table with the name `asked`, or the best one that this processor can run if `asked` is null. Raises ValueError if
// the processor cannot run the table asked for.
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
    if (!wanted(baseline::table)) throw std::invalid_argument("this processor does not have these instructions");
    return baseline::table;
}

void use_instructions(const char* name) { chosen = &choose(name); }

void ask_for_huge_pages(const void* data, size_t n_bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = 1 << 21, begin = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
    const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + n_bytes) & ~(page - 1);
    if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
    (void)data, (void)n_bytes;
#endif
}

// Freed blocks stay with the process. Otherwise large blocks are returned to the system, and their pages are made anew
// at every step. The heap's address space is reserved at once, so that large pages can be requested for it. Only what
// is written to uses memory.
void retain_freed_memory(size_t reserve) {
#if defined(__linux__) && defined(__GLIBC__)
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);  // never
    for (; reserve >= (size_t{1} << 26); reserve /= 2) {
        const std::unique_ptr<void, void (*)(void*)> block(std::malloc(reserve), std::free);
        if (!block) continue;
        ask_for_huge_pages(block.get(), reserve);
        break;
    }
#else
    (void)reserve;
#endif
}

// These are not glibc's initial values but the largest that its own rule could reach. Once the values have been set,
// glibc no longer applies this rule.
void release_freed_memory() {
#if defined(__linux__) && defined(__GLIBC__)
    mallopt(M_MMAP_MAX, 65536);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    malloc_trim(0);
#endif
}

}  // namespace

const Kernels* chosen = &choose(nullptr);

}  // namespace triptych

NB_MODULE(_native, m) {
    using namespace triptych;
    m.doc() = "Compiled kernels. Use triptych.kernels, which also works without a compiler.";
    m.def("instructions", [] { return chosen->name; }, "The name of the instruction set in use.");
    m.def("use_instructions", &use_instructions, "name"_a,
          "Use another instruction set, for tests. Raises ValueError if the processor lacks it.");
    m.def("retain_freed_memory", &retain_freed_memory, "reserve"_a,
          "Keep freed memory for the next step, if the system allows it.");
    m.def("release_freed_memory", &release_freed_memory, "Undo retain_freed_memory and return what is free.");
    m.def("huge_pages", [](nb::ndarray<nb::c_contig, nb::device::cpu> array) {
        ask_for_huge_pages(array.data(), array.nbytes());
    }, "array"_a, "Ask for large pages for an array that has not been written to yet, if the system has them.");
    bind_graph(m);
    bind_tables(m);
}
