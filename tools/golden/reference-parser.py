"""Writes what the reference repository's own parsers make of hostile replies.

    python3 tools/golden/reference-parser.py PATH_TO_A_CHECKOUT_OF_yfzhang114/r1_reward [OUTPUT.json]

The parsers sit inside long evaluation functions that need a GPU, so the one `try` statement that assigns
`content_match` is cut out of each syntax tree and compiled on its own; nothing else of the repository is run. The files
are read at HEAD with `git show`, so a bare repository will do.
"""

import ast
import builtins
import contextlib
import hashlib
import io
import itertools
import json
import pathlib
import platform
import re
import subprocess
import sys

SOURCES = {
    "vl-rewardbench": "inference/VL-Reward-Bench/r1_reward.py",
    "multimodal-rewardbench": "inference/Multimodal-Reward/get_r1_reward.py",
    "mm-rlhf-rewardbench": "inference/MM-RLHF-Reward/r1_reward.py",
    "readme": "README.md",
}


def git(repository, *arguments):
    return subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True).stdout


def python_of(path, text):
    """The file itself, or the longest Python block of a Markdown file."""
    if not path.endswith(".md"):
        return text
    return max(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE), key=len)


def assigns(node, name):
    return any(
        isinstance(child, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in child.targets)
        for child in ast.walk(node)
    )


def load_parser(path, text):
    """`critic -> rewards`, made of the one `try` statement that reads a reply."""
    tree = ast.parse(python_of(path, text))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Try) and assigns(node, "content_match")]
    assert len(found) == 1, f"{path}: expected one parser, found {len(found)}"
    names = {node.id for node in ast.walk(found[0]) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assigned = {node.id for node in ast.walk(found[0]) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    reply = names - assigned - {"re", "rewards", "e"} - set(dir(builtins))
    assert len(reply) == 1, f"{path}: expected one free name, found {reply}"
    code = compile(ast.Module(body=[found[0]], type_ignores=[]), path, "exec")

    def parse(critic):
        scope = {"re": re, "rewards": [0.5, 0.5], reply.copy().pop(): critic}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, scope)
        return scope["rewards"]

    return parse


# What may stand between the tags. Many are 1 to `float` and not to anyone else.
CONTENTS = [
    "1", "2", "3", "0", "-1", "", " ", "\n1\n", " 2 ", "\t1\t", "1.0", "2.0", "1.5", "01", "+1", "-2", "1.", ".1e1", "1e0",
    "10e-1", "0.1e+1", "1_0", "0_1", "1__0", "_1", "1_", "1_0e-1", "0x1", "0b1", "1 2", "1, 2", "1/2", "12", "21", "one", "Response 1", "Response 1 is better",
    "\uff11", "\uff12", "\u0661", "\u0662", "\u0967", "\U0001d7cf", "\U0001d7da", "\u2460", "\u00b9", "\u00bd", "\u4e00", "\u00a01\u00a0",
    "\u30001\u3000", "\ufeff1", "\u200b1", "\x1c1\x1d", "\x851", "\x0b1\x0c", "1\x00", "inf", "-Infinity", "nan", "NaN", "True", "None",
    "0.99999999999999999999", "1.0000000000000000000001", "0.9999999999999999", "1e400", "1e-400", '"1"', "'2'", "**1**", "[1]", "(2)", "1;", "1\n2", "<b>1</b>",
    "<answer>1", "<think>1</think>", "0" * 4298 + "1", "0" * 4300 + "1", "0" * 4300 + "1.0", "1" + "0" * 5000 + "e-5000",
]

WRAPS = [
    "<think>Both look at the image.</think><answer>{}</answer>",
    "<answer>{}",
    "<ANSWER>{}</Answer>",
]

WHOLE = [
    "", " ", "\n", "no choice at all", "Response 1 is better.", "Response 2 is better.", "1\n2", "2\n1", "12\n3", "1 then 2\n1",
    "2 then 1\n\n2", "\n\n1", "a\nb 2\nc 1", "1\r2", "1\r\n2", "1\u20282", "2\u20281", "1\x0b2", "1\x852", "2\x851", "year 2012\nResponse 1",
    "<think>1</think>", "<think>quoted <answer>2</answer></think><answer>1</answer>",
    "<think>quoted <answer>1</answer></think><answer>2</answer>", "<answer>1</answer><answer>2</answer>",
    "<answer>2</answer><answer>1</answer>", "<answer>one</answer><answer>1</answer>", "<answer><answer>1</answer></answer>",
    "</answer>1<answer>", "</answer><answer>1</answer>", "<answer>1<answer>2</answer>", "<answer>1</answer", "<answer >1</answer>",
    "<answer>1</answer >", "< answer>1</answer>", "<answer>\n1\n</answer>", "<answer>1</ANSWER>", "<an\u017fwer>1</an\u017fwer>",
    "<an\u017fwer>2</answer>", "<AN\u017fWER>1</ANSWER>", "\u0130<ANSWER>1</ANSWER>", "\U0001f600<Answer>2</Answer>",
    "<an\u017fwer>2</an\u017fwer> not 1", "<an\u017fwer>1</ANSWER> not 2", "<ANSWER>2</answer> not 1", "<Answer>1</aNSWER> not 2",
    "&lt;answer&gt;1&lt;/answer&gt;", "<answer>2</answer> though Response 1 is longer", "Final: 1\n<answer>tie</answer>",
    "<answer>1</answer>" * 3, "<answer>" * 50 + "1", "<answer>" * 50 + "1</answer>", "</answer>" * 50 + "1", "1" * 200, "2" * 200 + "\n1",
    "<think>\n1. Response 1\n2. Response 2\n</think>", "Score: 9/10 vs 8/10", "Score: 9/10 vs 7/12\nbetter: 1", "###### [Response 2]:\n<answer>1</answer>",
    "<|im_end|><answer>1</answer>", "<answer>1<|im_end|></answer>",
]

NAMES = {(1, 0): "first", (0, 1): "second", (0.5, 0.5): "tie"}


def main():
    repository = sys.argv[1]
    here = pathlib.Path(__file__).resolve().parents[2]
    default = here / "packages/core/src/protocol/fixtures/reference-parser.json"
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else default

    files = {name: git(repository, "show", f"HEAD:{path}") for name, path in SOURCES.items()}
    parsers = {name: load_parser(SOURCES[name], data.decode()) for name, data in files.items()}
    replies = [wrap.replace("{}", content) for wrap, content in itertools.product(WRAPS, CONTENTS)] + WHOLE
    replies = list(dict.fromkeys(replies))
    cases = [
        {"reply": reply, "expected": {name: NAMES[tuple(parse(reply))] for name, parse in parsers.items()}}
        for reply in replies
    ]
    provenance = {
        "what": "rewards of the reference repository's own parsers: first = [1, 0], second = [0, 1], tie = [0.5, 0.5]",
        "generator": "tools/golden/reference-parser.py",
        "repository": "github.com/yfzhang114/r1_reward",
        "commit": git(repository, "rev-parse", "HEAD").decode().strip(),
        "files": {SOURCES[name]: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "python": platform.python_version(),
    }
    lines = ",\n    ".join(json.dumps(case) for case in cases)
    head = json.dumps(provenance, indent=2).replace("\n", "\n  ")
    output.write_text(f'{{\n  "PROVENANCE": {head},\n  "cases": [\n    {lines}\n  ]\n}}\n')
    print(f"{len(cases)} replies x {len(parsers)} parsers -> {output}")


if __name__ == "__main__":
    main()
