"""Names at namespace scope of a target's files: unique, or a unity build of it fails by chance.

usage: check_names.py ROOT

Reads the targets and their sources from the CMakeLists.txt below ROOT (also of those that no preset of CI
builds, as the benchmarks), and of each source the names that it defines for itself: in an anonymous
namespace, or static. Two files of a target may share one only where it is an overload or an equal alias.
"""

import os
import pathlib
import re
import sys

COMMAND = re.compile(r"\b(roundlab_library|roundlab_test|add_executable|add_library)\s*\(\s*([\w-]+)([^)]*)\)")
SOURCE = re.compile(r"[\w./${}-]+\.cpp\b")


def lists(root):
    """The CMakeLists.txt below root. Not in build folders, where other tests make and remove files meanwhile."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "build" and not name.startswith("."))
        if "CMakeLists.txt" in files:
            yield pathlib.Path(folder) / "CMakeLists.txt"


def targets(root):
    """Pairs of a target's name and its sources."""
    for file in lists(root):
        text = re.sub(r"#[^\n]*", "", file.read_text())
        text = re.sub(r"\$<[^<>]*>", "", text)
        for _, name, body in COMMAND.findall(text):
            sources = []
            for source in SOURCE.findall(body):
                path = source.replace("${PROJECT_SOURCE_DIR}", str(root))
                path = (file.parent / path).resolve()
                if path.exists():
                    sources.append(path)
            if len(sources) > 1:
                yield name, sources


def without_comments_and_texts(text):
    text = re.sub(r'R"(\w*)\(.*?\)\1"', '""', text, flags=re.S)
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"'(?:\\.|[^'\\\n])+'", "' '", text)
    return re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)


def statements(text):
    """What stands at the scope of a namespace, each with whether that is one without a name."""
    spaces = []  # of each open brace: "" no namespace, "name", "anonymous"
    statement = ""
    for part in re.findall(r"[{};]|[^{};]+", text):
        outside = all(space for space in spaces)
        private = "anonymous" in spaces
        if part == "{":
            space = re.search(r"\bnamespace(\s+[\w:]+)?\s*$", statement)
            if space and outside:
                spaces.append("name" if space.group(1) else "anonymous")
            else:
                if outside:
                    yield statement, private
                spaces.append("")
            statement = ""
        elif part == "}":
            if spaces:
                spaces.pop()
            statement = ""
        elif part == ";":
            if outside:
                yield statement, private
            statement = ""
        elif outside:
            statement += part


def types_of(parameters):
    """The types of a parameter list, without the parameters' names and defaults."""
    types = []
    depth = 0
    current = ""
    for c in parameters + ",":
        depth += c in "<(["
        depth -= c in ">)]"
        if c == "," and depth == 0:
            current = re.sub(r"=.*", "", current).strip()
            types.append(re.sub(r"(?<=[\s&*>])\w+$", "", current).strip() if " " in current else current)
            current = ""
        else:
            current += c
    return ",".join(re.sub(r"\s+", " ", t) for t in types)


def definition(statement):
    """(name, what): equal names clash where one is no function or where `what` is equal; None: nothing."""
    text = re.sub(r"\s+", " ", statement).strip()
    text = re.sub(r"^(template ?<[^{}]*?> ?(?=\w))+", "", text)
    if not text or text.startswith(("using namespace", "friend", "return", "static_assert", "TEST", "BENCHMARK",
                                    "INSTANTIATE", "MATCHER", "extern")):
        return None
    alias = re.match(r"(?:using|namespace) (\w+) ?= ?(.*)", text)
    if alias:
        return alias[1], "alias " + alias[2]
    kind = re.match(r"(?:class|struct|enum class|enum|union) (?:alignas\([^)]*\) )?(\w+)( final)?( ?:.*)?$", text)
    if kind:
        return kind[1], "type"
    function = re.match(r"[^=(]*?\b(operator ?[^\s\w(]+|\w+) ?\((.*)\)(?: const| noexcept| override|->.*)*(?: ?:.*)?$", text)
    if function and re.search(r"[\w&*>] ?[&*]* ?" + re.escape(function[1]) + r" ?\(", text) and "::" + function[1] not in text:
        return function[1], "function (" + types_of(function[2]) + ")"
    constant = re.match(r"(?:static |inline |constexpr |const |thread_local )*[\w:<>,*& ]+?[ &*](\w+)(?: ?\[[^\]]*\])*(?: ?=.*)?$", text)
    return (constant[1], "variable") if constant and not text.endswith(")") else None


def names(path):
    found = {}
    for statement, private in statements(without_comments_and_texts(path.read_text())):
        if not private and not re.match(r"\s*static\b", statement):
            continue
        defined = definition(statement)
        if defined:
            found.setdefault(defined[0], set()).add(defined[1])
    return found


def clash(a, b):
    """Whether two sets of meanings of one name can't stand in one file."""
    if all(x.startswith("function") for x in a | b):
        return bool(a & b)
    return not (a == b and len(a) == 1 and next(iter(a)).startswith("alias"))


def problems(root):
    for target, sources in targets(root):
        seen = {}
        for source in sources:
            for name, meanings in names(source).items():
                for other, others in seen.setdefault(name, {}).items():
                    if clash(meanings, others):
                        yield f"{target}: '{name}' is in {other.relative_to(root)} and {source.relative_to(root)}"
                seen[name][source] = meanings


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    count = sum(1 for _ in targets(root))
    found = list(problems(root))
    if count == 0:
        sys.exit(f"{root}: no targets")
    if found:
        sys.exit("names that a unity build would put into one file:\n  " + "\n  ".join(found))
    print(f"names: {count} targets")


if __name__ == "__main__":
    main()
