// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/utils/pybind.h>

#include <pybind11/chrono.h>

#include "backend.hpp"

namespace py = pybind11;

namespace {

using ringcoll_torch::RingBackend, ringcoll_torch::RingOptions, ringcoll_torch::RingWork;

c10::intrusive_ptr<RingBackend> create(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                       std::chrono::milliseconds timeout, const std::string& transport) {
  auto options = c10::make_intrusive<RingOptions>(timeout);
  options->transport = transport;
  return c10::make_intrusive<RingBackend>(store, rank, size, std::move(options));
}

/// Calls `done(None)` or `done(text of the error)` when the call is over, in the thread that completes it. `done` must
/// make no calls of its own.
void when_done(const c10::intrusive_ptr<c10d::Work>& work, py::function done) {
  const auto ours = c10::dynamic_intrusive_pointer_cast<RingWork>(work);
  if (!ours) throw py::type_error("when_done() takes a work of the backend ringcoll");
  // Dropped with the lock held, wherever that is.
  const std::shared_ptr<py::function> callback(new py::function(std::move(done)), [](py::function* function) {
    const py::gil_scoped_acquire gil;
    delete function;
  });
  const auto future = ours->future();
  const py::gil_scoped_release without_gil;
  future->addCallback([callback](c10::ivalue::Future& ended) {
    const py::gil_scoped_acquire gil;
    if (ended.hasError()) (*callback)(ended.tryRetrieveErrorMessage());
    else (*callback)(py::none());
  });
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "ringcoll as a backend of torch.distributed; see the package ringcoll.";
  const py::object backend = py::module_::import("torch._C._distributed_c10d").attr("Backend");
  py::class_<RingBackend, c10::intrusive_ptr<RingBackend>>(m, "Backend", backend)
      .def_property_readonly("options", &RingBackend::options);
  py::class_<RingOptions, c10::intrusive_ptr<RingOptions>>(m, "Options", backend.attr("Options"))
      .def(py::init([](std::chrono::milliseconds timeout, const std::string& transport) {
             auto options = c10::make_intrusive<RingOptions>(timeout);
             options->transport = transport;
             return options;
           }),
           py::arg("timeout") = kBackendDefaultTimeout, py::arg("transport") = "",
           "What init_process_group(pg_options=...) may say: transport is auto, shm or tcp.")
      .def_readwrite("transport", &RingOptions::transport)
      .def("__deepcopy__",
           [](const RingOptions& self, const py::dict&) { return c10::make_intrusive<RingOptions>(self); });
  m.def("when_done", &when_done, py::arg("work"), py::arg("done"));
  m.def("create", &create, py::arg("store"), py::arg("rank"), py::arg("size"), py::arg("timeout"),
        py::arg("transport") = "", py::call_guard<py::gil_scoped_release>());
}
