#!/usr/bin/env python3
"""Holds the Rust code to its floors: no import upwards, no circle among modules.

A module is a file. What a file imports is what its `use` declarations and its paths in code name,
outside of tests. Floors are listed top first; a module may import from its own floor and from
those below. Within a floor, and everywhere else, imports must not run in a circle.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

CRATES = {
    "gpys": "src",
    "gpys_client": "src/client",
    "gpys_path": "src/path",
    "gpys_proto": "src/proto",
    "gpys_server": "src/server",
}
FLOORS = {
    "gpys": ["cli page"],
    "gpys_client": [
        "room",
        "client connector",
        "session",
        "link",
        "server_info error options access",
        "trust redial sender clock",
    ],
    "gpys_path": ["emulated", "namespace", "tun", "isolation nat model", "fq_codel", "settings", "packet lateness trace"],
    "gpys_proto": ["world view", "wire", "blur place", "pose kind", "geo bucket motion time text uplink"],
    "gpys_server": [
        "builder",
        "server",
        "http",
        "api",
        "webtransport websocket",
        "census handle session tcp",
        "context",
        "room",
        "access tls",
        "link",
        "limits",
        "quic",
        "config events files panics",
        "host load metrics",
        "addresses alarm clock kind terminal",
        "lock",
    ],
}
# Crates that a crate may import.
BELOW = {
    "gpys": {"gpys_client", "gpys_path", "gpys_proto", "gpys_server"},
    "gpys_client": {"gpys_proto"},
    "gpys_path": set(),
    "gpys_proto": set(),
    "gpys_server": {"gpys_proto"},
}
PATH = re.compile(r"(?<![\w:$])((?:crate|super|self|gpys_\w+)(?:::\w+)+)")
USE = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
INLINE = re.compile(r"^([ \t]*)(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{.*?^\1\}", re.M | re.S)


def leaves(tree, prefix=()):
    """The paths of a use tree, as tuples."""
    tree = tree.strip()
    if "{" not in tree:
        yield prefix + tuple(re.sub(r"\s+as\s+\w+$", "", tree).split("::"))
        return
    head, body = tree.split("{", 1)
    prefix += tuple(part for part in head.strip().split("::") if part)
    depth, part = 0, ""
    for char in body.rsplit("}", 1)[0] + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if part.strip():
                yield from leaves(part, prefix)
            part = ""
        else:
            part += char


def modules():
    """The file of each module, by crate and path; tests are not among them."""
    found = {}
    for crate, root in CRATES.items():
        others = [Path(other) for other in CRATES.values() if other != root]
        for file in Path(root).rglob("*.rs"):
            inner = [other for other in others if file.is_relative_to(other)]
            if any(len(other.parts) > len(Path(root).parts) for other in inner):
                continue
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] != "tests":
                found[(crate, *(() if parts == ("lib",) else parts))] = file
    return found


def imports(module, file, found):
    """The modules that a file names, each with a line in which it does."""
    text = re.sub(r"//.*", "", file.read_text())
    text = INLINE.sub("", text)
    named = [path for use in USE.findall(text) for path in leaves(use)]
    named += [tuple(path.split("::")) for path in PATH.findall(USE.sub("", text))]
    for path in named:
        if path[0] == "crate":
            path = (module[0], *path[1:])
        elif path[0] in ("super", "self"):
            here = list(module)
            while path and path[0] in ("super", "self"):
                here = here[:-1] if path[0] == "super" else here
                path = path[1:]
            path = (*here, *path)
        elif path[0] not in CRATES:
            path = (*module, *path)
        for end in range(len(path), 0, -1):
            if path[:end] in found:
                if path[:end] != module:
                    yield path[:end]
                break


def circle(edges):
    """A circle among the modules, if there is one."""
    done, way = set(), []

    def walk(module):
        if module in way:
            return way[way.index(module) :] + [module]
        if module in done:
            return None
        way.append(module)
        for other in sorted(edges[module]):
            if found := walk(other):
                return found
        done.add(way.pop())
        return None

    return next(filter(None, map(walk, sorted(edges))), None)


def floor_of(module):
    for number, floor in enumerate(FLOORS[module[0]]):
        if len(module) > 1 and module[1] in floor.split():
            return number
    return None


def main():
    found = modules()
    wrong, edges = [], defaultdict(set)
    for module, file in found.items():
        if module == ("gpys", "main"):
            continue  # The program is a crate of its own, above its library.
        if len(module) > 1 and floor_of(module) is None:
            wrong.append(f"{file} is on no floor; name it in scripts/walls.py")
        for other in set(imports(module, file, found)):
            # A crate's own root only names its parts, and a module's file its own children.
            if len(module) > 1 and len(other) > 1:
                edges[module].add(other)
            if other[0] != module[0]:
                if other[0] not in BELOW[module[0]]:
                    wrong.append(f"{file} imports {other[0]}, which is not below {module[0]}")
            elif len(module) > 1 and len(other) == 1:
                wrong.append(f"{file} imports from the root of its crate; name the module")
            elif len(module) > 1 and (floor_of(other) or 0) < (floor_of(module) or 0):
                wrong.append(f"{file} imports upwards: {'::'.join(other[1:])}")
    if way := circle(edges):
        wrong.append("circle: " + " -> ".join("::".join(module) for module in way))
    for line in sorted(wrong):
        print(line, file=sys.stderr)
    print(f"walls: {len(found)} modules, {sum(map(len, edges.values()))} imports")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
