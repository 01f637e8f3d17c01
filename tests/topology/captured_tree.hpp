// SPDX-License-Identifier: Apache-2.0
// A /sys in memory: lines "/sys/path = what the file holds" and "/sys/path -> where the link leads".
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <ringcoll/topology/sysfs.hpp>

namespace machines {

class CapturedTree {
 public:
  explicit CapturedTree(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      add(text.substr(at, end - at));
      at = end + 1;
    }
  }

  std::string read(const std::string& path) const {
    const auto file = files_.find(real(path));
    return file == files_.end() ? "" : file->second;
  }
  std::vector<std::string> list(const std::string& path) const {
    const auto folder = folders_.find(real(path));
    if (folder == folders_.end()) return {};
    return {folder->second.begin(), folder->second.end()};
  }
  std::string resolve(const std::string& path) const {
    const std::string found = real(path);
    return files_.contains(found) || folders_.contains(found) ? found : "";
  }

 private:
  void add(std::string_view line) {
    const std::size_t file = line.find(" = "), link = line.find(" -> ");
    const std::string path(line.substr(0, std::min(file, link)));
    if (file != line.npos) files_[path] = line.substr(file + 3);
    else if (link != line.npos) links_[path] = line.substr(link + 4);
    else return;
    for (std::size_t slash = path.rfind('/'); slash != path.npos && slash > 0; slash = path.rfind('/', slash - 1)) {
      const std::size_t end = path.find('/', slash + 1);
      folders_[path.substr(0, slash)].insert(path.substr(slash + 1, end == path.npos ? end : end - slash - 1));
    }
  }

  /// The path with the links in it followed, a few times at most.
  std::string real(std::string path) const {
    for (int turn = 0; turn < 8; ++turn) {
      bool followed = false;
      for (std::size_t end = path.find('/', 1); !followed; end = path.find('/', end + 1)) {
        const auto link = links_.find(path.substr(0, end));
        if (link != links_.end()) {
          path = link->second + (end == path.npos ? "" : path.substr(end));
          followed = true;
        }
        if (end == path.npos) break;
      }
      if (!followed) return path;
    }
    return "";
  }

  std::map<std::string, std::string> files_, links_;
  std::map<std::string, std::set<std::string>> folders_;
};
static_assert(ringcoll::topology::SysTree<CapturedTree>);

}  // namespace machines
