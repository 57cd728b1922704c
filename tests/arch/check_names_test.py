"""Whether check_names.py finds a name planted twice, of each kind, and lets pass what may be there twice."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).with_name("check_names.py")


def check(a, b, command="roundlab_library(lib DIR x SOURCES a.cpp b.cpp)"):
    """What the checker says of a target of two files: "" for nothing."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "CMakeLists.txt").write_text(command)
        (root / "a.cpp").write_text(a)
        (root / "b.cpp").write_text(b)
        done = subprocess.run([sys.executable, CHECKER, root], capture_output=True, text=True)
        return done.stderr if done.returncode else ""


def private(code):
    return "namespace roundlab {\nnamespace {\n" + code + "\n}  // namespace\n}  // namespace roundlab\n"


class CheckNamesTest(unittest.TestCase):
    def test_finds_each_kind(self):
        for code in ("constexpr int kSeq = 3;", "class Pipeline {\n  int a_ = 0;\n};", "enum class E { kA };",
                     "int Sum(int a, const std::vector<int>& b) {\n  return a;\n}", "using Json = int;"):
            other = code.replace("3", "4").replace("return a", "return 0").replace("= int;", "= long;")
            self.assertRegex(check(private(code), private(other)), "lib: '[A-Za-z]+' is in a.cpp and b.cpp", code)
        self.assertIn("'Sum'", check("static int Sum(int a) { return a; }", "static int Sum(int b) { return b; }"))
        self.assertIn("'k'", check(private("constexpr int k = 1;"), private("constexpr int k = 1;"),
                                   "add_executable(bench a.cpp b.cpp)"))

    def test_lets_pass_what_may_be_there_twice(self):
        self.assertEqual(check(private("int Sum(int a) { return a; }"), private("int Sum(double a) { return 0; }")), "")
        self.assertEqual(check(private("namespace fs = std::filesystem;"), private("namespace fs = std::filesystem;")), "")
        self.assertEqual(check(private("using nlohmann::json;"), private("using nlohmann::json;")), "")
        self.assertEqual(check(private("void A() {\n  int k = 0;\n}"), private("void B() {\n  int k = 0;\n}")), "")
        self.assertEqual(check(private("// int k;\nconst char* a = \"int k = 1; {\";"), private("int k = 1;")), "")

    def test_needs_targets(self):
        self.assertIn("no targets", check("", "", "project(x)"))


if __name__ == "__main__":
    unittest.main()
