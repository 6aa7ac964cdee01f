#!/usr/bin/env python3
"""Writes shapes.txt: what requests and answers of the served actions look like by botocore's model of IAM.

    shapes.py service-2.json.gz ACTION... >shapes.txt
"""

import gzip
import json
import sys

# Nothing stands in there, and the models refer to each other in circles.
LEAVES = {"InstanceProfileList", "ContextProvider", "SourceRoleTemplate"}


def members(shapes, shape):
    required = shape.get("required", [])
    for name, member in shape.get("members", {}).items():
        yield name, "!" if name in required else "", member["shape"], shapes[member["shape"]]


def paths(shapes, shape, prefix=""):
    for name, mark, _, member in members(shapes, shape):
        yield f"{prefix}{name}{mark}:{member['type']}"
        if name not in LEAVES:
            yield from below(shapes, member, f"{prefix}{name}/")


def below(shapes, shape, prefix):
    if shape["type"] == "structure":
        yield from paths(shapes, shape, prefix)
    elif shape["type"] == "list":
        item = shapes[shape["member"]["shape"]]
        yield f"{prefix}member:{item['type']}"
        yield from below(shapes, item, f"{prefix}member/")
    elif shape["type"] == "map":
        value = shapes[shape["value"]["shape"]]["type"]
        yield from (f"{prefix}entry:structure", f"{prefix}entry/key!:string", f"{prefix}entry/value!:{value}")


def main(model, *actions):
    with gzip.open(model) as file:
        service = json.load(file)
    shapes = service["shapes"]
    print("# From botocore's model of IAM, written by shapes.py. `!`: must be there; then the type.")
    for action in actions:
        operation = service["operations"][action]
        of = lambda side: shapes[operation[side]["shape"]] if side in operation else {}
        print(action)
        print(" in", *(name + mark for name, mark, _, _ in members(shapes, of("input"))))
        print(" out", *paths(shapes, of("output")))


if __name__ == "__main__":
    main(*sys.argv[1:])
