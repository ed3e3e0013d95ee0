"""The report as static pages: an index, a page a source file, and one of the functional points."""

import collections
import html

from points import FLOORS, KINDS, Tally

STYLE = """body { font-family: sans-serif; margin: 2em; max-width: 110em }
table { border-collapse: collapse } td, th { padding: 0.15em 0.8em; text-align: right } tr:nth-child(even) { background: #f4f4f4 }
td:first-child, th:first-child { text-align: left } .bad { color: #b00020; font-weight: bold }
pre { margin: 0; line-height: 1.35 } .n { color: #888 } .hit { background: #e3f4e3 } .miss { background: #fbd9d9 }
.out { background: #eeeeee } .bits { color: #b00020 }"""


def page(title, body):
    return (f"<!doctype html><html><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
            f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>\n{body}</body></html>\n")


def file_name(file):
    return file.replace("/", ".") + ".html"


def cell(entry, kind):
    if entry.points + entry.excluded == 0:
        return "<td></td>"
    bad = " class='bad'" if entry.percent() < FLOORS[kind] else ""
    out = f", {entry.excluded} excluded" if entry.excluded else ""
    return f"<td{bad} title='{entry.hit} of {entry.points}{out}'>{entry.percent():.1f} % of {entry.points}</td>"


def table(rows, tallies):
    """Rows of (group, text as HTML); a column a kind."""
    head = "".join(f"<th>{kind}</th>" for kind in KINDS)
    lines = [f"<table><tr><th></th>{head}</tr>"]
    for group, text in rows:
        cells = "".join(cell(tallies.get((group, kind), Tally()), kind) for kind in KINDS)
        lines.append(f"<tr><td>{text}</td>{cells}</tr>")
    return "\n".join(lines) + "</table>\n"


def short_bits(names):
    """'a[3]', 'a[4]', 'a[5]', 'b' as 'a[5:3] b'."""
    runs, plain = collections.defaultdict(list), []
    for name in names:
        base, bracket, index = name.rpartition("[")
        if bracket and index[:-1].isdigit():
            runs[base].append(int(index[:-1]))
        else:
            plain.append(name)
    words = []
    for base, indices in runs.items():
        indices.sort()
        while indices:
            low = high = indices.pop(0)
            while indices and indices[0] == high + 1:
                high = indices.pop(0)
            words.append(f"{base}[{low}]" if low == high else f"{base}[{high}:{low}]")
    return " ".join(plain + words)


def source_page(file, lines, counts, excluded):
    at = collections.defaultdict(list)
    for point in counts:
        if point.file == file:
            at[point.line].append(point)
    out = ["<p>Hits of the blocks that begin in a line, of its cover statement; bits that never toggled in red.</p><pre>"]
    for number, text in enumerate(lines, 1):
        blocks = [p for p in at[number] if p.kind != "toggle" and p not in excluded]
        bits = [p.name for p in sorted(at[number]) if p.kind == "toggle" and not counts[p] and p not in excluded]
        left_out = [p for p in at[number] if p in excluded]
        hits = " ".join(f"{p.name}:{counts[p]}" for p in sorted(blocks))
        missed = any(counts[p] == 0 for p in blocks) or bits
        style = "miss" if missed else "hit" if at[number] and not left_out else "out" if left_out else ""
        notes = f" <span class='bits'>never toggled: {html.escape(short_bits(bits))}</span>" if bits else ""
        reasons = sorted({excluded[p].reason for p in left_out})
        if reasons:
            notes += f" <span class='n'>excluded: {html.escape('; '.join(reasons))}</span>"
        out.append(f"<span class='n'>{number:5} {html.escape(hits[:28]):28}</span> "
                   f"<span class='{style}'>{html.escape(text)}</span>{notes}")
    return page(file, "\n".join(out) + "</pre>")


def functional_page(counts):
    points = sorted(p for p in counts if p.kind == "functional")
    rows = "".join(f"<tr><td>{html.escape(p.name)}</td><td{'' if counts[p] else ' class=bad'}>{counts[p]}</td></tr>\n"
                   for p in points)
    return page("Functional points", f"<table><tr><th>point</th><th>hits</th></tr>\n{rows}</table>")


def write(folder, counts, excluded, by_folder, by_file, sources, note):
    folder.mkdir(parents=True, exist_ok=True)
    folders = sorted({group for group, _ in by_folder})
    files = sorted({group for group, _ in by_file if group})
    body = f"<p>{html.escape(note)}</p>\n"
    body += table([(name, html.escape(name)) for name in folders], by_folder)
    body += "<p><a href='functional.html'>Functional points</a></p>\n<h2>Files</h2>\n"
    body += table([(file, f"<a href='{file_name(file)}'>{html.escape(file)}</a>") for file in files], by_file)
    reasons = collections.Counter((e.file, e.kind, e.text or e.points, e.reason) for e in excluded.values())
    if reasons:
        rows = "".join(f"<tr><td>{html.escape(f)}</td><td>{k}</td><td>{html.escape(t)}</td><td>{n}</td>"
                       f"<td style='text-align:left'>{html.escape(r)}</td></tr>\n"
                       for (f, k, t, r), n in sorted(reasons.items()))
        body += ("<h2>Excluded</h2>\n<table><tr><th>file</th><th>kind</th><th>what</th><th>points</th><th>reason</th></tr>\n"
                 f"{rows}</table>")
    (folder / "index.html").write_text(page("Coverage of rtl/", body))
    (folder / "functional.html").write_text(functional_page(counts))
    for file in files:
        (folder / file_name(file)).write_text(source_page(file, sources[file], counts, excluded))
