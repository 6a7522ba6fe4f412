// The parts of the Python module. Each adds its functions to the module; module.cpp calls them.
#pragma once

#include <nanobind/nanobind.h>

#include "kernels.h"

namespace triptych {

extern const Kernels* chosen;  // the instruction set in use

void bind_graph(nanobind::module_& m);   // along edges
void bind_tables(nanobind::module_& m);  // row by row, and the top k

}  // namespace triptych
