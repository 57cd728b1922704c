#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// Whether a path names data that is made, not read: "builtin:lab/test", or with a world of another
/// seed than 1 "builtin:lab@7/test".
bool IsBuiltin(std::string_view path);

/// Documents of a split of the lab world (core/text/lab/text.h): "train", "calibration" or "test".
/// The first `most`; 0: 20000, 1000 or 250. Throws Error for an unknown name, seed or split.
std::vector<std::string> BuiltinDocuments(const std::string& path, std::int64_t most = 0);

/// Sum over the same documents of -log p of the choices that made them, in nats: an upper bound of
/// their -log p given the world's facts (core/text/lab/text.h). A model comes near, none below.
double BuiltinNats(const std::string& path, std::int64_t most = 0);

/// Rows of a task of the lab world as JSON lines (core/text/lab/tasks.h): "builtin:lab/fact".
/// Throws Error as above.
std::string BuiltinRows(const std::string& path);

}  // namespace roundlab
