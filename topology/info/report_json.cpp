// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <nlohmann/json.hpp>

#include "report.hpp"
#include "version.hpp"

namespace info {
namespace {

namespace topology = ringcoll::topology;
using Json = nlohmann::ordered_json;

Json amount_json(const Amount& amount) {
  if (!amount.known) return nullptr;
  if (amount.unlimited) return "unlimited";
  return amount.value;
}

/// What JSON has no number for is null.
Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json cost_json(const topology::LinkCost& cost) {
  return {{"alpha_us", number_json(cost.alpha_us)}, {"gigabytes_per_second", number_json(cost.gigabytes_per_second())}};
}

Json name_json(const topology::Graph& graph, int object) {
  return object == topology::none ? Json(nullptr) : Json(graph.path(object));
}

Json objects_json(const topology::Graph& graph) {
  Json objects = Json::array();
  for (int i = 0; i < graph.size(); ++i) {
    const topology::Object& object = graph[i];
    Json entry{{"kind", name(object.kind)}, {"name", graph.path(i)}, {"parent", name_json(graph, object.parent)}};
    for (const topology::detail::Attribute& attribute : topology::detail::attributes) {
      if (!(attribute.of & topology::detail::bit(object.kind))) continue;
      std::string value = attribute.write(object);
      if (value.size() > 1 && value.front() == '"') value = value.substr(1, value.size() - 2);
      if (!value.empty()) entry[std::string(attribute.key)] = value;
    }
    objects.push_back(std::move(entry));
  }
  return objects;
}

Json links_json(const topology::Graph& graph) {
  Json links = Json::array();
  for (const topology::Link& link : graph.sorted_links()) {
    Json entry{{"a", graph.path(link.a)}, {"b", graph.path(link.b)}};
    if (link.bandwidth > 0) entry["bandwidth"] = link.bandwidth;
    if (link.latency > 0) entry["latency"] = link.latency;
    links.push_back(std::move(entry));
  }
  return links;
}

Json layout_json(const topology::Graph& graph, const topology::Layout& layout) {
  const topology::Shape& shape = layout.shape;
  Json json;
  json["shape"] = {{"nodes", shape.nodes},
                   {"ranks", shape.ranks},
                   {"least_ranks_per_node", shape.least_ranks_per_node},
                   {"most_ranks_per_node", shape.most_ranks_per_node},
                   {"rails", shape.rails},
                   {"rail_gigabytes_per_second", shape.rail_speed},
                   {"node_gigabytes_per_second", shape.node_speed},
                   {"cores_per_node", shape.cores_per_node},
                   {"within", cost_json(shape.within)},
                   {"across", cost_json(shape.across)}};
  for (std::size_t rank = 0; rank < layout.seats.size(); ++rank)
    json["ranks"].push_back({{"rank", rank},
                             {"object", graph.path(layout.seats[rank].object)},
                             {"cpus", cpus_of(graph, layout.seats[rank])},
                             {"nic", name_json(graph, layout.nics[rank])}});
  json["leaders"] = layout.leaders;
  for (const topology::Ring& ring : layout.rings) {
    Json nics = Json::array();
    for (const int nic : ring.nics) nics.push_back(name_json(graph, nic));
    json["rings"].push_back({{"ranks", ring.ranks}, {"nics", nics}});
  }
  for (const topology::Tree& tree : layout.trees)
    json["trees"].push_back({{"root", tree.root()}, {"parents", tree.parents}});
  return json;
}

std::string dumped(const Json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string machine_json(const topology::Graph& graph, const topology::Layout& layout) {
  Json document{{"schema_version", 1}};
  document["objects"] = objects_json(graph);
  document["links"] = links_json(graph);
  document["layout"] = layout_json(graph, layout);
  return dumped(document);
}

std::string report_json(const Report& report) {
  const Facts& facts = report.facts;
  Json document{{"schema_version", 1}, {"version", perf::version_string()}};
  document["built"] = {{"components", facts.components},
                       {"simd", facts.simd},
                       {"best_simd", facts.best_simd},
                       {"compiler", facts.compiler}};
  Json interfaces = Json::array();
  for (const InterfaceFacts& i : facts.interfaces) interfaces.push_back({{"name", i.name}, {"address", i.address}});
  document["found"] = {{"host", facts.node},
                       {"kernel", facts.kernel},
                       {"processor", facts.processor},
                       {"cpus", facts.cpus},
                       {"allowed_cpus", facts.allowed_cpus},
                       {"cpu_quota", amount_json(facts.cpu_quota)},
                       {"memory_bytes", amount_json(facts.memory)},
                       {"free_memory_bytes", amount_json(facts.free_memory)},
                       {"memory_limit_bytes", amount_json(facts.memory_limit)},
                       {"interfaces", interfaces},
                       {"rdma", facts.rdma},
                       {"source", report.machine.source}};
  document["usable"] = {{"shared_memory", facts.memfd},
                        {"addresses", facts.addresses},
                        {"open_files", amount_json(facts.files)},
                        {"locked_memory_bytes", amount_json(facts.memlock)}};
  document["objects"] = objects_json(report.machine.graph);
  document["links"] = links_json(report.machine.graph);
  document["layout"] = layout_json(report.machine.graph, report.layout);
  document["findings"] = Json::array();
  for (const Finding& finding : report.findings)
    document["findings"].push_back({{"weight", name(finding.weight)},
                                    {"subject", finding.subject},
                                    {"what", finding.what},
                                    {"hint", finding.hint},
                                    {"command", finding.command}});
  return dumped(document);
}

}  // namespace info
