"""Figures of `pimllm paper --plots DIR`: reads its JSON, writes SVG and PNG.

usage: plots.py paper.json DIR
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {"array": "#8c8c8c", "hybrid": "#0b6e99", "busy-array": "#d1701e", "dram-bound": "#7a4fa3", "machine": "#2b8a3e"}
MARKERS = {"array": "s", "hybrid": "o", "busy-array": "^", "dram-bound": "D", "machine": "*"}
PARTS = {"projections": "#0b6e99", "attention": "#d1701e", "DRAM": "#7a4fa3"}
# Models of the panels of a figure, if they were asked for.
PANELS = ["gpt2-355m", "opt-1.3b", "opt-6.7b", "llama-7b"]

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "svg.hashsalt": "pimllm",
    }
)


class Paper:
    """The result of `pimllm paper`."""

    def __init__(self, path):
        data = json.loads(Path(path).read_text())
        self.machine = data["machine"]
        self.titles = data["titles"]
        # The published machine and its baselines; this project's own stands beside them in modes of its own.
        self.designs = {d: t for d, t in data["designs"].items() if not d.startswith("machine")}
        self.own = data["designs"].get("machine")
        self.banks = data["banks"]
        self.cells = {(c["mode"], c["design"], c["model"], c["context"]): c for c in data["cells"]}
        self.modes = list(data["banks"])
        self.models = list(data["titles"])
        self.contexts = sorted({c["context"] for c in data["cells"]})

    def cell(self, mode, design, model, context):
        return self.cells[mode, design, model, context]

    def curves(self, mode):
        """(mode of the cell, design, title, what the mode says of it) of everything that is compared under a mode."""
        curves = [(mode, design, title, label(mode)) for design, title in self.designs.items()]
        if self.own:
            own_mode = "this-machine" if mode == "as-published" else "this-machine-corrected"
            curves.append((own_mode, "machine", self.own, f"sizes {label(mode)}"))
        return curves

    def panels(self):
        chosen = [m for m in PANELS if m in self.models]
        return chosen or self.models[:4]


def label(mode):
    return mode.replace("-", " ")


def context_axis(axes, contexts):
    axes.set_xscale("log", base=2)
    axes.set_xticks(contexts, [str(c) for c in contexts], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("context (tokens)")


def grid_of(count, width=3.0, height=3.0, **kwargs):
    figure, axes = plt.subplots(1, count, figsize=(width * count, height), squeeze=False, layout="constrained", **kwargs)
    return figure, axes[0]


def legend_below(figure, handles, labels, columns=None):
    figure.legend(handles, labels, loc="outside lower center", ncols=columns or len(labels))


def throughput(paper):
    """Tokens/s against context; full lines as published, dashed corrected."""
    models = paper.panels()
    figure, row = grid_of(len(models))
    for axes, model in zip(row, models):
        for mode, style in zip(paper.modes, ("-", "--")):
            for counted, design, title, what in paper.curves(mode):
                rates = [paper.cell(counted, design, model, c)["tokens_per_s"] for c in paper.contexts]
                axes.plot(
                    paper.contexts,
                    rates,
                    style,
                    color=COLOURS.get(design),
                    marker=MARKERS.get(design),
                    markersize=4,
                    linewidth=1.4,
                    label=f"{title}, {what}",
                )
        axes.set_yscale("log")
        axes.set_title(paper.titles[model])
        context_axis(axes, paper.contexts)
        axes.tick_params(axis="x", labelrotation=45)
    row[0].set_ylabel("tokens/s")
    legend_below(figure, *row[0].get_legend_handles_labels(), columns=4)
    return figure


def speed_up(paper):
    """Speed-up of the hybrid over both arrays, at the shortest and the longest context."""
    contexts = sorted({paper.contexts[0], paper.contexts[-1]})
    mode = paper.modes[0]
    figure, row = grid_of(len(contexts), width=5.2, height=3.2, sharey=True)
    for axes, context in zip(row, contexts):
        for k, (base, colour) in enumerate((("array", COLOURS["array"]), ("busy-array", COLOURS["busy-array"]))):
            ratios = [
                paper.cell(mode, "hybrid", m, context)["tokens_per_s"] / paper.cell(mode, base, m, context)["tokens_per_s"]
                for m in paper.models
            ]
            places = [i + 0.4 * (k - 0.5) for i in range(len(ratios))]
            bars = axes.bar(places, ratios, 0.4, color=colour, label=f"over {paper.designs[base]}")
            axes.bar_label(bars, [f"{r:.0f}" if r >= 10 else f"{r:.2g}" for r in ratios], fontsize=6, padding=1)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_yscale("log")
        axes.set_xticks(range(len(paper.models)), [paper.titles[m] for m in paper.models], rotation=45, ha="right")
        axes.grid(axis="x", visible=False)
        axes.set_title(f"context {context}, {label(mode)}")
    row[0].set_ylabel("tokens/s of the hybrid, ratio")
    legend_below(figure, *row[0].get_legend_handles_labels())
    return figure


def latency_share(paper):
    """Share of projections and attention in the first mode; the context at which they are equal is marked."""
    models = paper.panels()
    mode = paper.modes[0]
    figure, row = grid_of(len(models), sharey=True)
    for axes, model in zip(row, models):
        shares = []
        for context in paper.contexts:
            parts = paper.cell(mode, "hybrid", model, context)["latency_s"]
            shares.append(100 * parts["attention"] / sum(parts.values()))
        crossover = paper.banks[mode][model]["attention_crossover"]
        contexts = list(paper.contexts)
        if 1 < crossover < contexts[0]:
            contexts.insert(0, crossover)
            shares.insert(0, 50)
        axes.fill_between(contexts, 0, shares, color=PARTS["attention"], alpha=0.85, linewidth=0, label="attention, array")
        axes.fill_between(
            contexts, shares, 100, color=PARTS["projections"], alpha=0.85, linewidth=0, label="projections, crossbars"
        )
        if crossover >= 1:
            axes.axvline(crossover, color="black", linewidth=1)
            axes.annotate(
                f"equal at {crossover}", (crossover, 50), xytext=(6, 24), textcoords="offset points", fontsize=8,
                arrowprops={"arrowstyle": "-", "linewidth": 0.7}, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            )
        axes.set_title(paper.titles[model])
        context_axis(axes, paper.contexts)
        axes.set_xlim(max(min(crossover, paper.contexts[0]), 1) * 0.93, paper.contexts[-1])
        axes.tick_params(axis="x", labelrotation=45)
        axes.set_ylim(0, 100)
    row[0].set_ylabel("share of latency (%)")
    legend_below(figure, *row[0].get_legend_handles_labels())
    return figure


def energy(paper):
    """Energy of a token of the hybrid, by part, at the shortest and the longest context."""
    models = paper.panels()
    contexts = sorted({paper.contexts[0], paper.contexts[-1]})
    columns = [(mode, context) for mode in paper.modes for context in contexts]
    figure, row = grid_of(len(models))
    for axes, model in zip(row, models):
        bottom = [0.0] * len(columns)
        for part, colour in PARTS.items():
            values = [1e3 * paper.cell(m, "hybrid", model, c)["energy_j"].get(part, 0) for m, c in columns]
            name = {"projections": "projections, crossbars", "attention": "attention, array"}.get(part, part)
            axes.bar(range(len(columns)), values, 0.7, bottom=bottom, color=colour, label=name)
            bottom = [b + v for b, v in zip(bottom, values)]
        axes.set_xticks(range(len(columns)), [f"{label(m)}\n{c}" for m, c in columns], rotation=45, ha="right", fontsize=7)
        axes.grid(axis="x", visible=False)
        axes.set_title(paper.titles[model])
    row[0].set_ylabel("energy of a token (mJ)")
    legend_below(figure, *row[0].get_legend_handles_labels())
    return figure


def efficiency(paper):
    """Tokens/J of hybrid and array, as published and corrected."""
    models = paper.panels()
    figure, row = grid_of(len(models))
    for axes, model in zip(row, models):
        for design in ("array", "hybrid"):
            for mode, style in zip(paper.modes, ("-", "--")):
                values = [paper.cell(mode, design, model, c)["tokens_per_j"] for c in paper.contexts]
                axes.plot(
                    paper.contexts,
                    values,
                    style,
                    color=COLOURS[design],
                    marker=MARKERS[design],
                    markersize=4,
                    linewidth=1.4,
                    label=f"{paper.designs[design]}, {label(mode)}",
                )
        axes.set_yscale("log")
        axes.set_title(paper.titles[model])
        context_axis(axes, paper.contexts)
        axes.tick_params(axis="x", labelrotation=45)
    row[0].set_ylabel("tokens/J")
    legend_below(figure, *row[0].get_legend_handles_labels())
    return figure


def roofline(paper):
    """Every design at the shortest and the longest context, under the roofs of 1024 MACs and LPDDR5."""
    model = "opt-6.7b" if "opt-6.7b" in paper.models else paper.models[-1]
    mode = paper.modes[-1]
    peak = paper.machine["macs_per_s"] / 1e9
    bandwidth = paper.machine["dram_gb_per_s"]
    figure, axes = plt.subplots(figsize=(5.6, 4.0), layout="constrained")
    intensities = [0.3, peak / bandwidth, 1000]
    axes.plot(intensities, [min(peak, bandwidth * x) for x in intensities], color="black", linewidth=1.4)
    axes.axhline(peak, color="black", linewidth=0.6, linestyle=":")
    axes.plot([0.3, 1000], [0.3 * bandwidth, 1000 * bandwidth], color="black", linewidth=0.6, linestyle=":")
    axes.text(950, peak * 0.72, f"1024 MACs, {peak:.1f} GMAC/s", ha="right", fontsize=7)
    axes.text(0.33, 0.33 * bandwidth * 1.6, f"LPDDR5, {bandwidth} GB/s", rotation=38, fontsize=7)
    highest = peak
    for counted, design, title, _ in paper.curves(mode):
        points = []
        for context in sorted({paper.contexts[0], paper.contexts[-1]}):
            cell = paper.cell(counted, design, model, context)
            points.append((cell["macs"] / cell["dram_bytes"], cell["gops"], context))
        xs, ys, contexts = zip(*points)
        highest = max(highest, *ys)
        axes.plot(xs, ys, color=COLOURS.get(design), marker=MARKERS.get(design), linewidth=1, markersize=6, label=title)
        # The longest context lies to the left of the others: its number goes to the left as well.
        for x, y, context in points:
            left = context == max(contexts) and len(points) > 1
            axes.annotate(
                str(context),
                (x, y),
                xytext=(-6 if left else 6, -3),
                textcoords="offset points",
                fontsize=7,
                ha="right" if left else "left",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.3, 1000)
    axes.set_ylim(0.5, 2 * highest)
    axes.set_xlabel("MACs a DRAM byte")
    axes.set_ylabel("GMAC/s")
    axes.set_title(f"{paper.titles[model]}, {label(mode)}; numbers are contexts")
    axes.legend(loc="lower right", fontsize=8)
    return figure


FIGURES = {
    "throughput": throughput,
    "speed_up": speed_up,
    "latency_share": latency_share,
    "energy": energy,
    "efficiency": efficiency,
    "roofline": roofline,
}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    paper = Paper(sys.argv[1])
    folder = Path(sys.argv[2])
    for name, draw in FIGURES.items():
        figure = draw(paper)
        for suffix in ("svg", "png"):
            figure.savefig(folder / f"{name}.{suffix}", metadata={"Date": None} if suffix == "svg" else None)
        plt.close(figure)


if __name__ == "__main__":
    main()
