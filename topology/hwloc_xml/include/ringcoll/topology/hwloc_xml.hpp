// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pugixml.hpp>

#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/sysfs.hpp>
#include <ringcoll/topology/text.hpp>

namespace ringcoll::inline v0::topology {

namespace detail {

/// "0x0000000f,0xffffffff", 32 bits a word, the highest first.
inline std::vector<int> cpus_of_set(std::string_view text) {
  constexpr std::size_t most_words = 2048;
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at <= text.size() && found.size() < most_words;) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::reverse(found.begin(), found.end());
  std::vector<int> cpus;
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::string_view digits = found[i];
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    std::uint32_t bits = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    for (int bit = 0; bit < 32; ++bit)
      if (bits >> bit & 1) cpus.push_back(static_cast<int>(i) * 32 + bit);
  }
  return cpus;
}

/// Makes a graph of hwloc's objects, of its versions 1 and 2: of each object the nearest kind that a graph has, else
/// its children in its place.
class HwlocXml {
 public:
  HwlocXml(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  Graph read() {
    if (text_.size() > max_text_bytes)
      refuse(std::string(source_) + ": " + std::to_string(text_.size()) + " bytes; expected at most " +
             std::to_string(max_text_bytes));
    check_depth();
    pugi::xml_document document;
    const pugi::xml_parse_result result = document.load_buffer(text_.data(), text_.size());
    if (!result) fail(result.offset, std::string(result.description()) + "; expected XML as lstopo writes it");
    const pugi::xml_node topology = document.child("topology");
    if (!topology) fail(0, "no element <topology>; expected XML as lstopo writes it");
    const pugi::xml_node machine = topology.child("object");
    if (!machine || std::string_view(machine.attribute("type").value()) != "Machine")
      fail(topology.offset_debug(), "<topology> does not begin with an <object> of type Machine");
    const std::string name = info(machine, "HostName");
    const std::string_view first = std::string_view(name).substr(0, name.find('.'));
    graph_.add({.kind = Kind::node, .name = is_name(first) ? std::string(first) : "node"});
    read_children(machine, 0, 0, 1);
    return std::move(graph_);
  }

 private:
  static constexpr int max_nesting = 64;

  [[noreturn]] void fail(std::ptrdiff_t offset, const std::string& what) const {
    const auto end = std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(text_.size()));
    const auto line = 1 + std::count(text_.begin(), text_.begin() + end, '\n');
    refuse(std::string(source_) + ": line " + std::to_string(line) + ": " + what);
  }

  /// Elements deeper than any machine has are refused before the parser sees them.
  void check_depth() const {
    int depth = 0;
    for (std::size_t at = text_.find('<'); at != text_.npos && at + 1 < text_.size(); at = text_.find('<', at + 1)) {
      const char next = text_[at + 1];
      if (next == '/') --depth;
      else if (next != '!' && next != '?') {
        const std::size_t close = text_.find('>', at);
        if (close != text_.npos && text_[close - 1] != '/') ++depth;
      }
      if (depth > max_nesting)
        fail(static_cast<std::ptrdiff_t>(at),
             "elements within elements within … ; expected at most " + std::to_string(max_nesting) + " levels");
    }
  }

  static std::string info(const pugi::xml_node& object, const char* name) {
    return object.find_child_by_attribute("info", "name", name).attribute("value").value();
  }

  static std::string_view type_of(const pugi::xml_node& object) { return object.attribute("type").value(); }

  /// Adds what hwloc knows, and says at which line it contradicts itself.
  int add(const pugi::xml_node& from, Object object) {
    if (graph_.find(graph_[0].name + "/" + object.name) != none) object.name += "." + std::to_string(graph_.size());
    try {
      return graph_.add(std::move(object));
    } catch (const Error& error) {
      const std::string_view what(error.what());
      fail(from.offset_debug(), std::string(what.substr(what.find(": ") + 2)));
    }
  }

  /// `memory` is the innermost NUMA node so far, `place` where devices and cores go.
  void read_children(const pugi::xml_node& object, int place, int level, int nesting) {
    if (nesting > max_nesting) fail(object.offset_debug(), "too deep");
    // Since version 2 memory is a child beside those whose memory it is: with one such child, they go into it.
    std::vector<pugi::xml_node> memories;
    for (const pugi::xml_node& child : object.children("object"))
      if (type_of(child) == "NUMANode" && !child.child("object")) memories.push_back(child);
    const bool can_hold = graph_[place].kind == Kind::node || graph_[place].kind == Kind::package;
    if (memories.size() == 1 && can_hold && level < 2) {
      place = add_numa(memories.front(), place);
    } else {
      for (const pugi::xml_node& memory : memories)
        if (can_hold) add_numa(memory, place);
    }
    for (const pugi::xml_node& child : object.children("object"))
      if (type_of(child) != "NUMANode" || child.child("object")) read_object(child, place, level, nesting + 1);
  }

  int add_numa(const pugi::xml_node& object, int place) {
    const double bytes = object.attribute("local_memory").as_double();
    const double gib = bytes >= 0 && bytes < 1e18 ? coarse(bytes / (1 << 30)) : 0;
    return add(object, {.kind = Kind::numa, .name = numbered("numa", object), .parent = place, .memory = gib});
  }

  static std::string numbered(const std::string& word, const pugi::xml_node& object) {
    return word + std::to_string(object.attribute("os_index").as_uint() & 0xffffff);
  }

  void read_object(const pugi::xml_node& object, int place, int level, int nesting) {
    const std::string_view type = type_of(object);
    const Kind around = graph_[place].kind;
    const auto fits = [&](Kind kind) { return (parents(kind) & bit(around)) != 0; };
    if ((type == "Package" || type == "Socket") && fits(Kind::package)) {
      const std::string model = info(object, "CPUModel");
      place = add(object, {.kind = Kind::package,
                           .name = numbered("package", object),
                           .parent = place,
                           .model = is_quotable(model) ? model : ""});
      level = 1;
    } else if (type == "NUMANode" && fits(Kind::numa)) {
      place = add_numa(object, place);
      level = 2;
    } else if ((type == "L3Cache" || (type == "Cache" && std::string_view(object.attribute("depth").value()) == "3")) &&
               fits(Kind::l3)) {
      place = add(object, {.kind = Kind::l3, .name = "l3." + std::to_string(l3s_++), .parent = place});
    } else if (type == "Core" && fits(Kind::core)) {
      add(object, {.kind = Kind::core,
                   .name = "core" + std::to_string(cores_++),
                   .parent = place,
                   .cpus = cpus_of_set(object.attribute("cpuset").value())});
      return;
    } else if (type == "Bridge" && fits(Kind::bridge)) {
      read_bridge(object, place, nesting);
      return;
    } else if (type == "PCIDev") {
      if (fits(Kind::gpu)) read_device(object, place);
      return;
    }
    read_children(object, place, level, nesting);
  }

  static std::string address_of(const pugi::xml_node& object) {
    const std::string_view address = object.attribute("pci_busid").value();
    return is_name(address) ? std::string(address) : "";
  }

  static double speed_of(const pugi::xml_node& object) {
    const double speed = object.attribute("pci_link_speed").as_double();
    return speed >= 0 && speed < 1e4 ? coarse(speed) : 0;
  }

  /// Only bridges on the way to something are kept.
  void read_bridge(const pugi::xml_node& object, int place, int nesting) {
    const std::string address = address_of(object);
    if (!leads_to_device(object, nesting)) return;
    if (!address.empty())
      place = add(object, {.kind = Kind::bridge,
                           .name = "pci-" + address,
                           .parent = place,
                           .bandwidth = speed_of(object),
                           .pci = address});
    read_children(object, place, 2, nesting);
  }

  enum class Purpose { other, gpu, nic };

  /// "0300 [10de:2330 …] …": the PCI class is the first word of pci_type.
  static Purpose purpose_of(const pugi::xml_node& device) {
    const std::string_view type = device.attribute("pci_type").value();
    if (type.starts_with("03") || type.starts_with("12")) return Purpose::gpu;
    if (type.starts_with("0200") || type.starts_with("0207")) return Purpose::nic;
    for (const pugi::xml_node& child : device.children("object")) {
      const std::string_view os = child.attribute("osdev_type").value();
      if (type_of(child) == "OSDev" && (os == "2" || os == "3")) return Purpose::nic;
    }
    return Purpose::other;
  }

  bool leads_to_device(const pugi::xml_node& object, int nesting) const {
    if (nesting > max_nesting) return false;
    for (const pugi::xml_node& child : object.children("object")) {
      if (type_of(child) == "PCIDev" && purpose_of(child) != Purpose::other) return true;
      if (leads_to_device(child, nesting + 1)) return true;
    }
    return false;
  }

  void read_device(const pugi::xml_node& object, int place) {
    const Purpose purpose = purpose_of(object);
    if (purpose == Purpose::other) return;
    Object device{.kind = purpose == Purpose::gpu ? Kind::gpu : Kind::nic,
                  .name = purpose == Purpose::gpu ? "gpu" + std::to_string(gpus_++) : "nic" + std::to_string(nics_++),
                  .parent = place,
                  .bandwidth = speed_of(object),
                  .pci = address_of(object)};
    const std::string model = info(object, "PCIDevice");
    if (is_quotable(model)) device.model = model;
    for (const pugi::xml_node& child : object.children("object")) {
      const std::string_view os = child.attribute("osdev_type").value(), name = child.attribute("name").value();
      if (type_of(child) != "OSDev" || purpose == Purpose::gpu || !is_name(name)) continue;
      if (os == "2") device.interface = name;
      if (os == "3" || (os == "2" && device.name.starts_with("nic"))) device.name = name;
      for (const pugi::xml_node& port : child.children("info")) count_port(device, port);
    }
    add(object, std::move(device));
  }

  /// "Port1LinkWidth"-like values are not told as a speed: ports are counted by their state.
  static void count_port(Object& device, const pugi::xml_node& entry) {
    const std::string_view name = entry.attribute("name").value();
    if (!name.starts_with("Port") || !name.ends_with("State")) return;
    int port = 0;
    std::from_chars(name.data() + 4, name.data() + name.size(), port);
    device.ports = std::clamp(port, device.ports, 1024);
  }

  std::string_view text_, source_;
  Graph graph_;
  int l3s_ = 0, cores_ = 0, gpus_ = 0, nics_ = 0;
};

}  // namespace detail

/// The machine of a file that hwloc wrote (`lstopo machine.xml`). The file is read without hwloc, by limits of its own.
/// Throws Error(invalid_argument), "FILE: line 12: …; expected …", for what is no such file.
inline Graph read_hwloc_xml(std::string_view text, std::string_view source = "hwloc XML") {
  return detail::HwlocXml(text, source).read();
}

}  // namespace ringcoll::inline v0::topology
