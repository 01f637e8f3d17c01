// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/utils/pybind.h>

#include <pybind11/chrono.h>

#include "backend.hpp"

namespace py = pybind11;

namespace {

using ringcoll_torch::RingBackend, ringcoll_torch::RingOptions;

c10::intrusive_ptr<c10d::Backend> create(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                         std::chrono::milliseconds timeout, const std::string& transport) {
  auto options = c10::make_intrusive<RingOptions>(timeout);
  options->transport = transport;
  return c10::make_intrusive<RingBackend>(store, rank, size, std::move(options));
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "ringcoll as a backend of torch.distributed; see the package ringcoll.";
  const py::object base = py::module_::import("torch._C._distributed_c10d").attr("Backend").attr("Options");
  py::class_<RingOptions, c10::intrusive_ptr<RingOptions>>(m, "Options", base)
      .def(py::init([](std::chrono::milliseconds timeout, const std::string& transport) {
             auto options = c10::make_intrusive<RingOptions>(timeout);
             options->transport = transport;
             return options;
           }),
           py::arg("timeout") = kBackendDefaultTimeout, py::arg("transport") = "",
           "What init_process_group(pg_options=...) may say: transport is auto, shm or tcp.")
      .def_readwrite("transport", &RingOptions::transport);
  m.def("create", &create, py::arg("store"), py::arg("rank"), py::arg("size"), py::arg("timeout"),
        py::arg("transport") = "", py::call_guard<py::gil_scoped_release>());
}
