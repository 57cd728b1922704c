#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// The whole file. Throws Error("<path>: cannot open: <reason>").
std::string ReadFile(const std::string& path);

/// The lines of a text, which must outlive them, without their ends.
std::vector<std::string_view> Lines(std::string_view text);
std::vector<std::string_view> Lines(std::string&& text) = delete;

/// Writes an AtomicFile: PATH is the old file or the whole new one and on disk, also where several
/// processes write it at once.
/// Throws Error("<path>: cannot write: <reason>") and then leaves no .part behind.
void WriteFileAtomically(const std::string& path, std::string_view contents);

/// Makes the folder and its parents. Throws Error("<path>: cannot make this folder: <reason>").
void MakeFolder(const std::string& path);

}  // namespace roundlab
