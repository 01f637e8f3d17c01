// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "columns.hpp"
#include "report.hpp"
#include "version.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;
using topology::Kind;

void line(std::string& text, const std::string& name, const std::string& value) {
  if (!value.empty()) text += "  " + name + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') + value + "\n";
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

std::string amount_text(const Amount& amount, bool bytes) {
  if (!amount.known) return "not known";
  if (amount.unlimited) return "unlimited";
  return bytes ? bytes_text(amount.value) : perf::print("%.6g", amount.value);
}

std::string counted(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

/// The objects of one kind, alike ones together: "8 of A GPU, PCI 63 GB/s".
std::string devices_text(const topology::Graph& graph, int node, Kind kind) {
  std::vector<std::string> parts;
  for (const int device : graph.of_kind(node, kind)) {
    const topology::Object& object = graph[device];
    std::string part = object.name;
    if (!object.model.empty()) part += " (" + object.model + ")";
    if (object.speed > 0) part += perf::print(" %.4g Gbit/s", object.speed * 8);
    if (object.bandwidth > 0) part += perf::print(" on PCI of %.3g GB/s", object.bandwidth);
    parts.push_back(part);
  }
  return parts.empty() ? "none" : joined(parts, ", ");
}

void machine_lines(std::string& text, const Machine& machine) {
  const topology::Graph& graph = machine.graph;
  line(text, "described by", machine.source);
  if (graph.nodes().size() > 1) line(text, "nodes", std::to_string(graph.nodes().size()));
  if (graph.nodes().empty()) return;
  const int node = graph.nodes()[0];
  line(text, graph.nodes().size() > 1 ? "first node" : "node",
       counted(graph.of_kind(node, Kind::package).size(), "package", "packages") + ", " +
           counted(graph.of_kind(node, Kind::numa).size(), "NUMA node", "NUMA nodes") + ", " +
           counted(graph.of_kind(node, Kind::l3).size(), "L3 cache", "L3 caches") + ", " +
           counted(graph.of_kind(node, Kind::core).size(), "core", "cores"));
  line(text, "GPUs", devices_text(graph, node, Kind::gpu));
  line(text, "NICs", devices_text(graph, node, Kind::nic));
}

void here_lines(std::string& text, const Facts& facts) {
  line(text, "host", facts.node + ", " + facts.kernel);
  line(text, "processor", facts.processor);
  std::string cpus = std::to_string(facts.cpus);
  if (facts.allowed_cpus != facts.cpus) cpus += ", of them for this process " + std::to_string(facts.allowed_cpus);
  if (facts.cpu_quota.known) cpus += perf::print(", time for %.3g (control group)", facts.cpu_quota.value);
  line(text, "CPUs", cpus);
  line(text, "memory",
       amount_text(facts.memory, true) + ", free " + amount_text(facts.free_memory, true) +
           (facts.memory_limit.known ? ", limit " + amount_text(facts.memory_limit, true) : ""));
  std::vector<std::string> interfaces;
  for (const InterfaceFacts& i : facts.interfaces) interfaces.push_back(i.name + " " + i.address);
  line(text, "interfaces", joined(interfaces, ", "));
  line(text, "RDMA", facts.rdma.empty() ? "none" : joined(facts.rdma, "; "));
}

void usable_lines(std::string& text, const Report& report) {
  const Facts& facts = report.facts;
  const topology::Shape& shape = report.layout.shape;
  line(text, "shared memory", facts.memfd ? "yes, by memfd" : "no: " + facts.memfd_error);
  line(text, "TCP", facts.addresses.empty() ? "no" : "yes, at " + joined(facts.addresses, ", then "));
  line(text, "open files", amount_text(facts.files, false) + ", at most " + amount_text(facts.files_hard, false));
  line(text, "locked memory", amount_text(facts.memlock, true));
  line(text, "ranks",
       perf::print("%d a node", shape.most_ranks_per_node) +
           (shape.within == topology::LinkCost{} ? ""
                                                 : ", next to each other " + topology::detail::describe(shape.within)));
}

}  // namespace

std::string report_text(const Report& report) {
  std::string text = "ringcoll_info " + perf::version_string() + "\n\nbuilt\n";
  line(text, "components", joined(report.facts.components, " "));
  line(text, "vectors",
       report.facts.simd + (report.facts.simd == report.facts.best_simd ? "" : ", possible " + report.facts.best_simd));
  line(text, "compiler", report.facts.compiler);
  text += "\nfound\n";
  here_lines(text, report.facts);
  machine_lines(text, report.machine);
  text += "\nusable\n";
  usable_lines(text, report);
  text += "\nto change\n";
  if (report.findings.empty()) text += "  nothing\n";
  for (const Finding& finding : report.findings) {
    text += std::string("  ") + name(finding.weight) + ": " + finding.subject + ". " + finding.what + "\n      " +
            finding.hint + "\n";
    if (!finding.command.empty()) text += "      $ " + finding.command + "\n";
  }
  return text;
}

}  // namespace info
