"""What the benchmarks print: a line per result, and which of the project's targets were reached."""

from __future__ import annotations

from typing import Any

#: What the project set itself: stage, case, figure, bound. At least for ratios and rates, at most for the rest. On a
#: processor without AVX-512 the bounds of :data:`PLAIN` hold.
TARGETS: tuple[tuple[str, str, str, float], ...] = (
    ("graph", "10 atoms", "ratio jarvis-tools", 10),
    ("graph", "50 atoms", "ratio jarvis-tools", 10),
    ("graph", "200 atoms", "ratio jarvis-tools", 10),
    ("describe", "all", "ratio robocrys", 15),
    ("network", "batch 32", "ratio alignn", 2.5),
    ("network", "batch 1", "ratio alignn", 1.3),
    ("network", "shipped, 10 atoms", "ms hsegap", 2.7),
    ("end", "10 atoms", "ratio alignn", 6),
    ("end", "50 atoms", "ratio alignn", 5),
    ("end", "200 atoms", "ratio alignn", 5),
    ("end", "10 atoms, new text of 3 000 characters", "ms hsegap", 35),
    ("score", "2 workers", "crystals/s", 260),
    ("cold", "hsegap predict", "s", 0.5),
    ("memory", "after 0", "MB", 400),
    ("memory", "after 1500", "MB", 450),
)
PLAIN = {
    ("end", "50 atoms", "ratio alignn"): 6.0,
    ("network", "shipped, 10 atoms", "ms hsegap"): 8.0,
    ("end", "10 atoms, new text of 3 000 characters", "ms hsegap"): 70.0,
}


def show(result: dict[str, Any]) -> None:
    cpu = result.get("cpu_ms", {})
    parts = [f"{name} {value:.2f} ms (cpu {cpu[name]:.2f})" for name, value in result.get("ms", {}).items()]
    parts += [f"{name} {result[name]}" for name in ("MB", "crystals/s") if name in result]
    parts += [f"{value:.2f}× {name}" for name, value in result.get("ratio", {}).items()]
    print(
        f"{result['stage']:9} {result['case']:34} "
        f"{' · '.join(parts)}{'  (' + result['note'] + ')' if 'note' in result else ''}",
        flush=True,
    )


def figure(result: dict[str, Any], name: str) -> float | None:
    kind, _, of = name.partition(" ")
    if kind == "ratio" and of == "alignn":  # the faster of its two networks counts
        return min((value for key, value in result.get("ratio", {}).items() if key.startswith("alignn")), default=None)
    return result.get(kind, {}).get(of) if of else result.get(name)


def targets(results: list[dict[str, Any]], *, instructions: str = "avx512f") -> None:
    """Print which targets were reached.

    Args:
        results: Of all stages.
        instructions: Of the processor, blanks between them.
    """
    plain = PLAIN if "avx512f" not in instructions.split() else {}
    print("\ntargets")
    for stage, case, name, usual in TARGETS:
        bound = plain.get((stage, case, name), usual)
        for result in results:
            if (result["stage"], result["case"]) == (stage, case) and (value := figure(result, name)) is not None:
                least = name.startswith("ratio") or name.endswith("/s")
                reached = value >= bound if least else value <= bound
                word = "at least" if least else "at most"
                print(f"  {'reached' if reached else 'MISSED '}  {stage}, {case}: {name} {value:.2f}, {word} {bound}")
