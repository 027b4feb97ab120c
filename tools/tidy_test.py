"""Every rule of tidy.py finds its bad sample and leaves a good one alone (ctest: tidy.self)."""

import unittest

import tidy

ALLOWED = tidy.read_layers("base:\npolicy: base  # pure\nhttp1: base\nengine: policy base\n"
                           "adapters: base\napp: engine adapters base\nsim: engine base\n")


def lines(path, text):
    return [line for line, _ in tidy.check_file(path, text, ALLOWED)]


def said(path, text):
    return " | ".join(message for _, message in tidy.check_file(path, text, ALLOWED))


class Layers(unittest.TestCase):
    def test_arrows(self):
        self.assertIn("base may not include", said("src/base/a.cc", '#include "engine/e.h"\n'))
        self.assertEqual([], lines("src/engine/a.cc", '#include "base/a.h"\n#include <map>\n'))
        self.assertEqual([], lines("src/base/a.cc", '// #include "engine/e.h"\n'))
        self.assertEqual([], lines("src/base/a.cc", '/*\n#include "engine/e.h"\n*/\n'))

    def test_the_line_is_named(self):
        self.assertEqual([3], lines("src/base/a.cc", '// x\n\n#include "engine/e.h"\n'))

    def test_unknown_layer_and_relative_includes(self):
        self.assertIn("not in tools/layers.txt", said("src/extra/a.cc", ""))
        self.assertIn("relative to src/", said("src/base/a.cc", '#include "a.h"\n'))
        self.assertIn("relative to src/", said("src/base/a.cc", '#include "../x/a.h"\n'))

    def test_policies_are_siblings(self):
        other = '#include "policy/breaker.h"\n'
        self.assertIn("no sibling", said("src/policy/rate.cc", other))
        self.assertEqual([], lines("src/policy/breaker_test.cc", other))


class Banned(unittest.TestCase):
    def test_clocks_and_chance_in_the_core(self):
        now = "auto t = std::chrono::steady_clock::now();\n"
        self.assertIn("`now`", said("src/engine/a.cc", now))
        self.assertIn("`now`", said("sim/a.cc", now))
        self.assertEqual([], lines("src/adapters/a.cc", now))
        self.assertEqual([], lines("src/engine/a.cc", "// steady_clock::now() is not for us\n"))
        self.assertEqual([], lines("src/engine/a.cc", 'auto s = "steady_clock::now";\n'))
        self.assertEqual([1], lines("src/adapters/a.cc", "int i = std::rand();\n"))
        self.assertEqual([1], lines("src/adapters/a.cc", "std::expected<int, int> f();\n"))
        self.assertEqual([1], lines("src/base/a.cc", "std::this_thread::sleep_for(x);\n"))

    def test_headers(self):
        for name in ("thread", "mutex", "random", "unordered_map", "boost/asio.hpp"):
            self.assertTrue(lines("src/engine/a.cc", f"#include <{name}>\n"), name)
        self.assertEqual([], lines("src/adapters/a.cc", "#include <thread>\n"))

    def test_libraries_have_a_home(self):
        rocks = "#include <rocksdb/db.h>\n"
        self.assertEqual([], lines("src/adapters/rocksdb/a.cc", rocks))
        self.assertIn("belongs to", said("src/adapters/http/a.cc", rocks))
        self.assertIn("belongs to", said("src/app/a.cc", rocks))
        self.assertIn("belongs to", said("src/app/a.cc", "#include <libpq-fe.h>\n"))
        self.assertEqual([], lines("src/adapters/http/a.cc", "#include <boost/asio.hpp>\n"))
        self.assertTrue(lines("sim/a.cc", "#include <boost/asio/ip/tcp.hpp>\n"))

    def test_decisions_are_integers(self):
        self.assertEqual([1], lines("src/policy/a.cc", "double share = 0.5;\n"))
        self.assertEqual([], lines("src/base/a.cc", "double share = 0.5;\n"))


def body(count):
    return "  f();\n" * count


class Sizes(unittest.TestCase):
    def test_functions(self):
        self.assertEqual([2], lines("src/base/a.cc", "\nvoid f() {\n" + body(69) + "}\n"))
        self.assertEqual([], lines("src/base/a.cc", "\nvoid f() {\n" + body(68) + "}\n"))
        self.assertEqual([], lines("src/base/a_test.cc", "\nvoid f() {\n" + body(69) + "}\n"))

    def test_what_is_a_function(self):
        def found(text):
            return list(tidy.functions(text))
        self.assertEqual([], found("namespace hf {\nclass A : public B {\n int a_{1};\n};\n}\n"))
        self.assertEqual([(1, 3)], found("A::A(int a) : a_{a}, b_(a) {\n  g();\n}\n"))
        self.assertEqual([(1, 3)], found("auto f(int a) const noexcept -> int {\n\n}\n"))
        self.assertEqual([(1, 5)], found("void f() {\n  if (a) {\n  }\n  g([] {});\n}\n"))
        self.assertEqual([(2, 3)], found("#define A(x) { x\nvoid f(O o = {}) {\n}\n"))
        literals = 'auto s = R"({{{)";\nvoid f() { c = \'{\'; n = 1\'000; }\n'
        self.assertEqual([(2, 2)], found(literals))
        self.assertEqual([(1, 1), (2, 3)], found("int f() { return 1; }\nTEST(A, B) {\n}\n"))

    def test_columns_and_lines(self):
        self.assertEqual([1], lines("src/base/a.cc", "//" + "x" * 99 + "\n"))
        self.assertEqual([], lines("src/base/a.cc", "//" + "x" * 98 + "\n"))
        self.assertEqual([], lines("src/base/a.cc", "// https://" + "x" * 99 + "\n"))
        self.assertEqual([701], lines("src/base/a.cc", "\n" * 701))


class Text(unittest.TestCase):
    def test_leftovers(self):
        self.assertEqual([2], lines("src/base/a.cc", "\n// TODO: more\n"))
        self.assertEqual([], lines("src/base/a.cc", 'auto name = "/tmp/XXXXXX";\n'))

    def test_machine_paths(self):
        self.assertEqual([1], lines("docs/a.txt", "see /" + "work/main/x\n"))
        self.assertEqual([1], lines("docs/a.txt", "in /" + "root/.cache\n"))
        self.assertEqual([], lines("docs/a.txt", "POST /v1/work/1, ${HOME}/" + "root/\n"))

    def test_headers_and_folders(self):
        self.assertIn("pragma", said("src/base/a.h", "int a;\n"))
        self.assertEqual([], lines("src/base/a.h", "#pragma once\n"))
        self.assertIn("folder", said("src/base/util/a.cc", ""))
        self.assertEqual([], lines("src/base/util.cc", ""))

    def test_locks(self):
        self.assertEqual([1], lines("e2e/package-lock.json", '"resolved": "https://host/a.tgz"\n'))

    def test_markdown(self):
        self.assertEqual([], lines("docs/a.md", "# A\n\n```sh\n# not a title\n```\n"))
        self.assertIn("this one has 0", said("docs/a.md", "text\n"))
        self.assertEqual([2], lines("docs/a.md", "# A\n# B\n"))
        self.assertIn("not there", said("docs/a.md", "# A\n[x](no-such-file.md)\n"))


class Tests(unittest.TestCase):
    def test_no_sleeping(self):
        for bad in ("std::this_thread::sleep_for(1ms);", "usleep(10);"):
            self.assertTrue(lines("src/adapters/a_test.cc", bad + "\n"), bad)
        self.assertEqual([1], lines("e2e/a.py", "time.sleep(1)\n"))
        self.assertEqual([1], lines("e2e/a.mjs", "await new Promise((r) => setTimeout(r, 9));\n"))
        self.assertEqual([], lines("e2e/a.py", "time.sleep(1)  # sleep: idle on purpose\n"))
        self.assertEqual([], lines("e2e/a.py", "# sleep: a poll step\ntime.sleep(1)\n"))

    def test_no_fixed_ports(self):
        self.assertEqual([1], lines("e2e/a.py", 'url = "127.0.0.1:8080"\n'))
        self.assertEqual([1], lines("e2e/a.mjs", "server.listen(8080);\n"))
        self.assertEqual([], lines("e2e/a.mjs", "server.listen(0);\n"))
        self.assertEqual([], lines("src/base/a_test.cc", 'auto s = "127.0.0.1:8080";\n'))


class Coroutines(unittest.TestCase):
    def test_shapes(self):
        path = "src/adapters/a.cc"
        self.assertEqual([1], lines(path, "f(co_await a(), co_await b());\n"))
        self.assertEqual([2], lines(path, "g();\nx = co_await a() ? 1 : 2;\n"))
        self.assertEqual([1], lines(path, "x = ok ? co_await a()\n    : nothing;\n"))
        self.assertEqual([], lines(path, "x = co_await a(std::move(b));\ny = co_await b();\n"))
        self.assertEqual([], lines(path, "// co_await a ? b : c\nco_await a();\n"))


class Tree(unittest.TestCase):
    def test_fuzz_targets_are_built(self):
        tree = {"fuzz/head_fuzz.cc": "", "fuzz/CMakeLists.txt": "hf_fuzz(other)\n"}
        self.assertEqual(1, len(list(tidy.fuzz_targets(tree))))
        tree["fuzz/CMakeLists.txt"] = "file(GLOB targets *_fuzz.cc)\n"
        self.assertEqual([], list(tidy.fuzz_targets(tree)))

    def test_decisions_are_listed(self):
        tree = {"docs/adr/0001-a.md": "# A\n", "docs/adr/README.md": "# D\n"}
        self.assertIn("not linked", list(tidy.decisions(tree))[0][2])
        tree["docs/adr/README.md"] += "- [A](0001-a.md)\n"
        self.assertEqual([], list(tidy.decisions(tree)))
        tree["docs/adr/0001-b.md"] = "# B\n"
        self.assertIn("is taken", str(list(tidy.decisions(tree))))

    def test_points_are_where_they_are_compiled(self):
        def found(path, text='if (HF_BUG("a")) f();\n'):
            tree = {"CMakeLists.txt": "hf_planted(engine LINK x)\n"
                    "hf_planted(journal LINK x SOURCES adapters/memory/*.cc)\n", path: text}
            return list(tidy.planted_points(tree))
        for path in ("src/engine/a.cc", "src/adapters/memory/a.cc", "sim/a.cc"):
            self.assertEqual([], found(path))
        for path in ("src/engine/a.h", "src/engine/a_test.cc", "src/adapters/http/a.cc",
                     "src/journal/a.cc", "src/app/a.cc", "sim/a.h"):
            self.assertEqual(1, len(found(path)), path)
        self.assertEqual([2], [line for _, line, _ in found("src/app/a.cc", '\nHF_PROBE("a");\n')])
        self.assertEqual([], found("src/app/a.cc", '// HF_PROBE("a")\n'))


if __name__ == "__main__":
    unittest.main()
