"""The style as a test (ctest: tidy.tree): what a reviewer would otherwise have to say by hand.

Every rule is a function from a file to findings (line, message); tools/tidy_test.py shows each a
bad sample. Heuristics, not a compiler: a rule that would need one belongs to clang-tidy.
"""

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

COLUMNS = 100
FILE_LINES = 700
FUNCTION_LINES = 70
TEST_FUNCTION_LINES = 120

CPP = (".cc", ".h")
CODE = CPP + (".py", ".mjs", ".js", ".sh")
TEXT = CODE + (".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".toml", "")
BAD_FOLDERS = {"util", "utils", "common", "helper", "helpers", "misc"}
# These two name what they forbid.
OWN = {"tools/tidy.py", "tools/tidy_test.py"}

# The deterministic core and what drives it: no clock, no randomness, no thread of its own.
PURE = {"base", "policy", "http1", "load", "call", "engine", "traffic", "stale", "ports",
        "runtime"}
SHELL = {"adapters", "sandbox", "app"}
DECIDES = {"policy", "call", "engine", "traffic", "stale"}

# (layers or None for all, pattern on code without comments and strings, what to use instead)
BANNED_NAMES = [
    (None, r"\bstd::expected\b", "Result of base/result.h (neither compiler has std::expected)"),
    (None, r"\bstd::s?rand\b|(?<![\w.:>])s?rand\(", "the component's own Prng of base/prng.h"),
    (None, r"\bstd::format\b", "fmt::format (GCC 12 has no std::format)"),
    (None, r"(?<![\w.:>])assert\(", "HF_CHECK of base/check.h, which is always on"),
    ("core", r"\b(?:steady|system|high_resolution)_clock::now\b",
     "the `now` that the caller was given; only the shell reads a clock"),
    ("core", r"\bsleep_for\b|\bsleep_until\b", "a wake-up time returned to the driver"),
    ("core", r"\bstd::random_device\b", "a Prng that the caller seeds"),
    ("core", r"\bstd::(?:unordered_(?:multi)?(?:map|set))\b",
     "an ordered container: the order of iteration is part of a replay"),
    ("decides", r"\b(?:float|double)\b", "integers in the smallest unit: decisions replay exactly"),
]
BANNED_INCLUDES = [
    (r"(?:thread|mutex|shared_mutex|condition_variable|future)", "the threads of adapters/"),
    (r"random", "base/prng.h"),
    (r"unordered_(?:map|set)", "an ordered container"),
    (r"(?:boost/asio|boost/beast|boost/date_time|rocksdb|spdlog|openssl)\b.*", "a port"),
]
# The second reader that tests and fuzzing compare ours with.
BEAST_ORACLE = "src/http1/beast_oracle.h"
# Keyed hashes, by the implementation that uses what the processor has for them.
MAC = "src/call/mac.cc"
# What `./x bench` measures us against is made of the libraries themselves.
BARE_LOOP = "bench/bare_loop.cc"
STEADY_LOAD = "bench/steady_load.cc"
# A library may be named only below these paths.
HOMES = [
    (r"rocksdb/.*", ("src/adapters/rocksdb/", BARE_LOOP)),
    (r"libpq.*|postgresql/.*", ("src/adapters/postgres/",)),
    (r"boost/(?:asio|beast)\b.*", ("src/adapters/", "src/sandbox/", "src/app/",
                                      BEAST_ORACLE, BARE_LOOP, STEADY_LOAD)),
    (r"openssl/.*", ("src/adapters/", "src/sandbox/", "src/app/", MAC)),
    (r"sodium\.h|sodium/.*", ("src/call/", "src/traffic/", "src/adapters/")),
    (r"yaml-cpp/.*", ("src/config/", "src/app/")),
    (r"CLI/.*", ("src/app/", "sim/main.cc", "bench/")),
    (r"spdlog/.*", ("src/adapters/", "src/app/")),
]

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<raw>\bu?8?R"(?P<tag>[^()\\\s]*)\(.*?\)(?P=tag)")
      | (?P<number>(?<![\w'])\d(?:'?[\w.])*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.S | re.X)


def blank(text, strings=True):
    """C++ text with comments (and strings) as spaces: the same lines, the same columns."""
    def spaces(match):
        if match["number"] or (not strings and not match["comment"]):
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])
    return _TOKEN.sub(spaces, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_test(path):
    return path.endswith(("_test.cc", "_test.py")) or path.startswith("e2e/")


def layer_of(path):
    parts = PurePosixPath(path).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return parts[0] if len(parts) > 1 and parts[0] in ("sim", "fuzz", "bench") else None


def read_layers(text):
    """{layer: set of layers it may include} of tools/layers.txt."""
    found = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, _, may = line.partition(":")
            found[name.strip()] = set(may.split()) | {name.strip()}
    return found


def includes(text):
    """(line, "<" or quote, name) of every #include that is not in a comment."""
    for i, line in enumerate(blank(text, strings=False).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield i, match[1], match[2]


# ---- rules for one C++ file

def layers(path, text, allowed):
    layer = layer_of(path)
    if layer is None:
        return
    if layer not in allowed:
        yield 1, f"layer {layer} is not in tools/layers.txt"
        return
    for line, mark, name in includes(text):
        target = name.split("/")[0] if "/" in name else None
        if mark == "<":
            if target in allowed and (ROOT / "src" / name).exists():
                yield line, f'own headers are included as "{name}"'
        elif target not in allowed:
            yield line, f'include "{name}" relative to src/, as "layer/file.h"'
        elif target not in allowed[layer]:
            yield line, f"{layer} may not include {name} (tools/layers.txt)"
        elif layer == "policy" and target == "policy":
            own = re.sub(r"_test$", "", PurePosixPath(path).stem)
            if PurePosixPath(name).stem != own:
                yield line, f"a policy includes no sibling ({name}); pass it as a value"


def banned(path, text, _):
    layer = layer_of(path)
    code = blank(text)
    core = layer is not None and layer not in SHELL | {"bench", "fuzz"} and path != "sim/main.cc"
    zones = {None: True, "core": core, "decides": layer in DECIDES and not is_test(path)}
    for zone, pattern, instead in BANNED_NAMES:
        for match in re.finditer(pattern, code) if zones[zone] else ():
            yield line_of(code, match.start()), f"{match[0].strip('(')}: use {instead}"
    pure = layer in PURE and path not in (BEAST_ORACLE, MAC)
    for line, _, name in includes(text):
        for pattern, instead in BANNED_INCLUDES if pure else ():
            if re.fullmatch(pattern, name):
                yield line, f"<{name}> in {layer}: use {instead}"
        for pattern, homes in HOMES if layer is not None else ():
            if re.fullmatch(pattern, name) and not path.startswith(homes):
                yield line, f"<{name}> belongs to {', '.join(homes)}"


_CONTROL = re.compile(r"\b(?:if|for|while|switch|catch|do|else|return)\b")
_FUNCTION = re.compile(r"\)\s*(?:(?:const|override|final|mutable|try|noexcept(?:\([^()]*\))?|&&?"
                       r"|requires\b[^{}]*|->\s*[^(){};]+)\s*)*$")
_INITS = re.compile(r"\)\s*(?:noexcept)?\s*:(?!:)")


def functions(text):
    """(first line, last line) of every outermost function body with its head, by brace depth."""
    code = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]),
                  blank(text))
    stack, start, depth = [], 0, 0
    for match in re.finditer(r"[{}();]", code):
        at, mark = match.start(), match[0]
        if mark in "()":
            depth += 1 if mark == "(" else -1
        elif mark == ";" and depth == 0:
            start = at + 1
        elif mark == "{":
            head = code[start:at]
            stripped = head.rstrip()
            inside = any(kind == "function" for kind, _, _ in stack)
            if depth > 0 or (_INITS.search(head) and re.search(r"[\w>]$", stripped)):
                kind = "value"
            elif (not inside and not _CONTROL.match(head.lstrip())
                  and (_FUNCTION.search(stripped) or _INITS.search(head))):
                kind = "function"
            else:
                kind = "scope"
            lead = len(head) - len(head.lstrip())
            stack.append((kind, line_of(code, start + lead), depth))
            if kind != "value":
                start, depth = at + 1, 0
        elif mark == "}" and stack:
            kind, first, depth = stack.pop()
            if kind == "function":
                yield first, line_of(code, at)
            if kind != "value":
                start = at + 1


def function_length(path, text, _):
    limit = TEST_FUNCTION_LINES if is_test(path) else FUNCTION_LINES
    for first, last in functions(text):
        if last - first + 1 > limit:
            yield first, f"a function of {last - first + 1} lines; the limit is {limit}"


def pragma_once(path, text, _):
    if path.endswith(".h") and not re.search(r"(?m)^#pragma once$", text):
        yield 1, "a header begins with #pragma once"


def coroutines(path, text, _):
    code = blank(text)
    if "co_await" not in code:
        return
    for match in re.finditer(r"[^;{}]+", code):
        statement = match[0]
        if "co_await" not in statement:
            continue
        line = line_of(code, match.start() + statement.index("co_await"))
        if statement.count("co_await") > 1:
            yield line, "one co_await a statement: name the first result"
        # GCC 12 destroys temporaries of the branch not taken.
        elif re.search(r"\?[^;]*:(?!:)", statement, re.S):
            yield line, "co_await with ?: (GCC 12 gets it wrong): use if"


# ---- rules for any text file

def long_lines(path, text, _):
    if not path.endswith(CODE):
        return
    for i, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS and "://" not in line and not line.startswith("#include"):
            yield i, f"{len(line)} columns; the limit is {COLUMNS}"


def file_length(path, text, _):
    count = text.count("\n")
    if path.endswith(CODE) and count > FILE_LINES:
        yield FILE_LINES + 1, f"{count} lines; the limit is {FILE_LINES}: split the file"


def leftovers(path, text, _):
    if path in OWN or path.endswith(".md"):
        return
    for match in re.finditer(r"\b(?:TODO|FIXME|XXX)\b", text):
        yield line_of(text, match.start()), f"{match[0]}: finish it, or open an issue"


def machine_paths(path, text, _):
    if path in OWN:
        return
    for match in re.finditer(r"(?<![\w./$}])/(?:work|root)/|(?<![\w./])/tmp/w\b", text):
        yield line_of(text, match.start()), f"{match[0]} exists on one machine only"


def locks(path, text, _):
    if path.endswith("package-lock.json"):
        match = re.search(r'"resolved": *"http', text)
        if match:
            yield line_of(text, match.start()), ("a lock file names no registry: put "
                                                 "omit-lockfile-registry-resolved=true in .npmrc")


def has_reason(lines, i):
    """A pause in a test says on its line, or on the one above, what it stands for: `sleep: why`."""
    return any(re.search(r"(?://|#).*\bsleep: \S", lines[n]) for n in (i, i - 1) if n >= 0)


def waiting_tests(path, text, _):
    if not is_test(path) or path in OWN or not path.endswith(CODE):
        return
    lines = text.splitlines()
    sleeps = (r"\bsleep_for\b|\bsleep_until\b|\bu?sleep\(|\btime\.sleep\(|timers/promises"
              r"|new Promise\(.*setTimeout")
    for i, line in enumerate(lines):
        if re.search(sleeps, line) and not has_reason(lines, i):
            yield i + 1, "a test waits for a condition, not a time (or says why: `sleep: reason`)"


def fixed_ports(path, text, _):
    opens = path.startswith(("e2e/", "src/adapters/", "src/sandbox/", "src/runtime/"))
    if not (opens and is_test(path) and path.endswith(CODE)) or path in OWN:
        return
    fixed = (r"(?:127\.0\.0\.1|localhost|\[::1\]):(?:[1-9]\d{2,3}|[1-5]\d{4})\b"
             r"|\.listen\(\s*[1-9]\d*|\bbind\(\(?['\"][^'\"]*['\"], *[1-9]\d*")
    for match in re.finditer(fixed, text):
        yield line_of(text, match.start()), f"{match[0]}: tests listen on port 0"


def folders(path, _text, _):
    bad = BAD_FOLDERS & set(PurePosixPath(path).parts[:-1])
    if bad:
        yield 1, f"a folder says what is in it, not `{sorted(bad)[0]}`"


def markdown(path, text, _):
    if not path.endswith(".md"):
        return
    prose = re.sub(r"(?ms)^(```|~~~).*?^\1", lambda m: "\n" * m[0].count("\n"), text)
    titles = [i for i, line in enumerate(prose.splitlines(), 1) if re.match(r"# \S", line)]
    if len(titles) != 1:
        yield (titles + [1, 1])[1], f"one `# Title` a page; this one has {len(titles)}"
    for match in re.finditer(r"(?<!`)\]\((?!\w+:|#)([^)#\s]+)", prose):
        target = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
        if not (ROOT / target).exists():
            yield line_of(prose, match.start()), f"a link to {match[1]}, which is not there"


CPP_RULES = (layers, banned, function_length, pragma_once, coroutines)
TEXT_RULES = (long_lines, file_length, leftovers, machine_paths, locks, waiting_tests, fixed_ports,
              folders, markdown)


# ---- rules for the tree

def fuzz_targets(tree):
    lists = "\n".join(text for path, text in tree.items() if path == "fuzz/CMakeLists.txt")
    for path in tree:
        name = PurePosixPath(path).stem
        if path.startswith("fuzz/") and path.endswith("_fuzz.cc"):
            target = name.removesuffix("_fuzz")
            if "*_fuzz.cc" not in lists and f"hf_fuzz({target} " not in lists:
                yield path, 1, "not built: fuzz/CMakeLists.txt does not name it"


def decisions(tree):
    index = "docs/adr/README.md"
    numbers = {}
    for path in tree:
        name = PurePosixPath(path).name
        if not path.startswith("docs/adr/") or not path.endswith(".md") or path == index:
            continue
        if not re.match(r"\d{4}-[a-z0-9-]+\.md$", name):
            yield path, 1, "decisions are named 0001-what-it-is-about.md"
        if name[:4] in numbers:
            yield path, 1, f"the number {name[:4]} is taken by {numbers[name[:4]]}"
        numbers[name[:4]] = name
        if f"]({name})" not in tree.get(index, ""):
            yield path, 1, f"not linked from {index}"


def planted_points(tree):
    """A point elsewhere would be compiled without its bug, and never be seen; one in a header would
    differ between two sources of one program."""
    folders = ["sim/"]
    lists = tree.get("CMakeLists.txt", "")
    for name, rest in re.findall(r"(?m)^hf_planted\((\w+)([^)]*)\)", lists):
        sources = rest.partition("SOURCES")[2].split() or [f"{name}/*.cc"]
        folders += ["src/" + source.removesuffix("*.cc") for source in sources]
    for path, text in tree.items():
        if not path.endswith(CPP) or path == "src/base/planted.h":
            continue
        home = path.startswith(tuple(folders)) and path.endswith(".cc") and not is_test(path)
        for match in re.finditer(r"\bHF_(?:BUG|PROBE)\(", blank(text)):
            if not home:
                yield path, line_of(text, match.start()), (
                    f"{match[0]}): only in .cc files, not tests, of what is compiled planted")


TREE_RULES = (fuzz_targets, decisions, planted_points)


def check_file(path, text, allowed):
    """[(line, message)] of one file; allowed as read_layers gives it."""
    rules = (CPP_RULES if path.endswith(CPP) else ()) + TEXT_RULES
    return sorted(finding for rule in rules for finding in rule(path, text, allowed))


def check_tree(tree):
    """[(path, line, message)] of {path: text}."""
    allowed = read_layers(tree.get("tools/layers.txt", ""))
    found = [(path, *finding) for path, text in tree.items()
             for finding in check_file(path, text, allowed)]
    found += [finding for rule in TREE_RULES for finding in rule(tree)]
    return sorted(found)


def own_files():
    """Tracked files, and new ones that git does not ignore; without git, all but build output."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                            capture_output=True)
    if listed.returncode == 0:
        return sorted({name.decode() for name in listed.stdout.split(b"\0") if name})
    found = []
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if n not in (".git", "build", "node_modules", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(found)


def read_tree():
    tree = {}
    for path in own_files():
        # Corpora and recorded answers are bytes, not our text.
        if "/corpus/" in path or "/testdata/" in path or not (ROOT / path).is_file():
            continue
        if PurePosixPath(path).suffix in TEXT:
            try:
                tree[path] = (ROOT / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                tree[path] = ""
    return tree


def main():
    tree = read_tree()
    found = check_tree(tree)
    for path, line, message in found:
        print(f"{path}:{line}: {message}")
    if found:
        print(f"tidy: {len(found)} findings in {len({f[0] for f in found})} of {len(tree)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
